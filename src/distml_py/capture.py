"""compile(): a step is run twice while it is recorded, compared bit for bit, and from then on replayed without its Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from . import engine, live
from .errors import CaptureError, GradientError
from .program import Program
from .recording import Recording
from .tensor import Tensor
from .trees import detached, flatten, replaced

PROGRAMS = 8  # programs kept per compiled function; the least recently used goes first
MISSES = 24  # recordings without one replay before the whole function is left alone
UPLOAD_BYTES = 64 << 20  # inputs that many() sends ahead of the steps that read them


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
            flatten(value, inputs, plain)
        if named:
            flatten(named, inputs, plain)
        if engine.watched():
            waiting = iter(inputs)
            return detached(self.fn(*replaced(args, waiting), **replaced(named, waiting)))
        shapes = [(t._node.shape, t.dtype, t._requires_grad) for t in inputs]
        known = self._fitting(inputs, plain, shapes)
        if known is not None and known.ready:
            self.replays += 1
            self._misses = 0
            engine.send(tensor._node for tensor in inputs)
            return known.replay(inputs)
        if self._misses > MISSES or (known is not None and known.eager):
            waiting = iter(inputs)
            return detached(self.fn(*replaced(args, waiting), **replaced(named, waiting)))
        for tensor in inputs:
            if tensor._requires_grad and not tensor.is_leaf:
                raise GradientError("a compiled step takes leaves, this input was computed from one that requires grad; detach it")
        engine.realize([tensor._node for tensor in inputs])
        return self._record(known, Program(self.fn, inputs, plain, shapes), args, named)

    def many(self, batches: Iterable[Any]) -> list[Any]:
        """One call for each of batches (a tuple of arguments each). Their inputs go to the device together, then their draws."""
        done: list[Any] = []
        waiting: list[tuple[Any, ...]] = []
        inputs: list[Tensor] = []
        size = 0
        for batch in batches:
            given = batch if isinstance(batch, (tuple, list)) else (batch,)
            tensors: list[Tensor] = []
            flatten(given, tensors, [])
            more = sum(4 * tensor.numel() for tensor in tensors)
            if waiting and size + more > UPLOAD_BYTES:
                done += self._together(waiting, inputs)
                waiting, inputs, size = [], [], 0
            waiting.append(replaced(tuple(given), iter(tensors)))
            inputs += tensors
            size += more
        return done + self._together(waiting, inputs)

    def _together(self, batches: list[tuple[Any, ...]], inputs: list[Tensor]) -> list[Any]:
        engine.send(tensor._node for tensor in inputs)  # ahead: an upload between two steps would part them
        with engine.backend().together():
            return [self(*batch) for batch in batches]

    def _fitting(self, inputs: list[Tensor], plain: list[Any], shapes: list[Any]) -> Program | None:
        self.reason = reason = ""
        for place, program in enumerate(self._programs):
            reason = program.guards.changed(inputs, plain, shapes)
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
                result = self.fn(*replaced(args, waiting), **replaced(named, waiting))
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
        self._programs = [program, *(old for old in self._programs if not old.guards.stale)][:PROGRAMS]
        if program.eager:
            self._warn(program.eager)
        return detached(result)

    def _warn(self, reason: str) -> None:
        if reason not in self._warned:
            self._warned.add(reason)
            warnings.warn(f"compile: {_name(self.fn)} runs eagerly: {reason}", RuntimeWarning, stacklevel=4)


def _name(fn: Any) -> str:
    return getattr(fn, "__qualname__", type(fn).__name__)
