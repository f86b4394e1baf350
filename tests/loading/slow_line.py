"""A line of so many megabits a second between a browser and a coordinator: for all of its tab, workers and sockets, which a
browser's own throttling leaves out. Bytes pass as they are; both ways share the line."""

import asyncio
import contextlib
import threading
import time
from urllib.parse import urlsplit

PIECE = 4096
LATENCY_S = 0.02  # one way
ON_THE_WAY = 16  # pieces at a time


class SlowLine:
    """`url` leads to the same place as `target`, as slowly as asked. Runs in a thread until stop()."""

    def __init__(self, target: str, megabits_s: float):
        self._bytes_s = megabits_s * 1e6 / 8
        self._free_at = 0.0
        self._host, self._port = urlsplit(target).hostname, urlsplit(target).port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._ready.wait(10)
        self.url = target.replace(f":{self._port}", f":{self.port}")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._meet, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._over = asyncio.Event()
        self._ready.set()
        self._loop.run_until_complete(self._over.wait())
        server.close()
        meetings = asyncio.all_tasks(self._loop)
        for meeting in meetings:
            meeting.cancel()
        self._loop.run_until_complete(asyncio.gather(*meetings, return_exceptions=True))
        self._loop.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        with contextlib.suppress(asyncio.CancelledError):  # the line is taken down
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer), return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THE_WAY)

        async def arrive() -> None:
            while True:
                due, piece = await on_the_way.get()
                await asyncio.sleep(due - time.monotonic())
                if not piece:
                    return writer.close()
                writer.write(piece)
                await writer.drain()

        arriving = asyncio.create_task(arrive())
        try:
            piece = b"-"
            while piece:
                piece = await reader.read(PIECE)
                self._free_at = max(self._free_at, time.monotonic()) + len(piece) / self._bytes_s
                await on_the_way.put((self._free_at + LATENCY_S, piece))
            await arriving
        finally:
            arriving.cancel()
            writer.close()
