"""The same numbers in another dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DtypeError
from ..op import DTYPES, bool_, float32, float64, int32
from ..ops.elementwise import cast
from .tensor import Tensor, made, method


@method
def to(input: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """The numbers in another dtype; fractions are cut off, towards zero, on the way to int32."""
    dtype = np.dtype(dtype)
    if dtype not in DTYPES:
        raise DtypeError(f"dtype {dtype} is not supported; use float32, float64, int32 or bool")
    return input if dtype == input.dtype else made(cast(input._node, dtype), input)


@method
def float(input: Tensor) -> Tensor:
    return input.to(float32)


@method
def double(input: Tensor) -> Tensor:
    return input.to(float64)


@method
def int(input: Tensor) -> Tensor:
    return input.to(int32)


@method
def long(input: Tensor) -> Tensor:
    """int32: the widest integer here."""
    return input.to(int32)


@method
def bool(input: Tensor) -> Tensor:
    return input.to(bool_)
