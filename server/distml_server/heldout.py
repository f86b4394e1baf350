"""Watches the loss on held-out data: when training with strangers has lost half of what it gained, the weights go back. Pure.

Losses are what workers say, so each version is evaluated by two owners where there are two: it is as good as the worse one says,
and worse only if both say so. What one said alone, or two did not agree on, is no measure any more once two agree.
"""

from dataclasses import dataclass

LOST = 0.5  # of what was gained since the first evaluation
SPREAD = 0.25  # of the first loss: what a loss may rise by in any case
OPINIONS = 2
FAR = 20  # times what two agree on: a first loss that one said alone may be so much higher, and is not believed beyond
REMEMBERED = 8  # versions


@dataclass
class HeldOut:
    """best: the version with the lowest loss so far, None before the first one is known."""

    best: int | None = None
    first: float = 0.0
    lowest: float = 0.0
    went_back: int = 0

    def __post_init__(self) -> None:
        self._said: dict[int, list[tuple[str, float]]] = {}  # version -> owner, loss
        self._agreed = False  # whether two have agreed on a loss yet

    def note(self, version: int, owner: str, loss: float) -> None:
        self._said.setdefault(version, []).append((owner, loss))
        while len(self._said) > REMEMBERED:
            del self._said[min(self._said)]

    def barred(self, version: int) -> set[str]:
        """Owners that have said what they found of this version."""
        return {owner for owner, _ in self._said.get(version, ())}

    def heard(self, version: int, more: bool) -> bool:
        """Whether there are answers enough. more: there is another owner that could be asked."""
        return len(self._said.get(version, ())) >= OPINIONS or not more

    def judge(self, version: int) -> bool:
        """Whether the weights must go back to `best`; else this version may be the best from now on."""
        losses = [loss for _, loss in self._said.pop(version)]
        agreed = len(losses) >= OPINIONS and max(losses) - min(losses) <= SPREAD * min(map(abs, losses))
        if self.best is None:
            self.best, self.first, self.lowest, self._agreed = version, max(losses), max(losses), agreed
            return False
        if agreed and not self._agreed:
            self.best, self.lowest, self._agreed = version, max(losses), True
            self.first = min(max(self.first, self.lowest), self.lowest + FAR * abs(self.lowest))
            return False
        if min(losses) > self.limit and version > self.best:
            self.went_back += 1
            self._said.clear()
            return True
        if max(losses) <= self.lowest:
            self.best, self.lowest = version, max(losses)
        return False

    @property
    def limit(self) -> float:
        return self.lowest + max(LOST * (self.first - self.lowest), SPREAD * abs(self.first))
