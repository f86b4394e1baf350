"""What a model computes, as the list of its nodes; and how its sizes follow from those of its inputs. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import nn, random
from ..dtypes import DType
from ..errors import UnsupportedError
from ..graph import CONST, LEAF, Node
from ..tensor import Tensor, no_grad

Other = tuple[str, int]
"""A trace in which one named size was another: the name, and how large it was there."""

Symbols = Mapping[str, int]
"""Sizes that may change, by name: how large each was while the model was traced."""


@dataclass(frozen=True)
class Size:
    """factor times the product of the named sizes; value: how much that was."""

    value: int
    factor: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trace:
    """nodes: in an order in which every input is there. Inputs and outputs are some of them. dtypes: the outputs', by name."""

    nodes: list[Node]
    inputs: list[Node]
    outputs: list[Node]
    dtypes: list[DType]


def trace(model: Callable[..., Any], arguments: Sequence[Tensor]) -> Trace:
    """One call of the model, in its eval mode and without gradients; random streams go on as if it had not been."""
    known = random.state()
    training = [module for module in model.modules() if module.training] if isinstance(model, nn.Module) else []
    for module in training:
        module.training = False
    try:
        with no_grad():
            found = model(*arguments)
    finally:
        for module in training:
            module.training = True
        random.restore(known)
    outputs, inputs = [tensor.node for tensor in flattened(found)], [argument.node for argument in arguments]
    return Trace(_ordered(outputs, inputs), inputs, outputs, [tensor.dtype for tensor in flattened(found)])


def flattened(found: Any) -> list[Tensor]:
    """The tensors of what a model returned, in order."""
    match found:
        case Tensor():
            return [found]
        case dict():
            return [tensor for item in found.values() for tensor in flattened(item)]
        case tuple() | list():
            return [tensor for item in found for tensor in flattened(item)]
        case None:
            return []
        case _:
            raise UnsupportedError(
                f"onnx.export: the model returns a {type(found).__name__}; tensors and groups of them are possible"
            )


def is_given(node: Node) -> bool:
    """Are its numbers there already, whatever the inputs are?"""
    return node.buffer is not None or node.op is LEAF or node.op is CONST


def _ordered(outputs: Sequence[Node], inputs: Sequence[Node]) -> list[Node]:
    done = {id(node) for node in inputs}
    found: list[Node] = list(inputs)
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(outputs)]
    while stack:
        node, ready = stack.pop()
        if ready:
            found.append(node)
        elif id(node) not in done:
            done.add(id(node))
            stack.append((node, True))
            parents = () if is_given(node) else node.inputs
            stack += [(parent, False) for parent in reversed(parents) if id(parent) not in done]
    return found


class Sizes:
    """Where the sizes of a trace come from, seen by comparing it with traces in which one named size was another.

    Two of each name: what is rounded (half of the rows) may be the same in one of them.
    """

    def __init__(self, first: Trace, symbols: Symbols, others: Mapping[Other, Trace]):
        self.symbols = symbols
        self._place = {id(node): number for number, node in enumerate(first.nodes)}
        self._others = others
        for (name, _), other in others.items():
            alike = len(first.nodes) == len(other.nodes) and all(
                one.op is two.op and len(one.shape) == len(two.shape) for one, two in zip(first.nodes, other.nodes, strict=True)
            )
            if not alike:
                raise UnsupportedError(
                    f"onnx.export: the model computes something else when {name!r} is another size; leave it out of dynamic_axes"
                )

    def fixed(self, node: Node) -> bool:
        """Is a node the same whatever the named sizes are?"""
        return all(self._alike(node, other) for other in self.versions(node).values())

    def versions(self, node: Node) -> dict[Other, Node]:
        """The node in each of the other traces."""
        place = self._place[id(node)]
        return {key: other.nodes[place] for key, other in self._others.items()}

    def moving(self, node: Node, axis: int) -> bool:
        """Does its size along an axis follow a named one?"""
        return any(other.shape[axis] != node.shape[axis] for other in self.versions(node).values())

    def _alike(self, node: Node, other: Node) -> bool:
        return node.attrs == other.attrs and node.shape == other.shape

    def of(self, value: int, others: Mapping[Other, int]) -> Size | None:
        """A size that was `value`, and others[key] in the other traces; None where it follows no product of named sizes."""
        names = tuple(dict.fromkeys(name for (name, _), other in others.items() if other != value))
        product = 1
        for name in names:
            product *= self.symbols[name]
        if value % product:
            return None
        for (name, size), other in others.items():
            if name in names and other * self.symbols[name] != value * size:
                return None
        return Size(value, value // product, names)

    def shape(self, node: Node) -> list[Size | None]:
        """Its sizes, axis by axis."""
        versions = self.versions(node)
        return [
            self.of(size, {name: other.shape[axis] for name, other in versions.items()}) for axis, size in enumerate(node.shape)
        ]
