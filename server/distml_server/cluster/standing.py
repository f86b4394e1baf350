"""What is known of people and no checkpoint holds, for the next leader to keep to: a pause, a locked door, who was here,
who was sent away, and strikes. In two values that stay: each is as small as NATS takes, and strikes change most.
"""

import contextlib
import json
from typing import Any

from ..coordinator import Coordinator
from .transport import Entry, Transport, Unreachable

NAME, STRIKES = "standing", "strikes"
MOST_SHUT = 500  # owners, each with a few sessions
MOST_NOTED = 3000  # sessions or owners of each kind, of at most 70 characters: with their quotes far below 1 MiB


class Noted:
    """One value. A change follows the one that this leader saw or made, so that one who lost the run changes nothing."""

    def __init__(self, transport: Transport, name: str, term: str) -> None:
        self._transport, self._name, self._term = transport, name, term
        self._entry = Entry(b"", 0)

    async def recall(self) -> dict[str, Any]:
        """What the leader before has noted. Raises Unreachable."""
        self._entry = await self._transport.get(self._name) or self._entry
        return dict(json.loads(self._entry.value or b"{}"))

    async def note(self, known: dict[str, Any]) -> None:
        """Called again and again: what could not be told is told the next time."""
        value = json.dumps(known | {"by": self._term}).encode()
        if value == self._entry.value:
            return
        with contextlib.suppress(Unreachable):
            revision = await self._transport.put(self._name, value, self._entry.revision)
            if revision is not None:
                self._entry = Entry(value, revision)
            else:  # ours, and its answer was lost; or somebody else's, and then nothing is changed from here any more
                found = await self._transport.get(self._name)
                ours = found is not None and json.loads(found.value).get("by") == self._term
                self._entry = found if found is not None and ours else self._entry


class Standing:
    """Of one leader; term: its name."""

    def __init__(self, transport: Transport, coordinator: Coordinator, term: str) -> None:
        self._coordinator = coordinator
        self._people, self._strikes = Noted(transport, NAME, term), Noted(transport, STRIKES, term)

    async def recall(self) -> None:
        """Takes over what the leader before has noted. Raises Unreachable."""
        people, strikes = await self._people.recall(), await self._strikes.recall()
        rounds, door = self._coordinator.rounds, self._coordinator.door
        rounds.conduct.recall(strikes.get("strikes", {}), self._coordinator.now())
        door.locked = bool(people.get("locked"))
        door.ban(people.get("banned", ()))
        for owner, sessions in people.get("shut", {}).items():
            door.close_to(owner, sessions)
        door.recognise(people.get("known", ()))
        if people.get("paused") and rounds.state == "training" and rounds.run is not None and rounds.run.run == people["run"]:
            rounds.state = "paused"

    async def note(self) -> None:
        """Called again and again: what has changed is there for the next leader."""
        rounds, door = self._coordinator.rounds, self._coordinator.door
        run = rounds.run.run if rounds.run is not None else ""
        people = {"run": run, "paused": rounds.state == "paused", "locked": door.locked}
        people |= {"banned": door.banned[-MOST_NOTED:], "known": door.known[-MOST_NOTED:]}
        people["shut"] = dict(list(door.shut.items())[-MOST_SHUT:])
        await self._people.note(people)
        counts = list(rounds.conduct.counts(self._coordinator.now()).items())
        await self._strikes.note({"strikes": dict(counts[-MOST_NOTED:])})
