"""Factorisations: NumPy's, on the host, with gradients in products on the device. PyTorch's torch.linalg. See solving.py.

Where a factor is not unique (equal eigenvalues, a rank that is not full), its gradient is not defined, as in PyTorch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..autograd import Function
from ..errors import ShapeError
from ..tensor import Tensor, where
from ..tensor.returned import returned
from .solving import checked, inv, on_host, solve


@returned("linalg_qr")
class QR(NamedTuple):
    Q: Tensor
    R: Tensor


@returned("linalg_eigh")
class Eigh(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


@returned("linalg_svd")
class SVD(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


@returned("linalg_lstsq")
class Lstsq(NamedTuple):
    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def _eye(n: int, like: Tensor) -> Tensor:
    return Tensor(np.eye(n), like.dtype)


class _Cholesky(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        found = Tensor(on_host("cholesky", A, np.linalg.cholesky), A.dtype)
        ctx.save_for_backward(found)
        return found

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (L,) = ctx.saved_tensors
        inner = (L.mT @ g).tril()
        inner = inner - 0.5 * inner * _eye(L.shape[-1], L)
        half = solve(L.mT, solve(L.mT, inner.mT).mT)  # L^-T inner L^-1
        return (half + half.mT) / 2


class _QR(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor]:
        found = tuple(Tensor(part, A.dtype) for part in on_host("qr", A, np.linalg.qr))
        ctx.save_for_backward(*found)
        return found[0], found[1]

    @staticmethod
    def backward(ctx: Any, gq: Tensor, gr: Tensor) -> Tensor:
        Q, R = ctx.saved_tensors
        if R.shape[-1] != R.shape[-2]:
            raise ShapeError("qr: its gradient needs at least as many rows as columns")
        inner = R @ gr.mT - gq.mT @ Q
        low = inner.tril()
        whole = low + low.mT - inner * _eye(R.shape[-1], R)
        return solve(R, (gq + Q @ whole).mT).mT


class _Eigh(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor]:
        found = tuple(Tensor(np.array(part), A.dtype) for part in on_host("eigh", A, np.linalg.eigh))
        ctx.save_for_backward(*found)
        return found[0], found[1]

    @staticmethod
    def backward(ctx: Any, gl: Tensor, gv: Tensor) -> Tensor:
        values, V = ctx.saved_tensors
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
        eye = _eye(V.shape[-1], V)
        told = V.mT @ gv
        inner = (told - told.mT) / 2 * where(eye > 0, 0.0, 1 / (gaps + eye)) + gl.unsqueeze(-1) * eye
        return V @ inner @ V.mT


class _SVD(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = on_host("svd", A, lambda numbers: np.linalg.svd(numbers, full_matrices=False))
        U, S, Vh = (Tensor(np.array(part), A.dtype) for part in parts)
        ctx.save_for_backward(U, S, Vh)
        return U, S, Vh

    @staticmethod
    def backward(ctx: Any, gu: Tensor, gs: Tensor, gvh: Tensor) -> Tensor:
        U, S, Vh = ctx.saved_tensors
        V, gv, eye = Vh.mT, gvh.mT, _eye(S.shape[-1], S)
        squares = S * S
        gaps = squares.unsqueeze(-2) - squares.unsqueeze(-1)
        apart = where(eye > 0, 0.0, 1 / (gaps + eye))
        left, right = U.mT @ gu, V.mT @ gv
        line, column = S.unsqueeze(-2), S.unsqueeze(-1)
        inner = (left - left.mT) * apart * line + column * ((right - right.mT) * apart) + gs.unsqueeze(-1) * eye
        found = U @ inner @ Vh
        if U.shape[-2] > S.shape[-1]:
            found = found + ((gu - U @ left) / line) @ Vh
        if V.shape[-2] > S.shape[-1]:
            found = found + (U / line) @ (gv - V @ right).mT
        return found


class _PInv(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, rcond: float) -> Tensor:
        found = Tensor(on_host("pinv", A, lambda numbers: np.linalg.pinv(numbers, rcond)), A.dtype)
        ctx.save_for_backward(A, found)
        return found

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        """Source: Golub and Pereyra 1973."""
        A, P = ctx.saved_tensors
        first, second = g.mT @ (P @ P.mT), (P.mT @ P) @ g.mT
        return -(P.mT @ g @ P.mT) + first - A @ (P @ first) + second - (second @ P) @ A, None


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L, a lower triangle with L L^T = A, which is symmetric and positive definite; upper: L^T."""
    found: Tensor = _Cholesky.apply(checked("cholesky", A))
    return found.mT if upper else found


