"""`nox -s cluster -- --scale`: what another coordinator of a cluster costs, and from how many cores on it pays.

    python tests/cluster/scale.py [--workers N] [--numbers N] [--counts 1,2,4,8] [--seconds S] [--json FILE]

Simulated workers (tests/load/load.py: real sockets, the real protocol, gradients made once) come to all coordinators in turn. First
one coordinator by itself, then clusters on one NATS server. Processor time is what is compared: on a machine that others use,
and that has fewer cores than processes, the clock tells little. A step needs the time of its busiest process at least, and on C
cores the time of all of them over C: so n coordinators are ahead of one from T(n) / T(1) cores on, if no process needs T(1).
"""

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

import load
from servers import Servers, free_ports

WARM_STEPS = 3
PATIENCE_S = 240.0


class Process:
    """`distml serve`, and what it has used."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir()
        self._log = folder / "log.txt"
        command = [sys.executable, "-m", "distml_server", "serve", "--no-page", "--port", "0", "--run-dir", str(folder / "runs")]
        with open(self._log, "w") as log:
            self.process = subprocess.Popen([*command, *options], stdout=log, stderr=log)

    def address(self) -> SimpleNamespace:
        deadline = time.monotonic() + PATIENCE_S
        while "Ctrl+C" not in self._log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"a coordinator did not start:\n{self._log.read_text()}")
            time.sleep(0.1)
        found = re.search(r"Others join: http://([\w.:]+)/#t=([\w-]+)", self._log.read_text())
        assert found is not None
        return SimpleNamespace(address=found[1], token=found[2])

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def nats_bytes(port: int) -> int:
    """What the server has taken and given so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/varz", timeout=10) as answer:
        found = json.load(answer)
    return int(found["in_bytes"] + found["out_bytes"])


async def measured(folder: Path, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """One line of the table; count 0: a coordinator without a cluster."""
    recipe = folder / "load.py"
    recipe.write_text(load.RECIPE.replace("NUMBERS", str(options.numbers)).replace("SHARDS", str(options.workers)))
    (monitor,) = free_ports(1)
    servers = Servers(folder, monitor=monitor) if count else None
    shared = ("--cluster", servers.url) if servers else ()
    processes = [Process(folder / f"c{number}", "--recipe", str(recipe), *shared) for number in range(max(count, 1))]
    seen, gradients = load.Seen(), load.Gradients(options.numbers)
    try:
        addresses = [process.address() for process in processes]
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            tasks = [
                asyncio.create_task(load.worker(addresses[number % len(addresses)], gradients, seen, client, number))
                for number in range(options.workers)
            ]
            await load.until(lambda: seen.joined == options.workers and len(seen.versions) > WARM_STEPS, PATIENCE_S)
            pids = [process.process.pid for process in processes]
            nats = [process.pid for process in servers.processes if process] if servers else []
            before = [cpu_s(pid) for pid in (*pids, *nats)]
            began, sent, moved = time.monotonic(), seen.sent, nats_bytes(monitor) if servers else 0
            await asyncio.sleep(options.seconds)
            elapsed, used = time.monotonic() - began, [cpu_s(pid) - past for pid, past in zip((*pids, *nats), before, strict=True)]
            times = sorted(when for when in seen.versions.values() if when >= began)
            moved = nats_bytes(monitor) - moved if servers else 0
            sent = seen.sent - sent
            await load.cancel(tasks)
    finally:
        for process in processes:
            process.end()
        if servers is not None:
            servers.stop()
    gaps = sorted(after - earlier for earlier, after in zip(times, times[1:], strict=False)) or [elapsed]
    steps = max(len(times), 1)
    return {
        "coordinators": count, "workers": options.workers, "payload_bytes": 4 * options.numbers, "gradients": sent,
        "steps_per_s": len(times) / elapsed, "p50_ms": statistics.median(gaps) * 1e3, "p99_ms": gaps[int(len(gaps) * 0.99)] * 1e3,
        "cpu_ms_a_step": sum(used[: len(pids)]) * 1e3 / steps, "busiest_ms_a_step": max(used[: len(pids)]) * 1e3 / steps,
        "nats_ms_a_step": sum(used[len(pids) :]) * 1e3 / steps, "nats_mb_a_step": moved / 1e6 / steps,
    }  # fmt: skip


def line(found: dict[str, Any], alone: dict[str, Any] | None) -> str:
    total = found["cpu_ms_a_step"] + found["nats_ms_a_step"]
    pays = "-"
    if alone is not None:
        most = max(found["busiest_ms_a_step"], found["nats_ms_a_step"])
        pays = f"{total / alone['cpu_ms_a_step']:.1f} cores" if most < alone["cpu_ms_a_step"] else "never here"
    return (
        f"| {found['coordinators'] or 'alone'} | {found['steps_per_s']:.1f} | {found['p50_ms']:.0f} / {found['p99_ms']:.0f} |"
        f" {found['cpu_ms_a_step']:.0f} | {found['busiest_ms_a_step']:.0f} | {found['nats_ms_a_step']:.0f} |"
        f" {found['nats_mb_a_step']:.1f} | {pays} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=64, help="of all coordinators together")
    parser.add_argument("--numbers", type=int, default=101_770)
    parser.add_argument("--counts", default="1,2,4,8")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    size = f"{options.workers} workers, {4 * options.numbers / 1000:.0f} KB a gradient"
    print(f"{size}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; CPU and bytes are those of a step")
    print("| coordinators | steps/s | p50 / p99 ms | CPU ms | of it the busiest | NATS CPU ms | NATS MB | pays from |")
    print(8 * "|---" + "|", flush=True)
    rows: list[dict[str, Any]] = []
    for count in (0, *map(int, options.counts.split(","))):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(asyncio.run(measured(Path(folder), count, options)))
        print(line(rows[-1], rows[0] if count else None), flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps({"rows": rows}, indent=1))


if __name__ == "__main__":
    main()
