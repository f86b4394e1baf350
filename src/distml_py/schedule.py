"""Graph -> kernels: which nodes are computed together, in one draw, and what each draw reads. No backend is named here.

Inline rows are written into the kernel of whoever reads them; a value is stored when it is asked for, read twice,
or read by a kernel that reads its operands many times.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .graph import CONST, LEAF, Node
from .kernel import (
    Apply,
    Convolution,
    Dtype,
    Expression,
    Fold,
    Kernel,
    Launch,
    Load,
    Make,
    Map,
    Operand,
    Pick,
    Product,
    Read,
    Scalar,
    Scatter,
    Schedule,
)
from .op import Conv2d, Elementwise, Gather, MatMul, Move, Op, Reduce, ScatterAdd, Source
from .view import Shape, View, chain, contiguous_strides, merge

MAX_INPUTS = 12  # a draw can bind 16 textures on every WebGL2 device; a fused chain stops well before
MAX_WORK = 48  # ops in one kernel: longer texts compile slowly and gain nothing
CHEAP_WORK = 8  # an expression this small is computed again rather than stored when a broadcast repeats it
COLUMN_LIMIT = 1 << 23  # a convolution whose columns hold more numbers than this reads its image directly
FOLD_LENGTH = 256  # one fragment adds at most this many numbers, so sums keep float32's pairwise accuracy


@dataclass(frozen=True)
class Step:
    """One node of a Graph: inputs are numbers of earlier steps."""

    op: Op
    inputs: tuple[int, ...]
    attrs: tuple[Any, ...]
    shape: Shape
    dtype: Dtype


@dataclass(frozen=True)
class Graph:
    """A graph without its data: equal Graphs share one plan. Leaves and constants are numbered in order of appearance."""

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]


def linearize(outputs: Sequence[Node]) -> tuple[tuple[Any, ...], list[Node], list[float]]:
    """(key, leaves, scalars). The key holds all that shapes a plan: graph_of(key) is the Graph it stands for."""
    number: dict[int, int] = {}
    known: dict[tuple[Any, ...], int] = {}
    steps: list[tuple[Any, ...]] = []
    leaves: list[Node] = []
    scalars: list[float] = []
    for node in _pending(outputs):
        if node.buffer is not None:
            step: tuple[Any, ...] = (LEAF, (), (len(leaves),), node.shape, node.dtype)
            leaves.append(node)
        elif node.op is CONST:
            step = (CONST, (), (len(scalars),), node.shape, node.dtype)
            scalars.append(node.attrs[0])
        else:
            step = (node.op, tuple([number[id(parent)] for parent in node.inputs]), node.attrs, node.shape, node.dtype)
        place = known.setdefault(step, len(steps))
        if place == len(steps):
            steps.append(step)
        number[id(node)] = place
    return (tuple(steps), tuple([number[id(node)] for node in outputs])), leaves, scalars


def graph_of(key: tuple[Any, ...]) -> Graph:
    """The readable form of linearize's key."""
    steps, outputs = key
    return Graph(tuple(Step(*step) for step in steps), outputs)


def _pending(outputs: Sequence[Node]) -> list[Node]:
    """Nodes to compute and the realized ones they read, inputs first."""
    done: set[int] = set()
    found: list[Node] = []
    stack: list[Node | None] = list(reversed(outputs))
    waiting: list[Node] = []
    while stack:
        node = stack.pop()
        if node is None:
            found.append(waiting.pop())
            continue
        if id(node) in done:
            continue
        done.add(id(node))
        waiting.append(node)
        stack.append(None)
        if node.buffer is None:
            stack.extend([parent for parent in reversed(node.inputs) if id(parent) not in done])
    return found


def schedule(graph: Graph) -> Schedule:
    """The kernels of a graph, in an order in which every input is there."""
    return _Scheduler(graph).run()


