"""Gamma draws through which gradients reach the shape: by how their distribution function changes with it. Densities are not here.

A draw x of shape a stays at its share of the distribution, F(a, x): dx/da = -(dF/da) / (dF/dx), from F's series in float64 on the
host. Sources: Marsaglia and Tsang 2000 for the draws; Figurnov, Mohamed and Mnih 2018 for the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import live
from ..autograd import Function, once_differentiable
from ..tensor import Tensor, no_grad, where
from ..tensor.counting import read
from .distribution import standard_normal, uniform

TURNS = 8  # each accepts at least 95 in 100; after as many, one draw in 10^10 is the last proposal
WHY = "as the gradient of Gamma draws is a series that ends who knows when"


def standard_gamma(shape: Tensor, size: Sequence[int]) -> Tensor:
    """Draws of rate 1, of shape size, to which `shape` is broadcast. Outside the gradient's graph."""
    with no_grad():
        alpha = shape.detach().expand(*size) if size else shape.detach()
        small = alpha < 1
        d = where(small, alpha + 1, alpha) - 1 / 3
        c = 1 / (9 * d).sqrt()
        found, done = d, alpha < 0
        for _ in range(TURNS):
            x = standard_normal(size)
            v = (1 + c * x) ** 3
            u = (1 - uniform(size)).log()
            good = (v > 0) & (u < 0.5 * x * x + d * (1 - v + v.clamp(min=1e-30).log()))
            found, done = where(good & ~done, d * v, found), done | good
        return where(small, found * (1 - uniform(size)) ** (1 / alpha), found).clamp(min=1e-37)


def stored(drawn: Tensor) -> Tensor:
    """Draws, computed now: each kernel that reads them, forward and backward, would else draw them again, by a long text."""
    return drawn if live.state.recorder is not None else drawn.realize()


class _Drawn(Function):
    @staticmethod
    def forward(ctx: Any, shape: Tensor) -> Tensor:
        found = stored(standard_gamma(shape, shape.shape)) if ctx.needs_input_grad[0] else standard_gamma(shape, shape.shape)
        ctx.save_for_backward(shape, found)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        alpha, x = (read(tensor.detach(), "Gamma.rsample", WHY) for tensor in ctx.saved_tensors)
        return gradient * Tensor(slopes(alpha, x), gradient.dtype)


def gamma_draws(shape: Tensor, size: Sequence[int]) -> Tensor:
    """standard_gamma() with a gradient, which the backward pass computes on the host."""
    found: Tensor = _Drawn.apply(shape.expand(*size) if size else shape)
    return found


def slopes(alpha: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx/dalpha of draws x. F(a, x) / F'(a, x) = x sum t_n with t_0 = 1 / a and t_n = t_(n-1) x / (a + n); d t_n / da follows."""
    a, x = alpha.astype(np.float64), x.astype(np.float64)
    term, harmonic = 1 / a, 1 / a
    away = np.log(x) - _digamma(a)
    total = term * (away - harmonic)
    most = float(np.max(2 * np.maximum(x - a, 0) + 12 * np.sqrt(a) + 60, initial=0))
    for n in range(1, int(most)):
        term = term * x / (a + n)
        harmonic = harmonic + 1 / (a + n)
        total = total + term * (away - harmonic)
    return -x * total


def _digamma(a: np.ndarray) -> np.ndarray:
    """By its asymptotic series from a + 8 on. Source: Abramowitz and Stegun 6.3.18."""
    low = sum((1 / (a + n) for n in range(8)), start=np.zeros(a.shape))
    z = a + 8
    tail = 1 / z**2
    return np.log(z) - 0.5 / z - tail * (1 / 12 - tail * (1 / 120 - tail * (1 / 252 - tail / 240))) - low
