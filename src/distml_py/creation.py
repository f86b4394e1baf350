"""Tensors from nothing: constants, ranges and random numbers. PyTorch's names and defaults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import graph, ops, random
from .broadcast import Number, kind_of
from .errors import DtypeError, ShapeError
from .op import DTYPES, float32, int32
from .tensor import Tensor, where
from .view import Shape

Dtype = np.dtype[Any]


def tensor(data: Any, dtype: Dtype | None = None, requires_grad: bool = False) -> Tensor:
    """A copy of numbers, nested lists or a NumPy array."""
    return Tensor(data, dtype, requires_grad)


def from_numpy(array: np.ndarray) -> Tensor:
    """A copy of the array (PyTorch would share it; here arrays never change)."""
    return Tensor(array)


def full(size: Sequence[int], fill_value: Number, dtype: Dtype | None = None, requires_grad: bool = False) -> Tensor:
    return Tensor(graph.full(fill_value, _shape((size,)), _known(dtype or kind_of(fill_value))), requires_grad=requires_grad)


def zeros(*size: Any, dtype: Dtype = float32, requires_grad: bool = False) -> Tensor:
    return Tensor(graph.full(0, _shape(size), _known(dtype)), requires_grad=requires_grad)


def ones(*size: Any, dtype: Dtype = float32, requires_grad: bool = False) -> Tensor:
    return Tensor(graph.full(1, _shape(size), _known(dtype)), requires_grad=requires_grad)


def zeros_like(input: Tensor, dtype: Dtype | None = None) -> Tensor:
    return zeros(input.shape, dtype=dtype or input.dtype)


def ones_like(input: Tensor, dtype: Dtype | None = None) -> Tensor:
    return ones(input.shape, dtype=dtype or input.dtype)


def arange(start: Number, end: Number | None = None, step: Number = 1, dtype: Dtype | None = None) -> Tensor:
    """start, start + step, ... below end; arange(end) starts at 0. Integers give int32."""
    if end is None:
        start, end = 0, start
    if step == 0:
        raise ShapeError("arange: step is 0, so it would never end")
    kind = int32 if all(isinstance(value, int) for value in (start, end, step)) else float32
    count = max(0, math.ceil((end - start) / step))
    number = Tensor(graph.apply(ops.IOTA, attrs=ops.source.iota_attrs((count,), 0)))
    return (number if (start, step) == (0, 1) else number * step + start).to(_known(dtype or kind))


def eye(n: int, m: int | None = None, dtype: Dtype = float32) -> Tensor:
    rows, columns = arange(n).unsqueeze(1), arange(n if m is None else m)
    return (rows == columns).to(_known(dtype))


def rand(*size: Any, dtype: Dtype = float32, requires_grad: bool = False) -> Tensor:
    """Uniform on [0, 1), multiples of 2**-24; the same bits on every backend."""
    return Tensor(uniform(_shape(size))._node, _known(dtype), requires_grad)


def randn(*size: Any, dtype: Dtype = float32, requires_grad: bool = False) -> Tensor:
    """Standard normal, by Box and Muller (1958) from two uniform streams."""
    shape = _shape(size)
    radius = ((1.0 - uniform(shape)).log() * -2.0).sqrt()
    return Tensor((radius * (uniform(shape) * (2 * math.pi)).cos())._node, _known(dtype), requires_grad)


def randint(low: int, high: int, size: Sequence[int]) -> Tensor:
    """Integers in [low, high), at most 2**24 of them apart."""
    if not low < high <= low + 2**24:
        raise ShapeError(f"randint needs low < high <= low + 2**24, got {low} and {high}")
    return (uniform(_shape((size,))) * float(high - low)).floor().int() + low


def bernoulli(input: Tensor) -> Tensor:
    """1 with the probability that input holds, else 0."""
    return where(uniform(input.shape) < input, 1.0, 0.0)


def uniform(shape: Shape, per_sample: int = 0) -> Tensor:
    """Uniform on [0, 1) from the next stream; elements are numbered from per_sample * random.first_sample()."""
    words = [graph.const(word, int32) for word in random.next_words(per_sample)]
    return Tensor(graph.apply(ops.UNIFORM, *words, attrs=(shape,)))


def _shape(size: tuple[Any, ...]) -> Shape:
    given = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    if not all(isinstance(length, (int, np.integer)) and length >= 0 for length in given):
        raise ShapeError(f"a shape holds sizes of at least 0, got {tuple(given)}")
    return tuple(int(length) for length in given)


def _known(dtype: Any) -> Dtype:
    if np.dtype(dtype) not in DTYPES:
        raise DtypeError(f"dtype {dtype} is not supported; use float32, float64, int32 or bool")
    return np.dtype(dtype)
