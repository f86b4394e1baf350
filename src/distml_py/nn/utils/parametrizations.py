"""Parametrizations that are there already: weight_norm, spectral_norm, orthogonal. PyTorch's torch.nn.utils.parametrizations."""

from __future__ import annotations

from ...errors import ShapeError
from ...missing import getter as _getter
from ...tensor import Tensor, no_grad
from ..module import Module
from .norms import norm_except, start, unit
from .orthogonal import orthogonal
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except(weight_v, None if self.dim == -1 else self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except(weight, None if self.dim == -1 else self.dim), weight


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12):
        super().__init__()
        if n_power_iterations < 1:
            raise ShapeError(f"spectral_norm: n_power_iterations is at least 1, got {n_power_iterations}")
        self.dim, self.eps, self.n_power_iterations = dim % max(weight.ndim, 1), eps, n_power_iterations
        if weight.ndim > 1:
            u, v = start(self._matrix(weight.detach()), eps)
            self.register_buffer("_u", Tensor(u.numpy()))
            self.register_buffer("_v", Tensor(v.numpy()))

    _u: Tensor
    _v: Tensor

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).flatten(1)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return weight / weight.square().sum().sqrt().clamp(min=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            with no_grad():
                u, v, fixed = self._u.detach(), self._v.detach(), matrix.detach()
                for _ in range(self.n_power_iterations):
                    u = unit(fixed @ v, self.eps)
                    v = unit(fixed.t() @ u, self.eps)
                self._u.copy_(u)
                self._v.copy_(v)
        return weight / (self._u.detach().clone() @ (matrix @ self._v.detach().clone()))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """original0: the length; original1: the direction. Source: Salimans and Kingma 2016."""
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """The weight over its largest singular value, followed by power iteration while training. Source: Miyato et al. 2018."""
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ShapeError(f"spectral_norm: {type(module).__name__} has no parameter or buffer {name!r}")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


__getattr__ = _getter("torch.nn.utils.parametrizations", globals())
