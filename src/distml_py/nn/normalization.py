"""Layers that standardise: over the batch, over a sample's last dimensions, over groups of channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import fraction
from ..errors import ShapeError
from ..tensor import Tensor
from . import functional as F
from .functional import Sizes
from .init import as_norms_begin, constant_
from .module import Module
from .starts import constant


class _BatchNorm(Module):
    """weight and bias (num_features,); buffers running_mean, running_var, num_batches_tracked. See functional.batch_norm.

    While training the buffers move with the step that is computed next; nothing is read back. momentum=None: plain averages.
    """

    ranks: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = constant((num_features,), 1.0) if affine else None
        self.bias = constant((num_features,), 0.0) if affine and bias else None
        tracked = track_running_stats
        self.register_buffer("running_mean", Tensor(np.zeros(num_features), fraction()) if tracked else None)
        self.register_buffer("running_var", Tensor(np.ones(num_features), fraction()) if tracked else None)
        self.register_buffer("num_batches_tracked", Tensor(0) if tracked else None)

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def reset_running_stats(self) -> None:
        """As if no batch had been seen."""
        for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None:
                constant_(buffer, value)

    def reset_parameters(self) -> None:
        """Ones and zeros again, and no batch seen."""
        self.reset_running_stats()
        as_norms_begin(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in self.ranks or input.shape[1] != self.num_features:
            ranks = " or ".join(map(str, self.ranks))
            name = type(self).__name__
            raise ShapeError(f"{name} needs {ranks} dimensions, the second of size {self.num_features}, got {input.shape}")
        momentum: float | Tensor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked._renew(self.num_batches_tracked + 1)
            if self.momentum is None:
                momentum = 1.0 / self.num_batches_tracked.float()
        own = self.training or self.running_mean is None
        running = (self.running_mean, self.running_var) if not own or self.training else (None, None)
        return F.batch_norm(input, *running, self.weight, self.bias, own, momentum, self.eps)

    def extra_repr(self) -> str:
        options = f"eps={self.eps}, momentum={self.momentum}, affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_features}, {options}, track_running_stats={self.track_running_stats}"


class BatchNorm1d(_BatchNorm):
    """(n, num_features) or (n, num_features, length)."""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """(n, num_features, height, width)."""

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """(n, num_features, depth, height, width)."""

    ranks = (5,)


class SyncBatchNorm(_BatchNorm):
    """(n, num_features, ...): batch norm, as PyTorch's is in one process. Each shard of a run has statistics of its own."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)
        self.process_group = process_group

    ranks = (2, 3, 4, 5)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """The module, with SyncBatchNorm layers of the same parameters and buffers in place of its batch norms."""
        if isinstance(module, _BatchNorm) and not isinstance(module, (_InstanceNorm, cls)):
            found = cls(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats, process_group)
            for name, value in (*module._parameters.items(), *module._buffers.items()):
                setattr(found, name, value)
            return found.train(module.training)
        for name, child in list(module.named_children()):
            setattr(module, name, cls.convert_sync_batchnorm(child, process_group))
        return module


class _InstanceNorm(_BatchNorm):
    """As batch norm, for each sample by itself; without weight, bias and running statistics by default."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        whole, alone = self.ranks
        if input.ndim not in self.ranks or input.shape[-whole + 1] != self.num_features:
            name = type(self).__name__
            raise ShapeError(f"{name} needs {whole} dimensions, the second of size {self.num_features}, got {input.shape}")
        if input.ndim == alone:
            return self.forward(input.unsqueeze(0)).squeeze(0)
        own = self.training or not self.track_running_stats
        momentum = 0.0 if self.momentum is None else self.momentum
        return F.instance_norm(input, self.running_mean, self.running_var, self.weight, self.bias, own, momentum, self.eps)


class InstanceNorm1d(_InstanceNorm):
    """(n, num_features, length) or (num_features, length)."""

    ranks = (3, 2)


class InstanceNorm2d(_InstanceNorm):
    """(n, num_features, height, width) or (num_features, height, width)."""

    ranks = (4, 3)


class InstanceNorm3d(_InstanceNorm):
    """(n, num_features, depth, height, width) or without n."""

    ranks = (5, 4)


class LocalResponseNorm(Module):
    """See functional.local_response_norm."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class LayerNorm(Module):
    """Over the last dimensions, of sizes normalized_shape; weight and bias of that shape."""

    def __init__(self, normalized_shape: Sizes, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = constant(self.normalized_shape, 1.0) if elementwise_affine else None
        self.bias = constant(self.normalized_shape, 0.0) if elementwise_affine and bias else None

    def reset_parameters(self) -> None:
        as_norms_begin(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        options = f"eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return f"{self.normalized_shape}, {options}, bias={self.bias is not None}"


class RMSNorm(Module):
    """Over the last dimensions, of sizes normalized_shape; weight of that shape. eps: the dtype's own by default."""

    def __init__(self, normalized_shape: Sizes, eps: float | None = None, elementwise_affine: bool = True):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = constant(self.normalized_shape, 1.0) if elementwise_affine else None

    def reset_parameters(self) -> None:
        as_norms_begin(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """(n, num_channels, ...), in num_groups groups of channels; weight and bias (num_channels,)."""

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True):
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ShapeError(f"GroupNorm: num_groups={num_groups} must divide {num_channels} channels")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = constant((num_channels,), 1.0) if affine else None
        self.bias = constant((num_channels,), 0.0) if affine and bias else None

    def reset_parameters(self) -> None:
        as_norms_begin(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"
