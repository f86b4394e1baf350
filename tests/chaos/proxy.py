"""A TCP proxy that misbehaves: latency, bandwidth, slices, silence, resets, half-closed connections. It reads no frames."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

CHUNK = 64 * 1024


@dataclass
class Proxy:
    """Between clients and the coordinator at `target`; what is set holds for old and new connections alike.

    slice_bytes: the most that is passed on at once, each piece after latency_s. silent: nothing is passed on, nothing is
    closed, and what came meanwhile is lost. half_close(): the coordinator gets no more bytes and no more is said.
    """

    target: int
    port: int = 0
    latency_s: float = 0.0
    bytes_per_s: float = 0.0
    slice_bytes: int = CHUNK
    silent: bool = False
    refusing: bool = False
    _pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = field(default_factory=list)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.refusing:
                raise ConnectionError
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._pairs.append((writer, far_writer))
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            while data := await source.read(CHUNK):
                for start in range(0, len(data), self.slice_bytes):
                    piece = data[start : start + self.slice_bytes]
                    pause_s = self.latency_s + (len(piece) / self.bytes_per_s if self.bytes_per_s else 0.0)
                    if pause_s:
                        await asyncio.sleep(pause_s)
                    if not self.silent:
                        sink.write(piece)
                        await sink.drain()
            while self.silent:
                await asyncio.sleep(0.02)  # neither side hears of the other's end
            sink.close()

    def reset(self) -> None:
        """Every connection ends at once on both sides, with RST."""
        for pair in self._pairs:
            for writer in pair:
                found = writer.get_extra_info("socket")
                if found is not None and not writer.is_closing():
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
        self._pairs.clear()

    def half_close(self) -> None:
        for _, far in self._pairs:
            with contextlib.suppress(OSError):
                far.write_eof()


@contextlib.asynccontextmanager
async def proxied(target: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(target)
    server = await proxy.serve()
    try:
        yield proxy
    finally:
        server.close()
        proxy.silent = False
        proxy.reset()
        for task in list(proxy._tasks):
            task.cancel()