class _Scheduler:
    """Walks the steps once; value[i] is how later steps read step i. Load.input and Scalar.scalar are graph-wide here."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.leaves = sum(step.op is LEAF for step in graph.steps)
        self.launches: list[Launch] = []
        self.value: list[Expression] = []
        self.readers = self._count_readers()

    def run(self) -> Schedule:
        asked = set(self.graph.outputs)
        for number, step in enumerate(self.graph.steps):
            value = self._value(step)
            stored = number in asked or (self.readers[number] > 1 and value.work > 0)
            if stored and not isinstance(value, Load) and (number in asked or not isinstance(step.op, Move)):
                value = self._store(value, step.shape)
            self.value.append(value)
        outputs = []
        for number in self.graph.outputs:
            value = self.value[number]
            assert isinstance(value, Load)
            outputs.append(value.input)
        return Schedule(self.leaves, tuple(self.launches), tuple(outputs))

    def _count_readers(self) -> list[int]:
        """How many kernels would read each step; a move is not a reader, whoever reads the move is."""
        readers = [0] * len(self.graph.steps)
        for number in reversed(range(len(readers))):
            step = self.graph.steps[number]
            for parent in step.inputs:
                readers[parent] += readers[number] if isinstance(step.op, Move) else 1
        return readers

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
        view = step.op.view(shape, *step.attrs)
        if value.work > CHEAP_WORK and math.prod(view.shape) > math.prod(shape):
            value = self._store(value, shape)
        if isinstance(value, Scalar) and view.mask is None:
            return value
        return self._through(view, value)

    def _limited(self, values: list[Expression], shapes: list[Shape]) -> list[Expression]:
        """values, the largest of them stored until the rest fits into one kernel."""
        values = list(values)
        while len(set().union(*map(_inputs, values))) > MAX_INPUTS or sum(value.work for value in values) > MAX_WORK:
            largest = max(range(len(values)), key=lambda n: (len(_inputs(values[n])), values[n].work))
            values[largest] = self._store(values[largest], shapes[largest])
        return values

    def _contract(self, step: Step, values: list[Expression], shapes: list[Shape]) -> Expression:
        match step.op:
            case Reduce():
                return self._fold(step, values[0], shapes[0])
            case ScatterAdd():
                index, source = (self._contiguous(v, s) for v, s in zip(values, shapes, strict=True))
                kernel: Kernel = Scatter(shapes[0], step.shape, step.attrs[1], step.dtype)
                return self._launch(kernel, (index.input, source.input), (), step.shape)
            case MatMul():
                left, right = (self._operand(v, s, n) for n, (v, s) in enumerate(zip(values, shapes, strict=True)))
                sizes = (step.shape[1], step.shape[2], shapes[0][2])
                kernel = Product(left[0], right[0], sizes, step.dtype)
            case Conv2d() if math.prod(step.attrs[3]) * shapes[0][0] * math.prod(shapes[1][1:]) <= COLUMN_LIMIT:
                return self._convolve_by_columns(step, values, shapes)
            case Conv2d():
                left, right = (self._operand(v, s, n) for n, (v, s) in enumerate(zip(values, shapes, strict=True)))
                stride, padding, dilation, size = step.attrs
                kernel = Convolution(left[0], right[0], shapes[0], shapes[1], stride, padding, dilation, size, step.dtype)
            case _:
                raise AssertionError(f"no schedule for {step.op}")
        return self._launch(kernel, (left[1], right[1]), (), step.shape)

    def _convolve_by_columns(self, step: Step, values: list[Expression], shapes: list[Shape]) -> Expression:
        """A matrix product of the weight (o, k) with the image's windows (pixels, k): neighbours in k share a texel.

        k counts channels and places in the window, filled up with zeros to whole texels.
        """
        image, weight = values
        (n, c, h, w), (o, _, kh, kw) = shapes
        stride, padding, dilation, (oh, ow) = step.attrs
        need_h, need_w = (oh - 1) * stride[0] + (kh - 1) * dilation[0] + 1, (ow - 1) * stride[1] + (kw - 1) * dilation[1] + 1
        edge = tuple((max(p, 0), min(p + have, need)) for p, have, need in zip(padding, (h, w), (need_h, need_w), strict=True))
        offset = -padding[0] * w - padding[1]
        padded = View((n, c, need_h, need_w), contiguous_strides((n, c, h, w)), offset, ((0, n), (0, c), *edge))
        line = contiguous_strides(padded.shape)
        walks = (line[0], line[2] * stride[0], line[3] * stride[1], line[1], line[2] * dilation[0], line[3] * dilation[1])
        k, pixels = c * kh * kw, n * oh * ow
        whole = -(-k // 4) * 4
        image = self._store(image, shapes[0]) if image.work else image
        columns = self._filled(self._through(View((n, oh, ow, c, kh, kw), walks), self._through(padded, image)), pixels, k, whole)
        rows = self._filled(self._store(weight, shapes[1]) if weight.work else weight, o, k, whole)
        left, right = Operand(0, 0, (0, whole, 1)), Operand(1, 0, (0, 1, whole))
        if pixels % 4 and not o % 4:  # four neighbours of a row are written at once: let the rows be whole texels
            kernel = Product(left, right, (pixels, o, whole), step.dtype)
            found = self._launch(kernel, (columns.input, rows.input), (), (pixels, o))
            return self._through(View(step.shape, (oh * ow * o, 1, ow * o, o)), found)
        kernel = Product(left, right, (o, pixels, whole), step.dtype)
        found = self._launch(kernel, (rows.input, columns.input), (), (o, pixels))
        return self._through(View(step.shape, (oh * ow, pixels, ow, 1)), found)

    def _filled(self, value: Expression, rows: int, width: int, whole: int) -> Load:
        """value, (rows, width), stored as (rows, whole) with zeros at the end of each row."""
        if width == whole:
            return self._store(value, (rows, width))
        return self._store(self._through(View((rows, whole), (width, 1), 0, ((0, rows), (0, width))), value), (rows, whole))

    def _through(self, view: View, value: Expression) -> Expression:
        """value read through a view."""
        inner = value if isinstance(value, Read) else Read((), value, value.dtype, value.work)
        views = chain(view, inner.views)
        return Read(views, inner.of, value.dtype, inner.work) if views else inner.of

    def _fold(self, step: Step, value: Expression, shape: Shape) -> Expression:
        """Reduced axes last, then folds of at most FOLD_LENGTH numbers until one is left."""
        op, axes = step.op, step.attrs[0]
        assert isinstance(op, Reduce)
        kept = [axis for axis in range(len(shape)) if axis not in axes]
        turn = tuple(kept) + tuple(axes)
        line = contiguous_strides(shape)
        view = View(tuple(shape[axis] for axis in turn), tuple(line[axis] for axis in turn))
        value = self._through(view, value)
        length = math.prod(shape[axis] for axis in axes)
        if len(_inputs(value)) > MAX_INPUTS:
            value = self._store(value, view.shape)
        while length > FOLD_LENGTH and op.glsl:
            chunks = -(-length // FOLD_LENGTH)
            value = self._fused(Fold(op, value, length, chunks, step.dtype), (*step.shape, chunks))
            length = chunks
        return self._fused(Fold(op, value, length, 1, step.dtype), step.shape)

    def _operand(self, value: Expression, shape: Shape, number: int) -> tuple[Operand, int]:
        """value as input `number` of a kernel that reads by strides; stored when it is no plain strided view."""
        line = View(shape, contiguous_strides(shape))
        view: View | None = line
        load = value
        if isinstance(value, Read) and isinstance(value.of, Load) and len(value.views) == 1:
            load, view = value.of, merge(line, value.views[0])
        if view is None or not isinstance(load, Load):
            load, view = self._store(value, shape), line
        return Operand(number, view.offset, view.strides), load.input

    def _contiguous(self, value: Expression, shape: Shape) -> Load:
        return value if isinstance(value, Load) else self._store(value, shape)

    def _store(self, value: Expression, shape: Shape) -> Load:
        return value if isinstance(value, Load) else self._fused(Map(value, value.dtype), shape)

    def _fused(self, kernel: Map | Fold, shape: Shape) -> Load:
        """Launch a kernel whose body still uses graph-wide numbers: they become the kernel's own."""
        inputs: dict[int, int] = {}
        scalars: dict[int, int] = {}
        body = _renumber(kernel.body, inputs, scalars)
        local = dataclasses.replace(kernel, body=body)
        return self._launch(local, tuple(inputs), tuple(scalars), shape)

    def _launch(self, kernel: Kernel, inputs: tuple[int, ...], scalars: tuple[int, ...], shape: Shape) -> Load:
        slot = self.leaves + len(self.launches)
        self.launches.append(Launch(kernel, inputs, scalars, slot, math.prod(shape)))
        return Load(slot, kernel.dtype)


