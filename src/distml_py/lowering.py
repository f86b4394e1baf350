"""Contractions -> kernels: how operands are packed, how large a block one fragment computes, when long sums are cut up."""

from __future__ import annotations

import math
from typing import Protocol

from .kernel import Apply, Convolution, Dtype, Expression, Fold, Kernel, Load, Operand, Product, Read, WeightGradient, Window
from .layout import Layout
from .operands import composed, is_packed, operand, straight_left, through
from .ops.elementwise import ADD
from .ops.reduce import SUM
from .variant import DEFAULT, Variant
from .view import Shape, View, contiguous_strides

Direct = tuple[Operand, int] | None
SHORTEST = 64  # numbers of a sum that are worth a part of their own
MOST_PARTS = 64
FEW_PARTS = 4  # as many are added where they are read


class Builder(Protocol):
    """What the scheduler lends: launching a kernel, storing a value in an array of its own, and the layout that these get.

    filled: the width of the rows of those arrays whose rows end in zeros, up to a whole texel; by slot.
    results: how the numbers of a contraction are read in order, where its kernel finds each as a whole; by slot.
    """

    filled: dict[int, int]
    results: dict[int, Expression]

    def launch(
        self, kernel: Kernel, inputs: tuple[int, ...], shape: Shape, layers: int = 1, scalars: tuple[int, ...] = ()
    ) -> Load: ...
    def fused(self, kernel: Fold, shape: Shape) -> Load: ...
    def store(self, value: Expression, shape: Shape) -> Load: ...
    def layout(self, shape: Shape, layers: int = 1) -> Layout: ...


def block_of(channels: int, most: int) -> int:
    """How many rows or channels a fragment computes, each in a layer of its own."""
    return min(most, 8 if channels > 4 else 4 if channels > 1 else 1)


