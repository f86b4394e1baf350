"""PyTorch's torch.special: functions of one number under their longer names."""

import math
from typing import Any

from .missing import getter as _getter
from .tensor import Tensor, where
from .tensor.arguments import guard as _guard
from .tensor.arithmetic import xlogy
from .tensor.elementwise import erf, erfc, erfinv, exp2, expm1, log1p, logit, round, sigmoid, sinc
from .tensor.gamma import digamma, mvlgamma, polygamma
from .tensor.gamma import lgamma as gammaln
from .tensor.reduction import log_softmax, logsumexp, softmax

expit, psi, multigammaln = sigmoid, digamma, mvlgamma


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
