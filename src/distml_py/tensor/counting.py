"""What gives as many numbers as it finds: nonzero, masked_select, unique, bincount. Its shape depends on the device's numbers, so
the host waits for them: a stall in profile(), and one warning a function."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import broadcast, engine, graph, live, ops
from ..errors import DtypeError, IndexRangeError, ShapeError
from ..op import bool_, int32
from .tensor import Tensor, made, method

COUNTS = "since the shape of its result depends on the numbers; where() and masked_fill() do not"
_warned: set[str] = set()  # what may change in this module, in one place


def read(input: Tensor, name: str, why: str = COUNTS) -> np.ndarray:
    """The numbers on the host, for a function that needs them there. Warns once where that waits for a GPU, and says why."""
    if engine.backend().on_gpu and name not in _warned and not isinstance(input._node.buffer, np.ndarray):
        _warned.add(name)
        warnings.warn(
            f"{live.user_place()}: {name} waits for the GPU, {why}",
            stacklevel=2,
        )
    return engine.fetch(input._node)


@method
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Where it is not 0: (n, ndim) int32, or as_tuple one tensor (n,) a dimension. Reads the device."""
    known = read(input, "nonzero")
    found = np.nonzero(known if input.ndim else known.reshape(1))
    if as_tuple:
        return (
            tuple(Tensor(part.astype(np.int64)) for part in found) if input.ndim else (Tensor(np.zeros(len(found[0]), np.int64)),)
        )
    return Tensor(np.stack(found, 1).astype(np.int64) if input.ndim else np.zeros((len(found[0]), 0), np.int64))


@method
def argwhere(input: Tensor) -> Tensor:
    return nonzero(input)


@method
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The numbers where mask holds, (n,); both broadcast. Reads the mask."""
    if mask.dtype != bool_:
        raise DtypeError(f"masked_select takes a bool mask, got {mask.dtype.name}; use mask.bool()")
    shape = broadcast.common_shape("masked_select", input.shape, mask.shape)
    found = np.flatnonzero(np.broadcast_to(read(mask, "masked_select"), shape)).astype(np.int64)
    return input.broadcast_to(shape).flatten()[Tensor(found)]


def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Every number (with dim: every slice) once, in order. Reads the device."""
    known = read(input, "unique")
    axis = None if dim is None else broadcast.axis_of(dim, input.ndim, "unique")
    found, inverse, counts = np.unique(known, return_inverse=True, return_counts=True, axis=axis)
    out = [Tensor(found, input.dtype)]
    if return_inverse:
        out.append(Tensor(inverse.reshape(known.shape if axis is None else -1).astype(np.int64)))
    if return_counts:
        out.append(Tensor(counts.astype(np.int64)))
    return out[0] if len(out) == 1 else tuple(out)


method(unique)


@method
def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """Runs of equals (with dim: of equal slices), each once. Reads the device."""
    known = read(input, "unique_consecutive")
    axis = 0 if dim is None else broadcast.axis_of(dim, input.ndim, "unique_consecutive")
    line = known.reshape(-1) if dim is None else np.moveaxis(known, axis, 0)
    rows = line.reshape(len(line), -1)
    first = np.ones(len(line), bool)
    first[1:] = (rows[1:] != rows[:-1]).any(1)
    found = line[first]
    out = [Tensor(found if dim is None else np.moveaxis(found, 0, axis), input.dtype)]
    if return_inverse:
        inverse = (np.cumsum(first) - 1).astype(np.int64)
        out.append(Tensor(inverse.reshape(known.shape) if dim is None else inverse))
    if return_counts:
        out.append(Tensor(np.diff(np.append(np.flatnonzero(first), len(line))).astype(np.int64)))
    return out[0] if len(out) == 1 else tuple(out)


@method
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, ... is there, (largest + 1,), or the sum of their weights. Reads the largest number."""
    if minlength < 0:
        raise ShapeError(f"bincount: minlength is at least 0, got {minlength}")
    if input.ndim != 1 or input.dtype != int32:
        raise ShapeError(f"bincount needs integers (n,), got {input.dtype.name} {input.shape}")
    ends = read(input.aminmax().max if input.numel() else input, "bincount")
    size = max(int(ends) + 1 if input.numel() else 0, minlength)
    if input.numel() and int(read(input.amin(), "bincount")) < 0:
        raise IndexRangeError("bincount: the integers are at least 0, found a negative one")
    source = Tensor(graph.full(1, input.shape, int32)) if weights is None else weights
    if source.shape != input.shape:
        raise ShapeError(f"bincount: weights {source.shape} must have the shape of input {input.shape}")
    return made(graph.apply(ops.SCATTER_ADD, input._node, source._node, attrs=((size,), 0)), source)


@method
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many numbers lie in each of `bins` equal parts of [min, max]; of the smallest and the largest where both are 0."""
    if max < min or bins < 1:
        raise ShapeError(f"histc needs min up to max and bins from 1 up, got {min}, {max} and {bins}")
    x = input.flatten()
    if not x.numel():
        return Tensor(np.zeros(bins), x.dtype)
    low, high = (x.amin(), x.amax()) if min == max == 0 else (Tensor(float(min)), Tensor(float(max)))
    same = low == high
    low, high = (low - 1).where(same, low), (high + 1).where(same, high)
    inside = (x >= low) & (x <= high)
    place = ((x - low) / (high - low) * bins).floor().nan_to_num().clamp(0, bins - 1).long()
    return made(graph.apply(ops.SCATTER_ADD, place._node, inside.to(x.dtype)._node, attrs=((bins,), 0)))
