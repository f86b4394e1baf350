"""The curve of the current run as this coordinator has seen it, for pages that come later. In memory, and thinned."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

EVERY_S = 0.5
MOST = 600
EVALUATED = ("val_loss", "accuracy", "train_accuracy")


class Curve:
    """points: {step, loss, val_loss, accuracy, train_accuracy} in the order of steps; what was not measured there is None."""

    def __init__(self) -> None:
        self.run: str | None = None
        self.points: list[dict[str, Any]] = []
        self._evaluation: tuple[Any, ...] = ()

    def add(self, status: Mapping[str, Any]) -> None:
        """Takes in what a coordinator's status says now."""
        if status["run"] != self.run:
            self.run, self.points, self._evaluation = status["run"], [], ()
        step = status["step"]
        if not step or status.get("loss") is None:
            return
        while self.points and self.points[-1]["step"] > step:  # the run went back to a checkpoint
            self.points.pop()
        found = {name: status.get(name) for name in EVALUATED}
        evaluation = (found["val_loss"], found["accuracy"])
        fresh = evaluation not in (self._evaluation, (None, None))
        self._evaluation = evaluation
        if not self.points or self.points[-1]["step"] < step:
            self.points.append({"step": step, "loss": status["loss"], **dict.fromkeys(EVALUATED)})
        if fresh:
            self.points[-1] |= found
        if len(self.points) > MOST:
            evaluated = [any(one[name] is not None for name in EVALUATED) for one in self.points]
            kept = [one for at, one in enumerate(self.points) if at % 2 == 0 or evaluated[at]]
            self.points = kept if len(kept) <= MOST else self.points[::2]  # a quick run is evaluated at each look

    async def follow(self, status: Callable[[], Mapping[str, Any]]) -> None:
        while True:
            self.add(status())
            await asyncio.sleep(EVERY_S)
