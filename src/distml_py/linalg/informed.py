"""Factorisations that say whether they worked instead of raising, and equations between tensors of several dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import INT32
from ..errors import LinAlgError, ShapeError
from ..tensor import Tensor, stack
from ..tensor.returned import returned
from .decompositions import cholesky
from .solving import checked, inv, solve


@returned("linalg_cholesky_ex")
class CholeskyEx(NamedTuple):
    L: Tensor
    info: Tensor


@returned("linalg_inv_ex")
class InvEx(NamedTuple):
    inverse: Tensor
    info: Tensor


@returned("linalg_solve_ex")
class SolveEx(NamedTuple):
    result: Tensor
    info: Tensor


def _tried(compute: Callable[[], Tensor], A: Tensor, check_errors: bool) -> tuple[Tensor, Tensor]:
    """(the result, 0), or (NaN, 1) for all matrices where one has none."""
    try:
        return compute(), Tensor(np.zeros(A.shape[:-2], np.int64), INT32)
    except LinAlgError:
        if check_errors:
            raise
        return A * math.nan, Tensor(np.ones(A.shape[:-2], np.int64), INT32)


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> CholeskyEx:
    """cholesky(), and info: 0 where there is a factor. Where one of several matrices has none, all are NaN and info is 1."""
    return CholeskyEx(*_tried(lambda: cholesky(A, upper=upper), checked("cholesky_ex", A), check_errors))


def inv_ex(A: Tensor, *, check_errors: bool = False) -> InvEx:
    """inv(), and info: 0 where there is an inverse. Where one of several matrices has none, all are NaN and info is 1."""
    return InvEx(*_tried(lambda: inv(A), checked("inv_ex", A), check_errors))


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> SolveEx:
    """solve(), and info: 0 where there is a solution. Where one of several matrices has none, all are NaN and info is 1."""
    checked("solve_ex", A)
    found, info = _tried(lambda: solve(A, B, left=left), A, check_errors)
    return SolveEx(found if not bool(info.any()) else B * math.nan, info)


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of A as a map from its last dimensions to its first `ind` ones."""
    first = math.prod(A.shape[:ind])
    if not 1 <= ind < A.ndim or first * first != A.numel():
        raise ShapeError(f"tensorinv: the first {ind} sizes of {A.shape} and the others need one product")
    return inv(A.reshape(first, first)).reshape(*A.shape[ind:], *A.shape[:ind])


def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B. dims: those of A that are moved to its end first."""
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    size, shape = B.numel(), A.shape[B.ndim :]
    if A.numel() != size * size or math.prod(shape) != size:
        raise ShapeError(f"tensorsolve: A {A.shape} does not map to B {B.shape}")
    return solve(A.reshape(size, size), B.reshape(size)).reshape(*shape)


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers of the numbers along the last dimension, the smallest first, as a new last dimension."""
    count = x.shape[-1] if N is None else N
    if count < 1:
        raise ShapeError(f"vander: N is at least 1, got {count}")
    x = x if x.is_floating_point() else x.long()
    columns: list[Any] = [x.new_ones(x.shape)]
    while len(columns) < count:
        columns.append(columns[-1] * x)
    return stack(columns, -1)
