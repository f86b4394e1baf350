"""What the host has said and no checkpoint holds, for the next leader to keep to: a pause, a locked door, who was sent away."""

import contextlib
import json

from ..coordinator import Coordinator
from .transport import Transport, Unreachable

NAME = "standing"


class Standing:
    """Of one leader. A change follows the value that it began with, so that one who lost the run changes nothing."""

    def __init__(self, transport: Transport, coordinator: Coordinator) -> None:
        self._transport, self._coordinator = transport, coordinator
        self._revision, self._value = 0, b""

    async def recall(self) -> None:
        """Takes over what the leader before has noted. Raises Unreachable."""
        found = await self._transport.get(NAME)
        if found is None:
            return
        self._revision, self._value = found.revision, found.value
        noted, rounds, door = json.loads(found.value), self._coordinator.rounds, self._coordinator.door
        door.locked = bool(noted["locked"])
        door.ban(set(noted["banned"]))
        if noted["paused"] and rounds.state == "training" and rounds.run is not None and rounds.run.run == noted["run"]:
            rounds.state = "paused"

    async def note(self) -> None:
        """Called again and again: what has changed is there for the next leader."""
        rounds, door = self._coordinator.rounds, self._coordinator.door
        run = rounds.run.run if rounds.run is not None else ""
        noted = {"run": run, "paused": rounds.state == "paused", "locked": door.locked, "banned": sorted(door.banned)}
        value = json.dumps(noted).encode()
        if value == self._value:
            return
        with contextlib.suppress(Unreachable):  # tried again
            revision = await self._transport.put(NAME, value, self._revision)
            if revision is not None:
                self._revision, self._value = revision, value
