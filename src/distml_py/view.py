"""Where an element comes from: the arithmetic from an element's number in one array to its number in another.

A View maps element number i of an array of `shape` (row-major) to `offset + sum(coordinate * stride)` of its source,
or, outside `mask`, to the constant `fill`. Nothing is read here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Shape = tuple[int, ...]


def contiguous_strides(shape: Shape) -> tuple[int, ...]:
    """Row-major strides, in elements."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


@dataclass(frozen=True)
class View:
    """shape, strides and offset in elements; mask: per dimension [low, high) of the coordinates that have a source."""

    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0
    mask: tuple[tuple[int, int], ...] | None = None
    fill: float | int | bool = 0

    @property
    def is_identity(self) -> bool:
        """Does every element come from the one with its own number?"""
        simple = self.simplified()
        line = (simple.shape, simple.strides) in (((), ()), (simple.shape, (1,)))
        return line and simple.offset == 0 and simple.mask is None

    def simplified(self) -> View:
        """The same map with the fewest dimensions: ones dropped, neighbours that run on merged."""
        dims: list[tuple[int, int, tuple[int, int]]] = []
        for axis, (size, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            window = self.mask[axis] if self.mask else (0, size)
            if size == 1 and window == (0, 1):
                continue
            if dims and window == (0, size) and dims[-1][2] == (0, dims[-1][0]) and dims[-1][1] == size * stride:
                size *= dims.pop()[0]
                window = (0, size)
            dims.append((size, stride, window))
        mask = tuple(window for _, _, window in dims)
        whole = all(window == (0, size) for size, _, window in dims)
        return View(
            tuple(size for size, _, _ in dims),
            tuple(stride for _, stride, _ in dims),
            self.offset,
            None if whole else mask,
            0 if whole else self.fill,
        )


def merge(outer: View, inner: View) -> View | None:
    """One View that reads like `inner` read through `outer`, or None when no single one does.

    outer maps to the row-major element numbers of inner.shape. Possible when every stride of outer walks along
    exactly one dimension of inner and never leaves it.
    """
    if inner.mask is not None or math.prod(outer.shape) == 0:
        return None
    line = contiguous_strides(inner.shape)
    start = _coordinates(outer.offset, line)
    if start is None:
        return None
    windows = outer.mask or tuple((0, size) for size in outer.shape)
    low, high = list(start), list(start)
    strides = []
    for (first, last), stride in zip(windows, outer.strides, strict=True):
        axis = _walked(abs(stride), line, inner.shape)
        if last <= first or (axis is None and stride != 0):
            return None
        if axis is None:
            strides.append(0)
            continue
        step = stride // line[axis]
        ends = (first * step, (last - 1) * step)
        low[axis] += min(ends)
        high[axis] += max(ends)
        strides.append(step * inner.strides[axis])
    if any(bottom < 0 or top >= size for bottom, top, size in zip(low, high, inner.shape, strict=True)):
        return None
    offset = inner.offset + sum(c * s for c, s in zip(start, inner.strides, strict=True))
    return View(outer.shape, tuple(strides), offset, outer.mask, outer.fill)


def _coordinates(offset: int, line: tuple[int, ...]) -> list[int] | None:
    """offset as steps along each dimension; all negative when offset is (a padded edge)."""
    sign = -1 if offset < 0 else 1
    rest = abs(offset)
    found = []
    for step in line:
        found.append(sign * (rest // step if step else 0))
        rest -= abs(found[-1]) * step
    return None if rest else found


def _walked(stride: int, line: tuple[int, ...], shape: Shape) -> int | None:
    """The dimension of a row-major array along which a step of `stride` elements goes, if it is one."""
    for axis, (step, size) in enumerate(zip(line, shape, strict=True)):
        if size > 1 and 0 < step <= stride:
            return axis if stride % step == 0 else None
    return None


def chain(outer: View, views: tuple[View, ...]) -> tuple[View, ...]:
    """`views` read through one more View, merged and simplified as far as possible. Outermost first; () is identity."""
    if outer.is_identity:
        return views
    if views:
        merged = merge(outer, views[0])
        if merged is None:
            merged = merge(outer.simplified(), views[0])
        if merged is not None:
            return chain(merged, views[1:])
    return (outer.simplified(), *views)
