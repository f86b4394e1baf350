"""PyTorch's constants, and what it tells of dtypes; settings that change nothing here are accepted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import graph
from .broadcast import Number, kind_of, promoted
from .dtypes import FLOAT32, STORED, DType, dtype_of, promoted_names
from .errors import DtypeError
from .op import DTYPES
from .size import Size as Size
from .tensor import Tensor, text
from .tensor.device import layout as layout
from .tensor.device import memory_format as memory_format
from .tensor.device import strided as strided
from .tensor.tensor import kept

e, inf, nan, pi, newaxis = math.e, math.inf, math.nan, math.pi, None
# these are taken wherever memory_format is
preserve_format, contiguous_format, channels_last, channels_last_3d = map(
    memory_format, ("preserve_format", "contiguous_format", "channels_last", "channels_last_3d")
)
dtype = DType


class finfo:
    """bits, eps, max, min, tiny, smallest_normal and resolution of a floating-point dtype."""

    def __init__(self, type: Any = None):
        kind = FLOAT32 if type is None else dtype_of(type)
        if not kind.is_floating_point:
            raise DtypeError(f"torch.finfo takes a floating-point dtype, got {kind}; use torch.iinfo")
        self.dtype = kind.name
        known = np.finfo(np.float32 if kind.numpy is None else kind.numpy)
        self.bits = 8 * kind.itemsize
        self.eps, self.max, self.min = float(known.eps), float(known.max), float(known.min)
        self.tiny = self.smallest_normal = float(known.tiny)
        self.resolution = float(known.resolution)
        if kind.numpy is None:  # bfloat16
            self.eps, self.resolution, self.max = 2.0**-7, 0.01, float.fromhex("0x1.fep127")
            self.min = -self.max

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype})"


class iinfo:
    """bits, max and min of an integer dtype: PyTorch's, though no integer here is wider than 32 bits."""

    def __init__(self, type: Any):
        kind = dtype_of(type)
        if kind.numpy is None or kind.numpy.kind not in "iu":
            raise DtypeError(f"torch.iinfo takes an integer dtype, got {kind}; use torch.finfo")
        found = np.iinfo(kind.numpy)
        self.dtype = kind.name
        self.bits, self.max, self.min = int(found.bits), int(found.max), int(found.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def promote_types(type1: Any, type2: Any) -> DType:
    """The dtype of an op on tensors of both."""
    one, two = dtype_of(type1), dtype_of(type2)
    if one.kind == two.kind:
        return promoted_names([one, two])
    return max(one, two, key=lambda kind: "bif".index(kind.kind))


def can_cast(from_: Any, to: Any) -> bool:
    """Does the kind of number stay or widen (bool, integers, floats)?"""
    one, two = dtype_of(from_), dtype_of(to)
    order = "bif"
    return order.index(one.kind) <= order.index(two.kind) and (two.name != "uint8" or not one.is_signed or one.kind == "b")


def result_type(tensor1: Tensor | Number, tensor2: Tensor | Number) -> DType:
    """The dtype of an op on both."""
    tensors = [value for value in (tensor1, tensor2) if isinstance(value, Tensor)]
    values = [value._node if isinstance(value, Tensor) else value for value in (tensor1, tensor2)]
    if not tensors:
        return STORED[max((kind_of(value) for value in values), key=DTYPES.index)]
    node, kind = kept(graph.full(0, (), promoted(*values)), tensors)
    return kind or STORED[node.dtype]


# ---------------------------------------------------------------- settings of what is not here


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing: the same program gives the same bits on the same device anyway."""


def are_deterministic_algorithms_enabled() -> bool:
    return True


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    return False


def get_deterministic_debug_mode() -> int:
    """2, an error: nothing here is left to chance."""
    return 2


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Nothing: see use_deterministic_algorithms."""


def set_warn_always(b: bool) -> None:
    """Nothing: warnings are Python's."""


def is_warn_always_enabled() -> bool:
    return False


def set_flush_denormal(mode: bool) -> bool:
    """False: it could not be set."""
    return False


def set_float32_matmul_precision(precision: str) -> None:
    """Nothing: products are of float32."""


def get_float32_matmul_precision() -> str:
    return "highest"


def set_num_threads(num: int) -> None:
    """Nothing: a tab computes on its GPU, NumPy as it was set up."""


def get_num_threads() -> int:
    return 1


set_num_interop_threads, get_num_interop_threads = set_num_threads, get_num_threads


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed. profile: "default", "short" or "full"; sci_mode: None decides by the numbers."""
    text.set_options(profile, precision=precision, threshold=threshold, edgeitems=edgeitems, linewidth=linewidth, sci_mode=sci_mode)
