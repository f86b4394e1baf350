"""What is sent over HTTP: who reads slowly gets it all, who reads nothing holds little and is cut off."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from distml_server import departures
from distml_server.departures import Departing
from peers import Served, serving

FILE = "pyodide.asm.wasm"  # a name that the assets' lock has
SIZE_BYTES = 32 << 20  # more than systems keep of one connection
HELD_BYTES = 400 * 1024  # two pieces, and less than the library
ENOUGH_BYTES = 12 << 20  # who has read so many has got some that waited at the coordinator, whatever systems keep


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    with open(tmp_path / FILE, "wb") as file:
        file.truncate(SIZE_BYTES)
    async with serving(tmp_path) as found:
        yield found


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[Departing]:
    """The connections that are looked at: by the test alone, and not by the clock."""
    found: list[Departing] = []

    class Noted(Departing):
        def __init__(self, transport: asyncio.Transport) -> None:
            super().__init__(transport)
            found.append(self)

    monkeypatch.setattr(departures, "Departing", Noted)
    monkeypatch.setattr(departures, "LOOK_S", 3600.0)
    return found


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


async def asking(served: Served, path: str, times: int, window_bytes: int = 4096) -> socket.socket:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", served.port))
    await loop.sock_sendall(raw, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n".encode() * times)
    return raw


def open_files() -> int:
    """How often the file is open, where the system tells."""
    folder = Path("/proc/self/fd")
    links = [str(link) for link in folder.iterdir()] if folder.is_dir() else []
    return sum(os.path.realpath(link).endswith(FILE) for link in links)


@pytest.mark.fault("R14")
@pytest.mark.parametrize(("path", "times"), [(f"/assets/{FILE}", 1), ("the library", 60), ("/web/vendor/codemirror.esm.js", 200)])
async def test_who_asks_for_much_and_reads_nothing_is_cut_off(
    served: Served, looked_at: list[Departing], path: str, times: int
) -> None:
    if path == "the library":
        async with served.client.get(f"{served.url}/assets/pyodide-lock.json") as response:
            path = "/assets/" + (await response.json())["packages"]["distml-py"]["file_name"]
        looked_at.clear()
    raw = await asking(served, path, times)
    await until(lambda: looked_at and looked_at[0]._waits)
    (one,) = looked_at
    assert 0 < one._transport.get_write_buffer_size() <= HELD_BYTES
    one.look()
    assert not one._transport.is_closing(), "it may just be slow"
    one.look()
    assert one._transport.is_closing() and one._transport.get_write_buffer_size() == 0
    await until(lambda: open_files() == 0)
    async with served.client.get(f"{served.url}/assets/{FILE}", headers={"Range": "bytes=5-9"}) as response:
        assert response.status == 206 and await response.read() == bytes(5), "others are served"
    raw.close()


@pytest.mark.fault("R14")
async def test_who_reads_slowly_gets_the_whole_file(served: Served, looked_at: list[Departing]) -> None:
    raw = await asking(served, f"/assets/{FILE}", 1, 256 * 1024)
    loop, got = asyncio.get_running_loop(), bytearray()
    seen_bytes = 0
    while len(got) < SIZE_BYTES:
        part = await loop.sock_recv(raw, 1 << 20)
        assert part, "cut off"
        got += part
        if len(got) - seen_bytes > ENOUGH_BYTES:
            seen_bytes = len(got)
            looked_at[0].look()
    _, _, body = bytes(got).partition(b"\r\n\r\n")
    while len(body) < SIZE_BYTES:
        body += await loop.sock_recv(raw, 1 << 20)
    assert body == bytes(SIZE_BYTES)
    raw.close()


class Held(asyncio.Transport):
    """Holds so many bytes."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left, self.closing, self.aborted = left, False, False

    def get_protocol(self) -> asyncio.BaseProtocol:
        return asyncio.Protocol()

    def get_write_buffer_size(self) -> int:
        return self.left

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = True


async def test_only_what_nobody_takes_is_let_go() -> None:
    transport = Held(1000)
    one = Departing(transport)
    for _ in range(3):
        one.look()
    one.pause_writing()
    one.look()
    assert not transport.aborted, "it was not full before: more may have come and gone"
    transport.left = 999
    one.look()
    one.resume_writing()  # all was taken, and more came than before
    one.pause_writing()
    transport.left = 2000
    one.look()
    assert not transport.aborted, "some was taken each time"
    one.look()
    assert transport.aborted


async def test_what_is_left_of_a_closed_connection_is_let_go_when_nobody_takes_it() -> None:
    transport = Held(10)
    one = Departing(transport)
    transport.closing = True
    one.look()
    transport.left = 9
    one.look()
    assert not transport.aborted
    one.look()
    assert transport.aborted
    one.connection_lost(None)


async def test_who_holds_nothing_lives_on() -> None:
    transport = Held(0)
    one = Departing(transport)
    for _ in range(3):
        one.look()
    assert not transport.aborted
    one.connection_lost(None)
