"""The modified Bessel functions I0 and I1, times exp(-|x|). Composed of products, so they differentiate themselves.

Up to 15 the power series, whose terms are all positive; above, the asymptotic one. Source: Abramowitz and Stegun 9.6.10, 9.7.1.
"""

from __future__ import annotations

import math

from ..dtypes import fraction
from .choosing import where
from .narrow import rounded_once
from .tensor import Tensor, method

BORDER = 15.0
TERMS, TAIL = 38, 12


def _scaled(input: Tensor, order: int) -> Tensor:
    """I_order(x) exp(-|x|)."""
    x = input if input.is_floating_point() else input.to(fraction())
    size = x.abs()
    far = size > BORDER
    near, large = where(far, 1.0, x), where(far, size, BORDER)
    square, found = near * near / 4, 1 + 0 * x
    for k in range(TERMS, 0, -1):
        found = 1 + square / (k * (k + order)) * found
    found = found * (-where(far, 1.0, size)).exp() * (near / 2 if order else 1)
    tail = 1 + 0 * x
    for n in range(TAIL, 0, -1):
        tail = 1 + ((2 * n - 1) ** 2 - 4 * order) / (8 * n) / large * tail
    tail = tail / (2 * math.pi * large).sqrt()
    return where(far, tail * x.sign() if order else tail, found)


@method
@rounded_once
def i0(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind and order 0."""
    return _scaled(input, 0) * input.abs().exp()
