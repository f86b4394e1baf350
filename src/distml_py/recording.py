"""One call of a step, watched: which plans ran, and where each of their leaves and numbers came from. Nothing is replayed here."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import engine, live, random
from .atlas import is_part
from .errors import CaptureError
from .graph import Node
from .ops import PART
from .tensor import Tensor

Source = tuple[Any, ...]
"""("input", n) | ("tensor", n) | ("slot", n) | ("grad", n) | ("constant", n) | ("made", run, output)"""


@dataclass
class Run:
    """One realization. numbers: as the plan got them; those of them that are Live have a source or a user's line."""

    plan: Any
    leaves: list[Source]
    numbers: list[float]
    outputs: int
    cpu_ops: int


@dataclass
class Slot:
    """One entry of an optimizer's state."""

    optimizer: Any
    key: Any
    state: dict[str, Any]
    name: str


@dataclass
class Constant:
    """Data that is neither input nor state: frozen when captured. array: as it was on the host, None when it never was."""

    buffer: Any
    array: np.ndarray | None
    place: str


@dataclass
class _Gradient:
    tensor: Tensor
    entry: Tensor | None
    read_first: bool
    spent: bool = False


@dataclass
class _Leaf:
    """A leaf of unknown origin, while recording. All that may be compared by identity is kept alive here."""

    node: Node
    before: Any
    held: Any


@dataclass
class Found:
    """All that a recording tells, in terms of sources."""

    runs: list[Run] = field(default_factory=list)
    tape: list[Any] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    grads: list[Tensor] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)
    lodgers: list[Tensor] = field(default_factory=list)
    moved: list[tuple[Tensor, Source]] = field(default_factory=list)
    housed: list[tuple[Tensor, Tensor, bool]] = field(default_factory=list)
    filled: list[tuple[Slot, Source]] = field(default_factory=list)
    graded: list[tuple[Tensor, Source]] = field(default_factory=list)
    spent: list[Tensor] = field(default_factory=list)
    cleared: list[Tensor] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    streams: int | None = 0
    random_end: tuple[int, int, int, int] = (0, 0, 0, 0)


