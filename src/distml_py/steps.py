"""A lazy graph as a flat list of steps, and its key: equal keys share one plan. Nothing is computed or scheduled here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .graph import CONST, LEAF, Node
from .kernel import Dtype
from .op import Op
from .view import Shape


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


def linearize(
    outputs: Sequence[Node], layout: Callable[[Node], Any], seen: list[Node] | None = None
) -> tuple[tuple[Any, ...], list[Node], list[float]]:
    """(key, leaves, scalars). The key holds all that shapes a plan: graph_of(key) is the Graph it stands for.

    layout: where the numbers of a realized node lie, as the backend says. seen: receives the node of each step.
    """
    number: dict[int, int] = {}
    known: dict[tuple[Any, ...], int] = {}
    steps: list[tuple[Any, ...]] = []
    leaves: list[Node] = []
    scalars: list[float] = []
    for node in _pending(outputs):
        if node.buffer is not None:
            step: tuple[Any, ...] = (LEAF, (), (len(leaves), layout(node)), node.shape, node.dtype)
            leaves.append(node)
        elif node.op is CONST:
            step = (CONST, (), (len(scalars),), node.shape, node.dtype)
            scalars.append(node.attrs[0])
        else:
            step = (node.op, tuple([number[id(parent)] for parent in node.inputs]), node.attrs, node.shape, node.dtype)
        place = known.setdefault(step, len(steps))
        if place == len(steps):
            steps.append(step)
            if seen is not None:
                seen.append(node)
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
