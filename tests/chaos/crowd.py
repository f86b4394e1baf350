"""Clients in this process, each a Tab behind a real socket as the headless worker has it, and what a run of them came to."""

import asyncio
import contextlib
import itertools
import json
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from distml_py import wire
from distml_py.engine import use_backend
from distml_py.tab import Tab
from distml_server import ledger, worker
from distml_server.serve import prepare

RECIPE = '''"""A line between numbers, for tests that break things."""

import numpy as np

from distml_py import Recipe, nn, optim
from distml_py.data import Splits, TensorDataset


class Line(Recipe):
    batch_size = 16
    shards = 8
    steps = 20
    evaluate_every = 10
    checkpoint_every = 5
    compile = False

    def data(self):
        x = np.random.default_rng(0).standard_normal((120, 4)).astype(np.float32)
        y = (x[:, 0] > 0).astype(np.int32)
        return Splits(TensorDataset(x[:80], y[:80]), TensorDataset(x[80:100], y[80:100]), TensorDataset(x[100:], y[100:]))

    def model(self):
        return nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.05)
'''
PATIENCE_S = 60.0
Wrap = Callable[[Any], Any]


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients compute in the event loop: they share one engine, which is no business of several threads."""

    async def advance(tab: Tab) -> list[bytes | str]:
        await asyncio.sleep(0)
        return tab.advance()

    monkeypatch.setattr(worker, "_advance", advance)
    use_backend("reference")


class Client:
    """One simulated worker. wrap: what stands between it and its socket. backoff_s: the first pause before it comes back."""

    _names = itertools.count()

    def __init__(self, port: int, token: str, wrap: Wrap = lambda socket: socket, backoff_s: float = 0.05) -> None:
        self.port, self.token, self.wrap, self.backoff_s = port, token, wrap, backoff_s
        self.name = f"client {next(self._names)}"
        self.said: list[str] = []
        self.connections = 0
        self.tab = Tab("reference", "NumPy", "crowd", time.monotonic)
        self.task = asyncio.create_task(self._work())
        self.task.add_done_callback(_noted)

    async def _work(self) -> None:
        session = secrets.token_hex(8)
        failures = 0
        async with aiohttp.ClientSession() as client:
            while True:
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    address = f"http://127.0.0.1:{self.port}/ws"
                    async with client.ws_connect(address, max_msg_size=1 << 30, heartbeat=3.0, compress=0) as socket:
                        await socket.send_str(str(wire.encode(wire.Hello(wire.PROTOCOL, self.token, "worker", self.name, session))))
                        self.connections += 1
                        failures = 0
                        if await worker._serve(self.wrap(socket), self.tab, self.said.append, worker.Consent("")):
                            return
                failures += 1
                await asyncio.sleep(random.uniform(0, min(2.0, self.backoff_s * 2**failures)))

    @property
    def refusals(self) -> list[str]:
        """Reasons why something of it did not count."""
        words = (text.partition("refused something (")[2] for text in self.said)
        return [text.partition(")")[0] for text in words if text]

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@contextlib.asynccontextmanager
async def crowd(port: int, token: str, count: int, **how: Any) -> AsyncIterator[list[Client]]:
    """So many clients, none of whom outlives the block. One that fails raises here."""
    clients = [Client(port, token, **how) for _ in range(count)]
    try:
        yield clients
        for client in clients:
            if client.task.done() and not client.task.cancelled():
                client.task.result()
    finally:
        for client in clients:
            await client.kill()


def begin(served: Any, steps: int = 20, seed: int = 0, code: str = RECIPE) -> None:
    served.coordinator.begin(*prepare("line", code, seed, steps))


FAILED: list[BaseException] = []


def _noted(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        FAILED.append(task.exception() or RuntimeError())


async def until(condition: Callable[[], Any], seconds: float = PATIENCE_S) -> None:
    """Waits; a client that fails meanwhile ends that at once."""
    async with asyncio.timeout(seconds):
        while not condition():
            if FAILED:
                raise FAILED.pop()
            await asyncio.sleep(0.01)


async def over(served: Any) -> str:
    """Waits for the run's end; the SHA-256 of its weights."""
    await until(lambda: served.coordinator.rounds.state == "finished")
    return str(served.coordinator.sha256)


def sound(folder: Path) -> list[ledger.Row]:
    """The rows of the one run's ledger, after the offline checker has found nothing in it."""
    (path,) = folder.glob("*/ledger.jsonl")
    lines = path.read_text().splitlines()
    assert ledger.faults(lines) == []
    return [json.loads(line) for line in lines]
