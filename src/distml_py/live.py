"""Numbers that are asked for again at each replay, and who listens while a step is captured. Nothing is computed here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


class Live(float):
    """A number seen while recording. source: how to ask for it again; None: it is frozen. place: the user's line."""

    __slots__ = ("place", "source")

    place: str
    source: Callable[[], float] | None


class Recorder(Protocol):
    """What is told to whoever records: see recording.Recording."""

    def live(self, source: Callable[[], float]) -> float: ...
    def noted(self, value: float) -> float: ...
    def counted(self, state: dict[str, Any], name: str) -> None: ...
    def option(self, group: Any, name: str, truth: bool) -> None: ...
    def refuse(self, reason: str) -> None: ...
    def read(self) -> None: ...
    def ran(self, plan: Any, leaves: list[Any], before: list[Any], numbers: list[float], made: list[Any], ops: int) -> None: ...
    def asked(self, node: Any, question: Callable[[Any], Any], answer: Any) -> None: ...
    def leaf(self, node: Any) -> None: ...
    def born(self, tensor: Any) -> None: ...
    def moved(self, tensor: Any) -> None: ...
    def housed(self, tensor: Any, home: Any) -> None: ...
    def grad_read(self, tensor: Any) -> None: ...
    def grad_set(self, tensor: Any) -> None: ...
    def called(self, module: Any) -> None: ...
    def stepping(self, optimizer: Any) -> None: ...
    def updating(self, optimizer: Any, key: Any, state: dict[str, Any]) -> None: ...
    def spent(self, tensor: Any) -> None: ...


@dataclass
class _State:
    recorder: Recorder | None = None


state = _State()  # what may change in this module, in one place


def number(source: Callable[[], float]) -> float:
    """source(), now and at each replay."""
    return source() if state.recorder is None else state.recorder.live(source)


def count(slots: dict[str, Any], name: str) -> None:
    """One more, now and at each replay."""
    slots[name] += 1
    if state.recorder is not None:
        state.recorder.counted(slots, name)


def user_place() -> str:
    """file:line of the nearest caller outside this library."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).split(".")[0] == "distml_py":
        frame = frame.f_back
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