class Recording:
    """See live.Recorder. strict: reading a number raises; else it ends the recording, and the step goes on eagerly."""

    def __init__(self, inputs: Sequence[Tensor], strict: bool):
        self.inputs = list(inputs)
        self.strict = strict
        self.refused = ""
        self.found = Found()
        self.modules: dict[int, Any] = {}
        self.options: dict[tuple[int, str, bool], tuple[Any, str, bool, Any]] = {}
        self.steppers: dict[int, Any] = {}
        self.questions: list[tuple[int, Callable[[Any], Any], Any]] = []
        self.entry_slots: dict[int, tuple[Any, Any, dict[str, Any], dict[str, Any]]] = {}
        self.gradients: dict[int, _Gradient] = {}
        self._moved: dict[int, tuple[weakref.ref[Tensor], Node, Any, bool]] = {}
        self._housed: dict[int, tuple[Tensor, Tensor]] = {}
        self._born: set[int] = set()
        self._leaves: dict[int, tuple[Node, str]] = {}
        self._sources: dict[int, Source] = {}
        self._alive: list[Any] = []
        self._unknown: list[_Leaf] = []
        self._entry_random = random.state()
        for number, tensor in enumerate(self.inputs):
            self._know(("input", number), tensor._node, tensor._node.buffer)

    def __enter__(self) -> Recording:
        self._companions = engine.set_companions([])
        random.begin()
        live.state.recorder = self
        return self

    def __exit__(self, *error: object) -> None:
        live.state.recorder = None
        random.end()
        engine.set_companions(self._companions)

    # ------------------------------------------------------------ what is told while the step runs

    def live(self, source: Callable[[], float]) -> float:
        live.state.recorder = None  # what the source reads is read again at each replay: no guard
        try:
            found = live.Live(source())
        finally:
            live.state.recorder = self
        found.source, found.place = source, ""
        self.found.tape.append(found)
        return found

    def noted(self, value: float) -> float:
        found = live.Live(value)
        found.source, found.place = None, live.user_place()
        return found

    def counted(self, state: dict[str, Any], name: str) -> None:
        self.found.tape.append((state, name))

    def option(self, group: Any, name: str, truth: bool) -> None:
        value = dict.__getitem__(group, name)
        self.options.setdefault((id(group), name, truth), (group, name, truth, bool(value) if truth else value))

    def refuse(self, reason: str) -> None:
        self.refused = self.refused or f"{reason} ({live.user_place()})"

    def read(self) -> None:
        place = live.user_place()
        if self.strict:
            raise CaptureError(
                f"{place} reads a number inside a compiled step, which would stall it and freeze the number; "
                "return the tensor and read it outside, or leave compile() away"
            )
        self.refused = self.refused or f"{place} reads a number inside the step; return the tensor and read it outside"

    def ran(self, plan: Any, leaves: list[Node], before: list[Any], numbers: list[float], made: list[Node], ops: int) -> None:
        sources = [self._source(node, was) for node, was in zip(leaves, before, strict=True)]
        run = len(self.found.runs)
        self.found.runs.append(Run(plan, sources, list(numbers), len(made), ops))
        for number, node in enumerate(made):
            self._know(("made", run, number), node, node.buffer)

    def asked(self, node: Node, question: Callable[[Any], Any], answer: Any) -> None:
        source = self._sources.get(id(node))
        if source is not None and source[0] == "input":
            self.questions.append((source[1], question, answer))

    def leaf(self, node: Node) -> None:
        if isinstance(node.buffer, np.ndarray):
            self._leaves[id(node)] = (node, live.user_place())

    def born(self, tensor: Tensor) -> None:
        self._born.add(id(tensor))

    def moved(self, tensor: Tensor) -> None:
        if id(tensor) not in self._born:
            entry = (weakref.ref(tensor), tensor._node, tensor._node.buffer, tensor._requires_grad)
            self._moved.setdefault(id(tensor), entry)

    def housed(self, tensor: Tensor, home: Tensor) -> None:
        self._housed[id(tensor)] = (tensor, home)

    def grad_read(self, tensor: Tensor) -> None:
        self.gradients.setdefault(id(tensor), _Gradient(tensor, tensor._grad, True))

    def grad_set(self, tensor: Tensor) -> None:
        self.gradients.setdefault(id(tensor), _Gradient(tensor, tensor._grad, False)).spent = False

    def called(self, module: Any) -> None:
        self.modules.setdefault(id(module), module)

    def stepping(self, optimizer: Any) -> None:
        self.steppers.setdefault(id(optimizer), optimizer)

    def updating(self, optimizer: Any, key: Any, state: dict[str, Any]) -> None:
        self.entry_slots.setdefault(id(state), (optimizer, key, state, dict(state)))

    def spent(self, tensor: Tensor) -> None:
        self.gradients[id(tensor)].spent = True

    # ------------------------------------------------------------ when the step is over

    def finish(self, results: Sequence[Tensor]) -> Found:
        """Computes what the step leaves behind, still recorded, and says where it all came from."""
        housed = [(tensor, home) for tensor, home in self._housed.values() if is_part(tensor, home)]
        homes = {id(tensor) for tensor, _ in housed}
        grads = {id(grad) for g in self.gradients.values() for grad in (g.tensor._grad, g.entry)}
        lived = [(ref(), node, before) for ref, node, before, _ in self._moved.values()]
        moved = [(tensor, node, before) for tensor, node, before in lived if tensor is not None and id(tensor) not in grads]
        entries = {id(tensor): node for tensor, node, _ in moved}
        moved = [entry for entry in moved if id(entry[0]) not in homes]
        graded = [g for g in self.gradients.values() if id(g.tensor) not in self._born]
        left = [g.tensor._grad for g in graded if isinstance(g.tensor._grad, Tensor) and not g.spent]
        slots = [(Slot(o, n, state, name), state[name]) for o, n, state, _ in self.entry_slots.values() for name in state]
        tensors = [(slot, value) for slot, value in slots if isinstance(value, Tensor)]
        ends = [*results, *(tensor for tensor, *_ in moved), *left, *(value for _, value in tensors)]
        engine.realize([tensor._node for tensor in ends if isinstance(tensor._node, Node)])
        live.state.recorder = None
        self._resolve(moved, graded)
        found = self.found
        found.streams, found.random_end = random.end(), random.state()
        found.moved = [(tensor, self._end(tensor)) for tensor, *_ in moved]
        found.housed = [(tensor, home, _was_part(entries.get(id(tensor)), entries.get(id(home)))) for tensor, home in housed]
        found.filled = [(slot, self._end(value)) for slot, value in tensors]
        self._grade(graded)
        found.results = [self._result(tensor) for tensor in results]
        self._check_counts()
        if any(tensor._requires_grad is not flag for ref, *_, flag in self._moved.values() if (tensor := ref()) is not None):
            self.refuse("it changes requires_grad of a tensor")
        for tensor in ends:
            tensor._settle()
        for tensor, home in housed:
            tensor._house(home, tensor.node.attrs[0])
        return found

    def _grade(self, graded: list[_Gradient]) -> None:
        for g in graded:
            if g.tensor._grad is None:
                self.found.cleared.append(g.tensor)
            elif g.spent:
                self.found.spent.append(g.tensor)
            else:
                self.found.graded.append((g.tensor, self._end(g.tensor._grad)))

    def _check_counts(self) -> None:
        counted = [(id(entry[0]), entry[1]) for entry in self.found.tape if isinstance(entry, tuple)]
        for _, number, state, entry in self.entry_slots.values():
            for name, value in state.items():
                if isinstance(value, Tensor) or name not in entry:
                    continue
                if value != entry[name] and value - entry[name] != counted.count((id(state), name)):
                    self.refused = self.refused or f"the optimizer changes state[{number}][{name!r}] itself; use live.count"

    def _know(self, source: Source, *things: Any) -> None:
        for thing in things:
            if thing is not None:
                self._alive.append(thing)
                self._sources.setdefault(id(thing), source)
                if isinstance(thing, engine.Held):
                    self._know(source, thing.buffer)

    def _source(self, node: Node, before: Any) -> Source:
        held = node.buffer
        for thing in (node, before, held, held.buffer):
            if (source := self._sources.get(id(thing))) is not None:
                break
        else:
            source = ("unknown", len(self._unknown))
            self._unknown.append(_Leaf(node, before, held))
        self._know(source, node, before, held)
        return source

    def _resolve(self, moved: list[tuple[Tensor, Node, Any]], graded: list[_Gradient]) -> None:
        """Gives every unknown leaf its source: state, when something that lived before the step holds it, else a constant."""
        holders: dict[int, tuple[str, Any]] = {}
        for tensor, node, before in moved:
            _offer(holders, ("tensor", tensor), node, before, node.buffer)
        for optimizer, number, state, entry in self.entry_slots.values():
            for name, value in entry.items():
                if isinstance(value, Tensor):
                    _offer(holders, ("slot", Slot(optimizer, number, state, name)), value._node, value._node.buffer)
        for g in graded:
            if g.read_first and isinstance(g.entry, Tensor) and not g.entry._used_up:
                _offer(holders, ("grad", g.tensor), g.entry._node, g.entry._node.buffer)
        nodes = {id(unknown.node): unknown.node for unknown in self._unknown}
        for tensor in gc.get_referrers(*nodes.values()) if nodes else ():
            if isinstance(tensor, Tensor) and id(tensor) not in self._born and id(tensor._node) in nodes:
                _offer(holders, ("tensor", tensor), tensor._node)
        known = [self._holder(unknown, holders) for unknown in self._unknown]
        places = [self.found.constants[number].place if kind == "constant" else kind for kind, number, *_ in known]
        frozen = [unknown.node for unknown, place in zip(self._unknown, places, strict=True) if not place]
        self.found.lodgers = [tensor for tensor in _parts_of(frozen) if id(tensor) not in self._born] if frozen else []
        for run in self.found.runs:
            run.leaves = [known[source[1]] if source[0] == "unknown" else source for source in run.leaves]
        self._sources = {k: known[s[1]] if s[0] == "unknown" else s for k, s in self._sources.items()}

    def _holder(self, unknown: _Leaf, holders: dict[int, tuple[str, Any]]) -> Source:
        for thing in (unknown.node, unknown.before, unknown.held, unknown.held.buffer):
            if id(thing) in holders:
                kind, holder = holders[id(thing)]
                return self._numbered(kind, holder)
        array = unknown.before if isinstance(unknown.before, np.ndarray) else unknown.held.host
        _, place = self._leaves.get(id(unknown.node), (None, ""))
        self.found.constants.append(Constant(unknown.held.buffer, array, place))
        return ("constant", len(self.found.constants) - 1)

    def _numbered(self, kind: str, holder: Any) -> Source:
        lists: dict[str, list[Any]] = {"tensor": self.found.tensors, "slot": self.found.slots, "grad": self.found.grads}
        known = lists[kind]
        for number, other in enumerate(known):
            same: bool = other is holder if kind != "slot" else (other.state is holder.state and other.name == holder.name)
            if same:
                return (kind, number)
        known.append(holder)
        return (kind, len(known) - 1)

    def _end(self, tensor: Any) -> Source:
        """Where the numbers of a realized tensor come from, at the end of the step."""
        node = tensor._node
        buffer = engine.buffer_of(node)
        for thing in (node, node.buffer, buffer):
            if id(thing) in self._sources:
                return self._sources[id(thing)]
        self._unknown.append(_Leaf(node, node.buffer.host, node.buffer))
        source = self._holder(self._unknown[-1], {})
        self._know(source, node, node.buffer)
        return source

    def _result(self, tensor: Tensor) -> Any:
        """The tensor itself when it lived before, else (source, shape, dtype)."""
        for number, given in enumerate(self.inputs):
            if given is tensor:
                return ("input", number)
        if id(tensor) not in self._born:
            return tensor
        return (self._end(tensor), tensor.shape, tensor.dtype)

    def rollback(self) -> None:
        """Names, slots, counts and random streams as they were before the step."""
        for ref, node, _, flag in self._moved.values():
            if (tensor := ref()) is not None:
                tensor._node, tensor._requires_grad, node.stale = node, flag, False
        for _, _, state, entry in self.entry_slots.values():
            state.clear()
            state.update(entry)
        for g in self.gradients.values():
            g.tensor._grad = g.entry
        random.restore(self._entry_random)


def _was_part(node: Node | None, home: Node | None) -> bool:
    """Were the numbers of a tensor, with this node before the step, a part of home's?"""
    return node is not None and node.op is PART and node.inputs[0] is home


def _parts_of(homes: list[Node]) -> list[Tensor]:
    """The parameters whose numbers lie in an atlas that nobody holds any more, as when its optimizer is gone."""
    inputs = [found for found in gc.get_referrers(*homes) if type(found) is tuple]
    parts = [found for found in gc.get_referrers(*inputs) if isinstance(found, Node) and found.op is PART] if inputs else []
    return [found for found in gc.get_referrers(*parts) if isinstance(found, Tensor)] if parts else []


def _offer(holders: dict[int, tuple[str, Any]], holder: tuple[str, Any], *things: Any) -> None:
    """Whoever needs one of these things finds this holder."""
    for thing in things:
        if thing is not None:
            holders.setdefault(id(thing), holder)
            if isinstance(thing, engine.Held):
                holders.setdefault(id(thing.buffer), holder)
