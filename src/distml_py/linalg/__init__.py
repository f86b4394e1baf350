"""PyTorch's torch.linalg: norms and products here, what needs LAPACK in solving.py and decompositions.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import LinAlgError, ShapeError, UnsupportedError
from ..missing import getter as _getter
from ..tensor import Tensor, matmul
from ..tensor.arguments import guard as _guard
from ..tensor.moments import vector_norm
from ..tensor.products import cross as _cross
from ..tensor.products import matrix_power as _power
from ..tensor.shape import diagonal as _diagonal
from . import older as older
from .decompositions import cholesky, eigh, eigvalsh, lstsq, matrix_rank, pinv, qr, svd, svdvals
from .eigen import eig, eigvals
from .informed import cholesky_ex, inv_ex, solve_ex, tensorinv, tensorsolve, vander
from .lu import householder_product, lu, lu_factor, lu_factor_ex, lu_solve
from .solving import det, inv, matrix_exp, slogdet, solve, solve_triangular

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "eig",
    "eigvals",
    "householder_product",
    "inv_ex",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "solve_ex",
    "tensorinv",
    "tensorsolve",
    "vander",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "vecdot",
    "vector_norm",
]


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """vector_norm() or, for two dimensions and an ord, matrix_norm()."""
    matrix = ord is not None and ((dim is None and A.ndim == 2) or (isinstance(dim, (tuple, list)) and len(dim) == 2))
    if matrix:
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def matrix_norm(A: Tensor, ord: Any = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """ord: "fro", 1 or math.inf (largest sum of absolute values of a column, of a row), 2 (largest singular value), or these with a
    minus: smallest; "nuc": the sum of singular values."""
    x = A if dtype is None else A.to(dtype)
    rows, columns = (axis % x.ndim for axis in dim)
    if ord == "fro":
        return vector_norm(x, 2, (rows, columns), keepdim)
    if ord in (2, -2, "nuc"):
        values = svdvals(x.movedim((rows, columns), (-2, -1)))
        found = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord == 2 else values.amin(-1)
        return found.unsqueeze(min(rows, columns)).unsqueeze(max(rows, columns)) if keepdim else found
    if ord not in (1, -1, math.inf, -math.inf):
        raise UnsupportedError(f"not implemented: torch.linalg.matrix_norm(ord={ord!r}); nearest are 'fro', 'nuc', 1, 2 and inf")
    along, over = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = x.abs().sum(along, keepdim=True)
    found = sums.amax(over, keepdim=True) if ord > 0 else sums.amin(over, keepdim=True)
    return found if keepdim else found.squeeze((rows, columns))


def matrix_power(A: Tensor, n: int) -> Tensor:
    """A @ A @ ...; a negative n: of the inverse."""
    return _power(inv(A) if n < 0 else A, abs(n))


def cond(A: Tensor, p: Any = None) -> Tensor:
    """How much a solution with A can change: |A| |A^-1|; p: a norm of matrix_norm(), None as 2."""
    if p in (None, 2, -2):
        values = svdvals(A)
        large, small = values.amax(-1), values.amin(-1)
        return small / large if p == -2 else large / small
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


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


_guard(globals(), [name for name in __all__ if name not in ("LinAlgError", "matmul")])
__getattr__ = _getter("torch.linalg", globals())
