"""Tensors from nothing: constants and ranges. PyTorch's names and defaults; random ones are in sampling.py."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import engine, graph, ops
from .broadcast import Number, kind_of
from .dtypes import DType, dtype_of, fraction, make_fraction
from .errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from .op import int32
from .sampling import bernoulli as bernoulli
from .sampling import rand as rand
from .sampling import randint as randint
from .sampling import randn as randn
from .sampling import shape_of
from .sampling import uniform as uniform
from .tensor import Tensor, where
from .tensor.arguments import MAKING as _MAKING
from .tensor.arguments import guard as _guard
from .tensor.device import check, current
from .tensor.host_data import as_given, resolve
from .tensor.tensor import method


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A copy of numbers, nested lists (tensors may stand in them) or a NumPy array. device: checked, see tensor/device.py."""
    check(device)
    plain = _plain(data)
    numbers, kind = (plain, dtype) if dtype else as_given(plain, data)
    return Tensor(numbers, kind, requires_grad)


def _plain(data: Any) -> Any:
    """Lists that hold tensors, with their numbers instead."""
    if isinstance(data, (list, tuple)) and any(isinstance(part, (Tensor, list, tuple)) for part in data):
        return [part.tolist() if isinstance(part, Tensor) else _plain(part) for part in data]
    return data


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """data itself where it is a tensor of this dtype, else tensor(data)."""
    check(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return tensor(data, dtype)


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False) -> Tensor:
    found = as_tensor(obj, dtype, device)
    found = found.clone() if copy and found is obj else found
    return found.requires_grad_() if requires_grad and not found.requires_grad else found


