"""PyTorch's older names of tensors by their numbers: FloatTensor, LongTensor and the like. They are made, asked for and cast to."""

from __future__ import annotations

from typing import Any

from . import creation, dtypes
from .dtypes import DType
from .tensor import Tensor


class Kind(type):
    """FloatTensor([1, 2]) holds these numbers, FloatTensor(2, 3) has this shape; isinstance() asks for the kind of number."""

    dtype: DType

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], int):
            given = data[0]
            if isinstance(given, tuple) and type(given) is not tuple:  # a Size
                return creation.zeros(*given, dtype=cls.dtype, device=device)
            return given.to(cls.dtype) if isinstance(given, Tensor) else creation.tensor(given, cls.dtype, device)
        return creation.zeros(*(data or (0,)), dtype=cls.dtype, device=device)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype == cls.dtype


class FloatTensor(metaclass=Kind):
    dtype = dtypes.FLOAT32


class DoubleTensor(metaclass=Kind):
    dtype = dtypes.FLOAT64


class LongTensor(metaclass=Kind):
    dtype = dtypes.INT64


class IntTensor(metaclass=Kind):
    dtype = dtypes.INT32


class ShortTensor(metaclass=Kind):
    dtype = dtypes.INT16


class CharTensor(metaclass=Kind):
    dtype = dtypes.INT8


class ByteTensor(metaclass=Kind):
    dtype = dtypes.UINT8


class HalfTensor(metaclass=Kind):
    dtype = dtypes.FLOAT16


class BFloat16Tensor(metaclass=Kind):
    dtype = dtypes.BFLOAT16


class BoolTensor(metaclass=Kind):
    dtype = dtypes.BOOL


def set_default_tensor_type(t: Any) -> None:
    """FloatTensor or DoubleTensor, or their names: see set_default_dtype."""
    named = {"torch.FloatTensor": dtypes.FLOAT32, "torch.DoubleTensor": dtypes.FLOAT64}
    creation.set_default_dtype(named[t] if isinstance(t, str) and t in named else getattr(t, "dtype", t))
