"""Attention -> kernels: how its arrays are read, and into how many layers a fragment writes. The scores are never stored."""

from __future__ import annotations

import dataclasses

from .kernel import Apply, Attended, Axis, Expression, Normalizer, Operand
from .lowering import Builder, packed, whole, zeros
from .op import Attention, AttentionNormalizer, float32
from .operands import through
from .ops.elementwise import ADD
from .variant import Variant
from .view import Shape, View, contiguous_strides


class _Inputs:
    """The arrays of one kernel, each once."""

    def __init__(self, build: Builder) -> None:
        self.build = build
        self.slots: list[int] = []

    def add(self, value: Expression, shape: Shape) -> Operand:
        """value, packed along its last axis."""
        found, slot = packed(self.build, value, shape, (len(shape) - 1,), 0, zeros=shape[-1] > 0)
        if slot not in self.slots:
            self.slots.append(slot)
        return dataclasses.replace(found, input=self.slots.index(slot))

    def mask(self, values: list[Expression], shapes: list[Shape], sizes: tuple[int, int], batch: Shape) -> Operand | None:
        """A mask as (b, l, s): sizes that it has not are walked with steps of 0, nothing is repeated."""
        if not values:
            return None
        found = self.add(values[0], shapes[0])
        steps = [
            axis if size == wide else ((wide, 0),) for axis, size, wide in zip(found.axes, shapes[0], (*batch, *sizes), strict=True)
        ]
        first: Axis = tuple(digit for axis in steps[:-2] for digit in axis) or ((1, 0),)
        return dataclasses.replace(found, axes=(first, *steps[-2:]))


def attention(
    build: Builder,
    op: Attention | AttentionNormalizer,
    values: list[Expression],
    shapes: list[Shape],
    variant: Variant,
    causal: bool,
    batch: Shape,
) -> Expression:
    """A row of ops.attention."""
    if not shapes[0][1] or not shapes[1][1]:  # no query or no key
        shape = shapes[0][:2] if isinstance(op, AttentionNormalizer) else (*shapes[op.rows][:2], shapes[op.of][2])
        return zeros(shape, values[0])
    if isinstance(op, AttentionNormalizer):
        return _normalizer(build, values, shapes, causal, batch)
    return _attended(build, op, values, shapes, variant, causal, batch)


def _normalizer(build: Builder, values: list[Expression], shapes: list[Shape], causal: bool, batch: Shape) -> Expression:
    """Four queries a fragment: each key is read once for all of them."""
    (b, queries, e), keys = shapes[0], shapes[1][1]
    inputs = _Inputs(build)
    query, key = (inputs.add(value, shape) for value, shape in zip(values[:2], shapes[:2], strict=True))
    mask = inputs.mask(values[2:], shapes[2:], (queries, keys), batch)
    found = build.launch(
        Normalizer(query, key, mask, (b, queries, keys, e), causal, float32), tuple(inputs.slots), (b, whole(queries))
    )
    return through(View((b, queries), (whole(queries), 1)), found)


def _attended(
    build: Builder, op: Attention, values: list[Expression], shapes: list[Shape], variant: Variant, causal: bool, batch: Shape
) -> Expression:
    """A fragment owns one row and, in its layers, some texels of it: each finds all of the row's weights."""
    b, sloped = shapes[0][0], op.of != 2
    first, last = (4, 6) if sloped else (3, 4)  # of the statistics
    rows, other, width = shapes[op.rows][1], shapes[1 - op.rows][1], shapes[op.of][2]
    inputs = _Inputs(build)
    arrays = [inputs.add(value, shape) for value, shape in zip(values[:first], shapes, strict=False)]
    statistics = inputs.add(_statistics(values[first:last], shapes[0][:2]), (*shapes[0][:2], 4))
    mask = inputs.mask(values[last:], shapes[last:], (shapes[0][1], shapes[1][1]), batch)
    slope = (arrays[3 - op.rows], arrays[2 + op.rows]) if sloped else None
    texels = whole(width) // 4
    block = min(variant.layers, texels) or 1
    groups = -(-texels // block)
    kernel = Attended(
        arrays[op.rows],
        arrays[1 - op.rows],
        arrays[op.of],
        statistics,
        mask,
        slope,
        op.rows == 1,
        (b, rows, other, shapes[0][2], shapes[2][2] if sloped else 0, width),
        causal,
        block,
        float32,
    )
    shape = (b, rows, groups * 4)
    found = build.launch(kernel, tuple(inputs.slots), shape, block)
    layer = build.layout(shape, block).layer_size if block > 1 else 0
    line = contiguous_strides((b, rows, groups, 4))
    logical = through(View((b, rows, groups, block, 4), (*line[:3], layer, 1)), found)
    return through(View((b, rows, width), contiguous_strides((b, rows, groups * block * 4))), logical)


def _statistics(values: list[Expression], shape: Shape) -> Expression:
    """(b, l, 4): what is known of each query, one number after the other, then zeros."""
    wide, strides = (*shape, 4), (*contiguous_strides(shape), 0)
    rows = tuple((0, size) for size in shape)
    first, *others = [through(View(wide, strides, 0, (*rows, (n, n + 1))), value) for n, value in enumerate(values)]
    for other in others:
        first = Apply(ADD, (first, other), float32, 1 + first.work + other.work)
    return first
