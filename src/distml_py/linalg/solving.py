"""Inverses, solutions and determinants: NumPy's, on the host, with gradients in products on the device. PyTorch's torch.linalg.

A function here waits for the device, which profile() shows, and says so once. Its gradient can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Function
from ..errors import DtypeError, LinAlgError, ShapeError
from ..tensor import Tensor
from ..tensor.counting import read
from ..tensor.returned import returned

SCALED = "since the number of its products depends on the largest of its numbers"
FAILURES = {
    **dict.fromkeys(("inv", "solve"), "Singular matrix"),
    **{"cholesky": "Matrix is not positive definite", "eigh": "Eigenvalues did not converge", "svd": "SVD did not converge"},
}  # NumPy's words
ON_HOST = "since NumPy computes it on the host; products with its result are computed on the device again"


@returned("linalg_slogdet")
class SLogDet(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


def checked(name: str, A: Tensor, square: bool = True) -> Tensor:
    """A, if it holds matrices of floating-point numbers. Raises DtypeError, ShapeError."""
    if not A.is_floating_point():
        raise DtypeError(f"{name} needs floating-point numbers, got {A.dtype.name}; use .float()")
    if A.ndim < 2 or (square and A.shape[-1] != A.shape[-2]):
        raise ShapeError(f"{name} needs {'square ' if square else ''}matrices (..., {'n, n' if square else 'm, n'}), got {A.shape}")
    return A


def on_host(name: str, A: Tensor, compute: Callable[..., Any], *more: np.ndarray) -> Any:
    """NumPy's result for A's numbers. Raises LinAlgError where there is none.

    NumPy learns of a failure from the processor's flags, which WebAssembly has not; the NaN it leaves then is seen here.
    """
    numbers = read(A, name, ON_HOST)
    with np.errstate(all="ignore"):
        try:
            found = compute(numbers, *more)
            if all(np.isfinite(given).all() for given in (numbers, *more)) and _has_nan(found):
                raise np.linalg.LinAlgError(FAILURES.get(name, "no result"))
        except np.linalg.LinAlgError as error:
            raise LinAlgError(f"{name} of {A.shape}: {error}; add a little to its diagonal, or use pinv") from None
    return found


def _has_nan(found: Any) -> bool:
    return any(np.isnan(part).any() for part in (found if isinstance(found, tuple) else (found,)))


class _Inverse(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        found = Tensor(on_host("inv", A, np.linalg.inv), A.dtype)
        ctx.save_for_backward(found)
        return found

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (found,) = ctx.saved_tensors
        across: Tensor = found.mT
        return -(across @ g @ across)


class _Solution(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, B: Tensor) -> Tensor:
        found = Tensor(on_host("solve", A, np.linalg.solve, read(B, "solve", ON_HOST)), A.dtype)
        ctx.save_for_backward(A, found)
        return found

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        A, found = ctx.saved_tensors
        back = solve(A.mT, g)
        return -(back @ found.mT), back


class _LogDet(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor]:
        sign, log = on_host("slogdet", A, np.linalg.slogdet)
        found = Tensor(np.asarray(sign), A.dtype), Tensor(np.asarray(log), A.dtype)
        ctx.save_for_backward(A)
        ctx.mark_non_differentiable(found[0])
        return found

    @staticmethod
    def backward(ctx: Any, _: Any, g: Tensor) -> Tensor:
        (A,) = ctx.saved_tensors
        return g.unsqueeze(-1).unsqueeze(-1) * inv(A).mT


def inv(A: Tensor) -> Tensor:
    """A^-1 for each (..., n, n). Raises LinAlgError for a singular matrix."""
    found: Tensor = _Inverse.apply(checked("inv", A))
    return found


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, or X A = B: A (..., n, n), B (..., n, k), or (..., n) where it has one dimension less."""
    checked("solve", A)
    if not left:
        return solve(A.mT, B.mT).mT
    line = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    right = B.unsqueeze(-1) if line else B
    if right.ndim < 2 or right.shape[-2] != A.shape[-1]:
        raise ShapeError(f"solve needs A (..., n, n) and B (..., n, k) or (..., n), got {A.shape} and {B.shape}")
    lead = np.broadcast_shapes(A.shape[:-2], right.shape[:-2])
    found: Tensor = _Solution.apply(A.expand(*lead, *A.shape[-2:]), right.expand(*lead, *right.shape[-2:]))
    return found.squeeze(-1) if line else found


def slogdet(A: Tensor) -> SLogDet:
    """(sign, logabsdet) of the determinants of (..., n, n); the sign has no gradient."""
    return SLogDet(*_LogDet.apply(checked("slogdet", A)))


def det(A: Tensor) -> Tensor:
    """Determinants of (..., n, n). The gradient of a singular matrix is a LinAlgError."""
    sign, log = slogdet(checked("det", A))
    return sign * log.exp()


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """solve() of one triangle of A; unitriangular: with ones on the diagonal, whatever A holds there."""
    part = checked("solve_triangular", A).triu(int(unitriangular)) if upper else A.tril(-int(unitriangular))
    if unitriangular:
        part = part + Tensor(np.eye(A.shape[-1]), A.dtype)
    return solve(part, B, left=left)


def matrix_exp(A: Tensor) -> Tensor:
    """exp of (..., n, n): Taylor's sum of A / 2^s, squared s times. Source: Moler and Van Loan 2003, method 3."""
    size = float(np.abs(read(checked("matrix_exp", A), "matrix_exp", SCALED)).sum(-1).max(initial=0.0))
    squarings = max(0, int(np.ceil(np.log2(size / 0.25)))) if size > 0.25 else 0
    small, one = A / 2.0**squarings, Tensor(np.eye(A.shape[-1]), A.dtype)
    found: Tensor = one + small * 0
    for order in range(10, 0, -1):
        found = one + (small @ found) / order
    for _ in range(squarings):
        found = found @ found
    return found
