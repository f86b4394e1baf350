"""`nox -s load`: simulated workers on real sockets, speaking the real protocol, against one `distml serve` process.

    python tests/load/load.py [--json FILE] [--only PAYLOAD:WORKERS,...] [--seconds S]

A simulated worker says hello, joins, and answers each lease at once with a gradient of the run's size, whose bytes are made
once: it computes nothing and looks at no more of the weights than their header. All of them live in one other process, on
the same machine. RELIABILITY's figures are printed beside what was measured, then the join storm and the restart.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import re
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from distml_py import safetensors, wire

# payload in numbers of float32, workers, what is asked for: (figure, least or most)
ROWS: list[tuple[int, int, str]] = [
    (256, 32, "5000 msgs/s"), (256, 256, "5000 msgs/s"), (101_770, 4, "150 steps/s"), (101_770, 32, "25 steps/s"),
    (101_770, 128, "6 steps/s, p99 400 ms"), (101_770, 500, "1 steps/s, RSS 512 MB"), (1_000_000, 32, "2 steps/s, RSS 512 MB"),
]  # fmt: skip
RECIPE = '''"""As many numbers as asked for."""
import numpy as np
from distml_py import Recipe, nn, optim
from distml_py.data import Splits, TensorDataset

class Load(Recipe):
    batch_size = SHARDS
    shards = SHARDS
    steps = 10**8
    evaluate_every = 10**8
    checkpoint_every = 10**8

    def data(self):
        x = np.zeros((SHARDS, 1), np.float32)
        return Splits(*[TensorDataset(x, np.zeros(SHARDS, np.int32))] * 3)

    def model(self):
        return nn.Linear(NUMBERS, 1, bias=False)

    def optimizer(self, parameters):
        return optim.SGD(parameters, lr=1e-6)
'''
STORM, RESTARTED = 200, 200
BACK = 0.95


class Server:
    """`distml serve` in a process of its own."""

    def __init__(self, folder: Path, numbers: int, shards: int, *options: str) -> None:
        self.folder, self.options = folder, options
        recipe = folder / "load.py"
        recipe.write_text(RECIPE.replace("NUMBERS", str(numbers)).replace("SHARDS", str(shards)))
        self.start(("--recipe", str(recipe)), 0)

    def start(self, what: Sequence[str], port: int) -> None:
        self.log = self.folder / "serve.log"
        command = [sys.executable, "-m", "distml_server", "serve", "--no-page", "--port", str(port)]
        command += ["--run-dir", str(self.folder / "runs"), *what, *self.options]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while "Ctrl+C" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the coordinator did not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        found = re.search(r"Others join: http://([\w.:]+)/#t=([\w-]+)", self.log.read_text())
        assert found is not None
        self.address, self.token = found.group(1), found.group(2)

    def restart(self) -> None:
        port = int(self.address.split(":")[1])
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.start(("--resume",), port)

    def memory_mb(self) -> float:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) / 1024

    def cpu_s(self) -> float:
        """Processor time that the coordinator has used: what is left to compare on a machine that others use, too."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Gradients:
    """Frames of gradients that differ in their headers alone: the checksum of the numbers is gone on from, not made again."""

    def __init__(self, numbers: int) -> None:
        arrays = {"weight": np.full((1, numbers), 1e-3, np.float32)}
        self.body = safetensors.dumps(arrays)

    def frame(self, lease: dict[str, Any]) -> bytes:
        message = wire.Gradient(
            lease["run"], lease["step"], lease["version"], lease["shard"], lease["lease"], lease["count"], 0.5, 0, 0.001
        )  # fmt: skip
        text = json.dumps({"type": "gradient", **dataclasses.asdict(message)}).encode()
        text += b" " * (-(12 + len(text)) % 8)
        return b"".join([struct.pack("<4sII", wire.MAGIC, len(text), zlib.crc32(self.body, zlib.crc32(text))), text, self.body])


@dataclasses.dataclass
class Seen:
    """What all workers of a process saw together."""

    joined: int = 0
    sent: int = 0
    refused: int = 0
    errors: int = 0
    versions: dict[int, float] = dataclasses.field(default_factory=dict)  # when a version was first heard of
    welcome_s: list[float] = dataclasses.field(default_factory=list)


async def worker(server: Server, gradients: Gradients, seen: Seen, client: aiohttp.ClientSession, number: int) -> None:
    """One simulated worker; comes back after a lost connection, as the page does."""
    failures, session = 0, f"s{number}"
    while True:
        try:
            began = time.monotonic()
            async with client.ws_connect(f"http://{server.address}/ws", max_msg_size=1 << 30, compress=0) as socket:
                await socket.send_str(str(wire.encode(wire.Hello(wire.PROTOCOL, server.token, "worker", "load", session))))
                failures = await _serve(socket, gradients, seen, began)
        except (aiohttp.ClientError, OSError):
            seen.errors += 1
        await asyncio.sleep(np.random.default_rng().uniform(0, min(15.0, 0.5 * 2**failures)))
        failures += 1


