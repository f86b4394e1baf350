"""Weights given by others, computed anew before each forward(): weight_norm (a length and a direction) and spectral_norm (divided
by the largest singular value). PyTorch's torch.nn.utils; parametrizations.py has their newer form."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError
from ...tensor import Tensor, no_grad
from ..module import Module, Parameter
from ..starts import drawn_normal


def norm_except(weight: Tensor, dim: int | None) -> Tensor:
    """The Euclidean length of weight's slices along dim, which keeps the others as size 1; None: of all of it."""
    if dim is None or dim == -1:
        return weight.square().sum().sqrt()
    axes = [axis for axis in range(weight.ndim) if axis != dim % weight.ndim]
    return weight.square().sum(axes, keepdim=True).sqrt() if axes else weight.abs()


def _set_plain(module: Module, name: str, value: Tensor) -> None:
    object.__setattr__(module, name, value)


def _weight_of(module: Module, name: str, asked: str) -> Parameter:
    weight = module._parameters.get(name)
    if weight is None:
        known = ", ".join(module._parameters) or "none"
        raise ShapeError(f"{asked}: {type(module).__name__} has no parameter {name!r}; it has {known}")
    return weight


class _WeightNorm:
    def __init__(self, name: str, dim: int | None):
        self.name, self.dim = name, dim

    def compute(self, module: Module) -> Tensor:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        found: Tensor = v * (g / norm_except(v, self.dim))
        return found

    def __call__(self, module: Module, inputs: Any) -> None:
        _set_plain(module, self.name, self.compute(module))


class _SpectralNorm:
    def __init__(self, name: str, power: int, eps: float, dim: int):
        self.name, self.power, self.eps, self.dim = name, power, eps, dim

    def matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).flatten(1) if weight.ndim > 1 else weight.unsqueeze(1)

    def compute(self, module: Module, moving: bool) -> Tensor:
        weight = getattr(module, f"{self.name}_orig")
        matrix, u, v = self.matrix(weight), getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        if moving:
            with no_grad():
                new_u, new_v = iterated(matrix.detach(), u.detach(), v.detach(), self.power, self.eps)
                u.copy_(new_u)
                v.copy_(new_v)
        found: Tensor = weight / (u.detach().clone() @ (matrix @ v.detach().clone()))
        return found

    def __call__(self, module: Module, inputs: Any) -> None:
        _set_plain(module, self.name, self.compute(module, module.training))


def iterated(matrix: Tensor, u: Tensor, v: Tensor, steps: int, eps: float) -> tuple[Tensor, Tensor]:
    """Some steps of power iteration towards the first singular vectors. Source: Miyato et al. 2018, algorithm 1."""
    for _ in range(steps):
        v = unit(matrix.t() @ u, eps)
        u = unit(matrix @ v, eps)
    return u, v


def unit(line: Tensor, eps: float) -> Tensor:
    return line / line.square().sum().sqrt().clamp(min=eps)


def start(matrix: Tensor, eps: float, steps: int = 15) -> tuple[Tensor, Tensor]:
    """Vectors to begin with: random ones from this library's stream, and some steps."""
    h, w = matrix.shape
    u, v = (unit(Tensor(drawn_normal((size,), 0.0, 1.0), matrix.dtype), eps) for size in (h, w))
    return iterated(matrix.detach(), u, v, steps, eps)


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """module, whose parameter becomes name_g, its length, and name_v, its direction. Source: Salimans and Kingma 2016."""
    weight = _weight_of(module, name, "weight_norm")
    hook = _WeightNorm(name, dim)
    length = norm_except(weight.detach(), dim)
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(length))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    _set_plain(module, name, hook.compute(module))
    module.register_forward_pre_hook(hook)
    return module


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """module, whose weight is name_orig over its largest singular value, which buffers name_u and name_v follow while training."""
    weight = _weight_of(module, name, "spectral_norm")
    if n_power_iterations < 1:
        raise ShapeError(f"spectral_norm: n_power_iterations is at least 1, got {n_power_iterations}")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    hook = _SpectralNorm(name, n_power_iterations, eps, dim)
    u, v = start(hook.matrix(weight.detach()), eps)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    module.register_buffer(f"{name}_u", Tensor(u.numpy()))
    module.register_buffer(f"{name}_v", Tensor(v.numpy()))
    _set_plain(module, name, weight.detach())
    module.register_forward_pre_hook(hook)
    return module


def _removed(module: Module, name: str, kind: type, asked: str) -> Module:
    for number, hook in list(module._hooks.before.items()):
        if isinstance(hook, (_WeightNorm, _SpectralNorm)) and type(hook) is kind and hook.name == name:
            del module._hooks.before[number]
            value = hook.compute(module) if isinstance(hook, _WeightNorm) else hook.compute(module, False)
            object.__delattr__(module, name)
            for end in ("_g", "_v") if kind is _WeightNorm else ("_orig", "_u", "_v"):
                delattr(module, name + end)
            module.register_parameter(name, Parameter(np.array(value.detach().numpy())))
            return module
    raise ShapeError(f"{asked}: {name!r} of {type(module).__name__} is not normalised that way")


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """The weight as it is now, a plain parameter again."""
    return _removed(module, name, _WeightNorm, "remove_weight_norm")


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """The weight as it is now, a plain parameter again."""
    return _removed(module, name, _SpectralNorm, "remove_spectral_norm")
