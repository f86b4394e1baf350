"""Graph -> kernels: which nodes are computed together, in one draw, and what each draw reads. No backend is named here.

Inline rows are written into the kernel of whoever reads them; a value is stored when it is asked for, read twice,
or read by a kernel that reads its operands many times.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from .attending import attention
from .epilogue import finished
from .expressions import MAX_INPUTS, inputs_of, renumbered
from .folding import fold, joined, statistics
from .graph import CONST, LEAF
from .kernel import (
    Apply,
    Expression,
    Fold,
    Kernel,
    Launch,
    Load,
    Make,
    Map,
    Part,
    Pick,
    Region,
    Scalar,
    Schedule,
    Window,
)
from .layout import MOST_SIDE, Layout, layout_of
from .lowering import convolve, fits, flipped, matmul, spread, weight_gradient, zeros
from .op import (
    Attention,
    AttentionNormalizer,
    Conv2d,
    Conv2dImage,
    Conv2dWeight,
    Elementwise,
    Gather,
    MatMul,
    Move,
    Pack,
    Reduce,
    ScatterAdd,
    Source,
    Statistics,
)
from .operands import through
from .ops.atlas import PART, Spot, sizes
from .ops.elementwise import NORMALIZE
from .prologue import begun
from .scattering import scatter
from .siblings import paired
from .steps import Graph, Step
from .updates import updated
from .variant import DEFAULT, Variant
from .view import Shape, View, contiguous_strides

MAX_WORK = 48  # ops in one kernel: longer texts compile slowly and gain nothing
CHEAP_WORK = 8  # an expression this small is computed again rather than stored when a broadcast repeats it
LIGHT_WORK = 2  # a value this cheap is computed again by up to MOST_COPIES readers; a normalised one by all, from the same bytes
MOST_COPIES = 2
CONTRACTIONS = (
    MatMul,
    Conv2d,
    Conv2dImage,
    Conv2dWeight,
    ScatterAdd,
    Attention,
    AttentionNormalizer,
)  # they read stored arrays only

Choose = Callable[[Graph, int], Variant]


def schedule(graph: Graph, choose: Choose | None = None, side: int = MOST_SIDE) -> Schedule:
    """The kernels of a graph, in an order in which every input is there.

    choose: the variant of the contraction or reduction of a step. side: the longest of a texture.
    """
    return _Scheduler(graph, choose, side).run()


class _Scheduler:
    """Walks the steps once; value[i] is how later steps read step i. Load.input and Scalar.scalar are graph-wide here."""

    def __init__(self, graph: Graph, choose: Choose | None, side: int):
        self.graph = graph
        self.side = side
        self.choose = choose
        self.leaves = sum(step.op is LEAF for step in graph.steps)
        self.slots = self.leaves
        self.launches: list[Launch] = []
        self.parts: dict[int, Part] = {}
        self.value: list[Expression] = []
        self.readers, self.operands = self._count_readers()
        leaves = [step for step in graph.steps if step.op is LEAF]
        self.leaf_layouts = {step.attrs[0]: step.attrs[1] or self.layout(step.shape) for step in leaves}
        self.layered: set[int] = set()  # slots that only some views read rightly
        self.stored: dict[tuple[Expression, Shape], Load] = {}
        self.filled: dict[int, int] = {}
        self.results: dict[int, Expression] = {}
        self.now = 0  # the step at work

    def run(self) -> Schedule:
        asked = set(self.graph.outputs)
        for number, step in enumerate(self.graph.steps):
            self.now = number
            value = self._value(step)
            if number in asked:
                value = self.store(value, step.shape)
            elif self._shared(number, value) and not isinstance(step.op, Move):
                value = self._aside(value, step.shape)
            self.value.append(value)
        outputs = []
        for number in self.graph.outputs:
            value = self.value[number]
            assert isinstance(value, Load)
            outputs.append(value.input)
        planned = Schedule(self.leaves, tuple(self.launches), tuple(outputs), self.parts)
        planned = begun(planned, set(self.results), lambda launch: self._variant(launch.step).prologue)
        planned = updated(finished(planned, self.results), self.leaf_layouts)
        return paired(joined(planned))

    def _shared(self, number: int, value: Expression) -> bool:
        """Is a value worth storing: read by several kernels, and dear or needed as an array anyway?"""
        if self.readers[number] < 2 or not value.work:
            return False
        light = value.work <= LIGHT_WORK and (self.readers[number] <= MOST_COPIES or self.graph.steps[number].op is NORMALIZE)
        return self.operands[number] or not light

    def _aside(self, value: Expression, shape: Shape) -> Expression:
        """value, stored for several readers: in rows of whole texels, so that contractions can read it as it is."""
        if len(shape) < 2 or shape[-1] % 4 == 0 or shape[-1] < 5:
            return self.store(value, shape)
        wide = (*shape[:-1], -(-shape[-1] // 4) * 4)
        window = (*((0, size) for size in shape[:-1]), (0, shape[-1]))
        padded = through(View(wide, contiguous_strides(shape), 0, window), value)
        found = self.store(padded, wide)
        self.filled[found.input] = shape[-1]
        return through(View(shape, contiguous_strides(wide)), found)

    def _count_readers(self) -> tuple[list[int], list[bool]]:
        """How many kernels would read each step, and does one need it as an array? A move does what its readers do."""
        readers = [0] * len(self.graph.steps)
        operands = [False] * len(readers)
        for number in reversed(range(len(readers))):
            step = self.graph.steps[number]
            move = isinstance(step.op, Move)
            for parent in step.inputs:
                readers[parent] += readers[number] if move else 1
                operands[parent] |= operands[number] if move else isinstance(step.op, CONTRACTIONS)
        return readers, operands

    def _value(self, step: Step) -> Expression:
        values = [self.value[number] for number in step.inputs]
        shapes = [self.graph.steps[number].shape for number in step.inputs]
        match step.op:
            case Move():
                return self._move(step, values[0], shapes[0])
            case Elementwise():
                values = self._limited(values, shapes)
                return Apply(step.op, tuple(values), step.dtype, 1 + sum(value.work for value in values))
            case Source():
                return Make(step.op, step.attrs[1:], tuple(values), step.dtype, CHEAP_WORK if values else 1)
            case Gather():
                values = self._limited(values, shapes)
                work = 2 + sum(value.work for value in values)
                return Pick(values[0], values[1], shapes[0], shapes[1], step.attrs[0], step.dtype, work)
            case _ if step.op is LEAF:
                return Load(step.attrs[0], step.dtype)
            case _ if step.op is CONST:
                return Scalar(step.attrs[0], step.dtype)
            case _:
                return self._contract(step, values, shapes)

    def _move(self, step: Step, value: Expression, shape: Shape) -> Expression:
        assert isinstance(step.op, Move)
        if step.op is PART and isinstance(value, Load) and value.input < self.leaves:
            found = self._part(value, shape, *step.attrs)
            if found is not None:
                return found
        view = step.op.view(shape, *step.attrs)
        if value.work > CHEAP_WORK and math.prod(view.shape) > math.prod(shape):
            value = self.store(value, shape)
        if isinstance(value, Scalar) and view.mask is None:
            return value
        return through(view, value)

    def _part(self, whole: Load, shape: Shape, spot: Spot, own: Shape) -> Expression | None:
        """A rectangle of a leaf as an array of its own: equal rectangles elsewhere are then read by the same programs.

        None when the leaf's texture has other rows than the atlas.
        """
        layout = self.leaf_layouts[whole.input]
        rows, length = sizes(own, spot)
        if layout.width * 4 != shape[1] or layout.stack > 1 or not rows * length:
            return None
        slot, self.slots = self.slots, self.slots + 1
        self.layered.add(slot)
        width = -(-length // 4)
        region = Layout(width, rows, whole=(layout.width, layout.height))
        self.parts[slot] = Part(whole.input, spot.column // 4, spot.row, region)
        strides = (stride * width * 4 for stride in contiguous_strides(own[: spot.split]))
        return through(View(own, (*strides, *contiguous_strides(own[spot.split :]))), Load(slot, whole.dtype))

    def _limited(self, values: list[Expression], shapes: list[Shape]) -> list[Expression]:
        """values, the largest of them stored until the rest fits into one kernel."""
        values = list(values)
        while len(set().union(*map(inputs_of, values))) > MAX_INPUTS or sum(value.work for value in values) > MAX_WORK:
            largest = max(range(len(values)), key=lambda n: (len(inputs_of(values[n])), values[n].work))
            stored = self.store(values[largest], shapes[largest])
            assert stored != values[largest], f"a row of {len(values)} arrays does not fit into a kernel of {MAX_INPUTS}"
            values[largest] = stored
        return values

    def _contract(self, step: Step, values: list[Expression], shapes: list[Shape]) -> Expression:
        match step.op:
            case Reduce():
                return fold(self, step, values[0], shapes[0], self._variant())
            case Statistics():
                return statistics(self, step, values[0], shapes[0], self._variant())
            case ScatterAdd():
                return scatter(self, values[0], values[1], shapes[1], step.shape, step.attrs[1], step.dtype)
            case Pack():
                return self._pack(step, values, shapes)
            case MatMul():
                return matmul(self, values[0], values[1], (shapes[0], shapes[1]), step.dtype, self._variant())
            case Attention() | AttentionNormalizer():
                return attention(self, step.op, values, shapes, self._variant(), *step.attrs)
            case _:
                return self._convolve(step, values, shapes)

    def _variant(self, number: int | None = None) -> Variant:
        return DEFAULT if self.choose is None else self.choose(self.graph, self.now if number is None else number)

    def _convolve(self, step: Step, values: list[Expression], shapes: list[Shape]) -> Expression:
        stride, padding, dilation, size, groups = step.attrs
        variant = self._variant()
        match step.op:
            case Conv2d():
                window = Window(shapes[0], shapes[1], stride, padding, dilation, size, groups)
                if not fits(window):
                    return zeros(step.shape, values[0])
                return convolve(self, values[0], values[1], window, step.dtype, variant)
            case Conv2dImage():
                edge = tuple(d * (k - 1) - p for d, k, p in zip(dilation, shapes[1][2:], padding, strict=True))
                sent, image = spread(values[0], shapes[0], stride)
                weight, shape = flipped(values[1], shapes[1], groups)
                window = Window(image, shape, (1, 1), edge, dilation, size, groups)
                return convolve(self, sent, weight, window, step.dtype, variant) if fits(window) else zeros(step.shape, sent)
            case Conv2dWeight():
                window = Window(shapes[0], step.shape, stride, padding, dilation, shapes[1][2:], groups)
                if not fits(window):
                    return zeros(step.shape, values[0])
                return weight_gradient(self, values[0], values[1], window, step.dtype, variant)
            case _:
                raise AssertionError(f"no schedule for {step.op}")

    def _pack(self, step: Step, values: list[Expression], shapes: list[Shape]) -> Load:
        """A draw for each input, into its cell; first one for all, when the cells leave something over."""
        (rows, columns), spots = step.attrs
        whole = self.layout(step.shape)
        if whole.width * 4 != columns or whole.stack > 1:
            raise ValueError(f"an atlas of {rows} x {columns} numbers does not lie in whole rows of a texture")
        slot, self.slots = self.slots, self.slots + 1
        if sum(spot.rows * spot.columns for spot in spots) < rows * columns:
            nothing = zeros(step.shape, values[0])
            self.fused(Map(nothing, step.dtype), step.shape, whole, Region(0, 0, whole), slot)
        for value, shape, spot in zip(values, shapes, spots, strict=True):
            size = sizes(shape, spot)
            cell = (spot.rows, spot.columns)
            window = tuple((0, length) for length in size)
            value = through(View(cell, contiguous_strides(size), 0, window), value)
            region = Region(spot.column // 4, spot.row, whole)
            self.fused(Map(value, step.dtype), cell, Layout(spot.columns // 4, spot.rows), region, slot)
        return Load(slot, step.dtype)

    def store(self, value: Expression, shape: Shape) -> Load:
        """value in an array of its own; one that was stored before, in the same shape, is not stored again."""
        if isinstance(value, Load) and value.input not in self.layered:
            return value
        known = self.stored.get((value, shape))
        if known is None:
            known = self.stored[value, shape] = self.fused(Map(value, value.dtype), shape)
        return known

    def fused(
        self, kernel: Map | Fold, shape: Shape, layout: Layout | None = None, region: Region | None = None, slot: int | None = None
    ) -> Load:
        """Launch a kernel whose body still uses graph-wide numbers: they become the kernel's own."""
        inputs: dict[int, int] = {}
        scalars: dict[int, int] = {}
        body = renumbered(kernel.body, inputs, scalars)
        local = dataclasses.replace(kernel, body=body)
        if slot is None:
            return self.launch(local, tuple(inputs), shape, scalars=tuple(scalars))
        assert layout is not None
        self.launches.append(Launch(local, tuple(inputs), tuple(scalars), slot, math.prod(shape), layout, self.now, region))
        return Load(slot, kernel.dtype)

    def layout(self, shape: Shape, layers: int = 1) -> Layout:
        return layout_of(shape, layers, self.side)

    def launch(self, kernel: Kernel, inputs: tuple[int, ...], shape: Shape, layers: int = 1, scalars: tuple[int, ...] = ()) -> Load:
        slot, self.slots = self.slots, self.slots + 1
        self.launches.append(Launch(kernel, inputs, scalars, slot, math.prod(shape), self.layout(shape, layers), self.now))
        if layers > 1:
            self.layered.add(slot)
        return Load(slot, kernel.dtype)
