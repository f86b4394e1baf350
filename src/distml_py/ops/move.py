"""Moves: the same elements elsewhere. On the GPU each is a View, index arithmetic in whoever reads it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..graph import Node, apply
from ..op import Move
from ..view import Shape, View, contiguous_strides
from .reduce import SUM

Pairs = tuple[tuple[int, int], ...]
Slices = tuple[tuple[int, int, int], ...]


def _same(shape: Shape) -> View:
    return View(shape, contiguous_strides(shape))


RESHAPE: Move = Move(
    name="reshape",
    numpy=np.reshape,
    view=lambda shape, new: _same(new),
    vjp=lambda g, out, x: (apply(RESHAPE, g, attrs=(x.shape,)),),
)

DETACH = Move("detach", lambda x: x, None, view=lambda shape: _same(shape))

EXPAND = Move(
    name="expand",
    numpy=np.broadcast_to,
    view=lambda shape, new: View(
        new,
        tuple(stride if size == wide else 0 for stride, size, wide in zip(contiguous_strides(shape), shape, new, strict=True)),
    ),
    vjp=lambda g, out, x: (sum_to(g, x.shape),),
)


def sum_to(g: Node, shape: Shape) -> Node:
    """g summed over the axes along which `shape`, of the same rank, was expanded."""
    axes = tuple(axis for axis, (wide, size) in enumerate(zip(g.shape, shape, strict=True)) if wide != size)
    return apply(SUM, g, attrs=(axes,)) if axes else g


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(axis) for axis in np.argsort(axes))


PERMUTE: Move = Move(
    name="permute",
    numpy=np.transpose,
    view=lambda shape, axes: View(tuple(shape[axis] for axis in axes), tuple(contiguous_strides(shape)[axis] for axis in axes)),
    vjp=lambda g, out, x: (apply(PERMUTE, g, attrs=(_inverse(out.attrs[0]),)),),
)


def _slice_view(shape: Shape, slices: Slices) -> View:
    """slices: (first element, how many, step); the step may be negative."""
    line = contiguous_strides(shape)
    return View(
        tuple(count for _, count, _ in slices),
        tuple(stride * step for stride, (_, _, step) in zip(line, slices, strict=True)),
        sum(stride * first for stride, (first, _, _) in zip(line, slices, strict=True)),
    )


def _slice_numpy(x: np.ndarray, slices: Slices) -> np.ndarray:
    for axis, (first, count, step) in enumerate(slices):
        x = np.take(x, np.arange(count) * step + first, axis=axis) if count else np.take(x, [], axis=axis)
    return x


def _slice_vjp(g: Node, out: Node, x: Node) -> tuple[Node]:
    """Steps become zeros between the elements, then the edges are padded."""
    for axis, (first, count, step) in enumerate(out.attrs[0]):
        size = x.shape[axis]
        if (first, count, step) == (0, size, 1):
            continue
        if step < 0:
            g = flip(g, axis)
            first, step = first + (count - 1) * step, -step
        g = spread(g, axis, step)
        before = first if count else 0
        g = pad_axis(g, axis, before, size - before - g.shape[axis])
    return (g,)


SLICE = Move("slice", _slice_numpy, _slice_vjp, view=_slice_view)


def slice_axis(x: Node, axis: int, first: int, count: int, step: int = 1) -> Node:
    """count elements along one axis, every step-th from first."""
    if (first, count, step) == (0, x.shape[axis], 1):
        return x
    slices = tuple((first, count, step) if a == axis else (0, size, 1) for a, size in enumerate(x.shape))
    return apply(SLICE, x, attrs=(slices,))


def flip(x: Node, axis: int) -> Node:
    """The elements along one axis in reverse."""
    return slice_axis(x, axis, max(x.shape[axis] - 1, 0), x.shape[axis], -1)


def spread(x: Node, axis: int, step: int) -> Node:
    """step - 1 zeros between neighbours along one axis."""
    if step == 1 or x.shape[axis] <= 1:
        return x
    size = x.shape[axis]
    around = x.shape[:axis], x.shape[axis + 1 :]
    x = apply(RESHAPE, x, attrs=((*around[0], size, 1, *around[1]),))
    x = pad_axis(x, axis + 1, 0, step - 1)
    x = apply(RESHAPE, x, attrs=((*around[0], size * step, *around[1]),))
    return slice_axis(x, axis, 0, (size - 1) * step + 1)


def _pad_view(shape: Shape, pairs: Pairs, value: float) -> View:
    line = contiguous_strides(shape)
    return View(
        tuple(size + before + after for size, (before, after) in zip(shape, pairs, strict=True)),
        line,
        -sum(stride * before for stride, (before, _) in zip(line, pairs, strict=True)),
        tuple((before, before + size) for size, (before, _) in zip(shape, pairs, strict=True)),
        value,
    )


def _pad_vjp(g: Node, out: Node, x: Node) -> tuple[Node]:
    slices = tuple((before, size, 1) for (before, _), size in zip(out.attrs[0], x.shape, strict=True))
    return (apply(SLICE, g, attrs=(slices,)),)


PAD = Move(
    name="pad",
    numpy=lambda x, pairs, value: np.pad(x, pairs, constant_values=value) if x.ndim else x,
    view=_pad_view,
    vjp=_pad_vjp,
)


def pad_axis(x: Node, axis: int, before: int, after: int, value: float = 0) -> Node:
    """Constants before and after along one axis."""
    if before == after == 0:
        return x
    pairs = tuple((before, after) if a == axis else (0, 0) for a in range(len(x.shape)))
    return apply(PAD, x, attrs=(pairs, value))


def window_sizes(size: int, kernel: int, stride: int, dilation: int) -> int:
    """How many windows fit."""
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def _window_view(shape: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> View:
    lead = len(shape) - len(kernel)
    line = contiguous_strides(shape)
    counts = tuple(map(window_sizes, shape[lead:], kernel, stride, dilation))
    return View(
        (*shape[:lead], *counts, *kernel),
        (
            *line[:lead],
            *(step * s for step, s in zip(line[lead:], stride, strict=True)),
            *(step * d for step, d in zip(line[lead:], dilation, strict=True)),
        ),
    )


def _window_numpy(x: np.ndarray, *attrs: Any) -> np.ndarray:
    view = _window_view(x.shape, *attrs)
    strides = tuple(stride * x.itemsize for stride in view.strides)
    return np.lib.stride_tricks.as_strided(np.ascontiguousarray(x), view.shape, strides, writeable=False)


def _window_vjp(g: Node, out: Node, x: Node) -> tuple[Node]:
    """Each place in the window sends its gradient back where it read from: kernel-size many adds, fused into one draw."""
    kernel, stride, dilation = out.attrs
    rank = len(kernel)
    lead = len(x.shape) - rank
    total = None
    for number in range(math.prod(kernel)):
        place = np.unravel_index(number, kernel)
        part = g
        for axis, index in enumerate(place):
            part = slice_axis(part, lead + rank + axis, int(index), 1)
        part = apply(RESHAPE, part, attrs=(out.shape[: lead + rank],))
        for axis, index in enumerate(place):
            part = spread(part, lead + axis, stride[axis])
            before = int(index) * dilation[axis]
            part = pad_axis(part, lead + axis, before, x.shape[lead + axis] - before - part.shape[lead + axis])
        total = part if total is None else total + part
    assert total is not None
    return (total,)


WINDOW = Move("window", _window_numpy, _window_vjp, view=_window_view)
