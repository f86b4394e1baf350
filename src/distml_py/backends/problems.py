"""Contractions and reductions of a graph as problems that can be tuned: names, weights, and each alone, in a graph of its own."""

from __future__ import annotations

import dataclasses
import math

from ..epilogue import MOST_WORK
from ..graph import CONST, LEAF
from ..layout import layout_of
from ..op import Conv2d, Conv2dImage, Conv2dWeight, Elementwise, MatMul, Move, Reduce, Statistics, float32
from ..ops.move import PERMUTE
from ..schedule import CONTRACTIONS
from ..steps import Graph, Step
from ..view import Shape

TUNED = (MatMul, Conv2d, Conv2dImage, Conv2dWeight)
REDUCED = (Reduce, Statistics)
SHORT = 64  # numbers of a row that is reduced in one way only
TRAFFIC = 16  # reading one number takes about as long as so many multiplications of a contraction
LEAST_ROWS = 64  # of a product that is measured in a part
LARGER = 2  # times an operand: an array from which a part is read stands for the part up to this size


def operand_of(graph: Graph, number: int) -> tuple[list[int], set[int]]:
    """(steps on the way to an operand, it last; the arrays among them): moves, and a chain that might be made at each read.

    A part of a far larger array stands for itself: tuning makes arrays of these shapes. A chain that follows a contraction
    is that one's.
    """
    found, arrays = _walked(graph, number)
    size = math.prod(graph.steps[number].shape)
    if any(math.prod(graph.steps[one].shape) > LARGER * size for one in arrays):
        return [number], {number}
    return found, arrays


def _walked(graph: Graph, number: int) -> tuple[list[int], set[int]]:
    source = number
    moves = []
    while isinstance(graph.steps[source].op, Move):
        moves.append(source)
        source = graph.steps[source].inputs[0]
    known: dict[int, bool] = {}  # is it an array?
    work, waiting = 0, [source]
    while waiting:
        one = waiting.pop()
        step = graph.steps[one]
        inner = isinstance(step.op, (Elementwise, Move)) or step.op is CONST
        if one not in known:
            known[one] = not inner
            work += isinstance(step.op, Elementwise)
            waiting += step.inputs if inner else ()
    if work > MOST_WORK or any(array and isinstance(graph.steps[one].op, CONTRACTIONS) for one, array in known.items()):
        known = {source: True}
    return sorted({*known, *moves}), {one for one, array in known.items() if array}


def name_of(graph: Graph, number: int) -> str:
    """What a contraction computes, as text: equal names are equal problems, in any graph."""
    step = graph.steps[number]
    parts = [step.op.name + "".join(f" {value}" for value in step.attrs)]
    for parent in step.inputs:
        steps, arrays = operand_of(graph, parent)
        parts.append(" ".join(_said(graph, one, steps, one in arrays) for one in steps))
    return "; ".join(parts)


def _said(graph: Graph, number: int, steps: list[int], array: bool) -> str:
    """An array's shape; what another step does, and, where that is not plain, with which of the steps."""
    step = graph.steps[number]
    if array or step.op is CONST:
        return str(step.shape)
    said = step.op.name + "".join(f" {value}" for value in step.attrs)
    return said if isinstance(step.op, Move) else f"{said}[{','.join(str(steps.index(one)) for one in step.inputs)}]"


def alone(graph: Graph, number: int) -> Graph:
    """A graph of this contraction only: the arrays its operands are read from are leaves."""
    steps: list[Step] = []
    inputs, leaves, scalars = [], 0, 0
    for parent in graph.steps[number].inputs:
        places: dict[int, int] = {}
        way, arrays = operand_of(graph, parent)
        for one in way:
            step = graph.steps[one]
            if one in arrays:
                step = Step(LEAF, (), (leaves, layout_of(step.shape)), step.shape, step.dtype)
                leaves += 1
            elif step.op is CONST:
                step, scalars = dataclasses.replace(step, attrs=(scalars,)), scalars + 1
            else:
                step = dataclasses.replace(step, inputs=tuple(places[before] for before in step.inputs))
            places[one] = len(steps)
            steps.append(step)
        inputs.append(len(steps) - 1)
    steps.append(dataclasses.replace(graph.steps[number], inputs=tuple(inputs)))
    return Graph(tuple(steps), (len(steps) - 1,))


