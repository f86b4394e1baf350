"""Names that PyTorch does not document and that programs import all the same, by the module where they look for them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from ..autograd import Function
from ..constants import finfo
from ..distributions.distribution import tensors
from ..dtypes import DType
from ..nn import conv, dropout, normalization, transformer
from ..nn.lazy import UninitializedParameter
from ..nn.module import Module
from ..sampling import get_rng_state, set_rng_state
from ..serialization import load, save
from ..size import Size
from ..tensor import Tensor
from ..tensor.device import device


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


def _addindent(s_: str, numSpaces: int) -> str:
    """All lines but the first, moved to the right: for texts of modules."""
    return s_.replace("\n", "\n" + " " * numSpaces)


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Numbers and tensors as tensors of one shape."""
    return tuple(tensors(*values))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Where each number of an order stands in it."""
    return None if permutation is None else permutation.argsort()


def clamp_probs(probs: Tensor) -> Tensor:
    """Within (0, 1) by the smallest step of the dtype."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    probs = clamp_probs(probs)
    return probs.log() - (-probs).log1p() if is_binary else probs.log()


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    return logits.sigmoid() if is_binary else logits.softmax(-1)


class _Safe(nullcontext[None]):
    """torch.serialization.safe_globals: nothing of a file is run here, so nothing has to be declared safe."""

    def __init__(self, safe_globals: Any):
        super().__init__()


def _declared(safe_globals: Any = None) -> list[Any]:
    """Nothing of a file is run here, so nothing has to be declared safe."""
    return []


NAMES: dict[str, dict[str, Any]] = {
    "torch.nn.common_types": {f"_{kind}_{size}_t": Any for kind in ("size", "ratio") for size in ("any", *"123456")},
    "torch.nn.modules.module": {"_addindent": _addindent},
    "torch.nn.modules.dropout": {"_DropoutNd": dropout._Dropout},
    "torch.autograd.function": {"InplaceFunction": Function},
    "torch.distributions.utils": {
        function.__name__: function for function in (broadcast_all, clamp_probs, probs_to_logits, logits_to_probs)
    },
    "torch.random": {"get_rng_state": get_rng_state, "set_rng_state": set_rng_state},
    "torch.serialization": {
        **{"load": load, "save": save, "safe_globals": _Safe},
        **{f"{word}_safe_globals": _declared for word in ("add", "get", "clear")},
    },
    "torch.types": {
        "_size": Size,
        "_dtype": DType,
        "_device": device,
        "_int": int,
        "_float": float,
        "_bool": bool,
        "Device": Any,
        "Number": Any,
    },
    "torch.nn.utils.rnn": {"invert_permutation": invert_permutation},
    "torch.nn.modules.batchnorm": {"_BatchNorm": normalization._BatchNorm, "_NormBase": normalization._BatchNorm},
    "torch.nn.modules.instancenorm": {"_InstanceNorm": normalization._InstanceNorm},
    "torch.nn.modules.conv": {"_ConvNd": conv._Conv, "_ConvTransposeNd": conv._Transposed},
    "torch.nn.modules.loss": {"_Loss": _Loss, "_WeightedLoss": _WeightedLoss},
    "torch.nn.modules.transformer": {"_get_activation_fn": transformer._activation, "_get_clones": transformer._copies},
    "torch.nn.parameter": {"is_lazy": is_lazy},
}
