"""Which of several coordinators is to have which shards, so that ranges of them are summed where they are. Pure."""

from collections import deque

from .summing import RANGE, members, ranges


class Ranges:
    """Of one step's shards, by step and range; a unit is step * shards + shard."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self.places: dict[tuple[int, int], str] = {}  # step and range -> the coordinator that is to have all of it

    def take(self, waiting: deque[int], place: str, places: list[str]) -> int:
        """The first of what waits that is part of this place's.

        Who has done its part takes over a range that nobody has begun, then whatever waits. places: all that workers are at.
        """
        if len(places) < 2:
            return waiting.popleft()
        count = ranges(self._shards)
        left: dict[tuple[int, int], list[int]] = {}
        for unit in waiting:
            found = unit // self._shards, unit % self._shards // RANGE
            if self.places.setdefault(found, places[found[1] * len(places) // count]) == place:
                waiting.remove(unit)
                return unit
            left.setdefault(found, []).append(unit)
        whole = [found for found, units in left.items() if len(units) == len(members(found[1], self._shards))]
        taken = max(whole) if whole else max(left)
        if whole:
            self.places[taken] = place
        waiting.remove(left[taken][0])
        return left[taken][0]
