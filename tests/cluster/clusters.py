"""Coordinators of one cluster as processes, and workers that reach any of them through one address. No tests here."""

import asyncio
import contextlib
import itertools
import threading
import time
from pathlib import Path

from distml_server import ledger
from distml_server.cluster.nats_store import NatsStore
from distml_server.store import LEDGER
from test_processes import Bench, Process, join_link, status, wait

WITHOUT_HELP = ("--deterministic", "--seed", "1", "--local-worker-after", "999")


class Cluster(Bench):
    """`distml serve --cluster` as often as a test likes."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder)
        self.url, self._count = url, itertools.count()

    def recipe(self, sleep_s: float = 0.0, checkpoint_every: int = 5, gated: bool = False, shards: int = 32) -> str:
        path = Path(super().recipe(sleep_s, checkpoint_every, gated))
        text = path.read_text().replace("batch_size = 16", "batch_size = 64").replace("shards = 4", f"shards = {shards}")
        path.write_text(text)
        return str(path)

    def coordinator(self, *arguments: str, port: int = 0, page: bool = False) -> Process:
        folder = f"runs{next(self._count)}"
        command = ("serve", "--port", str(port), "--run-dir", folder, "--cluster", self.url, *arguments)
        return self.distml(*command, *(() if page else ("--no-page",)))

    def coordinators(self, count: int, *arguments: str, page: bool = False) -> list[Process]:
        found = [self.coordinator(*arguments, page=page) for _ in range(count)]
        for server in found:
            join_link(server)
        return found


def leads(server: Process) -> bool:
    return bool(status(join_link(server))["cluster"]["leads"])


def leader_of(servers: list[Process]) -> Process:
    """The one that leads; waits until there is one."""
    running = [server for server in servers if server.process.poll() is None]
    found: Process = wait(lambda: next((server for server in running if leads(server)), None), running[0])
    return found


def step_of(server: Process) -> int:
    return int(status(join_link(server))["weights_version"] or 0)


def all_end(servers: list[Process], patience_s: float = 90.0) -> None:
    """Each ends by itself with code 0. Fails with what they said last."""
    deadline = time.monotonic() + patience_s
    while any(server.process.poll() is None for server in servers) and time.monotonic() < deadline:
        time.sleep(0.05)
    codes = [server.process.poll() for server in servers]
    if codes != [0] * len(servers):
        told = [status(join_link(server)) for server, code in zip(servers, codes, strict=True) if code is None]
        texts = "\n".join(server.text for server in servers)
        raise AssertionError(f"exit codes {codes}; {told}\n{texts}")


class Balancer:
    """One address for several coordinators: each new connection goes to the next one that answers, as a load balancer does.

    in_turn False: to the first one that answers. reached: where connections went.
    """

    def __init__(self, ports: list[int], in_turn: bool = True) -> None:
        self._ports, self._turn, self.reached = ports, itertools.count() if in_turn else itertools.repeat(0), list[int]()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = next(self._turn)
        for number in range(len(self._ports)):
            with contextlib.suppress(OSError):
                port = self._ports[(first + number) % len(self._ports)]
                there = await asyncio.open_connection("127.0.0.1", port)
                self.reached.append(port)
                await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
                return
        writer.close()

    def link(self, link: str) -> str:
        """The join link by way of this address."""
        return f"http://127.0.0.1:{self.port}/#{link.split('#')[1]}"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


def port_of(server: Process) -> int:
    return int(join_link(server).split(":")[2].split("/")[0])


class Watch:
    """Asks all coordinators again and again how far they are: a step that one has told of is never taken back."""

    def __init__(self, servers: list[Process]) -> None:
        self._links = [join_link(server) for server in servers]
        self.went_back: list[str] = []
        self.steps = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        highest = [0] * len(self._links)
        while not self._over.wait(0.05):
            for number, link in enumerate(self._links):
                try:
                    step = status(link)["weights_version"]
                except OSError:
                    continue  # killed
                if step is not None:
                    if step < highest[number]:
                        self.went_back.append(f"coordinator {number} was at {highest[number]} and is at {step}")
                    highest[number] = max(highest[number], step)
                    self.steps = max(self.steps, step)

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)
        assert self.went_back == []


def check_ledger(url: str) -> None:
    """The history of the cluster's one run has no gap, and no shard counts twice."""
    store = NatsStore(url.split(","))
    try:
        ((run, record),) = store.records(print).items()
        lines = store.lines(run, LEDGER) or []
        assert ledger.faults(lines) == [] and record.state == "finished"
        assert store.open(print).step == record.run["steps"]
    finally:
        store.close()
