"""A coordinator in this process and raw peers that talk to it over real sockets. No tests here."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import numpy as np

from distml_py import wire
from distml_server.access import Access
from distml_server.addresses import in_links
from distml_server.app import MOST_CONNECTIONS, answer, create_app, runner_of
from distml_server.coordinator import Coordinator
from distml_server.listening import listen
from distml_server.store import Store

M = TypeVar("M")
PATIENCE_S = 10.0
CODE = "raise SystemExit('the coordinator never runs the code of a tab')"


def has_ipv6() -> bool:
    """Some machines and containers have none."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def start(steps: int = 4, shards: int = 2, **changes: Any) -> wire.Start:
    fields: dict[str, Any] = {
        "recipe": "r", "code": CODE, "seed": 0, "steps": steps, "batch_size": 8, "shards": shards, "train_size": 100,
        "evaluate_every": 100, "checkpoint_every": 1, "optimizer": {"name": "SGD", "lr": 0.5}, "parameters": ["w", "b"],
    }  # fmt: skip
    return wire.Start(**fields | changes)


def weights(size: int = 6) -> dict[str, np.ndarray]:
    return {"w": np.arange(size, dtype=np.float32).reshape(2, -1), "b": np.zeros((), np.float32)}


def prefixed(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"weights/{name}": array for name, array in arrays.items()}


@dataclass
class Served:
    """A listening coordinator."""

    coordinator: Coordinator
    access: Access
    port: int
    client: aiohttp.ClientSession
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{in_links(self.host)}:{self.port}"

    @contextlib.asynccontextmanager
    async def peer(self, token: str = "", role: str = "", session: str = "", **headers: str) -> AsyncIterator["Peer"]:
        """A peer that has said hello and was welcomed; without a token it is a page, and so the host."""
        async with self.socket(**({"Origin": self.url} | headers)) as socket:
            peer = Peer(socket)
            await peer.send(wire.Hello(wire.PROTOCOL, token, role, "peer", session))
            peer.welcome = await peer.get(wire.Welcome)
            yield peer

    def worker(self, session: str = "") -> Any:
        return self.peer(self.access.worker_token, "", session)

    def socket(self, **headers: str) -> Any:
        return self.client.ws_connect(f"{self.url}/ws", headers=headers, max_msg_size=1 << 30, compress=0)


class Peer:
    """A connection that sends what it likes and picks the messages it waits for."""

    welcome: wire.Welcome

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.tensors: wire.Tensors = {}

    async def send(self, message: wire.Message, tensors: wire.Tensors | None = None) -> None:
        await self.raw(wire.encode(message, tensors))

    async def raw(self, data: bytes | str) -> None:
        await (self.socket.send_str(data) if isinstance(data, str) else self.socket.send_bytes(data))

    async def get(self, kind: type[M] | tuple[type[M], ...]) -> M:
        """The next message of this type, or of these; others are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                received = await self.socket.receive()
                if received.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    raise ConnectionError(f"closed with {self.socket.close_code} while waiting for {kind}")
                frame = wire.decode(received.data)
                if isinstance(frame.message, kind):
                    self.tensors = frame.tensors
                    return frame.message

    async def closed(self) -> int | None:
        """Reads until the coordinator closes; the close code."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.socket.receive()).type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                pass
        return self.socket.close_code

    async def join(self, backend: str = "reference", platform: str = "p") -> wire.Run:
        run = await self.get(wire.Run)
        await self.send(wire.Join(run.run, backend, "d", platform))
        return run

    async def gradient(self, lease: wire.Lease, tensors: wire.Tensors, **changes: Any) -> None:
        fields = {"samples": lease.count, "loss": 0.5, "cpu_ops": 0} | changes
        await self.send(wire.Gradient(lease.run, lease.step, lease.version, lease.shard, lease.lease, **fields), tensors)

    async def evaluate(self) -> None:
        asked = await self.get(wire.Evaluate)
        await self.send(wire.Evaluation(asked.run, asked.step, asked.split, asked.lease, 0.25, 0.75, 10, None))


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    lan: bool = False,
    deterministic: bool = False,
    per_address: int = MOST_CONNECTIONS,
    access: Access | None = None,
    host: str = "127.0.0.1",
    most: int = 3 * MOST_CONNECTIONS,
    **how: Any,
) -> AsyncIterator[Served]:
    """host: where it listens; most: connections of all kinds; how: what the coordinator is told besides."""
    store = Store(folder)
    access = access or Access(lan, ("classroom.test",))
    coordinator = Coordinator(store, access, deterministic, **how)
    defaults = {"recipe": "digits_mlp", "steps": 7, "seed": 3}
    app = create_app(coordinator, access, folder, defaults, per_address=per_address)
    runner = runner_of(app, 0.5)
    await runner.setup()
    listening = listen(host, 0)
    port = listening.getsockname()[1]
    coordinator.join_url = f"http://{in_links(host)}:{port}/#t={access.worker_token}"
    await coordinator.run()
    door = await answer(runner, listening, most)
    try:
        async with aiohttp.ClientSession() as client:
            yield Served(coordinator, access, port, client, host)
    finally:
        door.close()
        await coordinator.close(wait_s=0.1)
        await runner.cleanup()
        store.close()
