"""Keeping promises: realize() computes nodes on the current backend. Equal graphs are planned once and run often."""

from __future__ import annotations

import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from . import held, live
from .backends.protocol import Backend, Pending
from .backends.reference import ReferenceBackend
from .errors import BackendError, DtypeError
from .graph import CONST, LEAF, Node
from .kernel import Draw
from .op import Move
from .ops import DETACH, PART
from .steps import Graph, graph_of, linearize

T = TypeVar("T")
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


class Watcher(Protocol):
    """Who is told what takes how long: see profiler.Profile."""

    def steps(self, nodes: list[Node]) -> None: ...
    def drew(self, draw: Draw, seconds: float) -> None: ...
    def planned(self, seconds: float) -> None: ...
    def stalled(self, seconds: float) -> None: ...


@dataclass
class _State:
    backend: Backend = field(default_factory=ReferenceBackend)
    plans: OrderedDict[Any, Any] = field(default_factory=OrderedDict)
    companions: list[weakref.ref[Node]] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)
    watcher: Watcher | None = None
    eager: bool | None = None  # whether what a program holds is computed, wanted or not; None: where no GPU computes
    wholes: dict[int, tuple[Any, np.ndarray]] = field(default_factory=dict)  # atlases read since the last run


_state = _State()  # what may change in this module, in one place


def backend() -> Backend:
    """The backend that computes from now on."""
    return _state.backend


def counters() -> Counters:
    return _state.counters


def watch(watcher: Watcher | None) -> Watcher | None:
    """Tell somebody what takes how long, or nobody. Returns who was told before."""
    before, _state.watcher = _state.watcher, watcher
    return before


def watched() -> bool:
    return _state.watcher is not None


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


class Held:
    """A buffer and the backend it lives on. host: the array it was made of, kept for indices: questions are asked of it."""

    __slots__ = ("backend", "buffer", "host")

    def __init__(self, owner: Backend, buffer: Any, host: np.ndarray | None = None):
        self.backend = owner
        self.buffer = buffer
        self.host = host


def keep(node: Node) -> None:
    """Compute this node together with the next realization, if somebody still holds it then.

    A training step reads its loss after the optimizer has stepped; computed alone it would cost the forward pass again.
    """
    _state.companions.append(weakref.ref(node))


def hold(tensor: Any) -> None:
    """Compute this tensor with the next realization, if somebody still holds it then, and its numbers cost nothing more."""
    if keeping() and live.state.recorder is None:
        if held.many():  # before this one is among them: it may be half made, and not say yet that a gradient goes through it
            realize((), plain=True)
        held.hold(tensor)


def keeping() -> bool:
    """Whether what a program holds is computed, wanted or not; see be_eager()."""
    return not _state.backend.on_gpu if _state.eager is None else _state.eager


def be_eager(eager: bool | None) -> bool | None:
    """Compute all that a program holds with each realization: for programs that know of no promises. Returns what was before.

    None, as it begins: only where no GPU computes, which would have to store what nobody reads.
    """
    before, _state.eager = _state.eager, eager
    return before


def _held(plain: bool) -> tuple[list[Node], list[Node]]:
    """What is held and can be computed; and those of it that need not remember how. plain: only what takes part in no gradient."""
    found: list[Node] = []
    final: list[Node] = []
    for tensor in held.take():
        if plain and tensor._requires_grad:
            held.hold(tensor)
            continue
        node = tensor._node
        while node.buffer is None and node.op is not DETACH and isinstance(node.op, Move):
            node = node.inputs[0]  # a view is cheap once this is there
        if node.buffer is None and node.op is not CONST:
            found.append(node)
            if not tensor._requires_grad and node is tensor._node:
                final.append(node)
    return found, final


def realize(nodes: Iterable[Node], all_steps: bool = False, plain: bool = False) -> None:
    """Compute nodes, in one go. Raises BackendError when the device cannot, DtypeError for a dtype it has not.

    all_steps: keep what is found on the way, too, for the derivatives. plain: of what is held, only what takes part in no gradient.
    """
    state = _state
    companions = [node for ref in state.companions if (node := ref()) is not None]
    state.companions.clear()
    more, final = _held(plain) if live.state.recorder is None and keeping() else ([], [])
    wanted = {id(node): node for node in (*nodes, *companions, *more) if node.buffer is None}
    if not wanted:
        return
    outputs = list(wanted.values())
    before: list[Any] = []
    seen: list[Node] | None = None if state.watcher is None and not all_steps else []
    key, leaves, scalars = _steps(outputs, before, seen)
    if all_steps and seen is not None:
        known = set(key[1])
        places = [place for place, node in enumerate(seen) if place not in known and _is_step(node)]
        key, outputs = (key[0], (*key[1], *places)), [*outputs, *(seen[place] for place in places)]
    plan = _plan(key)
    buffers = [buffer_of(node) for node in leaves]
    if state.watcher is not None and seen is not None:
        state.watcher.steps(seen)
    cpu_ops = 0 if state.backend.on_gpu else sum(step[0] is not LEAF and step[0] is not CONST for step in key[0])
    found = run(plan, buffers, scalars, cpu_ops)
    for node, buffer in zip(outputs, found, strict=True):
        node.buffer = Held(state.backend, buffer)
        if node.op is DETACH:  # neither numbers nor gradients ask for what lies behind it any more
            node.inputs, node.depth = (), 0
    for node in final:
        if node.buffer is not None and not isinstance(node.op, Move):
            node.inputs, node.depth = (), 0
    if live.state.recorder is not None:
        live.state.recorder.ran(plan, leaves, before, scalars, outputs, cpu_ops)


