"""Contractions of a graph as problems that can be tuned: their names, their weight, and each alone, in a graph of its own."""

from __future__ import annotations

import dataclasses
import math

from ..graph import LEAF
from ..layout import layout_of
from ..op import Conv2d, Conv2dImage, Conv2dWeight, MatMul, Move, float32
from ..ops.move import PERMUTE
from ..schedule import Graph, Step
from ..view import Shape

TUNED = (MatMul, Conv2d, Conv2dImage, Conv2dWeight)
LEAST_ROWS = 64  # of a product that is measured in a part
LARGER = 2  # times an operand: an array from which a part is read stands for the part up to this size


def operands(graph: Graph, number: int) -> list[tuple[Step, list[Step]]]:
    """For each operand of a contraction the array it is read from, and the moves on the way, outermost last.

    A part of a far larger array stands for itself: tuning makes arrays of these shapes.
    """
    found = []
    for parent in graph.steps[number].inputs:
        own, moves = graph.steps[parent], list[Step]()
        while isinstance(graph.steps[parent].op, Move):
            moves.insert(0, graph.steps[parent])
            parent = graph.steps[parent].inputs[0]
        source = graph.steps[parent]
        found.append((source, moves) if math.prod(source.shape) <= LARGER * math.prod(own.shape) else (own, []))
    return found


def name_of(graph: Graph, number: int) -> str:
    """What a contraction computes, as text: equal names are equal problems, in any graph."""
    step = graph.steps[number]
    parts = [step.op.name + "".join(f" {value}" for value in step.attrs)]
    for source, moves in operands(graph, number):
        parts.append(" ".join([str(source.shape), *(move.op.name + "".join(f" {v}" for v in move.attrs) for move in moves)]))
    return "; ".join(parts)


def alone(graph: Graph, number: int) -> Graph:
    """A graph of this contraction only: its operands' arrays are leaves."""
    steps: list[Step] = []
    inputs = []
    for leaf, (source, moves) in enumerate(operands(graph, number)):
        steps.append(Step(LEAF, (), (leaf, layout_of(source.shape)), source.shape, source.dtype))
        for move in moves:
            steps.append(dataclasses.replace(move, inputs=(len(steps) - 1,)))
        inputs.append(len(steps) - 1)
    steps.append(dataclasses.replace(graph.steps[number], inputs=tuple(inputs)))
    return Graph(tuple(steps), (len(steps) - 1,))


def shrunk(problem: Graph, share: float) -> Graph:
    """About that share of a contraction, alone: of its batch, or of the rows of a single product."""
    step = problem.steps[-1]
    first, second = (problem.steps[parent].shape for parent in step.inputs)
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
    """Of a contraction: about how long it takes, to rank problems."""
    step = graph.steps[number]
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
    """The steps that can be tuned: contractions of floats that compute something."""
    return [
        number
        for number, step in enumerate(graph.steps)
        if isinstance(step.op, TUNED) and step.dtype == float32 and multiplications(graph, number)
    ]
