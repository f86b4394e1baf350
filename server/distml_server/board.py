"""A run's numbers as event files of TensorBoard, a folder for each run. What they are is the coordinator's to say.

Needs tensorboardX, the extra `tensorboard`: of it only the writer of records, since its SummaryWriter hands them to a thread
that a full disk ends, and who writes on then waits for ever.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distml_py.errors import DistmlError

from .coordinator import Coordinator

EVERY_S = 1.0
LOSS = "train/loss"
EVALUATED = {"val_loss": "validation/loss", "accuracy": "validation/accuracy", "train_accuracy": "train/accuracy",
             "test_accuracy": "test/accuracy"}  # fmt: skip
MOST_WAITING = 100_000  # steps that a slow disk may be behind with; older ones are left out


class BoardError(DistmlError, RuntimeError):
    """Event files that cannot be written."""


@dataclass(frozen=True)
class Point:
    """Numbers of a run after `step` steps, by their names in TensorBoard."""

    run: str
    step: int
    seconds: float
    numbers: Mapping[str, float]


class Board:
    """note() only keeps; write() writes what was kept, and may run in another thread. A disk that fails is said once."""

    def __init__(self, folder: Path, say: Callable[[str], None] = print) -> None:
        """Raises BoardError when there is no tensorboardX, or no such folder can be made."""
        try:
            import tensorboardX.event_file_writer  # noqa: F401
        except ImportError:
            raise BoardError("--tensorboard needs the package tensorboardX: pip install 'distml-py[tensorboard]'") from None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BoardError(f"cannot write event files to {folder}: {error.strerror}; name another folder") from None
        self._folder, self._say = folder, say
        self._waiting: deque[Point] = deque(maxlen=MOST_WAITING)
        self._known: dict[str, float] = {}
        self._run = ""
        self._writer: tuple[str, Any] | None = None  # the run that it writes of
        self._failed = False

    def note_loss(self, run: str, step: int, loss: float | None) -> None:
        self.note(run, step, {LOSS: loss})

    def note(self, run: str, step: int, numbers: Mapping[str, float | None], always: bool = True) -> None:
        """always: also those that are what they were; None and what is no number is left out."""
        if run != self._run:
            self._run, self._known = run, {}
        found = {name: float(value) for name, value in numbers.items() if value is not None and math.isfinite(value)}
        found = {name: value for name, value in found.items() if always or self._known.get(name) != value}
        self._known |= found
        if found:
            self._waiting.append(Point(run, step, time.time(), found))

    def write(self) -> None:
        """Never raises: training does not depend on who looks on."""
        try:
            self._write()
            self._failed = False
        except OSError as error:
            if not self._failed:
                self._say(f"Cannot write event files to {self._folder}: {error.strerror or error}. Training goes on.")
            self._failed, self._writer = True, None

    def _write(self) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        while self._waiting:
            point = self._waiting[0]
            writer = self._of(point)
            values = [Summary.Value(tag=name, simple_value=value) for name, value in point.numbers.items()]
            writer.write_event(Event(wall_time=point.seconds, step=point.step, summary=Summary(value=values)))
            self._waiting.popleft()
        if self._writer is not None:
            self._writer[1].flush()

    def _of(self, point: Point) -> Any:
        """The file of the point's run, begun if need be: what earlier files have of this step and later ones is void."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        if self._writer is None or self._writer[0] != point.run:
            self.close()
            folder = self._folder / point.run
            folder.mkdir(parents=True, exist_ok=True)
            writer = EventsWriter(str(folder / "events"), f".{time.monotonic_ns()}")
            writer.write_event(Event(wall_time=point.seconds, step=point.step, session_log=SessionLog(status=SessionLog.START)))
            self._writer = point.run, writer
        return self._writer[1]

    def close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer[1].close()
            self._writer = None


async def follow(board: Board, coordinator: Coordinator) -> None:
    """Notes how things stand every second, and has it written, until it is cancelled."""
    run, step, since_s = "", 0, 0.0
    while True:
        found, now = coordinator.status(0), time.monotonic()
        if found["run"] is not None:
            rate = (found["step"] - step) / (now - since_s) if found["run"] == run else None
            run, step, since_s = found["run"], found["step"], now
            look(board, coordinator, rate)
            await asyncio.to_thread(board.write)
        await asyncio.sleep(EVERY_S)


async def finish(board: Board, coordinator: Coordinator) -> None:
    """How things stood at the end."""
    if coordinator.rounds.run is not None:
        look(board, coordinator, None)
    await asyncio.to_thread(board.write)
    board.close()


def look(board: Board, coordinator: Coordinator, rate: float | None) -> None:
    """rate: steps a second, None when that is not known."""
    status, traffic = coordinator.status(0), coordinator.traffic
    run, step = status["run"], status["step"]
    board.note(run, step, {LOSS: status["loss"]}, always=False)  # of a worker that steps alone; else it is known
    evaluated = {tag: status[key] for key, tag in EVALUATED.items()}
    board.note(run, coordinator.rounds.evaluated_step, evaluated, always=False)
    counts = {"workers": status["workers"], "workers_contributing": status["workers_contributing"], "steps_per_s": rate}
    counts |= {"received_bytes": traffic.received, "sent_bytes": traffic.sent}
    board.note(run, step, {f"cluster/{name}": value for name, value in counts.items()})
