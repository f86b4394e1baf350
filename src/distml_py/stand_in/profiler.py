"""PyTorch's torch.profiler, for scripts that measure themselves: what distml_py.profile() sees, in PyTorch's words.

A row is a kind of kernel that one op asked for, or a part of the program that record_function() names; times are those of the
device, with each draw awaited, and of parts those of the clock. What a program computes and lets go at once is computed, too.
"""

from __future__ import annotations

import enum
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ContextDecorator, ExitStack
from pathlib import Path
from typing import Any

from .. import engine, graph, live
from ..errors import ArgumentError
from ..graph import Node
from ..profiler import Profile, Row
from ..profiler import profile as _watched

MOST = 512  # promises that a profile holds on to before they are computed


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


_profiles: list[profile] = []  # those at work; what may change in this module, in one place


class record_function(ContextDecorator):
    """A context and a decorator: the profile that is at work gets a row of this name."""

    def __init__(self, name: str, args: str | None = None):
        self.name, self._began = name, 0.0

    def __enter__(self) -> record_function:
        self._began = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        for found in _profiles:
            found._part(self.name, self._began)


class Average(Row):
    """A row with PyTorch's names for what is in it; its times are microseconds."""

    @property
    def key(self) -> str:
        return self.op

    @property
    def count(self) -> int:
        return self.draws

    @property
    def cpu_time_total(self) -> float:
        return self.ms * 1e3

    self_cpu_time_total = device_time_total = self_device_time_total = cpu_time_total

    @property
    def cpu_time(self) -> float:
        return self.ms * 1e3 / max(self.draws, 1)


class Averages(list[Average]):
    """The rows of a profile."""

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """A text: the rows that took longest first. PyTorch's sort_by is taken: there is one time here."""
        lines = [f"{'Name':<32}  {'Time total':>12}  {'# of Calls':>10}  {'MB':>9}  line", "-" * 80]
        for row in sorted(self, key=lambda row: -row.ms)[: None if row_limit < 0 else row_limit]:
            name = f"{row.op} ({row.kernel})" if row.kernel else row.op
            lines.append(f"{name:<32}  {row.ms:10.3f}ms  {row.draws:10d}  {row.bytes / 1e6:9.2f}  {row.line}")
        return "\n".join([*lines, f"Time total: {self.total_average().ms:.3f}ms"])

    def total_average(self) -> Average:
        rows = [row for row in self if row.kernel]  # parts of a program are made of them
        return Average("Total", "", "", sum(row.ms for row in rows), sum(row.bytes for row in rows), sum(row.draws for row in rows))


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
        self._parts: dict[str, Row] = {}
        self._ends: list[Node] = []  # what was promised since the last look, so that it is not let go

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
            self._parts = {}
            _profiles.append(self)
            graph.watching.append(self._promised)
        elif not record and self._open is not None and self._now is not None:
            self._compute()
            _profiles.remove(self)
            graph.watching.remove(self._promised)
            self._open.close()
            self._rows = [*self._now.rows, *self._parts.values()]
            self._open = self._now = None

    def _promised(self, node: Node) -> None:
        self._ends.append(node)
        if len(self._ends) >= MOST:
            self._compute()

    def _compute(self) -> None:
        ends, self._ends = self._ends, []
        inner = {id(before) for node in ends for before in node.inputs}
        engine.realize([node for node in ends if node.buffer is None and id(node) not in inner])

    def _part(self, name: str, began: float) -> None:
        self._compute()
        row = self._parts.setdefault(name, Row(name, "", live.user_place()))
        row.ms += (time.perf_counter() - began) * 1e3
        row.draws += 1

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> Averages:
        rows = self._rows if self._now is None else [*self._now.rows, *self._parts.values()]
        return Averages(Average(**vars(row)) for row in rows)

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
