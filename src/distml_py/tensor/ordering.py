"""Sorting and what rests on it. On a GPU short lines are ranked by counting and long ones sorted by Batcher's network, composed
of ops; the reference backend has a row for it. What gives as many numbers as it finds is in counting.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import broadcast, engine, graph, ops
from ..errors import DtypeError, IndexRangeError, ShapeError
from ..op import bool_, int32
from .choosing import where
from .joining import cat
from .reduction import Best, turned
from .scan import LEAST
from .tensor import Tensor, method

COUNTED = 1024  # lines up to here are ranked by comparing each number with each other
PICKED = 8  # so many largest numbers are found one after the other


def places(shape: tuple[int, ...], axis: int) -> Tensor:
    """The coordinate along axis, in an int32 tensor of this shape."""
    return Tensor(graph.apply(ops.IOTA, attrs=ops.source.iota_attrs(shape, axis)))


@method
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = True) -> Tensor:
    """The places of the numbers in order; equals stay in theirs, NaN counts as the largest."""
    axis = broadcast.axis_of(dim, input.ndim, "argsort")
    x = input._aside()
    x = x.long() if x.dtype == bool_ else x
    if not x.ndim or x.shape[axis] < 2 or 0 in x.shape:
        return Tensor(graph.full(0, x.shape, int32))
    if not engine.backend().on_gpu:
        return Tensor(graph.apply(ops.ARGSORT, x._node, attrs=(axis, descending)))
    line = x.movedim(axis, -1)
    keys, ties = _keys(line, descending)
    order = _by_counting(keys, ties) if line.shape[-1] <= COUNTED else _by_network(keys, ties, line.shape[-1])
    return order.movedim(-1, axis)


def _keys(x: Tensor, descending: bool) -> tuple[Tensor, Tensor]:
    """(numbers, tie-breakers), of which no two pairs are equal and none holds NaN; both ascend in the order asked for."""
    numbers, size = places(x.shape, x.ndim - 1), x.shape[-1]
    if not x.is_floating_point():
        return (-1 - x if descending else x), numbers
    lost = x.isnan()
    if descending:
        return where(lost, -math.inf, -x), numbers - lost.long() * size
    return where(lost, math.inf, x), numbers + lost.long() * size


def _before(x: Tensor, i: Tensor, y: Tensor, j: Tensor) -> Tensor:
    return (x < y) | ((x == y) & (i < j))


def _by_counting(keys: Tensor, ties: Tensor) -> Tensor:
    """A number's rank is how many come before it."""
    earlier = _before(keys.unsqueeze(-2), ties.unsqueeze(-2), keys.unsqueeze(-1), ties.unsqueeze(-1))
    rank = earlier.long().sum(-1)
    numbers = places(keys.shape, keys.ndim - 1)
    return Tensor(graph.apply(ops.SCATTER_ADD, rank._node, numbers._node, attrs=(keys.shape, keys.ndim - 1)))


