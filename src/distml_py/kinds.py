"""PyTorch's older names of tensors by their numbers: FloatTensor, LongTensor and the like. They are made, asked for and cast to."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import creation
from .op import bool_, float32, float64, int32
from .tensor import Tensor
from .tensor.host_data import uint8


class Kind(type):
    """FloatTensor([1, 2]) holds these numbers, FloatTensor(2, 3) has this shape; isinstance() asks for the kind of number."""

    dtype: np.dtype[Any]

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
    dtype = float32


class DoubleTensor(metaclass=Kind):
    dtype = float64


class LongTensor(metaclass=Kind):
    dtype = int32


class IntTensor(metaclass=Kind):
    dtype = int32


class ShortTensor(metaclass=Kind):
    dtype = int32


class CharTensor(metaclass=Kind):
    dtype = int32


class ByteTensor(metaclass=Kind):
    dtype = uint8


class BoolTensor(metaclass=Kind):
    dtype = bool_


def set_default_tensor_type(t: Any) -> None:
    """FloatTensor, and no other: see set_default_dtype."""
    creation.set_default_dtype(float32 if t == "torch.FloatTensor" else getattr(t, "dtype", t))
