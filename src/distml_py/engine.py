"""Keeping promises: realize() computes nodes on the current backend. Equal graphs are planned once and run often."""

from __future__ import annotations

import time
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .backends.protocol import Backend
from .backends.reference import ReferenceBackend
from .errors import BackendError, DtypeError
from .graph import CONST, LEAF, Node
from .schedule import graph_of, linearize

PLANS = 256  # plans kept per backend; the least recently used goes first


@dataclass
class Counters:
    """What was done since the start. cpu_ops: graph nodes computed without a GPU.

    Seconds: plan_s planning and compiling, run_s inside the backend's run, read_s waiting for numbers to come back.
    """

    realizations: int = 0
    cpu_ops: int = 0
    plans: int = 0
    plan_s: float = 0.0
    read_s: float = 0.0
    run_s: float = 0.0


@dataclass
class _State:
    backend: Backend = field(default_factory=ReferenceBackend)
    plans: OrderedDict[Any, Any] = field(default_factory=OrderedDict)
    companions: list[weakref.ref[Node]] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)


_state = _State()  # what may change in this module, in one place


def backend() -> Backend:
    """The backend that computes from now on."""
    return _state.backend


def counters() -> Counters:
    return _state.counters


def memory() -> dict[str, Any]:
    """Who holds the memory of the current backend.

    bytes: all of it; live_bytes: in arrays, scratch_bytes: values inside steps, free_bytes: kept for reuse; textures: how many;
    cap_bytes: the most it takes, None without a cap; largest: (shape, dtype, bytes, kind) of the largest arrays.
    On the reference backend these are arrays on the host.
    """
    return _state.backend.memory()


def use_backend(chosen: Backend | str) -> None:
    """Compute on another backend. Arrays that live on the old one move over when they are next used."""
    if isinstance(chosen, str):
        if chosen != "reference":
            raise BackendError(f"unknown backend {chosen!r}; 'reference' is known by name, others are given as objects")
        chosen = ReferenceBackend()
    _state.backend = chosen
    _state.plans.clear()


class _Held:
    """A buffer and the backend it lives on."""

    __slots__ = ("backend", "buffer")

    def __init__(self, owner: Backend, buffer: Any):
        self.backend = owner
        self.buffer = buffer


def keep(node: Node) -> None:
    """Compute this node together with the next realization, if somebody still holds it then.

    A training step reads its loss after the optimizer has stepped; computed alone it would cost the forward pass again.
    """
    _state.companions.append(weakref.ref(node))


def realize(nodes: Iterable[Node]) -> None:
    """Compute nodes, in one go. Raises BackendError when the device cannot, DtypeError for a dtype it has not."""
    companions = [node for ref in _state.companions if (node := ref()) is not None]
    _state.companions.clear()
    wanted = {id(node): node for node in (*nodes, *companions) if node.buffer is None}
    if not wanted:
        return
    outputs = list(wanted.values())
    state = _state
    key, leaves, scalars = linearize(outputs, lambda node: state.backend.layout(_buffer_of(node)))
    plan = _plan(key)
    held = [_buffer_of(node) for node in leaves]
    state.counters.realizations += 1
    if not state.backend.on_gpu:
        state.counters.cpu_ops += sum(step[0] is not LEAF and step[0] is not CONST for step in key[0])
    began = time.perf_counter()
    found = state.backend.run(plan, held, scalars)
    state.counters.run_s += time.perf_counter() - began
    for node, buffer in zip(outputs, found, strict=True):
        node.buffer = _Held(state.backend, buffer)


def fetch(node: Node) -> np.ndarray:
    """The array of a node: computed if need be, then copied to the host."""
    if isinstance(node.buffer, np.ndarray):
        return node.buffer.copy()
    realize([node])
    began = time.perf_counter()
    held = node.buffer
    array = held.backend.download(held.buffer, node.shape, node.dtype)
    _state.counters.read_s += time.perf_counter() - began
    return array


def _plan(key: tuple[Any, ...]) -> Any:
    plans = _state.plans
    if key in plans:
        plans.move_to_end(key)
        return plans[key]
    began = time.perf_counter()
    for step in key[0]:
        if step[4] not in _state.backend.dtypes:
            raise DtypeError(f"{_state.backend.name} has no {step[4].name}; convert with .float() or use the reference backend")
    plan = plans[key] = _state.backend.plan(graph_of(key))
    if len(plans) > PLANS:
        plans.popitem(last=False)
    _state.counters.plans += 1
    _state.counters.plan_s += time.perf_counter() - began
    return plan


def _buffer_of(node: Node) -> Any:
    """The buffer of a realized node on the current backend; it moves there when it lives elsewhere."""
    held = node.buffer
    if isinstance(held, _Held) and held.backend is _state.backend:
        return held.buffer
    array = held if isinstance(held, np.ndarray) else held.backend.download(held.buffer, node.shape, node.dtype)
    if array.dtype not in _state.backend.dtypes:
        raise DtypeError(f"{_state.backend.name} has no {array.dtype.name}; convert with .float() or use the reference backend")
    node.buffer = _Held(_state.backend, _state.backend.upload(array))
    return node.buffer.buffer


def host_array(node: Node) -> np.ndarray | None:
    """The array of a node that has never left the host, else None."""
    return node.buffer if isinstance(node.buffer, np.ndarray) else None
