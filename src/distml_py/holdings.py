"""Who holds memory: the arrays that are alive, and what each is for. Looks on; keeps nothing alive and frees nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .errors import CaptureError
from .graph import Node

MOST = 20  # arrays that memory() lists


class Holding(NamedTuple):
    """One array. kind: parameter, gradient, data (came from the host), value (computed) or scratch (inside steps)."""

    shape: tuple[int, ...]
    dtype: str
    bytes: int
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} {self.dtype} {self.shape} {mib(self.bytes)}"


def held() -> Iterator[tuple[Any, str]]:
    """(array or backend's buffer, "parameter", "gradient" or "value") of every node that has its numbers; slow, for people.

    An array that several nodes share comes several times, the most telling kind first.
    """
    nodes = [found for found in gc.get_objects() if isinstance(found, Node) and found.buffer is not None]
    owners = [owner for node in nodes if node.owner is not None and (owner := node.owner()) is not None]
    gradients = {id(_gradient(owner)) for owner in owners}
    kinds = {
        id(node): "gradient" if id(node) in gradients else "parameter" if node.owner is not None else "value" for node in nodes
    }
    for node in {id(part): part for part in _parts()}.values():
        kinds.update({id(whole): "parameter" for whole in node.inputs if kinds.get(id(whole)) == "value"})
    for node in sorted(nodes, key=lambda node: kinds[id(node)] == "value"):
        yield getattr(node.buffer, "buffer", node.buffer), kinds[id(node)]


def _parts() -> list[Node]:
    """Parameters that lie in another array."""
    return [node for node in gc.get_objects() if isinstance(node, Node) and node.owner is not None and node.inputs]


def _gradient(owner: Any) -> Node | None:
    """Asked for past the property: a step that is being captured need not know of it."""
    try:
        return None if owner._grad is None else owner._grad._node
    except CaptureError:  # used up inside a compiled step
        return None


def largest(holdings: Iterable[Holding]) -> list[Holding]:
    """The few that are worth a look."""
    return sorted(holdings, key=lambda holding: -holding.bytes)[:MOST]


def on_host() -> list[Holding]:
    """The arrays on the host, each once."""
    seen: dict[int, Holding] = {}
    for array, kind in held():
        if isinstance(array, np.ndarray):
            whole = array if array.base is None else array.base
            size_bytes = int(getattr(whole, "nbytes", array.nbytes))
            seen.setdefault(id(whole), Holding(array.shape, array.dtype.name, size_bytes, kind))
    return list(seen.values())


def mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"