def whole(size: int) -> int:
    """Counted up to whole texels."""
    return -(-size // 4) * 4


def _read_directly(
    build: Builder, value: Expression, shape: Shape, axes: tuple[int, ...], number: int, zeros: bool, straight: int | None
) -> Direct:
    """(operand, slot) of a value that a kernel can read as it is stored, through one plain view; None when it cannot."""
    views, of = (value.views, value.of) if isinstance(value, Read) else ((), value)
    view = composed(shape, views) if isinstance(of, Load) else None
    if view is None or not isinstance(of, Load) or (zeros and not _ends_in_zeros(build, view, shape[-1], of.input)):
        return None
    found = operand(number, view, shape)
    return (found, of.input) if found is not None and is_packed(found, axes, straight) else None


def _ends_in_zeros(build: Builder, view: View, width: int, slot: int) -> bool:
    """Does nothing but zeros follow each row, up to a whole texel? What other arrays hold there is not known."""
    others = [stride for stride, size in zip(view.strides[:-1], view.shape[:-1], strict=True) if size > 1]
    in_step = all(step % whole(width) == 0 for step in (view.offset, *others))
    return width % 4 == 0 or (build.filled.get(slot) == width and in_step)


def packed(
    build: Builder,
    value: Expression,
    shape: Shape,
    axes: tuple[int, ...],
    number: int,
    zeros: bool = False,
    straight: int | None = None,
) -> tuple[Operand, int]:
    """value as input `number` of a kernel that reads whole texels along one of the axes; stored anew where it cannot.

    A new array has the last of the axes last, filled up with zeros to whole texels. zeros: the kernel counts on them.
    straight: see is_packed.
    """
    found = _read_directly(build, value, shape, axes, number, zeros, straight)
    if found is not None:
        return found
    last = axes[-1]
    order = [axis for axis in range(len(shape)) if axis != last] + [last]
    turned = tuple(shape[axis] for axis in order)
    line = contiguous_strides(shape)
    value = through(View(turned, tuple(line[axis] for axis in order)), value)
    wide = (*turned[:-1], whole(turned[-1]))
    if wide != turned:
        window = (*((0, size) for size in turned[:-1]), (0, turned[-1]))
        value = through(View(wide, contiguous_strides(turned), 0, window), value)
    slot = build.store(value, wide).input
    if wide != turned:
        build.filled[slot] = turned[-1]
    strides = contiguous_strides(wide)
    return Operand(number, 0, tuple(((size, strides[order.index(axis)]),) for axis, size in enumerate(shape))), slot


def _parts(length: int, fragments: int, unit: int, enough: int) -> int:
    """Into how many equal parts a sum of `length` is cut, each a multiple of `unit` long."""
    wanted = min(MOST_PARTS, enough // max(fragments, 1), length // max(SHORTEST, unit))
    return next((parts for parts in range(wanted, 1, -1) if length % (parts * unit) == 0), 1)


def matmul(
    build: Builder, left: Expression, right: Expression, shapes: tuple[Shape, Shape], dtype: Dtype, variant: Variant = DEFAULT
) -> Expression:
    """(batch, m, k) @ (batch, k, n)."""
    (batch, m, k), n = shapes[0], shapes[1][2]
    first, left_slot = packed(build, left, shapes[0], (1, 2), 0, straight=straight_left(n))
    second, right_slot = packed(build, right, shapes[1], (1, 2), 1)
    block = block_of(m, variant.layers)
    rows, width = -(-m // block), whole(n)
    splits = _parts(k, batch * rows * width // 4, 4, variant.enough) if k else 1
    kernel = Product(first, second, (m, n, k), batch, splits, block, dtype, variant.fetch)
    shape = (batch * splits * rows, width)
    found = build.launch(kernel, (left_slot, right_slot), shape, block)
    layer = build.layout(shape, block).layer_size
    dims = (batch, rows, block, width, splits)
    strides = (splits * rows * width, width, layer if block > 1 else 0, 1, rows * width)
    logical = through(View(dims, strides), found)
    line = contiguous_strides((batch, rows * block, width, splits))
    logical = through(View((batch, m, n, splits), line), logical)
    if splits == 1:
        build.results[found.input] = logical
    return sum_of_parts(build, logical, (batch, m, n), splits)


def convolve(
    build: Builder, image: Expression, weight: Expression, window: Window, dtype: Dtype, variant: Variant = DEFAULT
) -> Expression:
    """A convolution: its weight is packed so that the channels of a block are neighbours."""
    o, channels, kh, kw = window.weight
    (oh, ow), groups = window.size, window.groups
    own = o // groups
    block = block_of(own, variant.layers)
    blocks, taps = -(-own // block), channels * kh * kw
    operand, slot = packed(build, image, window.image, (3,), 0, zeros=True)
    filled = View((groups, blocks * block, taps), (own * taps, taps, 1), 0, ((0, groups), (0, own), (0, taps)))
    turned = View((groups, blocks, taps, block), (blocks * block * taps, block * taps, 1, taps))
    rows = build.store(through(turned, through(filled, weight)), (groups * blocks * channels, kh * kw * block))
    width = whole(ow)
    shape = (window.image[0] * groups * blocks, oh, width)
    found = build.launch(Convolution(operand, window, block, dtype, variant.fetch), (slot, rows.input), shape, block)
    layer = build.layout(shape, block).layer_size
    dims = (window.image[0], groups, blocks, block, oh, width)
    line = contiguous_strides((window.image[0], groups, blocks, oh, width))
    logical = through(View(dims, (*line[:3], layer if block > 1 else 0, *line[3:])), found)
    logical = _cut(logical, (window.image[0], groups, blocks * block, oh, width), (window.image[0], groups, own, oh, ow))
    build.results[found.input] = logical
    return logical


def _cut(value: Expression, wide: Shape, shape: Shape) -> Expression:
    """The first elements along each axis."""
    return through(View(shape, contiguous_strides(wide)), value)


def spread(value: Expression, shape: Shape, stride: Shape) -> tuple[Expression, Shape]:
    """stride - 1 zeros between the pixels of an image (n, c, h, w); its new shape."""
    if stride == (1, 1):
        return value, shape
    n, c, h, w = shape
    line = contiguous_strides(shape)
    holes = View((n, c, h, stride[0], w, stride[1]), (line[0], line[1], line[2], 0, line[3], 0), 0,
                 ((0, n), (0, c), (0, h), (0, 1), (0, w), (0, 1)))  # fmt: skip
    wide = (n, c, h * stride[0], w * stride[1])
    found = (n, c, max((h - 1) * stride[0] + 1, 0), max((w - 1) * stride[1] + 1, 0))
    return _cut(through(holes, value), wide, found), found


def flipped(value: Expression, shape: Shape, groups: int) -> tuple[Expression, Shape]:
    """A weight (o, c / groups, kh, kw) turned by half, outputs and inputs exchanged; its new shape."""
    o, c, kh, kw = shape
    own = o // groups
    line = (own * c * kh * kw, kh * kw, c * kh * kw, -kw, -1)
    return through(View((groups, c, own, kh, kw), line, kh * kw - 1), value), (groups * c, own, kh, kw)


def weight_gradient(
    build: Builder, image: Expression, sent: Expression, window: Window, dtype: Dtype, variant: Variant = DEFAULT
) -> Expression:
    """Sums over parts of the batch, then the sum of the parts."""
    o, channels, kh, kw = window.weight
    (oh, ow), groups, pictures = window.size, window.groups, window.image[0]
    own = o // groups
    block = block_of(own, variant.layers)
    blocks = -(-own // block)
    first, image_slot = packed(build, image, window.image, (3,), 0, zeros=True)
    second, sent_slot = packed(build, sent, (pictures, o, oh, ow), (3,), 1)
    each, along = window.channels, -(-kw // 4) if kw > 2 else 1
    far = -(-channels // each)
    fragments = groups * blocks * far * kh * along
    wanted = max(1, min(pictures, 4 * variant.enough // max(fragments, 1), MOST_PARTS))
    splits = next(parts for parts in range(wanted, 0, -1) if pictures % parts == 0)
    kernel = WeightGradient(first, second, window, splits, block, dtype, variant.fetch)
    shape = (splits * groups * blocks * far, kh, along * 4)
    found = build.launch(kernel, (image_slot, sent_slot), shape, block)
    layer = build.layout(shape, block).layer_size if block > 1 else 0
    texel = (each, kw) if kw <= 2 else (1, along * 4)
    line = contiguous_strides((splits, groups, blocks, far, kh, *texel))
    dims = (groups, blocks, block, far, texel[0], kh, texel[1], splits)
    strides = (line[1], line[2], layer, line[3], line[5], line[4], line[6], line[0])
    logical = through(View(dims, strides), found)
    wide = (groups, blocks * block, far * texel[0], kh, texel[1], splits)
    logical = _cut(logical, wide, (groups, own, channels, kh, kw, splits))
    return sum_of_parts(build, logical, (o, channels, kh, kw), splits)


def sum_of_parts(build: Builder, value: Expression, shape: Shape, parts: int) -> Expression:
    """value (shape, parts) summed over its parts: by whoever reads it when they are few, else by a draw of its own."""
    size = math.prod(shape)
    if parts > FEW_PARTS:
        return build.fused(Fold(SUM, value, parts, 1, size, value.dtype), shape)
    found = through(View((size,), (parts,)), value)
    for part in range(1, parts):
        found = Apply(ADD, (found, through(View((size,), (parts,), part), value)), value.dtype, part)
    return found


def fits(window: Window) -> bool:
    """Is there anything to compute?"""
    return 0 not in (*window.image, *window.weight, *window.size)


def zeros(shape: Shape, value: Expression) -> Expression:
    """Zeros of a shape: `value` seen from outside."""
    return through(View((max(math.prod(shape), 1),), (0,), 0, ((0, 0),)), value)
