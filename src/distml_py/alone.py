"""A run without a coordinator: what a coordinator would say to a tab's only worker, said here. No sockets, no files.

The page sends the same frames and hears the same ones (run, status, ended, rejected), so it does not know the difference.
"""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import wire
from .io import split, weights_sha256
from .stepping import Frames
from .tab import Tab

STATUS_EVERY_S = 0.25
ACTIVE = ("training", "paused")
METRICS = ("loss", "val_loss", "accuracy", "train_accuracy", "test_accuracy", "cpu_ops")


class Alone:
    """Drives one Tab. receive() takes the page's frames, advance() does one unit of work; both answer frames for the page."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self._run: wire.Run | None = None
        self._state = "ready"
        self._kept: tuple[int, Mapping[str, np.ndarray]] = (0, {})
        self._until: int | None = None
        self._stopping = False
        self._told_s = 0.0
        self._metrics: dict[str, float | None] = dict.fromkeys(METRICS)

    @property
    def busy(self) -> bool:
        return self._tab.busy

    def receive(self, data: bytes | memoryview | str) -> Frames:
        message = (frame := wire.decode(data)).message
        match message:
            case wire.Start():
                return self._begin(message, frame.tensors)
            case wire.Command():
                return [*self._command(message.action), self.status()]
        return []

    def _begin(self, start: wire.Start, tensors: wire.Tensors) -> Frames:
        if self._state in ACTIVE:
            return [wire.encode(wire.Rejected("busy", f"a run is {self._state}: stop it first"))]
        digest = hashlib.sha256(start.code.encode()).hexdigest()
        fields = {field.name: getattr(start, field.name) for field in dataclasses.fields(start)}
        fields |= {"run": secrets.token_hex(4), "code_sha256": digest, "deterministic": False}
        names = {field.name for field in dataclasses.fields(wire.Run)}
        self._run = wire.Run(**{name: value for name, value in fields.items() if name in names})
        self._kept, self._state, self._until, self._stopping = (0, dict(tensors)), "training", None, False
        self._metrics = dict.fromkeys(METRICS)
        run = wire.encode(self._run)
        self._tab.receive(run)
        self._solo()
        return [run, self.status()]

    def _solo(self) -> None:
        assert self._run is not None
        step, state = self._kept
        frame = wire.encode(wire.Solo(self._run.run, step), state)
        assert isinstance(frame, bytes)
        self._tab.receive(frame)

    def _command(self, action: str) -> Frames:
        if self._run is None or self._state not in ACTIVE:
            return [wire.encode(wire.Rejected("no_run", f"there is no run to {action}"))]
        ask = wire.encode(wire.Yield(self._run.run))
        match action, self._state:
            case "pause", "training":
                self._tab.receive(ask)
                self._state = "paused"
            case "resume", "paused":
                self._state, self._until = "training", None
                self._solo()
            case "step", "paused":
                self._state, self._until = "training", self._kept[0] + 1
                self._solo()
            case "stop", "training":
                self._stopping = True
                self._tab.receive(ask)
            case "stop", "paused":
                return self._end("stopped")
        return []

    def advance(self) -> Frames:
        """One unit of the tab's work, and what the page hears of it. Raises the recipe's error; the run is then over."""
        try:
            frames = [wire.decode(frame).message if isinstance(frame, str) else wire.decode(frame) for frame in self._tab.advance()]
        except BaseException:
            self._state = "error"
            raise
        told: Frames = []
        for frame in frames:
            message = frame.message if isinstance(frame, wire.Frame) else frame
            told += self._take(message, frame.tensors if isinstance(frame, wire.Frame) else {})
        report = self._tab.report()
        if self._until is not None and self._state == "training" and (report["step"] or 0) >= self._until and self._run:
            self._until, self._state = None, "paused"
            self._tab.receive(wire.encode(wire.Yield(self._run.run)))
        now = self._tab.now()
        if now - self._told_s >= STATUS_EVERY_S or not self._tab.busy:
            told.append(self.status())
        return told

    def _take(self, message: Any, tensors: wire.Tensors) -> Frames:
        match message:
            case wire.Checkpoint():
                return self._checkpoint(message, tensors)
            case wire.Evaluation(split="validation"):
                self._metrics.update(val_loss=message.loss, accuracy=message.accuracy, train_accuracy=message.train_accuracy)
            case wire.Evaluation():
                self._metrics.update(test_accuracy=message.accuracy)
                return self._end("finished")
            case wire.Progress():
                self._metrics.update(loss=message.loss, cpu_ops=message.cpu_ops)
                if message.val_loss is not None:
                    found = {key: getattr(message, key) for key in ("val_loss", "accuracy", "train_accuracy")}
                    self._metrics.update(found)
        return []

    def _checkpoint(self, message: wire.Checkpoint, tensors: wire.Tensors) -> Frames:
        assert self._run is not None
        self._kept = (message.step, dict(tensors))
        if message.loss is not None:
            self._metrics["loss"] = message.loss
        if message.reason == "final":
            for part in ("validation", "test"):
                self._tab.receive(wire.encode(wire.Evaluate(self._run.run, message.step, message.step, part, part)))
        elif message.reason == "yield" and self._stopping:
            return self._end("stopped")
        return []

    def _end(self, state: str) -> Frames:
        assert self._run is not None
        self._state, self._stopping = state, False
        step, arrays = self._kept
        ended = wire.encode(wire.Ended(self._run.run, state, step, self._digest() or ""))
        self._tab.receive(ended)
        return [ended, self.status()]

    def _digest(self) -> str | None:
        weights, _ = split(self._kept[1])
        named = {name.removeprefix("weights/"): array for name, array in weights.items() if name.startswith("weights/")}
        return weights_sha256(named) if named else None

    def status(self) -> str:
        """The same dictionary as a coordinator's Status frame."""
        self._told_s = self._tab.now()
        report, run = self._tab.report(), self._run
        step = None if run is None else max(self._kept[0], report["step"] or 0)
        frame = wire.encode(
            wire.Status(
                {
                    "state": self._state,
                    "step": step,
                    "steps": run.steps if run else None,
                    **self._metrics,
                    "workers": 1 if run else 0,
                    "workers_contributing": int(self._state == "training"),
                    "run": run.run if run else None,
                    "recipe": run.recipe if run else None,
                    "weights_version": step,
                    "weights_sha256": self._digest() if self._state in ("stopped", "finished") else None,
                    "error": report["error"],
                    "mode": "solo" if self._state == "training" else None,
                    "deterministic": False,
                    "worker_list": [],
                    "rejected": {},
                    "locked": False,
                }
            )
        )
        assert isinstance(frame, str)
        return frame
