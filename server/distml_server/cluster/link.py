"""One direction of a follower's connection to its leader: what is to be said, in numbered envelopes, and a sign of life."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from .transport import BEAT_S, Unreachable

T = TypeVar("T")
MOST_WAITING = 100_000


class Outbox(Generic[T]):
    """Says things in order, as many at once as there are. A loss is seen by the other side, as a number that is left out."""

    def __init__(self, send: Callable[[int, list[T]], Awaitable[None]]) -> None:
        self._send = send
        self._things: list[T] = []
        self._wake = asyncio.Event()
        self._number = 0
        self._task = asyncio.create_task(self._run())
        self.failed = False

    def put(self, *things: T) -> None:
        self._things.extend(things)
        if len(self._things) > MOST_WAITING:
            self.failed, self._things = True, []
        self._wake.set()

    async def _run(self) -> None:
        while not self.failed:
            with contextlib.suppress(TimeoutError):  # nothing to say is said as well
                await asyncio.wait_for(self._wake.wait(), BEAT_S)
            await self.flush()

    async def flush(self) -> None:
        self._wake.clear()
        things, self._things = self._things, []
        number, self._number = self._number, self._number + 1
        try:
            await self._send(number, things)
        except Unreachable:
            self.failed = True

    async def close(self, *last: T) -> None:
        self._task.cancel()
        if last and not self.failed:
            self._things.extend(last)
            await self.flush()
        self.failed = True