def shrunk(problem: Graph, share: float) -> Graph:
    """About that share of a contraction, alone: of its batch, or of the rows of a single product.

    One with a chain stays whole, and so does a reduction.
    """
    step = problem.steps[-1]
    if isinstance(step.op, REDUCED):
        return problem
    first, second = (problem.steps[parent].shape for parent in step.inputs)
    if any(isinstance(before.op, Elementwise) for before in problem.steps):
        return problem
    if isinstance(step.op, MatMul):
        batch, rows = first[0], first[1]
        if batch > 1:
            batch = max(1, int(batch * share))
        else:
            rows = min(rows, max(LEAST_ROWS, int(rows * share) // 8 * 8))
        first, second = (batch, rows, first[2]), (batch, *second[1:])
        shape: Shape = (batch, rows, step.shape[2])
    else:
        most = max(1, int(first[0] * share))
        batch = next(fewer for fewer in range(most, 0, -1) if first[0] % fewer == 0)
        first, second = (batch, *first[1:]), (batch, *second[1:]) if isinstance(step.op, Conv2dWeight) else second
        shape = step.shape if isinstance(step.op, Conv2dWeight) else (batch, *step.shape[1:])
    if shape == step.shape and batch == problem.steps[step.inputs[0]].shape[0]:
        return problem
    steps: list[Step] = []
    inputs = []
    for leaf, (parent, wanted) in enumerate(zip(step.inputs, (first, second), strict=True)):
        steps += _array(problem, parent, wanted, leaf, len(steps))
        inputs.append(len(steps) - 1)
    return Graph((*steps, dataclasses.replace(step, inputs=tuple(inputs), shape=shape)), (len(steps),))


def _array(problem: Graph, number: int, shape: Shape, leaf: int, place: int) -> list[Step]:
    """An operand of another shape that lies as the one of step `number` does: a leaf, turned where that was."""
    turned = False
    while isinstance(problem.steps[number].op, Move):
        move = problem.steps[number]
        turned ^= move.op is PERMUTE and move.attrs[0][-1] != len(move.shape) - 1
        (number,) = move.inputs
    dtype = problem.steps[number].dtype
    if not turned or len(shape) != 3:
        return [Step(LEAF, (), (leaf, layout_of(shape)), shape, dtype)]
    source = (shape[0], shape[2], shape[1])
    made = Step(LEAF, (), (leaf, layout_of(source)), source, dtype)
    return [made, Step(PERMUTE, (place,), ((0, 2, 1),), shape, dtype)]


def multiplications(graph: Graph, number: int) -> int:
    """About how long a contraction or a reduction takes, in multiplications, to rank problems."""
    step = graph.steps[number]
    if isinstance(step.op, REDUCED):
        return TRAFFIC * math.prod(graph.steps[step.inputs[0]].shape)
    first, second = (graph.steps[parent].shape for parent in step.inputs)
    match step.op:
        case MatMul():
            return math.prod(step.shape) * first[2]
        case Conv2d():
            return math.prod(step.shape) * math.prod(second[1:])
        case Conv2dImage():
            return math.prod(first) * math.prod(second[1:])
        case _:
            return math.prod(second) * math.prod(step.shape[1:])


def problems(graph: Graph) -> list[int]:
    """The steps that can be tuned: contractions and long reductions of floats that compute something."""
    return [
        number
        for number, step in enumerate(graph.steps)
        if (isinstance(step.op, TUNED) or _long(graph, step)) and step.dtype == float32 and multiplications(graph, number)
    ]


def _long(graph: Graph, step: Step) -> bool:
    """Is this a reduction that may take several draws?"""
    if not isinstance(step.op, REDUCED) or isinstance(step.op, Reduce) and not step.op.glsl:
        return False
    shape = graph.steps[step.inputs[0]].shape
    return math.prod(shape[axis] for axis in step.attrs[0]) > SHORT
