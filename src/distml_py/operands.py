"""Where the numbers of a contraction's operand lie: views over several axes -> strides, or no strides at all."""

from __future__ import annotations

import math

from .kernel import Axis, Expression, Operand, Read
from .view import Shape, View, chain, contiguous_strides, merge

MOST_CROOKED = 64  # columns of a product


def through(view: View, value: Expression) -> Expression:
    """value read through a view."""
    inner = value if isinstance(value, Read) else Read((), value, value.dtype, value.work)
    views = chain(view, inner.views)
    return Read(views, inner.of, value.dtype, inner.work) if views else inner.of


def composed(shape: Shape, views: tuple[View, ...]) -> View | None:
    """One plain View for an array of `shape` that is read through views (outermost first); None where there is none."""
    found = View(shape, contiguous_strides(shape))
    for view in views:
        merged = merge(found, view) or merge(_refined(found, view), view)
        if merged is None or merged.mask is not None:
            return None
        found = merged
    return found


def _refined(outer: View, inner: View) -> View:
    """outer with its axes cut where they go from one axis of inner's shape to the next: heads out of a row, rows of a block."""
    line = contiguous_strides(inner.shape)
    dims: list[tuple[int, int]] = []
    for size, stride in zip(outer.shape, outer.strides, strict=True):
        own: list[tuple[int, int]] = []
        for step, length in sorted(zip(line, inner.shape, strict=True)):
            reach = length * step // stride if stride > 0 and length * step % stride == 0 else 0
            if 1 < reach < size and size % reach == 0:
                own.insert(0, (reach, stride))
                size, stride = size // reach, stride * reach
        dims += [(size, stride), *own]
    return View(tuple(size for size, _ in dims), tuple(stride for _, stride in dims), outer.offset)


def operand(number: int, view: View, shape: Shape) -> Operand | None:
    """An array of `shape` seen through a plain view, as input `number` of a kernel."""
    dims = [(size, stride) for size, stride in zip(view.shape, view.strides, strict=True) if size != 1]
    if view.mask is not None or 0 in shape:
        return None
    axes: list[Axis] = []
    for size in reversed(shape):
        digits: list[tuple[int, int]] = []
        while size > 1:
            have, stride = dims.pop()
            least = math.gcd(have, size)
            if least not in (have, size):
                return None
            if least < have:
                dims.append((have // least, stride * least))
            digits.insert(0, (least, stride))
            size //= least
        axes.insert(0, _joined(digits))
    return Operand(number, view.offset, tuple(axes))


def _joined(digits: list[tuple[int, int]]) -> Axis:
    """Neighbouring digits that run on are one."""
    found: list[tuple[int, int]] = []
    for size, stride in digits:
        if found and found[-1][1] == size * stride:
            size *= found.pop()[0]
        found.append((size, stride))
    return tuple(found) or ((1, 0),)


def view_of(given: Operand) -> View:
    """The plain view that an operand reads its input through, axis by axis."""
    digits = [digit for axis in given.axes for digit in axis]
    return View(tuple(size for size, _ in digits), tuple(stride for _, stride in digits), given.offset)


def is_packed(given: Operand, axes: tuple[int, ...], straight: int | None = None) -> bool:
    """Do whole texels run along one of the axes? straight: an axis that must be walked with one stride, or along texels."""
    if straight is not None and len(given.axes[straight]) > 1 and given.axes[straight][-1][1] != 1:
        return False
    odd = [digit for axis in given.axes for digit in axis if digit[0] > 1 and digit[1] % 4]
    for axis in axes:
        size, stride = last = given.axes[axis][-1]
        runs = size == 1 or (stride == 1 and (len(given.axes[axis]) == 1 or size % 4 == 0))
        if runs and given.offset % 4 == 0 and odd in ([], [last]):
            return True
    return False


def straight_left(columns: int) -> int | None:
    """The axis of a product's left operand that must be straight: its sum, where many columns read every number again.

    Measured: a sum that leads from layer to layer costs a tenth of the product, a copy of the operand as much as 64 columns.
    """
    return 2 if columns > MOST_CROOKED else None
