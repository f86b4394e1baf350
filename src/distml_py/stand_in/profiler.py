"""PyTorch's torch.profiler, for scripts that measure themselves: what distml_py.profile() sees, in PyTorch's words.

A row is a kind of kernel that one op asked for; times are those of the device, with each draw awaited.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ContextDecorator, ExitStack
from pathlib import Path
from typing import Any

from .. import engine
from ..errors import ArgumentError
from ..profiler import Profile, Row
from ..profiler import profile as _watched


class ProfilerActivity(enum.Enum):
    CPU, XPU, MTIA, CUDA, HPU, PrivateUse1 = range(6)


class ProfilerAction(enum.Enum):
    """What a schedule says of a step."""

    NONE, WARMUP, RECORD, RECORD_AND_SAVE = range(4)


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """step -> action: after skip_first steps, wait, warm up and record so many, repeat times; 0: to the end."""
    length = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        turn, place = divmod(step, length)
        if step < 0 or (repeat and turn >= repeat) or place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if place == length - 1 else ProfilerAction.RECORD

    return action


class record_function(ContextDecorator):
    """A context and a decorator that changes nothing: rows are told by the program's lines."""

    def __init__(self, name: str, args: str | None = None):
        self.name = name

    def __enter__(self) -> record_function:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing was opened."""


class Averages(list[Row]):
    """The rows of a profile."""

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """A text: the rows that took longest first. PyTorch's sort_by is taken: there is one time here."""
        lines = [f"{'Name':<32}  {'Time total':>12}  {'# of Calls':>10}  {'MB':>9}  line", "-" * 80]
        for row in sorted(self, key=lambda row: -row.ms)[: None if row_limit < 0 else row_limit]:
            name = f"{row.op} ({row.kernel})" if row.kernel else row.op
            lines.append(f"{name:<32}  {row.ms:10.3f}ms  {row.draws:10d}  {row.bytes / 1e6:9.2f}  {row.line}")
        return "\n".join([*lines, f"Time total: {sum(row.ms for row in self):.3f}ms"])

    def total_average(self) -> Row:
        return Row("Total", "", "", sum(row.ms for row in self), sum(row.bytes for row in self), sum(row.draws for row in self))


class profile:
    """with profile() as prof: ...; then prof.key_averages().table(). step() tells a schedule that a step is done."""

    def __init__(
        self,
        enabled: Any = True,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        **options: Any,
    ):
        self.schedule, self.on_trace_ready, self.step_num = schedule, on_trace_ready, 0
        self._rows: list[Row] = []
        self._open: ExitStack | None = None
        self._now: Profile | None = None

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        self._turn(ProfilerAction.RECORD if self.schedule is None else self.schedule(self.step_num))

    def stop(self) -> None:
        recorded = self._now is not None
        self._turn(ProfilerAction.NONE)
        if recorded and self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def step(self) -> None:
        """The step is done; the schedule is asked what to do with the next."""
        if self.schedule is None:
            return
        done = self.schedule(self.step_num)
        self.step_num += 1
        if done is ProfilerAction.RECORD_AND_SAVE:
            self._turn(ProfilerAction.NONE)
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)
            self._rows = []
        self._turn(self.schedule(self.step_num))

    def _turn(self, action: ProfilerAction) -> None:
        record = action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if record and self._open is None:
            self._open = ExitStack()
            self._now = self._open.enter_context(_watched())
        elif not record and self._open is not None and self._now is not None:
            engine.realize([])
            self._open.close()
            self._rows = self._now.rows
            self._open = self._now = None

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> Averages:
        return Averages(self._rows if self._now is None else self._now.rows)

    events = key_averages

    def table(self, **options: Any) -> str:
        return self.key_averages().table(**options)

    def export_chrome_trace(self, path: str) -> None:
        """A file that chrome://tracing opens: each row as one block, one after another."""
        blocks, at = [], 0.0
        for row in self.key_averages():
            blocks.append({"name": row.op, "cat": row.kernel, "ph": "X", "ts": at, "dur": row.ms * 1e3, "pid": 0, "tid": 0})
            at += row.ms * 1e3
        Path(path).write_text(json.dumps({"traceEvents": blocks}), encoding="utf-8")

    def add_metadata(self, key: str, value: str) -> None:
        """Nothing: the trace has none."""


class emit_nvtx(record_function):
    """A context that changes nothing: there is no CUDA."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False):
        super().__init__("")


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False) -> Callable[[profile], None]:
    """Writes each trace as a file of this folder."""
    if use_gzip:
        raise ArgumentError("tensorboard_trace_handler: traces are written as they are; leave use_gzip away")
    numbers: Iterator[int] = iter(range(10**9))

    def write(found: profile) -> None:
        Path(dir_name).mkdir(parents=True, exist_ok=True)
        found.export_chrome_trace(str(Path(dir_name) / f"{worker_name or 'worker'}.{next(numbers)}.pt.trace.json"))

    return write
