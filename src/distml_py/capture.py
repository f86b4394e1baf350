"""compile(): a step is run twice while it is recorded, compared bit for bit, and from then on replayed without its Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import engine, live, random
from .atlas import is_part
from .errors import CaptureError, GradientError
from .graph import LEAF, Node
from .ops import PART
from .recording import Constant, Recording, Run, Source
from .scope import Scope, brief, same
from .tensor import Tensor, is_grad_enabled, sharing

PROGRAMS = 8  # programs kept per compiled function; the least recently used goes first
TRIES = 4  # recordings of one step that differ before it is left alone
MISSES = 24  # recordings without one replay before the whole function is left alone
UPLOAD_BYTES = 64 << 20  # inputs that many() sends ahead of the steps that read them


class _Spent(Tensor):
    """The gradient of a parameter that an optimizer has used inside a compiled step: it is not kept."""

    __slots__ = ()

    def __init__(self) -> None:
        self._kind = None

    @property
    def _node(self) -> Node:  # type: ignore[override]
        raise CaptureError(
            "this gradient was used up inside a compiled step and is not kept; "
            "call optimizer.zero_grad() before backward(), or return .grad from the step to see it"
        )

    def __getattr__(self, name: str) -> Any:
        """What else a tensor keeps: it has none of it."""
        return self._node


SPENT = _Spent()


def compile(fn: Callable[..., Any], *, recapture: bool = True, fallback: bool = False) -> Compiled:
    """fn as a compiled step: called the same way, it returns the same numbers, with almost no Python after the first calls.

    fn takes tensors, arrays and plain values; it returns a tensor, or tuples, lists and dicts of tensors. Forward, backward
    and optimizer may all stand in it. Its Python runs for the first calls only: what it prints or appends happens then alone.
    recapture=False: a call that does not fit what was captured raises CaptureError that says what changed.
    fallback=True: a step that reads a number runs eagerly, with a warning, instead of raising CaptureError.
    """
    return Compiled(fn, recapture, fallback)


class Compiled:
    """See compile(). replays: steps that ran without fn; recordings: steps that fn ran while it was watched."""

    def __init__(self, fn: Callable[..., Any], recapture: bool, fallback: bool):
        self.fn = fn
        self.recapture, self.fallback = recapture, fallback
        self.replays = self.recordings = 0
        self.reason = ""  # why the last call was not replayed
        self._programs: list[Program] = []
        self._misses = 0
        self._warned: set[str] = set()

    def __call__(self, *args: Any, **named: Any) -> Any:
        if live.state.recorder is not None:  # a compiled step inside another one is a part of it
            return self.fn(*args, **named)
        inputs: list[Tensor] = []
        plain: list[Any] = []
        for value in args:
            _flatten(value, inputs, plain)
        if named:
            _flatten(named, inputs, plain)
        if engine.watched():
            waiting = iter(inputs)
            return _detached(self.fn(*_replaced(args, waiting), **_replaced(named, waiting)))
        shapes = [(t._node.shape, t.dtype, t._requires_grad) for t in inputs]
        known = self._fitting(inputs, plain, shapes)
        if known is not None and known.ready:
            self.replays += 1
            self._misses = 0
            return known.replay(inputs)
        if self._misses > MISSES or (known is not None and known.eager):
            waiting = iter(inputs)
            return _detached(self.fn(*_replaced(args, waiting), **_replaced(named, waiting)))
        for tensor in inputs:
            if tensor._requires_grad and not tensor.is_leaf:
                raise GradientError("a compiled step takes leaves, this input was computed from one that requires grad; detach it")
        engine.realize([tensor._node for tensor in inputs])
        return self._record(known, Program(self.fn, inputs, plain, shapes), args, named)

    def many(self, batches: Iterable[Any]) -> list[Any]:
        """One call for each of batches (a tuple of arguments each); their draws go to the device together."""
        done: list[Any] = []
        waiting: list[tuple[Any, ...]] = []
        size = 0
        for batch in batches:
            given = batch if isinstance(batch, (tuple, list)) else (batch,)
            waiting.append(tuple(Tensor(value) if isinstance(value, np.ndarray) else value for value in given))
            for value in waiting[-1]:
                if isinstance(value, Tensor):
                    engine.realize([value._node])
                    engine.buffer_of(value._node)  # sent ahead: an upload between two steps would part them
                    size += 4 * value.numel()
            if size > UPLOAD_BYTES:
                done += self._together(waiting)
                waiting, size = [], 0
        return done + self._together(waiting)

    def _together(self, batches: list[tuple[Any, ...]]) -> list[Any]:
        with engine.backend().together():
            return [self(*batch) for batch in batches]

    def _fitting(self, inputs: list[Tensor], plain: list[Any], shapes: list[Any]) -> Program | None:
        self.reason = reason = ""
        for place, program in enumerate(self._programs):
            reason = program.changed(inputs, plain, shapes)
            if not reason:
                if place:
                    self._programs.insert(0, self._programs.pop(place))
                return program
            self.reason = self.reason or reason
        if not self.recapture and any(program.ready for program in self._programs):
            raise CaptureError(f"{_name(self.fn)} was captured and cannot be replayed: {self.reason}")
        return None

    def _record(self, known: Program | None, program: Program, args: Any, named: Any) -> Any:
        """A call of fn, watched. known: an earlier recording that fits; when both agree the new one is ready."""
        self.recordings += 1
        self._misses += 1
        if self._misses > MISSES:
            self._warn(f"{MISSES} calls in a row could not be replayed, the last because {self.reason or 'it changes'}")
        entry = known.entry(program.inputs) if known is not None else []
        waiting = iter(program.inputs)
        recording = Recording(program.inputs, strict=not self.fallback)
        with recording:
            try:
                result = self.fn(*_replaced(args, waiting), **_replaced(named, waiting))
                program.take(recording, result)
            except CaptureError:
                live.state.recorder = None
                recording.rollback()
                raise
            except BaseException:
                del program  # its guards may hold the error, whose frames would hold it: textures would wait for the collector
                raise
        program.inputs = []  # theirs to keep, not ours
        program.eager = recording.refused
        if known is not None:
            self._programs.remove(known)
            if not program.eager:
                program.compare(known, entry)
        self._programs = [program, *(old for old in self._programs if not old.stale)][:PROGRAMS]
        if program.eager:
            self._warn(program.eager)
        return _detached(result)

    def _warn(self, reason: str) -> None:
        if reason not in self._warned:
            self._warned.add(reason)
            warnings.warn(f"compile: {_name(self.fn)} runs eagerly: {reason}", RuntimeWarning, stacklevel=4)


class Program:
    """What one recording found, when it holds, and how it is run again."""

    def __init__(self, fn: Callable[..., Any], inputs: list[Tensor], plain: list[Any], shapes: list[Any]):
        self.ready = False
        self.eager = ""
        self.tries = 0
        self.plain, self.shapes = list(plain), list(shapes)
        self.backend = engine.backend()
        self.choices = self.backend.choices
        self.grad_enabled = is_grad_enabled()
        self.scope = Scope(fn)
        self.inputs = inputs
        self.aliases = _aliases(inputs)

    def take(self, recording: Recording, result: Any) -> None:
        """Ends the recording. All it knows, as flat lists: values are numbered inputs, tensors, slots, grads, constants, made."""
        outputs, self.form = _flat(result)
        self.found = found = recording.finish(outputs)
        self.template = _template(result, iter(range(len(outputs))))
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
        self._guard(recording)
        self.outline = self._outline(givens)
        if any(part is np.ndarray for part in self.form):
            recording.refuse("it returns an array; return tensors")
        if not recording.refused:
            for tensor in found.spent:
                tensor._grad = SPENT

    def _guard(self, recording: Recording) -> None:
        found = self.found
        self.modules = [(m, tuple(map(id, vars(m).values())), dict(vars(m))) for m in recording.modules.values()]
        self.hooks = [(module, module._hooks.numbers) for module in recording.modules.values()]
        self.options = list(recording.options.values())
        self.steppers = [
            (o, [(group, list(dict.__getitem__(group, "params"))) for group in o.param_groups]) for o in recording.steppers.values()
        ]
        self.states = [(o, n, state, tuple(entry)) for o, n, state, entry in recording.entry_slots.values()]
        ends = (*(t for t, _ in found.moved), *(t for t, *_ in found.housed), *found.spent, *(t for t, _ in found.graded))
        held = {id(t): t for t in (*found.tensors, *ends)}
        givens = {id(tensor) for tensor in recording.inputs}
        self.flags = [(t, t._requires_grad) for t in held.values() if id(t) not in givens]
        self.grads = [(g.tensor, g.entry is None) for g in recording.gradients.values() if g.read_first and id(g.tensor) in held]
        self.grads = [(t, was) for t, was in self.grads if id(t) not in givens]
        for module in recording.modules.values():
            self.scope.add(type(module).forward)
        named = [*self.scope.values(), *(t for m in recording.modules.values() for t in m._parameters.values())]
        still = [t for t in named if isinstance(t, Tensor) and id(t) not in held and t is not SPENT]
        homes = {id(t._node): t for t in found.tensors}
        self.parts = [(t, homes[id(t._node.inputs[0])], t._node.attrs) for t in still if _is_part_of(t, homes)]
        self.still = [(t, t._node) for t in still if not _is_part_of(t, homes)]
        self.questions = recording.questions

    # ------------------------------------------------------------ does it still hold?

    @property
    def stale(self) -> bool:
        """Were kernels tuned since? Its plans would only hold on to scratch textures."""
        return bool(self.backend.choices != self.choices)

    def changed(self, inputs: list[Tensor], plain: list[Any], shapes: list[Any]) -> str:
        """What is not as it was when captured; empty when all is."""
        if shapes != self.shapes:
            return f"the inputs are {_shown(shapes)}, they were {_shown(self.shapes)}"
        for now, then in zip(plain, self.plain, strict=False):
            if not same(now, then):
                return f"an argument is {brief(now)}, it was {brief(then)}"
        if len(plain) != len(self.plain):
            return "the arguments have another form"
        if engine.backend() is not self.backend:
            return f"the backend is {engine.backend().name}, it was {self.backend.name}"
        if self.stale:
            return "kernels were tuned since"
        if is_grad_enabled() is not self.grad_enabled:
            return "gradients were switched on or off around it (no_grad)"
        return self.scope.changed() or self._model_changed() or self._state_changed() or self._inputs_changed(inputs)

    def _model_changed(self) -> str:
        for module, ids, values in self.modules:
            now = vars(module)
            if tuple(map(id, now.values())) != ids:
                if now.keys() != values.keys():
                    return f"{type(module).__name__} has other attributes than it had"
                for name, value in now.items():
                    if not same(value, values[name]):
                        return f"{type(module).__name__}.{name} is {brief(value)}, it was {brief(values[name])}"
        for module, numbers in self.hooks:
            if module._hooks.numbers != numbers:
                return f"{type(module).__name__} has other forward hooks than it had"
        for group, name, truth, value in self.options:
            now_value = dict.get(group, name)
            if (bool(now_value) is not value) if truth else not same(now_value, value):
                return f"the optimizer's option {name} is {now_value}, it was {value}"
        for optimizer, groups in self.steppers:
            now_groups = optimizer.param_groups
            if len(now_groups) != len(groups):
                return f"{type(optimizer).__name__} has {len(now_groups)} parameter groups, it had {len(groups)}"
            for group, (then, params) in zip(now_groups, groups, strict=True):
                now_params = dict.__getitem__(group, "params")
                if group is not then or len(now_params) != len(params) or any(map(_differ, now_params, params)):
                    return f"{type(optimizer).__name__} has other parameters than it had"
        return ""

    def _state_changed(self) -> str:
        for optimizer, number, state, names in self.states:
            if optimizer._states.get(number) is not state or tuple(state) != names:
                return f"the state of {type(optimizer).__name__} has another form or was loaded anew"
        for tensor, flag in self.flags:
            if tensor._requires_grad is not flag:
                return f"requires_grad of a tensor of shape {tensor.shape} is {not flag}, it was {flag}"
        for given, tensor, home, was, _ in self.housed:
            if given is None and is_part(tensor, home) is not was:
                return f"the numbers of a parameter of shape {tensor.shape} were {'set' if was else 'not set'} since the last step"
        for tensor, home, attrs in self.parts:
            if not is_part(tensor, home) or tensor._node.attrs != attrs:
                return f"a parameter of shape {tensor.shape} was set to other numbers"
        for tensor, node in self.still:
            if tensor._node is not node:
                return f"a tensor of shape {tensor.shape} was changed in place"
        for tensor, was_none in self.grads:
            if (tensor._grad is None) is not was_none:
                return f"a tensor of shape {tensor.shape} {'has a' if was_none else 'has no'} gradient already"
        return ""

    def _inputs_changed(self, inputs: list[Tensor]) -> str:
        if len(inputs) > 1 and _aliases(inputs) != self.aliases:
            return "two inputs are one tensor, or no longer are"
        for number, question, answer in self.questions:
            if engine.ask_host(inputs[number]._node, question) != answer:
                return f"input {number} is of another kind (labels to ignore, or numbers that the host does not know)"
        return ""

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
            node = _leaf(backend, values[place], shape, dtype)
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
            slot.state[slot.name] = _named(_leaf(backend, values[place], shape, dtype), dtype)
        for given, tensor, place, shape, dtype in self.graded:
            (tensor if given is None else inputs[given])._grad = _named(_leaf(backend, values[place], shape, dtype), dtype)
        for given, tensor, grad in self.emptied:
            (tensor if given is None else inputs[given])._grad = grad
        outputs: list[Any] = []
        for result in self.results:
            if type(result) is not tuple:
                outputs.append(result)
            elif result[0] == "input":
                outputs.append(inputs[result[1]])
            else:
                outputs.append(_named(_leaf(backend, values[result[0]], result[1], result[2]), result[2]))
        return outputs[0] if self.template == 0 else _filled(self.template, outputs)

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


# ---------------------------------------------------------------- arguments and results


def _flatten(value: Any, tensors: list[Tensor], plain: list[Any], array: type = Tensor) -> None:
    """Tensors and arrays go to tensors, all else to plain; the form is in plain, too. array: what plain says of an array."""
    if isinstance(value, Tensor):
        tensors.append(value)
        plain.append(Tensor)
    elif isinstance(value, np.ndarray):
        tensors.append(Tensor(value))
        plain.append(array)
    elif isinstance(value, (tuple, list)):
        plain += (type(value), len(value))
        for part in value:
            _flatten(part, tensors, plain, array)
    elif isinstance(value, dict):
        plain += (dict, *value)
        for part in value.values():
            _flatten(part, tensors, plain, array)
    else:
        plain.append(value)


def _flat(value: Any) -> tuple[list[Tensor], list[Any]]:
    tensors: list[Tensor] = []
    plain: list[Any] = []
    _flatten(value, tensors, plain, np.ndarray)
    return tensors, plain


def _template(value: Any, numbers: Any) -> Any:
    """value, its tensors replaced by their number in the list of results."""
    if isinstance(value, (Tensor, np.ndarray)):
        return next(numbers)
    if isinstance(value, (tuple, list)):
        return (type(value), [_template(part, numbers) for part in value])
    if isinstance(value, dict):
        return (dict, {name: _template(part, numbers) for name, part in value.items()})
    return (None, value)


def _filled(template: Any, outputs: list[Any]) -> Any:
    if isinstance(template, int):
        return outputs[template]
    kind, parts = template
    if kind is None:
        return parts
    if kind is dict:
        return {name: _filled(part, outputs) for name, part in parts.items()}
    done = [_filled(part, outputs) for part in parts]
    return kind(*done) if hasattr(kind, "_fields") else kind(done)


def _replaced(value: Any, waiting: Any) -> Any:
    if isinstance(value, (Tensor, np.ndarray)):
        return next(waiting)
    if isinstance(value, (tuple, list)):
        done = [_replaced(part, waiting) for part in value]
        return type(value)(*done) if hasattr(value, "_fields") else type(value)(done)
    if isinstance(value, dict):
        return {name: _replaced(part, waiting) for name, part in value.items()}
    return value


def _detached(value: Any) -> Any:
    """A result as a replay would give it: outside every graph."""
    if isinstance(value, Tensor):
        if not value._requires_grad or value.is_leaf:
            return value
        return value._aside() if value._node.inputs else _named(value._node, value.dtype)
    if isinstance(value, (tuple, list)):
        done = [_detached(part) for part in value]
        return type(value)(*done) if hasattr(value, "_fields") else type(value)(done)
    if isinstance(value, dict):
        return {name: _detached(part) for name, part in value.items()}
    return value


def _is_part_of(tensor: Tensor, homes: dict[int, Tensor]) -> bool:
    node = tensor._node
    return node.op is PART and id(node.inputs[0]) in homes


def _leaf(backend: Any, buffer: Any, shape: Any, dtype: Any) -> Node:
    node = Node(LEAF, (), (), shape, np.dtype(dtype))
    node.buffer = engine.Held(backend, buffer)
    return node


def _named(node: Node, kind: Any = None) -> Tensor:
    """Tensor(node) of a dtype, without its questions."""
    tensor = Tensor.__new__(Tensor)
    tensor._kind = kind if kind is not None and kind.own else None
    tensor._node, tensor._grad, tensor._requires_grad = node, None, False
    tensor._view = tensor._root = None
    return tensor


# ---------------------------------------------------------------- what is compared


def _differ(one: Any, other: Any) -> bool:
    return one is not other


def _aliases(inputs: Sequence[Tensor]) -> list[int]:
    """For each input the first one with the same node."""
    nodes = [id(tensor._node) for tensor in inputs]
    return [nodes.index(node) for node in nodes]


def _equal(one: Constant, other: Constant) -> bool:
    if one.array is None or other.array is None:
        return one.buffer is other.buffer
    return one.array.tobytes() == other.array.tobytes()


def _shown(shapes: list[Any]) -> str:
    return ", ".join(f"{dtype.name}{list(shape)}{' with grad' * flag}" for shape, dtype, flag in shapes) or "none"


def _name(fn: Any) -> str:
    return getattr(fn, "__qualname__", type(fn).__name__)