def _by_network(keys: Tensor, ties: Tensor, size: int) -> Tensor:
    """Batcher 1968: pairs at distances 2^j are put in order, in runs of 2^k that ascend and descend in turn."""
    whole = 1 << (size - 1).bit_length()
    lead, last = keys.shape[:-1], keys.ndim - 1
    most = math.inf if keys.is_floating_point() else -LEAST
    keys = Tensor(ops.move.pad_axis(keys._node, last, 0, whole - size, most))
    ties = where(places(keys.shape, last) < size, Tensor(ops.move.pad_axis(ties._node, last, 0, whole - size)), 4 * whole)
    ties = ties + where(ties == 4 * whole, places(keys.shape, last), 0)
    run = 2
    while run <= whole:
        step = run // 2
        while step:
            shape = (*lead, whole // (2 * step), 2, step)
            x, i = keys.reshape(shape), ties.reshape(shape)
            y, j = x.flip(-2), i.flip(-2)
            position = places((*lead, whole), last).reshape(shape)
            first = places(shape, len(shape) - 2) == 0
            ascends = (position // run) % 2 == 0
            swap = _before(y, j, x, i) == (first == ascends)
            keys, ties = where(swap, y, x).reshape(*lead, whole), where(swap, j, i).reshape(*lead, whole)
            step //= 2
        run *= 2
    return (ties.narrow(-1, 0, size) + 2 * size) % size if keys.is_floating_point() else ties.narrow(-1, 0, size)


@method
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Best:
    """(values, indices) along dim; equals stay in order."""
    if not input.ndim:
        return Best(input, input.argsort(dim))
    indices = argsort(input, dim, descending)
    return Best(input.gather(dim, indices), indices)


@method
def msort(input: Tensor) -> Tensor:
    return sort(input, 0).values


@method
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Best:
    """The k largest (or smallest) along dim, in order, and their places."""
    axis = broadcast.axis_of(dim, input.ndim, "topk")
    size = input.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise IndexRangeError(f"topk: k is from 0 to the {size} numbers along dim {dim}, got {k}")
    if not input.ndim:
        return Best(input, input.argsort(0))
    if k > PICKED or size <= COUNTED or not engine.backend().on_gpu:
        indices = argsort(input, axis, descending=largest).narrow(axis, 0, k)
    else:
        indices = _picked(input._aside() if largest else turned(input._aside()), k, axis)
    return Best(input.gather(axis, indices), indices)


def _picked(x: Tensor, k: int, axis: int) -> Tensor:
    """The places of the k largest, found one after the other."""
    numbers, found = places(x.shape, axis), []
    for _ in range(k):
        found.append(x.argmax(axis, keepdim=True))
        x = where(numbers == found[-1], -math.inf if x.is_floating_point() else LEAST, x)
    return cat(found, axis) if found else numbers.narrow(axis, 0, 0)


@method
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Best:
    """The k-th smallest number along dim, counted from 1, and its place."""
    axis = broadcast.axis_of(dim, input.ndim, "kthvalue")
    if not 1 <= k <= (input.shape[axis] if input.ndim else 1):
        raise IndexRangeError(f"kthvalue: k counts from 1 to the size of dim {dim} of {input.shape}, got {k}")
    return _at(input, k - 1, axis, keepdim)


def _at(input: Tensor, rank: int, axis: int, keepdim: bool) -> Best:
    if not input.ndim:
        return Best(input, input.argsort(0))
    indices = argsort(input, axis).narrow(axis, rank, 1)
    values = input.gather(axis, indices)
    return Best(values, indices) if keepdim else Best(values.squeeze(axis), indices.squeeze(axis))


@method
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower one of the two in the middle; NaN if there is one. With dim: (values, indices)."""
    if dim is None:
        if not input.numel() and input.is_floating_point():
            return Tensor(math.nan, input.dtype)
        return _shared(input, median(input.flatten(), 0).values)
    axis = broadcast.axis_of(dim, input.ndim, "median")
    size = input.shape[axis] if input.ndim else 1
    if not size:
        raise ShapeError(f"median of no elements: shape {input.shape}, dim {dim}")
    middle = _at(input, (size - 1) // 2, axis, True)
    if input.is_floating_point() and input.ndim:
        lost = input._aside().isnan()
        spoilt = lost.any(axis, keepdim=True)
        indices = where(spoilt, lost.long().argmax(axis, keepdim=True), middle.indices)
        middle = Best(input.gather(axis, indices), indices)
    return middle if keepdim or not input.ndim else Best(middle.values.squeeze(axis), middle.indices.squeeze(axis))


def _shared(input: Tensor, middle: Tensor) -> Tensor:
    """middle, whose gradient goes in equal parts to all numbers that are it (PyTorch's rule)."""
    if not input.requires_grad or not input.numel():
        return middle
    value = middle._aside()
    hit = input._aside() == value
    apart = where(hit & value.isfinite(), input - value, 0.0)  # 0, and a gradient
    return value + apart.sum() / hit.to(input.dtype).sum().clamp(min=1)


@method
def quantile(input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """The numbers below which the share q of all lies; q: a number or a tensor (k,), whose dimension comes first."""
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@method
def nanquantile(input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """quantile() of what is not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _quantile(name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Tensor:
    if not input.is_floating_point():
        raise DtypeError(f"{name} needs floating-point numbers, got {input.dtype.name}; use .float()")
    if interpolation not in ("linear", "lower", "higher", "nearest", "midpoint"):
        raise DtypeError(f"{name}: interpolation is linear, lower, higher, nearest or midpoint, got {interpolation!r}")
    if dim is None or not input.ndim:
        return _shaped(_quantile(name, input.flatten(), q, 0, False, interpolation), input, keepdim)
    axis = broadcast.axis_of(dim, input.ndim, name)
    if not isinstance(q, Tensor) and not np.all((np.asarray(q) >= 0) & (np.asarray(q) <= 1)):
        raise ShapeError(f"{name}() q must be in the range [0, 1] but got {q}")
    shares = q if isinstance(q, Tensor) else Tensor(np.asarray(q, input.dtype))
    if shares.ndim > 1 or shares.dtype.kind != "f":
        raise ShapeError(f"{name}: q is a number or a line of floating-point numbers, got {shares.dtype.name} {shares.shape}")
    line = sort(input, axis).values.movedim(axis, -1)
    if name == "quantile":
        line = where(line.isnan().any(-1, keepdim=True), math.nan, line)
        place = (shares.reshape(-1) * (line.shape[-1] - 1)).expand(*line.shape[:-1], -1)
    else:  # what is NaN stands at the end
        place = shares.reshape(-1) * ((~line.isnan()).sum(-1, keepdim=True) - 1).clamp(min=0)
    low, high = place.floor().long(), place.ceil().long()
    if interpolation == "nearest":
        low = high = place.round().long()
    below, above = line.gather(-1, high if interpolation == "higher" else low), line.gather(-1, high)
    weight = {"linear": place - low, "midpoint": (place != low).to(line.dtype) * 0.5}.get(interpolation)
    found = below if weight is None else below + (above - below) * weight
    found = found.movedim(-1, 0)
    found = found.unsqueeze(axis + 1) if keepdim else found
    return found if shares.ndim else found.squeeze(0)


def _shaped(found: Tensor, input: Tensor, keepdim: bool) -> Tensor:
    return found.reshape(*found.shape, *(1,) * input.ndim) if keepdim else found


# ---------------------------------------------------------------- places in what is sorted


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """How many numbers of each sorted line are below input (right: or equal to it): where it would be put in."""
    if side not in (None, "left", "right") or (side == "left" and right):
        raise DtypeError(f"searchsorted: side is 'left' or 'right' and agrees with right, got {side!r} and {right}")
    values = input if isinstance(input, Tensor) else Tensor(input)
    line = sorted_sequence if sorter is None else sorted_sequence.gather(-1, sorter)
    if line.ndim > 1 and line.shape[:-1] != values.shape[:-1]:
        raise ShapeError(f"searchsorted: all sizes but the last must agree, got {line.shape} and {values.shape}")
    line, wanted = line.unsqueeze(-2), values.reshape(-1, 1) if line.ndim == 1 else values.unsqueeze(-1)
    below = line <= wanted if right or side == "right" else line < wanted
    found = below.long().sum(-1).reshape(values.shape)
    return found.int() if out_int32 else found


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Between which boundaries (n,), sorted, each number lies: 0 to n."""
    if boundaries.ndim != 1:
        raise ShapeError(f"bucketize: boundaries are a line (n,), got shape {boundaries.shape}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
