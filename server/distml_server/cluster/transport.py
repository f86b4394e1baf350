"""The border between the coordinators of a cluster: messages, leases, and a few small values that stay. In-process, for tests.

What crosses it is bytes. Messages may be lost, as a network's are; who needs all of them counts them (link.py).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from distml_py.errors import DistmlError

LEASE_S = 3.0  # then somebody else may take what was not kept
BEAT_S = 0.5
SILENT_S = 5.0  # who was not heard of for so long is gone
ASLEEP_S = 1.5  # who was held up itself for so long judges nobody: what they said may still wait to be read

Take = Callable[[bytes], None]
Stop = Callable[[], Awaitable[None]]


class ClusterError(DistmlError, RuntimeError):
    """A cluster that cannot be used as it was asked for."""


class Unreachable(OSError):
    """What joins the coordinators does not answer: whether a change was made is not known."""


@dataclass(frozen=True)
class Entry:
    """A value, and the number that changes with it."""

    value: bytes
    revision: int


class Transport(Protocol):
    """What coordinators have in common. Subjects and names are letters, digits, `-`, `_` and dots. All raise Unreachable."""

    async def publish(self, subject: str, data: bytes) -> None:
        """To all that have subscribed, of any size: whole, at most once, and in the order of one publisher that waits for each."""

    async def subscribe(self, subject: str, take: Take) -> Stop:
        """take: is called in the event loop with each message; what it returns from is over."""

    async def hold(self, name: str, value: bytes, revision: int = 0) -> int | None:
        """Takes a lease, or with the revision that it has keeps it for LEASE_S more. The new revision; None: it is not ours."""

    async def holder(self, name: str) -> Entry | None:
        """Who has the lease; None when nobody has, or did not keep it."""

    async def let_go(self, name: str, value: bytes) -> None:
        """Ends a lease that has this value still, also when the answer to its last hold() was lost."""

    async def put(self, name: str, value: bytes, revision: int = 0) -> int | None:
        """Changes a value that stays, or makes it. The new revision; None: it has changed since that revision."""

    async def get(self, name: str) -> Entry | None: ...

    async def close(self) -> None: ...


@dataclass
class Hub:
    """What the transports of one process have in common. clock: seconds that only grow."""

    clock: Callable[[], float] = time.monotonic
    takers: dict[str, list[Take]] = field(default_factory=dict)
    values: dict[str, Entry] = field(default_factory=dict)
    leases: dict[str, tuple[Entry, float]] = field(default_factory=dict)
    count: int = 0

    def next(self) -> int:
        self.count += 1
        return self.count


class Local:
    """The Transport of coordinators in one process. cut: loses every message, as a torn cable would."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self.cut = hub, False

    async def publish(self, subject: str, data: bytes) -> None:
        if not self.cut:
            for take in list(self._hub.takers.get(subject, ())):
                asyncio.get_running_loop().call_soon(take, data)

    async def subscribe(self, subject: str, take: Take) -> Stop:
        def taken(data: bytes) -> None:
            if not self.cut and taken in takers:
                take(data)

        takers = self._hub.takers.setdefault(subject, [])
        takers.append(taken)

        async def stop() -> None:
            if taken in takers:
                takers.remove(taken)

        return stop

    async def hold(self, name: str, value: bytes, revision: int = 0) -> int | None:
        found = await self.holder(name)
        if revision != (found.revision if found is not None else 0):
            return None
        entry = Entry(value, self._hub.next())
        self._hub.leases[name] = entry, self._hub.clock() + LEASE_S
        return entry.revision

    async def holder(self, name: str) -> Entry | None:
        self._reach()
        entry, until_s = self._hub.leases.get(name, (None, 0.0))
        return entry if self._hub.clock() < until_s else None

    async def let_go(self, name: str, value: bytes) -> None:
        found = await self.holder(name)
        if found is not None and found.value == value:
            del self._hub.leases[name]

    async def put(self, name: str, value: bytes, revision: int = 0) -> int | None:
        found = await self.get(name)
        if revision != (found.revision if found is not None else 0):
            return None
        self._hub.values[name] = Entry(value, self._hub.next())
        return self._hub.values[name].revision

    async def get(self, name: str) -> Entry | None:
        self._reach()
        return self._hub.values.get(name)

    async def close(self) -> None:
        self.cut = True

    def _reach(self) -> None:
        if self.cut:
            raise Unreachable("the hub is out of reach")
