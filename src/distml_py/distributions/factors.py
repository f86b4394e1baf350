"""Triangular factors of covariances, made column by column of arithmetic that differentiates itself. No LAPACK is asked."""

from __future__ import annotations

from .. import live
from ..creation import eye, zeros
from ..errors import ShapeError
from ..tensor import Tensor, cat, stack


def cholesky(matrix: Tensor) -> Tensor:
    """The lower triangle L with L L^T = matrix, shape (..., n, n). Raises ShapeError where there is none."""
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ShapeError(f"a covariance has the shape (..., n, n), got {matrix.shape}")
    size, columns = matrix.shape[-1], list[Tensor]()
    for place in range(size):
        rest = matrix[..., place:, place]
        if columns:
            known = stack(columns, -1)[..., place:, :]
            rest = rest - (known * known[..., :1, :]).sum(-1)
        column = rest / rest[..., :1].sqrt()
        gap = zeros(*matrix.shape[:-2], place, dtype=matrix.dtype)
        columns.append(cat([gap, column], -1) if place else column)
    found = stack(columns, -1)
    if live.state.recorder is None and not bool(found.detach().isfinite().all()):
        raise ShapeError("the covariance is not positive definite: it has no Cholesky factor; add a small multiple of eye(n) to it")
    return found


def solved(lower: Tensor, value: Tensor) -> Tensor:
    """x with lower x = value: lower (..., n, n), value (..., n)."""
    found: list[Tensor] = []
    for place in range(value.shape[-1]):
        rest = value[..., place]
        if found:
            rest = rest - (lower[..., place, :place] * stack(found, -1)).sum(-1)
        found.append(rest / lower[..., place, place])
    return stack(found, -1)


def inverse(lower: Tensor) -> Tensor:
    """Of a lower triangle, (..., n, n)."""
    return stack([solved(lower, column) for column in eye(lower.shape[-1], dtype=lower.dtype).unbind(0)], -1)


def half_log_det(lower: Tensor) -> Tensor:
    """Half the logarithm of the determinant of the covariance whose factor this is."""
    return lower.diagonal(0, -2, -1).log().sum(-1)


def of_precision(matrix: Tensor) -> Tensor:
    """The covariance's factor, as the inverse of the precision's, turned round."""
    return inverse(cholesky(matrix.flip(-1, -2)).flip(-1, -2).mT)