def qr(A: Tensor, mode: str = "reduced") -> QR:
    """Q R = A (..., m, n), Q with columns at right angles. mode: "reduced", or "r" without Q."""
    if mode not in ("reduced", "r"):
        raise ShapeError(f"qr: mode is 'reduced' or 'r' here, got {mode!r}")
    Q, R = _QR.apply(checked("qr", A, square=False))
    return QR(Q if mode == "reduced" else Tensor(np.zeros(0), A.dtype), R)


def eigh(A: Tensor, UPLO: str = "L") -> Eigh:
    """Eigenvalues, rising, and eigenvectors, as columns, of symmetric matrices, of which one triangle is read."""
    checked("eigh", A)
    if UPLO not in ("L", "U"):
        raise ShapeError(f"eigh: UPLO is 'L' or 'U', got {UPLO!r}")
    near = A.tril() if UPLO == "L" else A.triu()
    whole = A.detach() if not A.requires_grad else _symmetric(near, A)
    return Eigh(*_Eigh.apply(whole))


def _symmetric(triangle: Tensor, A: Tensor) -> Tensor:
    """The whole matrix of one triangle. Its gradient goes to A as PyTorch's does, which takes A for symmetric."""
    told = triangle + triangle.mT - triangle * _eye(A.shape[-1], A)
    return A + (told - A).detach()


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    return eigh(A, UPLO).eigenvalues


def svd(A: Tensor, full_matrices: bool = True) -> SVD:
    """U diag(S) Vh = A (..., m, n), S falling. full_matrices: square U and Vh, without a gradient where they are wider."""
    checked("svd", A, square=False)
    if full_matrices and A.shape[-1] != A.shape[-2]:
        parts = on_host("svd", A, np.linalg.svd)
        if A.requires_grad:
            raise ShapeError("svd: its gradient needs full_matrices=False")
        return SVD(*(Tensor(np.array(part), A.dtype) for part in parts))
    return SVD(*_SVD.apply(A))


def svdvals(A: Tensor) -> Tensor:
    """Singular values, falling."""
    return svd(A, full_matrices=False).S


def pinv(A: Tensor, *, rtol: float | None = None) -> Tensor:
    """The pseudoinverse; singular values below rtol times the largest count as 0."""
    checked("pinv", A, square=False)
    share = max(A.shape[-2:]) * float(np.finfo(A.dtype.dtype).eps) if rtol is None else rtol
    found: Tensor = _PInv.apply(A, share)
    return found


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Lstsq:
    """The X with the smallest |A X - B|: A (..., m, n), B (..., m, k). driver: taken, and the pseudoinverse is used."""
    checked("lstsq", A, square=False)
    if B.ndim < 1 or B.shape[-2 if B.ndim == A.ndim else -1] != A.shape[-2]:
        raise ShapeError(f"lstsq needs A (..., m, n) and B (..., m, k), got {A.shape} and {B.shape}")
    solution = pinv(A, rtol=rcond) @ B
    rank = matrix_rank(A)
    full = A.shape[-2] > A.shape[-1] and B.ndim == A.ndim and bool((rank == A.shape[-1]).all())
    rest = (A @ solution - B).square().sum(-2) if full else Tensor(np.zeros(0), A.dtype)
    return Lstsq(solution, rest, rank, svdvals(A.detach()))


def matrix_rank(A: Tensor, *, rtol: float | None = None, hermitian: bool = False) -> Tensor:
    """How many singular values are above rtol times the largest."""
    values = svdvals(checked("matrix_rank", A, square=False).detach())
    share = max(A.shape[-2:]) * float(np.finfo(A.dtype.dtype).eps) if rtol is None else rtol
    return (values > values.amax(-1, keepdim=True) * share).long().sum(-1)


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of the matrix whose factor L is."""
    return inv(_whole(L, upper))


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A X = B, for the matrix A whose factor L is."""
    if L.ndim < 2 or B.ndim < 2 or L.shape[-1] != L.shape[-2] or B.shape[-2] != L.shape[-1]:
        raise ShapeError(f"cholesky_solve needs B (..., n, k) and L (..., n, n), got {B.shape} and {L.shape}")
    return solve(_whole(L, upper), B)


def _whole(L: Tensor, upper: bool) -> Tensor:
    """The matrix of a factor, of which one triangle is read."""
    part = L.triu() if upper else L.tril()
    return part.mT @ part if upper else part @ part.mT
