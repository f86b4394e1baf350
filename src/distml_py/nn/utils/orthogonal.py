"""A weight that stays orthogonal while it is trained. PyTorch's torch.nn.utils.parametrizations.orthogonal."""

from __future__ import annotations

from ... import linalg
from ...creation import eye, randn, zeros_like
from ...errors import ShapeError, UnsupportedError
from ...tensor import Tensor, cat, no_grad
from ..module import Module
from .parametrize import register_parametrization

MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    """Numbers (..., m, n) to a matrix with orthonormal rows or columns, whichever are fewer. base: that of the first numbers."""

    base: Tensor

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True):
        super().__init__()
        self.orthogonal_map, self.shape, self._based = orthogonal_map, weight.shape, use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        X = X.mT if wide else X
        Q = self._reflected(X) if self.orthogonal_map == "householder" else self._turned(X)
        Q = self.base @ Q if self._based else Q
        return Q.mT if wide else Q

    def _turned(self, X: Tensor) -> Tensor:
        """By what a skew-symmetric matrix generates; its first columns."""
        n, k = X.shape[-2:]
        low = X.tril()
        if n != k:
            low = cat([low, X.new_zeros(*X.shape[:-1], n - k)], -1)
        A = low - low.mT
        if self.orthogonal_map == "matrix_exp":
            return linalg.matrix_exp(A)[..., :k]
        one = eye(n, dtype=A.dtype)
        return linalg.solve(one - 0.5 * A, one + 0.5 * A)[..., :k]

    def _reflected(self, X: Tensor) -> Tensor:
        """By reflections, one for each column, and signs."""
        A = X.tril(-1)
        tau = 2.0 / (1.0 + (A * A).sum(-2))
        return linalg.householder_product(A, tau) * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)

    def right_inverse(self, Q: Tensor) -> Tensor:
        """The numbers that give Q, or the orthogonal matrix nearest to its columns in order; with base, -1 on the diagonal."""
        if Q.shape != self.shape:
            raise ShapeError(f"orthogonal: expected a matrix or batch of matrices of shape {self.shape}, got {Q.shape}")
        if not self._based:
            raise UnsupportedError("not implemented: orthogonal(use_trivialization=False) of a value; nearest is the default, True")
        with no_grad():
            full = Q.mT if Q.shape[-2] < Q.shape[-1] else Q
            n, k = full.shape[-2:]
            if n != k:
                full = cat([full, randn(*full.shape[:-1], n - k, dtype=Q.dtype)], -1)
            found, R = linalg.qr(full)
            signs = R.diagonal(dim1=-2, dim2=-1).sign()
            self.base = found * signs.unsqueeze(-2)
            return zeros_like(Q) - eye(*Q.shape[-2:], dtype=Q.dtype)


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """The weight becomes orthogonal: by matrix_exp (square ones), cayley or householder. Source: Lezcano-Casado 2019."""
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor) or weight.ndim < 2:
        raise ShapeError(f"orthogonal: {type(module).__name__} has no parameter or buffer {name!r} of at least 2 dimensions")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in MAPS:
        raise ShapeError(f"orthogonal: orthogonal_map is one of {', '.join(MAPS)}, got {orthogonal_map!r}")
    found = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, found, unsafe=True)
