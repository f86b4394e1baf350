"""The logarithm of the gamma function and its derivatives. Composed of logarithms and quotients, so they differentiate themselves.

Asymptotic series at x + 8 (Abramowitz and Stegun 6.1.41, 6.3.18, 6.4.12), and the recurrence back; below 1/2 the reflection.
"""

from __future__ import annotations

import math

from ..dtypes import fraction
from ..errors import ShapeError, UnsupportedError
from .choosing import where
from .narrow import rounded_once
from .tensor import Tensor, method

SHIFT = 8
LOG_GAMMA = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680)  # of 1/z, 1/z^3, 1/z^5, 1/z^7


def _float(input: Tensor) -> Tensor:
    return input if input.is_floating_point() else input.to(fraction())


@method
@rounded_once
def lgamma(input: Tensor) -> Tensor:
    """log |gamma(x)|, of any shape; inf at 0 and the negative whole numbers."""
    x = _float(input)
    low = x < 0.5
    z = where(low, 1 - x, x)
    found = _stirling(z)
    mirrored = math.log(math.pi) - _sine(x, low).abs().log() - found
    return where(low, mirrored, found)


def _sine(x: Tensor, low: Tensor) -> Tensor:
    """sin(pi x) where it is needed, by the distance to a whole number, which is exact; 1 elsewhere."""
    near = x - x.detach().round()
    sign = 1 - 2 * (x.detach().round() % 2)
    return where(low, (near * math.pi).sin() * sign, 1.0)


def _stirling(z: Tensor) -> Tensor:
    """Of z >= 1/2. The product of the recurrence is taken in units of w, so that it stays near 1 and loses few digits."""
    w = z + SHIFT
    product = z
    for step in range(1, SHIFT):
        product = product * ((z + step) / w)
    inverse = 1 / w
    square, series = inverse * inverse, 0 * w
    for factor in reversed(LOG_GAMMA):
        series = series * square + factor
    found = (w - 0.5 - (SHIFT - 1)) * w.log() - w + (math.log(2 * math.pi) / 2 + series * inverse)
    return found - product.log()


@method
@rounded_once
def digamma(input: Tensor) -> Tensor:
    """The derivative of lgamma(): the mean logarithm, so to say."""
    x = _float(input)
    low = x < 0.5
    z = where(low, 1 - x, x)
    w, found = z + SHIFT, 0 * z
    for step in range(SHIFT):
        found = found - 1 / (z + step)
    square = 1 / (w * w)
    found = found + w.log() - 0.5 / w - square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
    near = where(low, x - x.detach().round(), 0.25)
    found = where((x < 0) & (near == 0), math.nan, found)  # a pole between two signs
    return where(low, found - math.pi * (near * math.pi).cos() / (near * math.pi).sin(), found)


@method
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the gamma function of p dimensions, for numbers above (p - 1) / 2."""
    if p < 1:
        raise ShapeError(f"mvlgamma: p is at least 1, got {p}")
    x = _float(input)
    found = lgamma(x) + p * (p - 1) / 4 * math.log(math.pi)
    for n in range(1, p):
        found = found + lgamma(x - n / 2)
    return found


@method
def polygamma(n: int | Tensor, input: Tensor | int) -> Tensor:
    """The n-th derivative of digamma(), for n 0 and 1. As a method of x it is x.polygamma(n)."""
    order, x = (input, n) if isinstance(n, Tensor) else (n, input)
    if order == 0:
        return digamma(x)  # type: ignore[arg-type]
    if order != 1:
        raise UnsupportedError(f"not implemented: torch.polygamma of order {order}; nearest are orders 0 and 1")
    x = _float(x)  # type: ignore[arg-type]
    low = x < 0.5
    z = where(low, 1 - x, x)
    w, found = z + SHIFT, 0 * z
    for step in range(SHIFT):
        found = found + 1 / (z + step) ** 2
    square = 1 / (w * w)
    found = found + 1 / w + square / 2 + square / w * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square / 30)))
    near = where(low, x - x.detach().round(), 0.25)
    return where(low, (math.pi / (near * math.pi).sin()) ** 2 - found, found)
