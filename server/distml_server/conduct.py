"""Who has misbehaved, and what follows: strikes, then quarantine, then a ban. By owner, so that coming back does not help. Pure.

An owner is a tab or a worker by its session; with --untrusted, where sessions would be changed at will, an address.
"""

from collections.abc import Callable, Mapping

MOST_STRIKES = 3  # then no work for QUARANTINE_S
MOST_BEFORE_BAN = 6  # then no connection, as long as the coordinator runs
QUARANTINE_S = 600.0
FORGOTTEN_S = 3600.0  # since the last strike
REMEMBERED = 10_000


class Conduct:
    """Strikes by owner; "" is nobody, and nothing is remembered of it. on_strike: told of each."""

    def __init__(self) -> None:
        self.on_strike: Callable[[], None] = lambda: None
        self._found: dict[str, tuple[int, float]] = {}  # owner -> strikes, when the last one was

    def strike(self, owner: str, now: float, times: int = 1) -> None:
        if owner:
            self._found[owner] = self.strikes(owner, now) + times, now
            while len(self._found) > REMEMBERED:
                del self._found[min(self._found, key=lambda one: self._found[one])]
            self.on_strike()

    def convict(self, owner: str, now: float) -> None:
        """Caught with wrong work: banned at once."""
        self.strike(owner, now, MOST_BEFORE_BAN)

    def strikes(self, owner: str, now: float) -> int:
        count, last_s = self._found.get(owner, (0, now))
        return count if self.banned(owner) or now - last_s < FORGOTTEN_S else 0

    def quarantined(self, owner: str, now: float) -> bool:
        count, last_s = self._found.get(owner, (0, now))
        return count >= MOST_STRIKES and now - last_s < QUARANTINE_S

    def counts(self, now: float) -> dict[str, int]:
        """Strikes of all owners that have any, the worst last: for another coordinator to go on from."""
        found = {owner: self.strikes(owner, now) for owner in self._found}
        return {owner: found[owner] for owner in sorted(found, key=lambda one: found[one]) if found[owner]}

    def recall(self, counts: Mapping[str, int], now: float) -> None:
        """Takes over what another coordinator knew. Its clock was another one, so each was struck last just now."""
        for owner, count in counts.items():
            self._found[owner] = max(count, self.strikes(owner, now)), now

    def banned(self, owner: str) -> bool:
        return self._found.get(owner, (0, 0.0))[0] >= MOST_BEFORE_BAN