async def _serve(socket: aiohttp.ClientWebSocketResponse, gradients: Gradients, seen: Seen, began: float) -> int:
    async for received in socket:
        data = received.data
        if isinstance(data, bytes):
            length = int.from_bytes(data[4:8], "little")
            header = json.loads(data[12 : 12 + length])
            seen.versions.setdefault(header["version"], time.monotonic())
            if began:
                seen.welcome_s.append(time.monotonic() - began)
                began = 0.0
                seen.joined += 1
        elif isinstance(data, str):
            header = json.loads(data)
            if header["type"] == "run":
                await socket.send_str(str(wire.encode(wire.Join(header["run"], "reference", "load", "load"))))
            elif header["type"] == "lease":
                seen.sent += 1
                await socket.send_bytes(gradients.frame(header))
            elif header["type"] == "rejected":
                seen.refused += 1
    if not began:
        seen.joined -= 1
    return 0


async def row(numbers: int, workers: int, seconds: float) -> dict[str, Any]:
    """One line of the table: all workers connect, then steps are counted for so long."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), numbers, workers)
        seen, gradients = Seen(), Gradients(numbers)
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
                tasks = [asyncio.create_task(worker(server, gradients, seen, client, n)) for n in range(workers)]
                await until(lambda: seen.joined == workers and len(seen.versions) > 3, 120)
                began, sent, refused, cpu_s = time.monotonic(), seen.sent, seen.refused, server.cpu_s()
                await asyncio.sleep(seconds)
                elapsed, cpu_s = time.monotonic() - began, server.cpu_s() - cpu_s
                times = sorted(when for when in seen.versions.values() if when >= began)
                gaps = sorted(after - before for before, after in zip(times, times[1:], strict=False)) or [elapsed]
                found = {
                    "payload_bytes": 4 * numbers, "workers": workers, "steps_per_s": len(times) / elapsed,
                    "p50_ms": statistics.median(gaps) * 1e3, "p99_ms": gaps[int(len(gaps) * 0.99)] * 1e3,
                    "rss_mb": server.memory_mb(), "cpu_ms_per_msg": cpu_s * 1e3 / max(seen.sent - sent, 1),
                    "msgs_per_s": (seen.sent - sent) / elapsed, "refused": seen.refused - refused,
                }  # fmt: skip
                await cancel(tasks)
                return found
        finally:
            server.end()


async def storm(workers: int) -> dict[str, Any]:
    """All connect at once: how long until each has its weights."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), 101_770, workers)
        seen = Seen()
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
                began = time.monotonic()
                gradients = Gradients(101_770)
                tasks = [asyncio.create_task(worker(server, gradients, seen, client, n)) for n in range(workers)]
                await until(lambda: seen.joined == workers, 60)
                found = {"workers": workers, "seconds": time.monotonic() - began, "errors": seen.errors}
                await cancel(tasks)
                return found
        finally:
            server.end()


async def restarted(workers: int) -> dict[str, Any]:
    """The coordinator is restarted under its workers: how long until 95 % are back, and until the next step after that."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), 101_770, workers)
        seen = Seen()
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
                gradients = Gradients(101_770)
                tasks = [asyncio.create_task(worker(server, gradients, seen, client, n)) for n in range(workers)]
                await until(lambda: seen.joined == workers and len(seen.versions) > 2, 60)
                began = time.monotonic()
                await asyncio.to_thread(server.restart)
                up = time.monotonic()
                await until(lambda: seen.joined >= BACK * workers, 60)
                back, newest = time.monotonic(), max(seen.versions)
                await until(lambda: max(seen.versions) > newest, 60)
                found = {
                    "workers": workers, "down_s": up - began, "back_s": back - up, "first_step_s": time.monotonic() - back,
                }  # fmt: skip
                await cancel(tasks)
                return found
        finally:
            server.end()


async def until(holds: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("the load did not get going")
        await asyncio.sleep(0.02)


async def cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", default="", metavar="NUMBERS:WORKERS,...")
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    wanted = [tuple(map(int, item.split(":"))) for item in options.only.split(",") if item]
    rows = []
    print("| payload | workers | steps/s | msgs/s | p50 / p99 ms | RSS MB | CPU ms/msg | asked for |\n" + 8 * "|---" + "|")
    for numbers, workers, asked in ROWS:
        if wanted and (numbers, workers) not in wanted:
            continue
        found = asyncio.run(row(numbers, workers, options.seconds))
        rows.append(found)
        print(
            f"| {4 * numbers / 1000:.0f} KB | {workers} | {found['steps_per_s']:.1f} | {found['msgs_per_s']:.0f} |"
            f" {found['p50_ms']:.0f} / {found['p99_ms']:.0f} | {found['rss_mb']:.0f} | {found['cpu_ms_per_msg']:.2f} | {asked} |",
            flush=True,
        )
    report: dict[str, Any] = {"rows": rows}
    if not wanted:
        report |= {"storm": asyncio.run(storm(STORM)), "restart": asyncio.run(restarted(RESTARTED))}
        print(f"Join storm: {report['storm']} (asked for: 10 s, 0 errors)")
        print(f"Restart: {report['restart']} (asked for: 95 % back in 20 s, first step 5 s after that)")
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
