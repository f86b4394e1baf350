"""How fast bytes of an unfinished frame arrive at a socket. What they mean is read elsewhere."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

RECEIVE_S = 20.0
AHEAD_BYTES = 512 * 1024  # may have come of what nobody has read yet: more than aiohttp queues and asyncio reads at once
LEAST_HEAD_BYTES = 2  # of a frame
LEAST_BYTES_PER_S = 1024  # of a frame that is on its way for longer than RECEIVE_S


class Received(asyncio.Protocol):
    """Counts what arrives at a transport, on its way to the protocol that had it before, which gets no more than it may keep.

    most: how large a frame may be now; on_flood: told once when more arrives than a frame and what may be ahead of it.
    """

    def __init__(self, protocol: asyncio.BaseProtocol | None) -> None:
        self._protocol: Any = protocol
        self._since_s, self._bytes = time.monotonic(), 0  # since the last whole frame
        self._ahead = 0  # since the last message was taken; pings between its pieces do not count
        self._flooded = False
        self.most: Callable[[], int] = lambda: 0
        self.on_flood: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, transport: asyncio.Transport | None) -> "Received":
        found = cls(transport.get_protocol() if transport is not None else None)
        if transport is not None:
            transport.set_protocol(found)
        return found

    def data_received(self, data: bytes) -> None:
        if not self._bytes:
            self._since_s = time.monotonic()
        self._bytes += len(data)
        self._ahead += len(data)
        if self._ahead > AHEAD_BYTES and (self._flooded or self._ahead > AHEAD_BYTES + self.most()):
            if not self._flooded:
                self._flooded = True
                self.on_flood()
            return  # let go: what aiohttp would put together of it is bounded by the largest frame of anybody
        self._protocol.data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)

    def eof_received(self) -> bool | None:
        return bool(self._protocol.eof_received())

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def whole(self, control_bytes: int = -1) -> None:
        """A frame was taken. control_bytes: of a ping or a pong, which can come between the pieces of a message."""
        self._bytes = 0
        self._ahead = 0 if control_bytes < 0 else max(self._ahead - control_bytes - LEAST_HEAD_BYTES, 0)

    def crawls(self, now: float) -> bool:
        """Whether a frame has been on its way for long and hardly grows."""
        elapsed_s = now - self._since_s
        return 0 < self._bytes < elapsed_s * LEAST_BYTES_PER_S and elapsed_s > RECEIVE_S
