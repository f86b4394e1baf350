"""PyTorch's torch.linalg, as far as sums of products go; what needs a factorisation is not here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .errors import ShapeError, UnsupportedError
from .missing import getter as _getter
from .tensor import Tensor, matmul
from .tensor.arguments import guard as _guard
from .tensor.moments import vector_norm
from .tensor.products import cross as _cross
from .tensor.products import matrix_power
from .tensor.shape import diagonal as _diagonal

__all__ = ["cross", "diagonal", "matmul", "matrix_norm", "matrix_power", "multi_dot", "norm", "vecdot", "vector_norm"]


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """vector_norm() or, for two dimensions and an ord, matrix_norm()."""
    matrix = ord is not None and ((dim is None and A.ndim == 2) or (isinstance(dim, (tuple, list)) and len(dim) == 2))
    if matrix:
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def matrix_norm(A: Tensor, ord: Any = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """ord: "fro", 1 or math.inf (largest sum of absolute values of a column, of a row), or these with a minus: smallest."""
    x = A if dtype is None else A.to(dtype)
    rows, columns = (axis % x.ndim for axis in dim)
    if ord == "fro":
        return vector_norm(x, 2, (rows, columns), keepdim)
    if ord not in (1, -1, math.inf, -math.inf):
        raise UnsupportedError(f"not implemented: torch.linalg.matrix_norm(ord={ord!r}); nearest are 'fro', 1, -1, inf and -inf")
    along, over = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = x.abs().sum(along, keepdim=True)
    found = sums.amax(over, keepdim=True) if ord > 0 else sums.amin(over, keepdim=True)
    return found if keepdim else found.squeeze((rows, columns))


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product along a dimension of size 3."""
    return _cross(input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    return _diagonal(A, offset, dim1, dim2)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The sums of products along dim."""
    return (x * y).sum(dim)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Two or more matrices multiplied from left to right; the first and the last may be lines."""
    if len(tensors) < 2:
        raise ShapeError(f"multi_dot needs at least two tensors, got {len(tensors)}")
    out = tensors[0]
    for tensor in tensors[1:]:
        out = out @ tensor
    return out


_guard(globals())
__getattr__ = _getter("torch.linalg", globals())
