"""What is counted or combined: mode, combinations, histograms, greatest common divisors; and small words for other functions."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import broadcast, engine
from ..errors import DtypeError, ShapeError
from .choosing import where
from .joining import cat
from .ordering import sort
from .reduction import Best
from .returned import returned
from .tensor import Tensor, method


@returned("histogram")
class Histogram(NamedTuple):
    hist: Tensor
    bin_edges: Tensor


@method
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Best:
    """(values, indices): what is met most often along dim, the smallest of equals, and where it stands last."""
    axis = broadcast.axis_of(dim, input.ndim, "mode")
    if not input.ndim:
        return Best(input, Tensor(0))
    line = sort(input._aside(), axis).values.movedim(axis, -1)
    counts = (line.unsqueeze(-1) == line.unsqueeze(-2)).long().sum(-1)
    value = line.gather(-1, counts.argmax(-1, keepdim=True))
    numbers = Tensor(np.arange(line.shape[-1]))
    place = where(input._aside().movedim(axis, -1) == value, numbers, -1).amax(-1, keepdim=True).movedim(-1, axis)
    found = input.gather(axis, place)
    return Best(found, place) if keepdim else Best(found.squeeze(axis), place.squeeze(axis))


@method
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """median() of what is not NaN; with dim (values, indices)."""
    if dim is None:
        return nanmedian(input.flatten(), 0).values if input.ndim else input * 1
    axis = broadcast.axis_of(dim, input.ndim, "nanmedian")
    ordered = sort(input, axis)
    known = (~input._aside().isnan()).long().sum(axis, keepdim=True)
    place = ((known - 1) // 2).clamp(min=0)
    found, at = ordered.values.gather(axis, place), ordered.indices.gather(axis, place)
    return Best(found, at) if keepdim else Best(found.squeeze(axis), at.squeeze(axis))


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r numbers of a line, as rows, in its order."""
    if input.ndim != 1 or r < 0:
        raise ShapeError(f"combinations takes a line and r from 0 up, got {input.shape} and {r}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return input[Tensor(places)] if r and len(places) else input[:0].reshape(0, r) if r else input[:0]


@method
def histogram(
    input: Tensor, bins: Any = 100, *, range: Sequence[float] | None = None, weight: Tensor | None = None, density: bool = False
) -> Histogram:
    """(hist, bin_edges): how many numbers, or how much weight, each bin gets; the last one has both its edges.

    bins: how many, between range or the smallest and the largest number; or a line of edges. density: over the total and the width.
    """
    if weight is not None and weight.shape != input.shape:
        raise ShapeError(f"histogram: weight {weight.shape} needs the shape of input {input.shape}")
    x = input._aside().flatten()
    if isinstance(bins, Tensor):
        edges = bins
    else:
        low, high = (x.amin().item(), x.amax().item()) if range is None else range
        low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
        edges = Tensor(np.linspace(low, high, bins + 1), input.dtype)
    last = edges.shape[0] - 2
    place = (x.unsqueeze(1) >= edges).long().sum(1) - 1
    inside = (x >= edges[0]) & (x <= edges[-1])
    place = where(x == edges[-1], last, place).clamp(0, last)
    amount = inside.to(input.dtype) if weight is None else where(inside, weight.flatten(), 0.0)
    found = Tensor(np.zeros(last + 1), input.dtype).scatter_add(0, place, amount)
    return Histogram(found / found.sum() / (edges[1:] - edges[:-1]) if density else found, edges)


@method
def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor of integers, by Euclid: 46 steps are enough for 32 bits."""
    if input.dtype.kind != "i" or other.dtype.kind != "i":
        raise DtypeError(f"gcd takes integers, got {input.dtype.name} and {other.dtype.name}; use .long()")
    large, small = (input + other * 0).abs(), (other + input * 0).abs()
    for _ in builtins.range(46):
        rest = large.remainder(where(small == 0, 1, small))
        large, small = where(small == 0, large, small), where(small == 0, 0, rest)
    return large


@method
def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple of integers."""
    divisor = gcd(input, other)
    return (input // where(divisor == 0, 1, divisor) * other).abs()


@method
def float_power(input: Tensor, exponent: Any) -> Tensor:
    """Powers in float64, as PyTorch's; on a GPU, which has none, in float32."""
    wide = input.float() if engine.backend().on_gpu else input.double()
    power = exponent.to(wide.dtype) if isinstance(exponent, Tensor) else float(exponent)
    return wide**power


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """trapezoid() up to each place: one number less along dim."""
    axis = broadcast.axis_of(dim, y.ndim, "cumulative_trapezoid")
    size = y.shape[axis]
    both = y.narrow(axis, 1, size - 1) + y.narrow(axis, 0, size - 1)
    if x is None:
        return (both * (dx / 2)).cumsum(axis)
    gap = x.diff() if x.ndim == 1 else x.diff(dim=axis)
    gap = gap.reshape(*(-1 if a == axis else 1 for a in range(y.ndim))) if x.ndim == 1 else gap
    return (both * gap / 2).cumsum(axis)


@method
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """input, with source's numbers in these places of the flattened tensor; accumulate: added to what is there."""
    if index.numel() != source.numel():
        raise ShapeError(f"put: {index.numel()} places for {source.numel()} numbers")
    places = index.flatten()
    places = where(places < 0, places + input.numel(), places)
    flat, given = input.flatten(), source.flatten()
    return (flat.scatter_add(0, places, given) if accumulate else flat.scatter(0, places, given)).reshape(*input.shape)


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The places in an array of this shape of numbers in the flattened one: a tensor a dimension."""
    if indices.dtype.kind != "i":
        raise DtypeError(f"unravel_index takes integers, got {indices.dtype.name}; use .long()")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    found: list[Tensor] = []
    for size in reversed(sizes):
        found.insert(0, indices % size)
        indices = indices // size
    return tuple(found)


def gradient(input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """Central differences along each dimension of dim (all by default), one-sided at the edges. spacing: a number, or several."""
    axes = broadcast.axes_of(dim, input.ndim, "gradient")
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(axes)
    if edge_order != 1 or len(steps) != len(axes) or not all(isinstance(step, (int, float)) for step in steps):
        raise ShapeError(f"gradient: edge_order is 1 and spacing a number, or one for each of {len(axes)} dimensions, here")
    found = []
    for axis, step in zip(axes, steps, strict=True):
        size = input.shape[axis]
        if size < 2:
            raise ShapeError(f"gradient: each dimension needs two numbers, got {input.shape}")
        near = (input.narrow(axis, 1, size - 1) - input.narrow(axis, 0, size - 1)) / step
        middle = (near.narrow(axis, 1, size - 2) + near.narrow(axis, 0, size - 2)) / 2
        found.append(cat([near.narrow(axis, 0, 1), middle, near.narrow(axis, size - 2, 1)], axis))
    return tuple(found)


@method
def isreal(input: Tensor) -> Tensor:
    """True everywhere: there are no complex numbers here."""
    return input == input if not input.is_floating_point() else (input == input) | input.isnan()


@method
def is_nonzero(input: Tensor) -> bool:
    """The truth of a tensor of one number."""
    return bool(input)


@method
def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """Summed over what broadcasting would have repeated, so that it has this shape."""
    wanted = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else tuple(size)
    more = input.ndim - len(wanted)
    if more < 0 or any(want not in (1, have) for want, have in zip(wanted, input.shape[more:], strict=True)):
        raise ShapeError(f"sum_to_size: {wanted} does not expand to {input.shape}")
    axes = [*range(more), *(n + more for n, want in enumerate(wanted) if want == 1 and input.shape[n + more] != 1)]
    return input.sum(axes, keepdim=True).reshape(*wanted) if axes else input
