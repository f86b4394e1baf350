"""One recording of a step as flat lists: what it reads, which plans run, what it leaves behind; and how it is run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import engine, live, random
from .graph import Node
from .guards import Guards
from .ops import PART
from .recording import Constant, Recording, Run, Source
from .scope import brief, same
from .spent import SPENT
from .tensor import Tensor, sharing
from .trees import filled, flat, leaf, named, template_of

TRIES = 4  # recordings of one step that differ before it is left alone


class Program:
    """What one recording found, when it holds, and how it is run again."""

    def __init__(self, fn: Callable[..., Any], inputs: list[Tensor], plain: list[Any], shapes: list[Any]):
        self.ready = False
        self.eager = ""
        self.tries = 0
        self.backend = engine.backend()
        self.guards = Guards(fn, inputs, plain, shapes)
        self.inputs = inputs

    def take(self, recording: Recording, result: Any) -> None:
        """Ends the recording. All it knows, as flat lists: values are numbered inputs, tensors, slots, grads, constants, made."""
        outputs, self.form = flat(result)
        self.found = found = recording.finish(outputs)
        self.template = template_of(result, iter(range(len(outputs))))
        counts = (len(recording.inputs), len(found.tensors), len(found.slots), len(found.grads), len(found.constants))
        kinds = ("input", "tensor", "slot", "grad", "constant")
        starts = dict(zip(kinds, np.cumsum([0, *counts]).tolist(), strict=False))
        made = sum(counts)
        self.runs: list[tuple[Run, list[int], list[tuple[int, int]]]] = []
        firsts: list[int] = []

        def place(source: Source) -> int:
            return firsts[source[1]] + source[2] if source[0] == "made" else starts[source[0]] + source[1]

        lives = {id(number): n for n, number in enumerate(found.tape)}
        for run in found.runs:
            holes = [(n, lives[id(number)]) for n, number in enumerate(run.numbers) if id(number) in lives]
            self.runs.append((run, [place(source) for source in run.leaves], holes))
            firsts.append(made)
            made += run.outputs
        self._name_ends(recording, place)

    def _name_ends(self, recording: Recording, place: Callable[[Source], int]) -> None:
        """What the step leaves behind, by the number of its value; place: of a source's."""
        found = self.found
        self.constants = [constant.buffer for constant in found.constants]
        self.tape: list[Any] = [entry.source if isinstance(entry, live.Live) else entry for entry in found.tape]
        givens = {id(tensor): number for number, tensor in enumerate(recording.inputs)}
        self.moved = [(givens.get(id(t)), t, place(source), t.shape, t.dtype) for t, source in found.moved]
        self.housed = [(givens.get(id(t)), t, home, was, t._node.attrs) for t, home, was in found.housed]
        self.graded = [(givens.get(id(t)), t, place(s), t.shape, t.dtype) for t, s in found.graded]
        self.emptied = [(givens.get(id(t)), t, SPENT) for t in found.spent] + [(givens.get(id(t)), t, None) for t in found.cleared]
        self.filled = [(slot, place(s), slot.state[slot.name].shape, slot.state[slot.name].dtype) for slot, s in found.filled]
        self.results = [(place(r[0]), r[1], r[2]) if isinstance(r, tuple) and len(r) == 3 else r for r in found.results]
        self.guards.watch(recording, found)
        self.outline = self._outline(givens)
        if any(part is np.ndarray for part in self.form):
            recording.refuse("it returns an array; return tensors")
        if not recording.refused:
            for tensor in found.spent:
                tensor._grad = SPENT

    # ------------------------------------------------------------ running it again

    def entry(self, inputs: list[Tensor]) -> list[Any]:
        """The buffers a replay reads, but for what it makes itself."""
        found = self.found
        nodes = [tensor._node for tensor in inputs]
        nodes += [tensor._node for tensor in found.tensors]
        nodes += [slot.state[slot.name]._node for slot in found.slots]
        nodes += [tensor._grad._node for tensor in found.grads if tensor._grad is not None]
        backend = self.backend
        values = []
        for node in nodes:
            held = node.buffer
            if type(held) is engine.Held and held.backend is backend:
                values.append(held.buffer)
            else:
                engine.realize([node])
                values.append(engine.buffer_of(node))
        return values + self.constants

    def compute(self, values: list[Any]) -> None:
        """Runs the plans; values, from entry(), grows by what they make. Numbers on the host move on, names do not."""
        before = random.state()
        numbers: list[Any] = []
        random.begin()
        try:
            for entry in self.tape:
                if type(entry) is tuple:
                    entry[0][entry[1]] += 1
                    numbers.append(None)
                else:
                    numbers.append(entry())
            for run, leaves, holes in self.runs:
                scalars = run.numbers
                for place, number in holes:
                    scalars[place] = numbers[number]
                values += engine.run(run.plan, [values[n] for n in leaves], scalars, run.cpu_ops)
        except BaseException:
            self.undo(len(numbers))
            random.end()
            random.restore(before)
            raise
        random.end()
        if self.found.streams is None:
            random.restore(self.found.random_end)
        else:
            random.advance(self.found.streams)

    def undo(self, entries: int) -> None:
        """Takes back what the first entries of the tape counted."""
        for entry in self.tape[:entries]:
            if type(entry) is tuple:
                entry[0][entry[1]] -= 1

    def replay(self, inputs: list[Tensor]) -> Any:
        """One step. Older references keep their numbers: names move to new buffers."""
        values = self.entry(inputs)
        self.compute(values)
        backend = self.backend
        for given, tensor, place, shape, dtype in self.moved:
            if given is not None:
                tensor = inputs[given]
            node = leaf(backend, values[place], shape, dtype)
            node.owner, node.hooks = tensor._node.owner, tensor._node.hooks
            tensor._node = node
            if tensor._root is not None:
                sharing.tell(tensor)
        for given, tensor, home, _, attrs in self.housed:
            tensor = tensor if given is None else inputs[given]
            node = Node(PART, (home._node,), attrs, attrs[1], home._node.dtype)
            node.owner, node.hooks = tensor._node.owner, tensor._node.hooks
            tensor._node = node
            if tensor._root is not None:
                sharing.tell(tensor)
        for slot, place, shape, dtype in self.filled:
            slot.state[slot.name] = named(leaf(backend, values[place], shape, dtype), dtype)
        for given, tensor, place, shape, dtype in self.graded:
            (tensor if given is None else inputs[given])._grad = named(leaf(backend, values[place], shape, dtype), dtype)
        for given, tensor, grad in self.emptied:
            (tensor if given is None else inputs[given])._grad = grad
        outputs: list[Any] = []
        for result in self.results:
            if type(result) is not tuple:
                outputs.append(result)
            elif result[0] == "input":
                outputs.append(inputs[result[1]])
            else:
                outputs.append(named(leaf(backend, values[result[0]], result[1], result[2]), result[2]))
        return outputs[0] if self.template == 0 else filled(self.template, outputs)

    # ------------------------------------------------------------ is it right?

    def compare(self, known: Program, entry: list[Any]) -> None:
        """Becomes ready when `known`, an earlier recording, had the same form and its replay gives this step bit for bit."""
        if self.outline != known.outline:
            self.tries = known.tries + 1
            if self.tries >= TRIES:
                self.eager = "what it computes has another form each time"
            return
        self.eager = self._leak(known) or self._replayed(known, entry)
        self.ready = not self.eager

    def _outline(self, givens: dict[int, int]) -> list[Any]:
        """What must be equal in two recordings of one step: all but frozen numbers. givens: the inputs, other ones each time."""
        f = self.found
        ends = [(givens.get(id(t), id(t) + len(givens)), source) for t, source in (*f.moved, *f.graded)]
        return [
            [(id(run.plan), run.leaves, len(run.numbers)) for run in f.runs],
            [holes for *_, holes in self.runs],
            [givens.get(id(t), id(t) + len(givens)) for t in (*f.tensors, *f.grads, *f.spent, *f.cleared)],
            [len(f.tensors), len(f.grads), len(f.moved), len(f.spent)],
            [(id(slot.state), slot.name) for slot in f.slots],
            ends,
            [(givens.get(id(t), id(t) + len(givens)), id(home), was) for t, home, was in f.housed],
            [(id(slot.state), slot.name, source) for slot, source in f.filled],
            [r if isinstance(r, tuple) else id(r) for r in f.results],
            [type(e) is tuple and (id(e[0]), e[1]) for e in f.tape],
            [(c.array.shape, c.array.dtype) if c.array is not None else id(c.buffer) for c in f.constants],
            f.streams,
        ]

    def _leak(self, known: Program) -> str:
        """Why a frozen number or array is none; empty when all are."""
        for (run, _, holes), (then, *_) in zip(self.runs, known.runs, strict=True):
            lives = {place for place, _ in holes}
            for place, (a, b) in enumerate(zip(run.numbers, then.numbers, strict=True)):
                if place not in lives and not (a == b or (a != a and b != b)):
                    where = getattr(a, "place", "")
                    return f"the number at {where} was {float(b):g} and is {float(a):g}; pass what changes as a tensor argument"
        for one, other in zip(self.found.constants, known.found.constants, strict=True):
            if not _equal(one, other):
                return f"the array made at {one.place or '(unknown)'} has other numbers each time; pass it as an argument"
        for now, then_value in zip(self.form, known.form, strict=False):
            if not same(now, then_value):
                return f"it returns {brief(now)}, before {brief(then_value)}; return tensors"
        return ""

    def _replayed(self, known: Program, entry: list[Any]) -> str:
        """Replays this step from the state before it, and compares all it leaves behind."""
        counted, end = len(self.tape), random.state()
        self.undo(counted)
        if self.found.streams is not None:
            random.advance(-self.found.streams)
        try:
            known.compute(entry)
        finally:
            random.restore(end)
        first = len(entry) - sum(run.outputs for run, *_ in self.runs)
        for found, place, shape, dtype in self._ends():
            if place >= first:
                wanted = self.backend.download(entry[place], shape, dtype)
                if engine.fetch(found._node).tobytes() != wanted.tobytes():
                    return f"its replay differs from the eager step in a tensor of shape {shape}: a host value leaked in"
        return ""

    def _ends(self) -> list[tuple[Tensor, int, Any, Any]]:
        ends = [(tensor, place, shape, dtype) for _, tensor, place, shape, dtype in self.moved]
        ends += [(slot.state[slot.name], place, shape, dtype) for slot, place, shape, dtype in self.filled]
        return ends + [(t._grad, place, shape, dtype) for _, t, place, shape, dtype in self.graded if t._grad is not None]


def _equal(one: Constant, other: Constant) -> bool:
    if one.array is None or other.array is None:
        return one.buffer is other.buffer
    return one.array.tobytes() == other.array.tobytes()
