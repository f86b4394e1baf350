"""Sampled audits: some shards are computed once more, by another owner, and only what two owners agree on counts. Pure.

Compared are sketches: sums of a gradient's numbers with secret signs. Equal work has nearly equal sketches whatever the backend,
and who does not know the signs cannot make different work look equal. Two owners that lie alike are not found out, but by a judge.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from distml_py.exchange import Exchange

RATE = 0.05  # of the shards, with strangers: who always cheats is caught within 59 shards with 95 %
BUCKETS = 64
MOST_ANSWERS = 3  # when no two of them agree the shard is simply computed anew
NEAR = {"fp32": 0.05, "fp16": 0.05, "int8": 0.25}  # relative distance; topk sends what it likes of a gradient
LOCAL = 4  # times as far after several steps of one's own
NOTHING = 0.01  # of the usual length: what is shorter differs by rounding alone
SMOOTHING = 0.05

Sketch = np.ndarray


class Sketcher:
    """Makes sketches of one run's gradients. Any thread may call it."""

    def __init__(self, size: int, secret: int) -> None:
        self._signs = np.random.default_rng(secret).integers(0, 2, size, np.int8) * np.int8(2) - np.int8(1)

    def of(self, vector: np.ndarray) -> Sketch:
        whole = len(vector) // BUCKETS * BUCKETS
        found = (vector[:whole] * self._signs[:whole]).reshape(-1, BUCKETS).sum(axis=0, dtype=np.float64)
        found[: len(vector) - whole] += vector[whole:] * self._signs[whole:]
        return np.asarray(found)


@dataclass(frozen=True)
class Answer:
    """owner: who is answerable; worker: its connection. judge: the host's own NumPy computed it, and is believed by itself."""

    owner: str
    worker: str
    sketch: Sketch
    judge: bool = False


@dataclass(frozen=True)
class Verdict:
    """counts: whether the answer just given is to be taken; liars: those whose answers two others contradict, or a judge.

    first: the owner whose shard it was, if this answer only confirms it.
    """

    counts: bool
    liars: tuple[Answer, ...] = ()
    first: str = ""


class Audits:
    """The shards under audit. chance: a number in [0, 1) each time; rate: how many of the shards are audited."""

    def __init__(self, exchange: Exchange, rate: float, chance: Callable[[], float]) -> None:
        near = NEAR.get(exchange.codec)
        self.rate = rate if near is not None else 0.0
        self._near = (near or 0.0) * (LOCAL if exchange.mode == "local" else 1)
        self._chance = chance
        self._usual = 0.0
        self.open: dict[int, list[Answer]] = {}  # unit -> answers so far
        self.done = self.caught = 0

    def weigh(self, unit: int, answer: Answer, others: bool) -> Verdict:
        """others: whether somebody of another owner could do the shard as well."""
        length = float(np.linalg.norm(answer.sketch))
        self._usual += (length - self._usual) * (SMOOTHING if self._usual else 1.0)
        if unit not in self.open:
            if answer.judge or not others or self._chance() >= self.rate:
                return Verdict(True)
            self.open[unit] = [answer]
            return Verdict(False)
        before = self.open[unit]
        if any(earlier.owner == answer.owner for earlier in before):
            return Verdict(False)
        agreeing = [earlier for earlier in before if self._agree(earlier.sketch, answer.sketch)]
        if agreeing or answer.judge:
            del self.open[unit]
            liars = tuple(earlier for earlier in before if earlier not in agreeing)
            self.done, self.caught = self.done + 1, self.caught + len(liars)
            return Verdict(True, liars, agreeing[0].owner if agreeing else "")
        before.append(answer)
        if len(before) >= MOST_ANSWERS:
            del self.open[unit]
        return Verdict(False)

    def first(self, owner: str) -> int:
        """How many shards under audit are this owner's."""
        return sum(answers[0].owner == owner for answers in self.open.values())

    def barred(self, unit: int | None) -> set[str]:
        """Owners that may not do this shard: they have answered."""
        return {answer.owner for answer in self.open.get(unit, ())} if unit is not None else set()

    def _agree(self, one: Sketch, other: Sketch) -> bool:
        lengths = (float(np.linalg.norm(one)), float(np.linalg.norm(other)), NOTHING * self._usual)
        return float(np.linalg.norm(one - other)) <= self._near * max(lengths)
