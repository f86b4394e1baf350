"""What a stranger's client may try on the coordinator's port: handshakes, raw websocket frames, requests, floods."""

import asyncio
import base64
import contextlib
import re
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from distml_py import wire
from distml_server import app, sockets
from peers import Served, serving, start, weights

ROOT = Path(__file__).parents[2]
EVIL = {"Origin": "http://evil.example", "Access-Control-Request-Private-Network": "true"}


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as found:
        yield found


class Raw:
    """A websocket client that writes bytes: what a library would not send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = ""

    @classmethod
    async def open(cls, served: Served, **more: str) -> "Raw":
        raw = cls(*await asyncio.open_connection("127.0.0.1", served.port))
        key = base64.b64encode(bytes(16)).decode()
        headers = {"Host": f"127.0.0.1:{served.port}", "Upgrade": "websocket", "Connection": "Upgrade",
                   "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, **more}  # fmt: skip
        raw.writer.write(("GET /ws HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode())
        raw.head = (await raw.reader.readuntil(b"\r\n\r\n")).decode()
        return raw

    def frame(self, first: int, data: bytes = b"", masked: bool = True) -> None:
        length = len(data)
        mask = 0x80 if masked else 0
        size = bytes([mask | length]) if length < 126 else struct.pack(">BH", mask | 126, length)
        self.writer.write(bytes([first]) + size + (bytes(4) if masked else b"") + data)

    def hello(self, served: Served) -> None:
        self.frame(0x81, str(wire.encode(wire.Hello(wire.PROTOCOL, served.access.worker_token, "", "raw", ""))).encode())

    async def closed(self) -> int:
        """The close code; what comes before is passed over."""
        async with asyncio.timeout(10):
            while True:
                first, size = await self.reader.readexactly(2)
                if size == 126:
                    (size,) = struct.unpack(">H", await self.reader.readexactly(2))
                data = await self.reader.readexactly(size)
                if first & 15 == 8:
                    self.writer.close()
                    return int.from_bytes(data[:2], "big")


@pytest.mark.fault("S12")
async def test_compression_is_not_agreed_to_and_compressed_frames_end_the_connection(served: Served) -> None:
    raw = await Raw.open(served, **{"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"})
    assert "101" in raw.head.split("\r\n")[0] and "sec-websocket-extensions" not in raw.head.lower()
    raw.frame(0xC1, b"\x00" * 20)
    assert await raw.closed() == 1002


BROKEN: dict[str, tuple[int, bytes]] = {
    "an opcode that is none": (0x83, b"x"),
    "a control frame that is too long": (0x89, b"x" * 126),
    "a control frame in pieces": (0x09, b"x"),
    "a continuation of nothing": (0x80, b"x"),
    "text that is not UTF-8": (0x81, b"\xff\xfe"),
}


@pytest.mark.fault("S15")
@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_websocket_frame_ends_the_connection_and_no_other(served: Served, name: str) -> None:
    async with served.worker() as good:
        raw = await Raw.open(served)
        raw.hello(served)
        raw.frame(*BROKEN[name])
        assert await raw.closed() in (1002, 1003, 1007)
        served.coordinator.begin(start(), weights())
        await good.get(wire.Run)


@pytest.mark.fault("S6", "S34")
@pytest.mark.parametrize(
    "request_bytes",
    [b"GET /?t=%s HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost: %s\r\n" + b"X: y\r\n" * 9000, b"GET /" + b"%s" * 2000 + b"\r\n\r\n"],
    ids=["a version that is none", "too many headers", "a line that is too long"],
)
async def test_what_is_no_http_is_answered_400_and_fills_nobodys_log(
    served: Served, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    """Browsers send some of it, to http:// as https://; a program could send it all day."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request_bytes.replace(b"%s", served.access.worker_token.encode()))
    async with asyncio.timeout(5):
        assert (await reader.read(64)).split()[1] == b"400"
    writer.close()
    assert caplog.records == []


