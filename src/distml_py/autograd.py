"""Reverse-mode differentiation: a function from graph to graph. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .errors import GradientError
from .graph import Node


def order(outputs: Iterable[Node]) -> list[Node]:
    """Every node the outputs are made of, inputs before users. Without recursion: graphs can be deep."""
    done: set[int] = set()
    found: list[Node] = []
    stack: list[tuple[Node, bool]] = [(node, False) for node in outputs]
    while stack:
        node, ready = stack.pop()
        if ready:
            found.append(node)
        elif id(node) not in done:
            done.add(id(node))
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.inputs if id(parent) not in done)
    return found


def gradients(output: Node, seed: Node, wanted: Sequence[Node]) -> list[Node | None]:
    """d(output . seed) / d(wanted): one node each, None where output does not depend on it.

    seed: the gradient that arrives at output, of its shape.
    Raises GradientError when an op on the way has no derivative.
    """
    targets = {id(node) for node in wanted}
    nodes = order([output])
    leads: set[int] = set()
    for node in nodes:
        if id(node) in targets or (node.op.name != "detach" and any(id(parent) in leads for parent in node.inputs)):
            leads.add(id(node))
    arriving: dict[int, Node] = {id(output): seed}
    for node in reversed(nodes):
        g = arriving.get(id(node))
        if g is None or node.op.name == "detach" or not any(id(parent) in leads for parent in node.inputs):
            continue
        if node.op.vjp is None:
            raise GradientError(f"{node.op.name} has no derivative, but a gradient is asked through it; use .detach() before it")
        for parent, part in zip(node.inputs, node.op.vjp(g, node, *node.inputs), strict=True):
            if part is not None and id(parent) in leads:
                known = arriving.get(id(parent))
                arriving[id(parent)] = part if known is None else known + part
    return [arriving.get(id(node)) for node in wanted]
