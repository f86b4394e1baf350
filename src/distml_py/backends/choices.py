"""Which contraction is computed in which variant: what plans depend on beside their graph, and its text for storing."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from ..graph import LEAF
from ..layout import layout_of
from ..op import Conv2d, Conv2dImage, Conv2dWeight, MatMul, Move, float32
from ..schedule import Graph, Step
from ..variant import DEFAULT, Variant

FORMAT = 1  # of the record; goes up when a field of Variant or the name of a problem means something else
TUNED = (MatMul, Conv2d, Conv2dImage, Conv2dWeight)
LAYERS = (1, 2, 4, 6, 8)
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
    """A convolution, alone, of a batch of about that share; what else there is stays as it is."""
    step = problem.steps[-1]
    if isinstance(step.op, MatMul):
        return problem
    first, second = (problem.steps[parent].shape for parent in step.inputs)
    most = max(1, int(first[0] * share))
    batch = next(fewer for fewer in range(most, 0, -1) if first[0] % fewer == 0)
    shapes = [(batch, *first[1:]), (batch, *second[1:]) if isinstance(step.op, Conv2dWeight) else second]
    leaves = [Step(LEAF, (), (number, layout_of(shape)), shape, step.dtype) for number, shape in enumerate(shapes)]
    shape = step.shape if isinstance(step.op, Conv2dWeight) else (batch, *step.shape[1:])
    return Graph((*leaves, dataclasses.replace(step, inputs=(0, 1), shape=shape)), (2,))


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


def bounded(variant: Variant, layers: int) -> Variant:
    """variant on a device of so many layers: 4 where 8 are too many, since rows are mostly multiples of 4."""
    if variant.layers <= layers:
        return variant
    return dataclasses.replace(variant, layers=1 << max(layers, 1).bit_length() - 1)


class Choices:
    """layers: targets that a draw of this device can have. variants: by the problem's name; others take the default.

    Never changed once made; equal ones make equal plans. A problem that was measured and stays with the default is in
    `variants`, too.
    """

    def __init__(self, layers: int = 8, variants: Mapping[str, Variant] | None = None):
        self.layers = layers
        self.variants = dict(variants or {})
        self._key = (self.layers, frozenset(pair for pair in self.variants.items() if pair[1] != DEFAULT))
        self._hash = hash(self._key)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Choices) and self._key == other._key)

    def __hash__(self) -> int:
        return self._hash

    def of(self, graph: Graph, number: int) -> Variant:
        """The variant of a contraction."""
        return bounded(self.variants.get(name_of(graph, number), DEFAULT) if self.variants else DEFAULT, self.layers)

    def with_(self, found: Mapping[str, Variant]) -> Choices:
        return Choices(self.layers, {**self.variants, **found})


def written(choices: Choices, device: str, version: str) -> str:
    """choices as JSON, for this device and this version of the library."""
    variants = {name: dataclasses.asdict(variant) for name, variant in sorted(choices.variants.items())}
    return json.dumps({"format": FORMAT, "device": device, "version": version, "variants": variants})


def read(text: str, device: str, version: str) -> dict[str, Variant] | None:
    """The variants of written(); None where the text is damaged, or another device's, version's or format's."""
    try:
        record = json.loads(text)
        if (record["format"], record["device"], record["version"]) != (FORMAT, device, version):
            return None
        return {str(name): _variant(fields) for name, fields in record["variants"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _variant(fields: dict[str, Any]) -> Variant:
    found = Variant(**fields)
    whole = type(found.layers) is int and type(found.enough) is int and type(found.fetch) is bool
    if not whole or found.layers not in LAYERS or not 0 <= found.enough <= 1 << 20:
        raise ValueError(f"no such variant: {fields}")
    return found