async def test_an_error_of_our_own_in_a_request_is_in_the_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.coordinator.door = None  # type: ignore[assignment]
    async with served.client.get(f"{served.url}/api/status") as response:
        assert response.status == 500 and "door" not in await response.text()
    assert "AttributeError" in caplog.text


@pytest.mark.fault("R16", "S11")
@pytest.mark.parametrize("sends", ["nothing", "a request bit by bit"])
async def test_who_never_asks_for_anything_is_let_go_and_a_socket_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sends: str
) -> None:
    monkeypatch.setattr(app, "IDLE_S", 0.3)
    async with serving(tmp_path) as served, served.worker() as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)

        async def trickle() -> None:
            for byte in b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle()) if sends != "nothing" else None
        async with asyncio.timeout(3):
            assert await reader.read() == b""
        if trickling is not None:
            trickling.cancel()
        served.coordinator.begin(start(), weights())
        await worker.get(wire.Run)


@pytest.mark.fault("S15")
async def test_a_message_in_pieces_of_a_byte_and_a_flood_of_pings_are_borne(served: Served) -> None:
    raw = await Raw.open(served)
    text = str(wire.encode(wire.Hello(wire.PROTOCOL, served.access.worker_token, "", "raw", ""))).encode()
    for place, byte in enumerate(text):
        raw.frame((0x80 if place == len(text) - 1 else 0) | (0 if place else 1), bytes([byte]))
    for _ in range(2000):
        raw.frame(0x89, b"ping")
    async with asyncio.timeout(10), served.worker() as other:
        began = time.monotonic()
        served.coordinator.begin(start(), weights())
        await other.get(wire.Run)
        assert time.monotonic() - began < 2
    raw.writer.close()


@pytest.mark.fault("S10")
async def test_a_flood_in_one_connection_does_not_slow_another(served: Served) -> None:
    served.coordinator.begin(start(steps=100_000), weights())
    raw = await Raw.open(served)
    raw.hello(served)
    for _ in range(10_000):
        raw.frame(0x81, b'{"type": "goodbye"}')
    async with served.worker() as other:
        await other.join()
        began = time.monotonic()
        await other.get(wire.Lease)
        assert time.monotonic() - began < 1
        assert await raw.closed() == 1008


@pytest.mark.fault("S10")
async def test_gradients_that_nobody_asked_for_are_refused_and_cost_as_other_messages_do(served: Served) -> None:
    served.coordinator.begin(start(), weights())
    async with served.worker() as worker:
        run = await worker.join()
        for _ in range(100):
            await worker.send(wire.Gradient(run.run, 0, 0, 0, "none", 4, 0.5, 0), weights())
        assert await worker.closed() == 1008
    assert served.coordinator.rounds.rejected["no_lease"] >= 59


@pytest.mark.fault("S11")
async def test_connections_that_ask_for_nothing_leave_files_for_what_is_stored(tmp_path: Path) -> None:
    """Anybody can make them; more than there is room for are let go at once, and those who are there live on."""
    async with serving(tmp_path, most=6) as served, served.peer("", "host") as host:
        idle = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(5)]
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(1), 10) == b""
            writer.close()
        await host.send(wire.Command("lock"))
        await host.get(wire.Status)
        for _, writer in idle:
            writer.close()
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with served.client.get(f"{served.url}/healthz") as response:
                        assert response.status == 200
                        break
                await asyncio.sleep(0.01)


