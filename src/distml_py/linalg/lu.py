"""A = P L U: eliminated on the host, with gradients in products on the device. PyTorch's torch.linalg. See solving.py."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..autograd import Function
from ..dtypes import INT32
from ..errors import LinAlgError, ShapeError
from ..tensor import Tensor, cat
from ..tensor.returned import returned
from .solving import checked, on_host, solve, solve_triangular


@returned("linalg_lu")
class PLU(NamedTuple):
    P: Tensor
    L: Tensor
    U: Tensor


@returned("linalg_lu_factor")
class LUFactor(NamedTuple):
    LU: Tensor
    pivots: Tensor


@returned("linalg_lu_factor_ex")
class LUFactorEx(NamedTuple):
    LU: Tensor
    pivots: Tensor
    info: Tensor


def _eliminated(matrix: np.ndarray, pivot: bool) -> tuple[np.ndarray, np.ndarray]:
    """(L and U in one matrix, which row each row was exchanged with, from 1 on) of each (..., m, n)."""
    found = np.array(matrix)
    rows, columns = found.shape[-2:]
    count = min(rows, columns)
    flat, pivots = found.reshape(-1, rows, columns), np.tile(np.arange(1, count + 1), (int(np.prod(found.shape[:-2])), 1))
    for one, places in zip(flat, pivots, strict=True):
        for step in range(count):
            if pivot:
                best = step + int(np.abs(one[step:, step]).argmax())
                places[step] = best + 1
                one[[step, best]] = one[[best, step]]
            if one[step, step] == 0:
                if not pivot:
                    raise LinAlgError("lu: a pivot is 0 without row exchanges; use pivot=True")
                continue
            one[step + 1 :, step] /= one[step, step]
            one[step + 1 :, step + 1 :] -= np.outer(one[step + 1 :, step], one[step, step + 1 :])
    return found, pivots.reshape(*found.shape[:-2], count)


def _permutation(pivots: np.ndarray, rows: int) -> np.ndarray:
    """P of P L U, for the exchanges that were made one after another."""
    flat = pivots.reshape(-1, pivots.shape[-1])
    found = np.zeros((len(flat), rows, rows), np.float32)
    for one, places in zip(found, flat, strict=True):
        order = np.arange(rows)
        for step, place in enumerate(places):
            order[[step, place - 1]] = order[[place - 1, step]]
        one[order, np.arange(rows)] = 1
    return found.reshape(*pivots.shape[:-1], rows, rows)


class _LU(Function):
    """(LU, pivots) of A."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, pivot: bool) -> tuple[Tensor, Tensor]:
        both, pivots = on_host("lu_factor", A, lambda numbers: _eliminated(numbers, pivot))
        found, places = Tensor(both, A.dtype), Tensor(pivots, INT32)
        ctx.save_for_backward(found, places)
        ctx.mark_non_differentiable(places)
        return found, places

    @staticmethod
    def backward(ctx: Any, g: Tensor, _: Any) -> tuple[Tensor, None]:
        """Source: de Hoog, Anderssen and Lukas 2011."""
        found, pivots = ctx.saved_tensors
        if found.shape[-1] != found.shape[-2]:
            raise ShapeError(f"lu: its gradient needs square matrices, got {found.shape}")
        P, L, U = lu_unpack(found, pivots)
        inner = (L.mT @ g.tril(-1)).tril(-1) + (g.triu() @ U.mT).triu()
        left = solve_triangular(L.mT, inner, upper=True, unitriangular=True)
        return P @ solve_triangular(U.mT, left, upper=False, left=False), None


def lu_factor(A: Tensor, *, pivot: bool = True) -> LUFactor:
    """L below the diagonal and U of A = P L U in one matrix, and which row each row was exchanged with, from 1 on.

    Raises LinAlgError for a 0 on U's diagonal, where there is nothing to divide by.
    """
    found, pivots, info = lu_factor_ex(A, pivot=pivot, check_errors=True)
    return LUFactor(found, pivots)


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> LUFactorEx:
    """lu_factor(), and info: which number of U's diagonal, from 1 on, is the first 0; 0 where none is."""
    found, pivots = _LU.apply(checked("lu_factor", A, square=False), pivot)
    ends = on_host("lu_factor", found.detach(), lambda numbers: np.diagonal(numbers, 0, -2, -1) == 0)
    info = np.where(ends.any(-1), ends.argmax(-1) + 1, 0) if ends.shape[-1] else np.zeros(ends.shape[:-1], np.int64)
    if check_errors and info.any():
        raise LinAlgError(f"lu_factor of {A.shape}: U[{info.max()},{info.max()}] is 0, so it cannot be solved with; use lu()")
    return LUFactorEx(found, pivots, Tensor(info, INT32))


def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True) -> PLU:
    """P, L and U of what lu_factor() gives."""
    rows, columns = LU_data.shape[-2:]
    count, none = min(rows, columns), Tensor(np.zeros(0), LU_data.dtype)
    P, L, U = none, none, none
    if unpack_pivots:
        P = Tensor(on_host("lu_unpack", LU_pivots, lambda places: _permutation(places, rows)), LU_data.dtype)
    if unpack_data:
        L = LU_data[..., :, :count].tril(-1) + Tensor(np.eye(rows, count), LU_data.dtype)
        U = LU_data[..., :count, :].triu()
    return PLU(P, L, U)


def lu(A: Tensor, *, pivot: bool = True) -> PLU:
    """P, L and U with P L U = A (..., m, n): exchanged rows, ones and what is below them, what is above. P has no gradient."""
    found, pivots = _LU.apply(checked("lu", A, square=False), pivot)
    P, L, U = lu_unpack(found, pivots)
    return PLU(P if pivot else Tensor(np.zeros(0), A.dtype), L, U)


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with A X = B, or X A = B, for the A of lu_factor(); adjoint: of its transpose."""
    P, L, U = lu_unpack(LU, pivots)
    checked("lu_solve", LU)
    if B.ndim < 2:
        raise ShapeError(f"lu_solve needs B (..., n, k), got {B.shape}")
    whole = P @ (L @ U)
    return solve(whole.mT if adjoint else whole, B, left=left)


def torch_lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """torch.lu: lu_factor() under its older name, which does not mind a 0 on the diagonal."""
    found = lu_factor_ex(A, pivot=pivot)
    return found if get_infos else LUFactor(found.LU, found.pivots)


def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first columns of H_1 H_2 ..., H_i = 1 - tau_i v_i v_i^T: v_i is column i of A below its diagonal, with a 1 on it."""
    checked("householder_product", A, square=False)
    rows, columns = A.shape[-2:]
    if rows < columns or tau.shape[-1:] > A.shape[-1:]:
        raise ShapeError(f"householder_product needs A (..., m, n) with m >= n and tau of at most n, got {A.shape} and {tau.shape}")
    found = Tensor(np.eye(rows, columns), A.dtype).expand(*A.shape[:-2], rows, columns)
    for step in reversed(range(tau.shape[-1])):
        head = Tensor(np.eye(step + 1)[step], A.dtype).expand(*A.shape[:-2], step + 1)
        v = cat([head, A[..., step + 1 :, step]], -1).unsqueeze(-1)
        found = found - tau[..., step : step + 1].unsqueeze(-1) * (v @ (v.mT @ found))
    return found