def _inputs(value: Expression) -> set[int]:
    match value:
        case Load(input=number):
            return {number}
        case Read(of=of):
            return _inputs(of)
        case Apply(args=args) | Make(args=args):
            return set().union(*map(_inputs, args))
        case Pick(of=of, index=index):
            return _inputs(of) | _inputs(index)
        case _:
            return set()


def _renumber(value: Expression, inputs: dict[int, int], scalars: dict[int, int]) -> Expression:
    match value:
        case Load(number, dtype):
            return Load(inputs.setdefault(number, len(inputs)), dtype)
        case Scalar(number, dtype):
            return Scalar(scalars.setdefault(number, len(scalars)), dtype)
        case Read(views, of, dtype, work):
            return Read(views, _renumber(of, inputs, scalars), dtype, work)
        case Apply(op, args, dtype, work):
            return Apply(op, tuple(_renumber(arg, inputs, scalars) for arg in args), dtype, work)
        case Make(op, attrs, args, dtype, work):
            return Make(op, attrs, tuple(_renumber(arg, inputs, scalars) for arg in args), dtype, work)
        case Pick(of, index, shape, index_shape, axis, dtype, work):
            of, index = _renumber(of, inputs, scalars), _renumber(index, inputs, scalars)
            return Pick(of, index, shape, index_shape, axis, dtype, work)
