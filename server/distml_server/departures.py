"""How a peer takes what it asked for over HTTP: who takes nothing of it for long is cut off. Sockets have their own deadlines."""

import asyncio
from typing import Any

from aiohttp import web

from .files import Handler

LOOK_S = 30.0


class Departing(asyncio.Protocol):
    """Looks at what a transport still holds, between it and the protocol that had it before.

    A peer that reads slowly takes some of it between two looks. While it takes nothing, nothing is added: who sends waits for it,
    or has closed the transport, which would keep what is left, and its socket, until somebody took it.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._protocol: Any = transport.get_protocol()
        self._waits = False
        self._left = 0  # bytes that waited when it was last looked at; 0: none, or some were taken since
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self.look)

    def look(self) -> None:
        waits = self._waits or self._transport.is_closing()
        left = self._transport.get_write_buffer_size() if waits else 0
        if left >= self._left > 0:
            self._transport.abort()
            return
        self._left = left
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self.look)

    def pause_writing(self) -> None:
        self._waits = True
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._waits, self._left = False, 0
        self._protocol.resume_writing()

    def data_received(self, data: bytes) -> None:
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        return bool(self._protocol.eof_received())

    def connection_lost(self, error: Exception | None) -> None:
        self._timer.cancel()
        self._protocol.connection_lost(error)


@web.middleware
async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
    """From its first request on a connection is looked at, unless that asks for a socket."""
    transport = request.transport
    if transport is not None and request.path != "/ws" and not isinstance(transport.get_protocol(), Departing):
        transport.set_protocol(Departing(transport))
    return await handler(request)
