"""A line of so many megabits a second between a browser and a coordinator: for all of its tab, workers and sockets, which a
browser's own throttling leaves out. Bytes pass as they are; both ways share the line."""

import asyncio
import threading
import time
from urllib.parse import urlsplit

PIECE = 4096
LATENCY_S = 0.02  # one way


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
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._meet, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer), return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(PIECE):
                now = time.monotonic()
                self._free_at = max(self._free_at, now) + len(piece) / self._bytes_s
                await asyncio.sleep(self._free_at - now + LATENCY_S)
                writer.write(piece)
                await writer.drain()
        finally:
            writer.close()
