"""Sums, maxima and statistics over axes -> kernels, in stages; and the map behind a sum, made by the sum's last kernel."""

from __future__ import annotations

import dataclasses
import math

from .epilogue import following
from .expressions import MAX_INPUTS, inputs_of, renumbered, weight_of
from .kernel import Expression, Fold, Joint, Launch, Load, Map, Schedule, Total
from .lowering import Builder
from .op import Reduce, Statistics
from .operands import through
from .steps import Step
from .variant import Variant
from .view import Shape, View, contiguous_strides

MOST_WEIGHT = 6  # of what a loop makes anew in each turn, for four numbers: as much as one normal number


def fold(build: Builder, step: Step, value: Expression, shape: Shape, variant: Variant) -> Expression:
    """Reduced axes last, then folds of at most variant.fold numbers until one is left."""
    op, axes = step.op, step.attrs[0]
    assert isinstance(op, Reduce)
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    turn = tuple(kept) + tuple(axes)
    line = contiguous_strides(shape)
    view = View(tuple(shape[axis] for axis in turn), tuple(line[axis] for axis in turn))
    value = through(view, value)
    length = math.prod(shape[axis] for axis in axes)
    value = _light(build, value, view.shape)
    rows = math.prod(step.shape)
    while length > variant.fold and op.glsl:
        chunks = _chunks(length, variant.fold)
        found = build.fused(Fold(op, value, length, chunks, rows, step.dtype), (chunks, rows))
        value, length = through(View((rows, chunks), (1, rows)), found), chunks
    return build.fused(Fold(op, value, length, 1, rows, step.dtype), step.shape)


def statistics(build: Builder, step: Step, value: Expression, shape: Shape, variant: Variant) -> Expression:
    """As fold(): what each stage finds of its chunks is merged by the next one."""
    op, axes = step.op, step.attrs[0]
    assert isinstance(op, Statistics)
    turn = (*(axis for axis in range(len(shape)) if axis not in axes), *axes)
    line = contiguous_strides(shape)
    view = View(tuple(shape[axis] for axis in turn), tuple(line[axis] for axis in turn))
    value = through(view, value)
    value = _light(build, value, view.shape)
    length, rows = math.prod(shape[axis] for axis in axes), math.prod(step.shape[1:])
    kernel = Joint(op, (value,), length, 1, rows, step.dtype, True, step.attrs[1:])
    while kernel.length > variant.fold:
        kernel = dataclasses.replace(kernel, chunks=_chunks(kernel.length, variant.fold), final=False)
        found, layer = _joint(build, kernel, (kernel.chunks, rows))
        parts = tuple(through(View((rows, kernel.chunks), (1, rows), n * layer), found) for n in range(kernel.layers))
        kernel = Joint(op, parts, kernel.chunks, 1, rows, step.dtype, True, step.attrs[1:], kernel.totals, True)
    found, layer = _joint(build, kernel, step.shape[1:])
    return through(View((step.shape[0], rows), (layer, 1)), found)


def _light(build: Builder, value: Expression, shape: Shape) -> Expression:
    """value, stored where a loop should not make it: of too many arrays, or by too long a text (random numbers, say)."""
    return build.store(value, shape) if len(inputs_of(value)) > MAX_INPUTS or weight_of(value) > MOST_WEIGHT else value


def _joint(build: Builder, kernel: Joint, shape: Shape) -> tuple[Load, int]:
    """(what a kernel with several results writes, how many numbers lie in each layer)."""
    inputs: dict[int, int] = {}
    scalars: dict[int, int] = {}
    bodies = tuple(renumbered(body, inputs, scalars) for body in kernel.bodies)
    local = dataclasses.replace(kernel, bodies=bodies)
    found = build.launch(local, tuple(inputs), shape, layers=kernel.layers, scalars=tuple(scalars))
    return found, build.layout(shape, kernel.layers).layer_size


def joined(plan: Schedule) -> Schedule:
    """Where one map reads a fold's numbers, each at its own place, and nobody else does, the fold makes them at once."""
    readers: dict[int, list[int]] = {}
    for place, launch in enumerate(plan.launches):
        for slot in launch.inputs:
            readers.setdefault(slot, []).append(place)
    launches: list[Launch | None] = list(plan.launches)
    for place, launch in enumerate(plan.launches):
        if not isinstance(launch.kernel, Fold) or launch.output in plan.outputs or len(readers.get(launch.output, [])) != 1:
            continue
        reader = launches[readers[launch.output][0]]
        if reader is not None and isinstance(reader.kernel, Map) and reader.size == launch.size:
            both = _joined(launch, launch.kernel, reader, reader.kernel)
            if both is not None:
                launches[place], launches[readers[launch.output][0]] = None, both
    return dataclasses.replace(plan, launches=tuple(launch for launch in launches if launch is not None))


def _joined(first: Launch, fold: Fold, then: Launch, map_: Map) -> Launch | None:
    number = then.inputs.index(first.output)
    inputs = list(first.inputs) + [slot for slot in then.inputs if slot not in first.inputs and slot != first.output]
    places = [inputs.index(slot) if slot in inputs else -1 for slot in then.inputs]
    after = following(map_.body, number, Load(number, fold.dtype), Total(fold.dtype), places, len(first.scalars))
    if after is None or fold.after is not None or len(inputs) > MAX_INPUTS:
        return None
    kernel = dataclasses.replace(fold, after=after, dtype=map_.dtype)
    return dataclasses.replace(then, kernel=kernel, inputs=tuple(inputs), scalars=first.scalars + then.scalars)


def _chunks(length: int, most: int) -> int:
    """The fewest chunks of at most `most` numbers; equal ones where a number near by divides the length."""
    fewest = -(-length // most)
    return next((chunks for chunks in range(fewest, 4 * fewest) if length % (4 * chunks) == 0), fewest)