def scalar_tensor(s: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return tensor(s, dtype or fraction(), device, requires_grad)


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """The numbers that a bytes object or the like holds, from byte `offset` on, as a copy."""
    kind = dtype_of(dtype)
    if kind.numpy is None:
        raise DtypeError(f"frombuffer: NumPy knows no {kind.name}; read int16 and use .view of NumPy")
    whole = memoryview(buffer).nbytes
    if not 0 <= offset < max(whole, 1) or (whole - offset) % kind.itemsize and count < 0 or count * kind.itemsize > whole - offset:
        raise ShapeError(f"frombuffer: {whole} bytes from {offset} on do not hold {'whole' if count < 0 else count} {kind.name}s")
    return tensor(np.frombuffer(buffer, kind.numpy, count, offset), kind, requires_grad=requires_grad)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A copy of the array (PyTorch would share it; here arrays never change)."""
    if not isinstance(ndarray, np.ndarray):
        raise DtypeError(f"from_numpy takes an array of NumPy's, got {type(ndarray).__name__}; use tensor()")
    return Tensor(ndarray)


def full(size: Sequence[int], fill_value: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    check(device)
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    kind = dtype or kind_of(value)
    return Tensor(graph.full(value, shape_of((size,)), resolve(kind)), kind, requires_grad)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return full(shape_of(size), 0, dtype=dtype or fraction(), device=device, requires_grad=requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return full(shape_of(size), 1, dtype=dtype or fraction(), device=device, requires_grad=requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros: nothing here is left to chance."""
    return full(shape_of(size), 0, dtype=dtype or fraction(), device=device, requires_grad=requires_grad)


def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return zeros(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return ones(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return zeros_like(input, dtype=dtype, device=device, requires_grad=requires_grad)


def full_like(input: Tensor, fill_value: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return full(input.shape, fill_value, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def arange(
    start: Number | None = None,
    end: Number | None = None,
    step: Number = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below end; arange(end) starts at 0. Integers give int32."""
    check(device)
    if end is None:
        start, end = None, start
    if end is None:
        raise ArgumentError("arange needs an end: arange(end), or arange(start, end, step)")
    start = 0 if start is None else start
    start, end, step = (value.item() if isinstance(value, (Tensor, np.generic)) else value for value in (start, end, step))
    if step == 0:
        raise ShapeError("arange: step is 0, so it would never end")
    if (end - start) / step < 0:
        raise ShapeError(f"arange: from {start} to {end} there is no way in steps of {step}; turn its sign")
    kind = int32 if all(isinstance(value, int) for value in (start, end, step)) else fraction().dtype
    count = max(0, math.ceil((end - start) / step))
    number = Tensor(graph.apply(ops.IOTA, attrs=ops.source.iota_attrs((count,), 0)))
    found = (number if (start, step) == (0, 1) else number * step + start).to(dtype or kind)
    return found.requires_grad_() if requires_grad else found


def range(start: Number = 0, end: Number | None = None, step: Number = 1, **options: Any) -> Tensor:
    """arange() with the end included: PyTorch's older word, deprecated there. Fractions unless dtype says other."""
    if end is None:
        raise ShapeError("range takes a start and an end; use arange()")
    warnings.warn("torch.range is deprecated and includes its end, as arange() does not", stacklevel=3)
    if step == 0 or (end - start) / step < 0:
        raise ShapeError(f"range: from {start} to {end} there is no way in steps of {step}; turn its sign")
    count = math.floor((end - start) / step) + 1
    return arange(count, **{"dtype": fraction(), **options}) * step + start


def linspace(
    start: Number, end: Number, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """steps numbers, evenly spaced, from start to end, both included."""
    check(device)
    if steps < 0:
        raise ShapeError(f"linspace: the number of steps is at least 0, got {steps}")
    count = Tensor(graph.apply(ops.IOTA, attrs=ops.source.iota_attrs((steps,), 0))).to(resolve(dtype or fraction()))
    if not count.is_floating_point():
        count = count.float()
    gap = (end - start) / max(steps - 1, 1)
    found = where(count < steps / 2, count * gap + start, end - (steps - 1 - count) * gap).to(dtype or fraction())
    return found.requires_grad_() if requires_grad else found


def logspace(start: Number, end: Number, steps: int, base: float = 10.0, **options: Any) -> Tensor:
    """base to the powers of linspace()."""
    return base ** linspace(start, end, steps, **options)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    check(device)
    rows, columns = arange(n).unsqueeze(1), arange(n if m is None else m)
    return Tensor((rows == columns)._node, dtype or fraction(), requires_grad)


def _window(count: int, periodic: bool, dtype: Any, *weights: float) -> Tensor:
    """Sums of cosines over count numbers; periodic: as the first of one more."""
    if count < 0:
        raise ShapeError(f"a window has at least 0 numbers, got {count}")
    turns = np.arange(count) * (2 * math.pi / max(count if periodic else count - 1, 1))
    found = sum(((-1) ** n * weight * np.cos(n * turns) for n, weight in enumerate(weights)), start=np.zeros(count))
    return Tensor(found if count != 1 else np.ones(1), dtype or fraction())


def hann_window(window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None) -> Tensor:
    check(device)
    return _window(window_length, periodic, dtype, 0.5, 0.5)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None, device: Any = None
) -> Tensor:
    check(device)
    return _window(window_length, periodic, dtype, alpha, beta)


def blackman_window(window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None) -> Tensor:
    check(device)
    return _window(window_length, periodic, dtype, 0.42, 0.5, 0.08)


def bartlett_window(window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Up in a line to the middle, and down again."""
    check(device)
    return _shaped_window(window_length, periodic, dtype, np.bartlett)


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, device: Any = None
) -> Tensor:
    check(device)
    return _shaped_window(window_length, periodic, dtype, lambda count: np.kaiser(count, beta))


def _shaped_window(count: int, periodic: bool, dtype: Any, shape: Callable[[int], np.ndarray]) -> Tensor:
    if count < 0:
        raise ShapeError(f"a window has at least 0 numbers, got {count}")
    known = np.ones(count) if count < 2 else shape(count + 1)[:-1] if periodic else shape(count)
    return Tensor(known, dtype or fraction())


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of a line, largest first unless increasing, as columns."""
    powers = arange(x.shape[0] if N is None else N)
    found = where(powers == 0, 1, x.unsqueeze(1)).to(x.dtype).cumprod(1)
    return found if increasing else found.flip(1)


# ---------------------------------------------------------------- methods that make tensors of the same dtype


@method
def new_tensor(input: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return tensor(data, dtype or input.dtype, device, requires_grad)


@method
def new_zeros(input: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return zeros(*size, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


new_empty = method(new_zeros, "new_empty")


@method
def new_ones(input: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return ones(*size, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@method
def new_full(
    input: Tensor, size: Sequence[int], fill_value: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    return full(size, fill_value, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@method
def new(input: Tensor, *size: Any) -> Tensor:
    """A tensor of input's dtype: zeros of this size, or numbers."""
    if len(size) == 1 and not isinstance(size[0], int) and not isinstance(size[0], tuple):
        return tensor(size[0], input.dtype)
    return zeros(*(size or (0,)), dtype=input.dtype)


# ---------------------------------------------------------------- defaults


def get_default_dtype() -> DType:
    return fraction()


def set_default_dtype(d: Any) -> None:
    """What Python's fractions and tensors of which no dtype is said become: float32, or float64 where the backend has it."""
    kind = dtype_of(d)
    if not kind.is_floating_point:
        raise DtypeError(f"set_default_dtype: only floating-point types are supported as the default type, got {kind}")
    if kind.own or kind.dtype not in engine.backend().dtypes:
        raise UnsupportedError(f"not implemented: torch.set_default_dtype({kind}) here; nearest is dtype= where a tensor is made")
    make_fraction(kind)


def get_default_device() -> Any:
    return current()


def set_default_device(device: Any) -> None:
    check(device)


_guard(globals(), idle=_MAKING)
