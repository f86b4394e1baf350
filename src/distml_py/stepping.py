"""A worker that steps alone: steps, evaluations, checkpoints and what is told of them, one unit of work at a time.

It knows of no coordinator's other messages; when it is asked back, or done, `given` says what it leaves to whoever goes on.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import wire
from .errors import NonFiniteError
from .io import weights_sha256
from .recipe import Coming, Training
from .snapshot import Snapshot

PROGRESS_EVERY_S = 0.25
EVALUATIONS = 16  # the last ones, which a report holds: a quick run makes several between two reports
AHEAD = 3  # steps whose losses may be on their way at once

Frames = list[bytes | str]


class Stepping:
    """One time of stepping alone. step: how many are done; given: at the end, the weights and buffers after them."""

    def __init__(
        self, run: wire.Run, step: int, state: Mapping[str, np.ndarray], clock: Callable[[], float], report: dict[str, Any]
    ) -> None:
        """state: that of the checkpoint it begins with; report: what people see of the worker, and is kept up to date here."""
        self.step, self.snapshot = step, Snapshot(step, state, clock)
        self.given: Mapping[str, np.ndarray] | None = None
        self._run, self._clock, self._report = run, clock, report
        self._reported_s, self._reported_step = clock(), step
        self._reached = 0  # the steps done before the GPU was lost; they are done again
        self._evaluate = self._store = False
        self._found: tuple[float | None, float | None, float | None] = (None, None, None)  # of an evaluation, not reported yet
        self._coming: deque[Coming] = deque()
        report.update(step=step, weights_version=step)

    def go_back(self) -> None:
        """The GPU is lost: from the snapshot on the steps are done again, and nobody hears of it."""
        self._reached = max(self._reached, self.step)
        self.step = self.snapshot.step
        self._coming.clear()

    def unit(self, training: Training, asked_back: bool) -> Frames:
        """One step, evaluation or checkpoint; or the end, when the run is over or the coordinator asks for its state."""
        run = self._run
        if self.step < self._reached:
            return self._again(training)
        if asked_back:
            self._collect(wait=True)
            return self._hand_over(training, "yield")
        if self._store:
            return self._put(training)
        if self._evaluate:
            return self._judge(training)
        if self.step >= run.steps:
            self._collect(wait=True)
            return self._hand_over(training, "final")
        self._coming.append(training.begin(self.step))
        self.step += 1
        self._evaluate = self.step % run.evaluate_every == 0
        self._store = self.step % run.checkpoint_every == 0 and self.step < run.steps
        self._report.update(step=self.step, weights_version=self.step, weights_sha256=None)
        first = self._report.get("loss") is None  # somebody waits for the curve to begin
        self._collect(wait=first or self._store or self.snapshot.due())
        if not self._store:
            self._keep(training)
        frames: Frames = []
        if self._clock() - self._reported_s >= PROGRESS_EVERY_S:
            frames += self._progress(training)
        if self._store:
            frames += self._put(training)
        return frames

    def _judge(self, training: Training) -> Frames:
        self._collect(wait=True)
        loss, accuracy, _ = training.evaluate("validation")
        finite(loss, f"the validation loss after step {self.step}")
        self._evaluate = False
        self._found = (loss, accuracy, training.step_accuracy(self.step - 1))
        measures = {"val_loss": loss, "accuracy": accuracy, "train_accuracy": self._found[2]}
        found = {"step": self.step, "loss": self._report.get("loss")} | measures
        before = [one for one in self._report.get("evaluations", []) if one["step"] < self.step]
        self._report.update(measures, evaluations=[*before, found][-EVALUATIONS:])
        return self._progress(training)

    def _collect(self, wait: bool) -> None:
        """Takes the losses that have come, or all of them. Before weights are judged or stored all must be numbers."""
        while self._coming and (wait or len(self._coming) > AHEAD or self._coming[0].ready()):
            self._report.update(loss=self._coming.popleft().result())

    def _keep(self, training: Training) -> None:
        """A snapshot, if it is time: only of weights whose losses have all come, so that no spoilt state is gone back to."""
        if self.snapshot.due() and not self._coming:
            self.snapshot.take(self.step, training.state)

    def _again(self, training: Training) -> Frames:
        """A step that the lost GPU had done: the same numbers. Those of the last few were still on their way to us."""
        loss = training.step(self.step)
        self.step += 1
        if self.step == self._reached:
            self._report.update(loss=loss)
        return []

    def _put(self, training: Training) -> Frames:
        frames = self._checkpoint(training, "periodic")
        self._store = False
        return frames

    def _progress(self, training: Training) -> Frames:
        now = self._clock()
        rate = (self.step - self._reported_step) / max(now - self._reported_s, 1e-6)
        loss = self._report.get("loss")
        if loss is None:
            return []  # the coordinator handed over at an evaluation: there is no step to tell of
        message = wire.Progress(self._run.run, self.step, loss, *self._found, training.cpu_ops, rate)
        self._reported_s, self._reported_step, self._found = now, self.step, (None, None, None)
        return [wire.encode(message)]

    def _checkpoint(self, training: Training, reason: str) -> Frames:
        message = wire.Checkpoint(self._run.run, self.step, reason, self._report.get("loss"))
        state = training.state()
        self.snapshot.put(self.step, state)
        return [wire.encode(message, state)]

    def _hand_over(self, training: Training, reason: str) -> Frames:
        frames = self._checkpoint(training, reason)
        weights = training.weights()
        self.given = weights | training.buffers()
        self._report.update(step=self.step, weights_version=self.step, weights_sha256=weights_sha256(weights))
        return frames


def finite(loss: float, what: str) -> None:
    """Raises NonFiniteError unless `loss` is a number."""
    if not np.isfinite(loss):
        raise NonFiniteError(f"{what} is {loss}: try a smaller learning rate, or look for log(0) and division by zero")
