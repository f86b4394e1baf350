"""PyTorch's torch.special: functions of one number under their longer names."""

import math
from typing import Any

from .missing import getter as _getter
from .tensor import Tensor, where
from .tensor.arguments import guard as _guard
from .tensor.arithmetic import xlogy
from .tensor.bessel import _scaled as _bessel
from .tensor.bessel import i0
from .tensor.elementwise import erf, erfc, erfinv, exp2, expm1, log1p, logit, round, sigmoid, sinc
from .tensor.gamma import digamma, mvlgamma, polygamma
from .tensor.gamma import lgamma as gammaln
from .tensor.narrow import rounded_once as _rounded_once
from .tensor.reduction import log_softmax, logsumexp, softmax

expit, psi, multigammaln = sigmoid, digamma, mvlgamma


@_rounded_once
def i0e(input: Tensor) -> Tensor:
    """The modified Bessel function of order 0, times exp(-|x|)."""
    return _bessel(input, 0)


@_rounded_once
def i1(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind and order 1."""
    return _bessel(input, 1) * input.abs().exp()


@_rounded_once
def i1e(input: Tensor) -> Tensor:
    """i1 times exp(-|x|)."""
    return _bessel(input, 1)


def log_ndtr(input: Tensor) -> Tensor:
    """The logarithm of ndtr, also far below 0, where that is 0: by Mills' ratio there, a fraction of 30 steps."""
    low = input < -3
    away = where(low, -input, 3.0)
    ratio = away
    for step in range(30, 0, -1):
        ratio = away + step / ratio
    tail = -away * away / 2 - math.log(2 * math.pi) / 2 - ratio.log()
    near = where(low, 0.0, input)
    return where(low, tail, where(near > 0, (-ndtr(-near)).log1p(), ndtr(near).log()))


def entr(input: Tensor) -> Tensor:
    """-x log x: 0 at 0, and minus infinity below."""
    return where(input < 0, -math.inf, -xlogy(input, input))


def ndtr(input: Tensor) -> Tensor:
    """The share of a standard normal distribution below each number."""
    return erfc(input * -math.sqrt(0.5)) / 2


def ndtri(input: Tensor) -> Tensor:
    """ndtr undone."""
    return erfinv(input * 2 - 1) * math.sqrt(2)


def xlog1py(input: Any, other: Any) -> Tensor:
    """x log(1 + y), and 0 where x is 0."""
    return xlogy(input, other + 1)


__all__ = [
    "digamma",
    "gammaln",
    "polygamma",
    "psi",
    "entr",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log_ndtr",
    "erf",
    "erfc",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "log1p",
    "log_softmax",
    "multigammaln",
    "logit",
    "logsumexp",
    "ndtr",
    "ndtri",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
]

_guard(globals())
__getattr__ = _getter("torch.special", globals())
