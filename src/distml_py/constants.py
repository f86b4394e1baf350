"""PyTorch's constants, and what it tells of dtypes; settings that change nothing here are accepted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .broadcast import Number, kind_of, promoted
from .graph import Node
from .op import DTYPES
from .size import Size as Size
from .tensor import Tensor, text
from .tensor.host_data import resolve

e, inf, nan, pi, newaxis = math.e, math.inf, math.nan, math.pi, None
dtype = np.dtype


class finfo:
    """bits, eps, max, min, tiny, smallest_normal and resolution of a floating-point dtype."""

    def __init__(self, type: Any = None):
        self.dtype = resolve("float32" if type is None else type)
        known = np.finfo(self.dtype)
        self.bits = int(known.bits)
        self.eps, self.max, self.min = float(known.eps), float(known.max), float(known.min)
        self.tiny = self.smallest_normal = float(known.tiny)
        self.resolution = float(known.resolution)


class iinfo:
    """bits, max and min of an integer dtype. int64 is int32 here."""

    def __init__(self, type: Any):
        found = np.iinfo(np.uint8 if np.dtype(type) == np.uint8 else resolve(type))
        self.bits, self.max, self.min = int(found.bits), int(found.max), int(found.min)


def promote_types(type1: Any, type2: Any) -> np.dtype[Any]:
    """The dtype that holds both."""
    return max(resolve(type1), resolve(type2), key=DTYPES.index)


def can_cast(from_: Any, to: Any) -> bool:
    """Does the kind of number stay or widen (bool, integers, floats)?"""
    order = "bif"
    return order.index(resolve(from_).kind) <= order.index(resolve(to).kind)


def result_type(tensor1: Tensor | Number, tensor2: Tensor | Number) -> np.dtype[Any]:
    """The dtype of an op on both."""
    values = [value._node if isinstance(value, Tensor) else value for value in (tensor1, tensor2)]
    if any(isinstance(value, Node) for value in values):
        return promoted(*values)
    return max((kind_of(value) for value in values), key=DTYPES.index)


# ---------------------------------------------------------------- settings of what is not here


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing: the same program gives the same bits on the same device anyway."""


def are_deterministic_algorithms_enabled() -> bool:
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """Nothing: products are of float32."""


def get_float32_matmul_precision() -> str:
    return "highest"


def set_num_threads(num: int) -> None:
    """Nothing: a tab computes on its GPU, NumPy as it was set up."""


def get_num_threads() -> int:
    return 1


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
