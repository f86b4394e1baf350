"""The state of a solo run as it was a moment ago, on the host: where training goes on after a lost GPU. Computes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

EVERY_S = 1.0  # so that at most a second or so is computed again
SHARE = 20  # copying the state back takes at most one part in so many of the time

State = Mapping[str, np.ndarray]


@dataclass
class Snapshot:
    """step: how many steps the state has behind it. clock: seconds that only grow."""

    step: int
    state: State
    clock: Callable[[], float]
    taken_s: float = field(init=False)
    cost_s: float = 0.0

    def __post_init__(self) -> None:
        self.taken_s = self.clock()

    def put(self, step: int, state: State) -> None:
        """A state that was read anyway."""
        self.step, self.state, self.taken_s = step, state, self.clock()

    def due(self) -> bool:
        return self.clock() - self.taken_s >= max(EVERY_S, SHARE * self.cost_s)

    def take(self, step: int, read: Callable[[], State]) -> None:
        """Reads the state, if the last one is old enough."""
        if self.due():
            began = self.clock()
            state = read()
            self.cost_s = self.clock() - began
            self.put(step, state)
