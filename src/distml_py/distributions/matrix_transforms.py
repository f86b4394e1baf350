"""Unconstrained numbers as triangles, as covariances' factors and as correlations' factors, and back. Nothing is drawn here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..creation import eye, tensor
from ..errors import ArgumentError
from ..functions.activation import softplus
from ..tensor import Tensor, cat
from . import constraints
from .factors import cholesky
from .transform import Transform


class LowerCholeskyTransform(Transform):
    """A square of numbers as a lower triangle with a positive diagonal."""

    event_dim = 2
    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(0, -2, -1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(0, -2, -1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """A square of numbers as a covariance, by its factor."""

    event_dim = 2
    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        lower = LowerCholeskyTransform()(x)
        return lower @ lower.mT

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform()._inverse(cholesky(y))


class CorrCholeskyTransform(Transform):
    """n (n - 1) / 2 numbers as a correlation matrix's factor, (..., n, n). Source: Lewandowski, Kurowicka and Joe 2009.

    Their tanh are the partial correlations: in row i each takes its part, signed, of what is left of the row's length of 1.
    log_abs_det_jacobian: of the numbers below the diagonal, in the order of rows.
    """

    event_dim = 1
    domain, codomain = constraints.real_vector, constraints.corr_cholesky

    def _call(self, x: Tensor) -> Tensor:
        edge = 1 - 2**-23
        parts = x.tanh().clamp(-edge, edge)
        low = _triangle(parts, self.forward_shape(x.shape)[-1])
        left = (1 - low * low).sqrt().cumprod(-1)
        before = cat([left.new_ones((*left.shape[:-1], 1)), left[..., :-1]], -1)
        return (low + eye(low.shape[-1], dtype=x.dtype)) * before

    def _inverse(self, y: Tensor) -> Tensor:
        left = (1 - (y * y).cumsum(-1)).clamp(min=1.1754943508222875e-38)
        before = cat([left.new_ones((*left.shape[:-1], 1)), left[..., :-1]], -1)
        return _below(y / before.sqrt(), 1).atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        left = 1 - (y * y).cumsum(-1)
        rows = _below(left, 2).log().sum(-1) / 2
        return rows - 2 * (x + softplus(-2 * x) - math.log(2)).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        count = shape[-1] if len(shape) else 0
        size = (1 + math.isqrt(1 + 8 * count)) // 2
        if not len(shape) or size * (size - 1) // 2 != count:
            raise ArgumentError(
                f"Input is not a flattened lower-diagonal number: it is n (n - 1) / 2 numbers, got shape {tuple(shape)}"
            )
        return (*shape[:-1], size, size)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ArgumentError(f"Input is not square: got shape {tuple(shape)}")
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


def _places(size: int, under: int) -> list[int]:
    """Where the numbers at least `under` below the diagonal stand among size * size."""
    return [row * size + column for row in range(size) for column in range(row - under + 1)]


def _below(x: Tensor, under: int) -> Tensor:
    """The numbers at least `under` below the diagonal, in the order of rows."""
    places = tensor(_places(x.shape[-1], under))
    return x.reshape(*x.shape[:-2], -1).index_select(-1, places) if places.numel() else x.new_zeros((*x.shape[:-2], 0))


def _triangle(x: Tensor, size: int) -> Tensor:
    """The numbers below the diagonal, in the order of rows, among zeros."""
    taken = {place: number for number, place in enumerate(_places(size, 1))}
    with_zero = cat([x, x.new_zeros((*x.shape[:-1], 1))], -1)
    places = tensor([taken.get(place, x.shape[-1]) for place in range(size * size)])
    return with_zero.index_select(-1, places).reshape(*x.shape[:-1], size, size)