def _steps(outputs: list[Node], before: list[Any], seen: list[Node] | None) -> tuple[tuple[Any, ...], list[Node], list[float]]:
    """linearize(), for the current backend. before: receives where each leaf was."""
    state = _state

    def layout(leaf: Node) -> Any:
        before.append(leaf.buffer)
        return state.backend.layout(buffer_of(leaf))

    found = linearize(outputs, layout, seen)
    while state.backend.on_gpu and (found[0], state.backend.choices) not in state.plans and _of_host(found[0]):
        _on_host(outputs)
        before.clear()
        if seen is not None:
            seen.clear()
        found = linearize(outputs, layout, seen)
    return found


def _of_host(key: tuple[Any, ...]) -> bool:
    return any(step[0].on_host for step in key[0])


def _on_host(outputs: list[Node]) -> None:
    """Computes what no GPU has kernels for: promises that were made while the reference backend was to keep them."""
    nodes: list[Node] = []
    linearize(outputs, lambda leaf: None, nodes)
    with _reference():
        realize([node for node in nodes if node.op.on_host])


@contextmanager
def _reference() -> Iterator[None]:
    """The reference backend computes, and nothing is recorded."""
    now, recorder = (_state.backend, _state.plans), live.state.recorder
    (_state.backend, _state.plans), live.state.recorder = (ReferenceBackend(), OrderedDict()), None
    try:
        yield
    finally:
        (_state.backend, _state.plans), live.state.recorder = now, recorder


def _is_step(node: Node) -> bool:
    """Whether a node is worth its memory: not what is there already, nor what is only read elsewhere."""
    return node.buffer is None and node.op is not CONST and not isinstance(node.op, Move)


def run(plan: Any, leaves: list[Any], scalars: list[float], cpu_ops: int) -> list[Any]:
    """One realization, counted: the buffers of a plan's outputs."""
    counters = _state.counters
    _state.wholes.clear()
    counters.realizations += 1
    counters.cpu_ops += cpu_ops
    began = time.perf_counter()
    if _state.watcher is None:
        found = _state.backend.run(plan, leaves, scalars)
    else:
        found = _state.backend.run(plan, leaves, scalars, _state.watcher.drew)
    counters.run_s += time.perf_counter() - began
    return found


def fetch(node: Node, differentiable: bool = False) -> np.ndarray:
    """The array of a node: computed if need be, then copied to the host.

    differentiable: backward() may follow, and should not have to compute all of it again.
    """
    if live.state.recorder is not None:
        live.state.recorder.read()
    if isinstance(node.buffer, np.ndarray):
        return node.buffer.copy()
    part = node
    while part.buffer is None and part.op is DETACH:
        part = part.inputs[0]
    if part.buffer is None and part.op is PART and part.inputs[0].buffer is not None:
        return np.array(PART.numpy(_whole(part.inputs[0]), *part.attrs), copy=True)
    if node.buffer is None:
        known = any(ref() is node for ref in _state.companions)  # backward() was called already
        try:
            realize(
                [node], differentiable and not known and keeping() and not _state.backend.on_gpu and live.state.recorder is None
            )
        except DtypeError:
            array = of_host(node)
            if array is None:
                raise
            return array
    return _download(node)


def of_host(node: Node) -> np.ndarray | None:
    """The array of a node that follows from numbers on the host alone, outside any gradient: computed there, in dtypes that no GPU
    has. Else None."""
    if live.state.recorder is not None:
        return None
    nodes: list[Node] = []
    linearize([node], lambda leaf: None, nodes)
    for part in nodes:
        away = part.buffer is not None and not isinstance(part.buffer, np.ndarray) and part.buffer.backend.on_gpu
        if away or part.owner is not None or part.link is not None:
            return None
    with _reference():
        realize([node])
    return np.array(node.buffer if isinstance(node.buffer, np.ndarray) else _download(node), copy=True)