@pytest.mark.fault("S11")
async def test_beyond_the_number_of_all_connections_new_ones_are_refused_and_old_ones_live(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app.MOST_CONNECTIONS >= 1000, "500 workers behind one address work"
    monkeypatch.setattr(app, "MOST_CONNECTIONS", 2)
    async with served.worker() as one, served.worker():
        for _ in range(20):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await served.socket()
            assert refused.value.status == 503
        served.coordinator.begin(start(), weights())
        await one.get(wire.Run)


@pytest.mark.fault("S7")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_another_sites_page_cannot_change_anything_by_a_request(served: Served, method: str) -> None:
    for path in ("/", "/ws", "/api/status", "/api/curve", "/api/info", "/api/qr", "/metrics", "/healthz", "/recipes/index.json"):
        async with served.client.request(method, served.url + path, headers=EVIL, data="x") as answer:
            assert answer.status in (403, 404, 405)
            assert "Access-Control-Allow-Origin" not in answer.headers and "Set-Cookie" not in answer.headers
            assert "Access-Control-Allow-Private-Network" not in answer.headers


NAMES = ["../../x", "a%00b", "x" * 300, "con.csv", "%E2%80%AEexe.csv", "checkpoint-00000001.safetensors"]


@pytest.mark.fault("S19")
@pytest.mark.parametrize("name", NAMES)
async def test_no_upload_is_taken_under_any_name_and_nothing_is_stored(served: Served, tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    for path in (f"/{name}", f"/recipes/{name}", f"/assets/{name}", f"/api/{name}"):
        for method in ("PUT", "POST"):
            async with served.client.request(method, served.url + path, data=b"x") as answer:
                assert answer.status in (400, 403, 404, 405)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.fault("S18")
async def test_a_link_inside_a_served_folder_that_leads_out_of_it_is_not_followed(tmp_path: Path) -> None:
    from aiohttp.test_utils import make_mocked_request

    from distml_server.files import file_of

    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(aiohttp.web.HTTPNotFound):
        file_of(make_mocked_request("GET", "/"), inside, "link.txt")


@pytest.mark.fault("S19", "S20")
def test_the_page_never_makes_markup_of_text() -> None:
    """Names of files and of workers, errors and labels are shown through textContent alone."""
    makers = re.compile(r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser)\b")
    for path in [*(ROOT / "web").glob("*.js"), *(ROOT / "web" / "lessons").glob("*.js")]:
        assert not makers.search(path.read_text(encoding="utf-8")), path.name


@pytest.mark.fault("S21")
def test_a_cell_of_a_table_that_is_written_is_a_number_or_in_quotes() -> None:
    """The only table written anywhere is the one a tab keeps for its own recipe; nobody can save it as a file."""
    text = (ROOT / "web" / "csv.js").read_text(encoding="utf-8")
    assert "row.map(quoted)" in text
    downloads = [path.name for path in (ROOT / "web").glob("*.js") if re.search(r"\.download\b", path.read_text("utf-8"))]
    assert downloads == ["models.js"], "models alone are saved; a table that is saved needs its cells quoted"
    server = "".join(path.read_text("utf-8") for path in (ROOT / "server" / "distml_server").glob("*.py"))
    assert "import csv" not in server and "text/csv" not in server


@pytest.mark.fault("S10")
def test_the_limits_are_those_that_are_promised() -> None:
    assert (sockets.CONTROL_PER_S, sockets.CONTROL_BURST) == (20, 60)


@pytest.mark.fault("S28")
async def test_on_this_machine_too_the_join_link_is_shown_to_who_has_it_alone(served: Served) -> None:
    served.coordinator.join_url = "http://h/#t=x"
    async with served.client.get(f"{served.url}/api/qr") as answer:
        assert answer.status == 401
    bearer = {"Authorization": f"Bearer {served.access.worker_token}"}
    async with served.client.get(f"{served.url}/api/qr", headers=bearer) as answer:
        assert answer.status == 200 and len((await answer.json())["rows"]) > 20


@pytest.mark.fault("S28", "S27")
async def test_the_engine_worker_may_open_no_socket(served: Served) -> None:
    async with served.client.get(f"{served.url}/web/engine_worker.js") as answer:
        policy = answer.headers["Content-Security-Policy"]
    (rule,) = re.findall("connect-src ([^;]*);", policy)
    assert rule == f"http://127.0.0.1:{served.port} https://127.0.0.1:{served.port}"
