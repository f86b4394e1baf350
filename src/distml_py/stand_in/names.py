"""Names that PyTorch does not document and that programs import all the same, by the module where they look for them."""

from __future__ import annotations

from typing import Any

from ..nn import conv, normalization, transformer
from ..nn.lazy import UninitializedParameter
from ..nn.module import Module


class _Loss(Module):
    """What PyTorch's losses derive from, for losses of one's own."""

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction


class _WeightedLoss(_Loss):
    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


def is_lazy(param: Any) -> bool:
    return isinstance(param, UninitializedParameter)


NAMES: dict[str, dict[str, Any]] = {
    "torch.nn.modules.batchnorm": {"_BatchNorm": normalization._BatchNorm, "_NormBase": normalization._BatchNorm},
    "torch.nn.modules.instancenorm": {"_InstanceNorm": normalization._InstanceNorm},
    "torch.nn.modules.conv": {"_ConvNd": conv._Conv, "_ConvTransposeNd": conv._Transposed},
    "torch.nn.modules.loss": {"_Loss": _Loss, "_WeightedLoss": _WeightedLoss},
    "torch.nn.modules.transformer": {"_get_activation_fn": transformer._activation, "_get_clones": transformer._copies},
    "torch.nn.parameter": {"is_lazy": is_lazy},
}
