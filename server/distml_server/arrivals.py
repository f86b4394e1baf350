"""How fast bytes of an unfinished frame arrive at a socket. What they mean is read elsewhere."""

import asyncio
import time
from typing import Any

RECEIVE_S = 20.0
LEAST_BYTES_PER_S = 1024  # of a frame that is on its way for longer than RECEIVE_S


class Received(asyncio.Protocol):
    """Counts what arrives at a transport, on its way to the protocol that had it before."""

    def __init__(self, protocol: asyncio.BaseProtocol | None) -> None:
        self._protocol: Any = protocol
        self._since_s, self._bytes = time.monotonic(), 0  # since the last whole frame

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
        self._protocol.data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)

    def eof_received(self) -> bool | None:
        return bool(self._protocol.eof_received())

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def whole(self) -> None:
        self._bytes = 0

    def crawls(self, now: float) -> bool:
        """Whether a frame has been on its way for long and hardly grows."""
        elapsed_s = now - self._since_s
        return 0 < self._bytes < elapsed_s * LEAST_BYTES_PER_S and elapsed_s > RECEIVE_S