def _whole(node: Node) -> np.ndarray:
    """The array of an atlas, for one who reads its parts one after the other."""
    if isinstance(node.buffer, np.ndarray):
        return node.buffer
    known = _state.wholes.get(id(node.buffer))
    if known is None:
        known = _state.wholes[id(node.buffer)] = (node.buffer, _download(node))
    return known[1]


def _download(node: Node) -> np.ndarray:
    began = time.perf_counter()
    held = node.buffer
    array: np.ndarray = held.backend.download(held.buffer, node.shape, node.dtype)
    spent = time.perf_counter() - began
    _state.counters.read_s += spent
    if _state.watcher is not None:
        _state.watcher.stalled(spent)
    return array


def fetch_later(node: Node) -> Pending:
    """The array of a node, without waiting for it: computed if need be, its copy to the host begun."""
    if live.state.recorder is not None:
        live.state.recorder.read()
    if node.op is PART and node.buffer is None:  # a copy is read; the node stays a part
        node = Node(PART, node.inputs, node.attrs, node.shape, node.dtype)
    realize([node])
    buffer = buffer_of(node)
    return _state.backend.download_later(buffer, node.shape, node.dtype)


def set_companions(refs: list[weakref.ref[Node]]) -> list[weakref.ref[Node]]:
    """What keep() has gathered, exchanged for refs: a captured step begins and ends with none of others'."""
    known, _state.companions = _state.companions, refs
    return known


def planned() -> list[Graph]:
    """The graphs whose plans are kept, the most recently used last."""
    return [graph_of(key) for key, choices in _state.plans if choices == _state.backend.choices]


def drop_stale_plans() -> None:
    """Gives up the plans of other choices than the backend's, and with them their scratch textures."""
    for known in [known for known in _state.plans if known[1] != _state.backend.choices]:
        del _state.plans[known]


def _plan(key: tuple[Any, ...]) -> Any:
    plans = _state.plans
    known = (key, _state.backend.choices)
    if known in plans:
        plans.move_to_end(known)
        return plans[known]
    began = time.perf_counter()
    for step in key[0]:
        if step[4] not in _state.backend.dtypes:
            raise DtypeError(f"{_state.backend.name} has no {step[4].name}; convert with .float() or use the reference backend")
    plan = plans[known] = _state.backend.plan(graph_of(key))
    if len(plans) > PLANS:
        plans.popitem(last=False)
    _state.counters.plans += 1
    spent = time.perf_counter() - began
    _state.counters.plan_s += spent
    if _state.watcher is not None:
        _state.watcher.planned(spent)
    return plan


def buffer_of(node: Node) -> Any:
    """The buffer of a realized node on the current backend; it moves there when it lives elsewhere."""
    held = node.buffer
    if isinstance(held, Held) and held.backend is _state.backend:
        return held.buffer
    array = _array_of(node)
    node.buffer = _held_as(_state.backend.upload(array), array)
    return node.buffer.buffer


def send(nodes: Iterable[Node]) -> None:
    """Brings these nodes to the current backend, ahead of who reads them: computed if need be, what lives elsewhere in one go."""
    wanted = list(nodes)
    realize(wanted)
    away = {id(node): node for node in wanted if not (isinstance(node.buffer, Held) and node.buffer.backend is _state.backend)}
    arrays = [_array_of(node) for node in away.values()]
    for node, array, buffer in zip(away.values(), arrays, _state.backend.upload_all(arrays), strict=True):
        node.buffer = _held_as(buffer, array)


def _array_of(node: Node) -> np.ndarray:
    """The array of a realized node that lives elsewhere. Raises DtypeError when the backend has none such."""
    held = node.buffer
    array: np.ndarray = held if isinstance(held, np.ndarray) else held.backend.download(held.buffer, node.shape, node.dtype)
    if array.dtype not in _state.backend.dtypes:
        raise DtypeError(f"{_state.backend.name} has no {array.dtype.name}; convert with .float() or use the reference backend")
    return array


def _held_as(buffer: Any, array: np.ndarray) -> Held:
    return Held(_state.backend, buffer, array if array.dtype.kind in "ib" else None)


def ask_host(node: Node, question: Callable[[np.ndarray], T]) -> T | None:
    """question(the array of a node) when the host knows it, else None: the device is never waited for.

    A captured step asks its inputs again at each replay, and holds only while the answer is the same.
    """
    known = node.buffer if isinstance(node.buffer, np.ndarray) else getattr(node.buffer, "host", None)
    answer = None if known is None else question(known)
    if live.state.recorder is not None:
        live.state.recorder.asked(node, question, answer)
    return answer
