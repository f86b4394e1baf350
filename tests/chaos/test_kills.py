"""Real processes, killed, stopped and restarted at times that nobody chose; the ledger says what was lost."""

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from distml_server import ledger
from test_processes import Bench, Process, bench, final, join_link, status, wait

__all__ = ["bench"]
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL, SIGSTOP and SIGTERM handlers"),
]
Often = Callable[[int, int], int]
GRACE_S = 0.5
BUSY = """        busy = Path(f"busy{os.getpid()}")
        busy.touch()
        time.sleep(0.05)
        busy.unlink()"""


class Watcher(threading.Thread):
    """Asks for the status all the time; what was told, and when."""

    def __init__(self, link: str) -> None:
        super().__init__(daemon=True)
        self.link, self.told, self.ended = link, dict[int, float](), False
        self.start()

    def run(self) -> None:
        while not self.ended:
            try:
                version = status(self.link)["weights_version"]
                self.told.setdefault(version, time.monotonic())
            except (OSError, ValueError):
                time.sleep(0.01)

    def end(self) -> dict[int, float]:
        self.ended = True
        self.join()
        return self.told


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lines(bench: Bench) -> list[str]:
    (path,) = bench.folder.glob("runs/*/ledger.jsonl")
    return path.read_text().splitlines()


def history(rows: list[str]) -> dict[int, str]:
    return {row["step"]: row["weights_sha256"] for row in map(json.loads, rows)}


def stored_step(bench: Bench) -> int:
    """By `distml runs`, which reads either kind of store."""
    shown = bench.distml("runs", "--run-dir", "runs")
    assert shown.end() == 0
    return int(shown.until(r"step (\d+) of"))


@pytest.mark.fault("R19")
@pytest.mark.parametrize(("durability", "store"), [("step", "files"), ("step", "sqlite"), ("1", "files")])
def test_a_coordinator_killed_at_any_time_loses_no_more_than_it_may(
    bench: Bench, durability: str, store: str, often: Often, tmp_path: Path
) -> None:
    dice, port, count = random.Random(f"{durability}{store}"), free_port(), often(5, 100)
    how = ("--deterministic", "--seed", "1", "--steps", "100000", "--durability", durability)
    recipe = bench.recipe(sleep_s=0.002, checkpoint_every=100_000)
    server = bench.serve("--recipe", recipe, "--store", store, *how, port=port)
    link = server.until(r"You \(host\):\s+(\S+)")
    bench.worker(link)
    at = 0
    for _ in range(count):
        watcher = Watcher(link)
        wait(lambda at=at, watcher=watcher: any(version > at for version in list(watcher.told)), server)
        time.sleep(dice.uniform(0.0, 1.0 if durability == "step" else 3.0))
        killed_s = time.monotonic()
        server.process.kill()
        server.end()
        told = watcher.end()
        server = bench.serve("--resume", "--durability", durability, port=port)
        at = int(server.until(r"goes on at step (\d+)"))
        due = [version for version, when in told.items() if durability == "step" or when < killed_s - 1.0 - GRACE_S]
        assert at >= max(due, default=0), f"step {max(due)} was told and is lost: it goes on at step {at}"
    wait(lambda: status(link)["step"] > at, server)
    server.process.terminate()
    assert server.end() == 0
    rows = lines(bench)
    assert ledger.faults(rows) == [] and stored_step(bench) == max(history(rows))
    calm = Bench(tmp_path / "calm")
    calm.folder.mkdir()
    alone = calm.serve("--recipe", recipe, "--deterministic", "--seed", "1", "--exit", "--local-worker-after", "0", "--steps", "60")
    assert alone.end() == 0
    before, after = history(lines(calm)), history(rows)
    assert all(after[step] == before[step] for step in set(before) & set(after)), "the same weights as without any kill"


@pytest.mark.fault("R18")
def test_a_coordinator_asked_to_end_at_any_time_stores_its_last_step(bench: Bench, often: Often) -> None:
    dice, port = random.Random(0), free_port()
    recipe = bench.recipe(sleep_s=0.002, checkpoint_every=100_000)
    server = bench.serve("--recipe", recipe, "--deterministic", "--steps", "100000", port=port)
    link = join_link(server)
    worker = bench.worker(link)
    at, count = 0, often(6, 50)
    for _ in range(count):
        wait(lambda at=at, link=link: status(link)["step"] > at, server)
        time.sleep(dice.uniform(0.0, 0.5))
        began = time.monotonic()
        server.process.terminate()
        assert server.end() == 0 and time.monotonic() - began < 10
        at = stored_step(bench)
        assert at == max(history(lines(bench)))
        server = bench.serve("--resume", port=port)
        assert int(server.until(r"goes on at step (\d+)")) == at
        link = join_link(server)
    assert worker.text.count("(1012)") >= count - 1 and ledger.faults(lines(bench)) == []


@pytest.mark.fault("R1")
def test_seven_of_eight_are_killed_one_after_another_and_the_weights_are_the_same(bench: Bench) -> None:
    options = ("--deterministic", "--exit", "--seed", "1", "--local-worker-after", "99", "--steps", "60")
    calm = bench.serve("--recipe", bench.recipe(), *options)
    bench.worker(join_link(calm))
    assert calm.end() == 0
    server = bench.serve("--recipe", bench.recipe(sleep_s=0.05), *options)
    link = join_link(server)
    workers = [bench.worker(link) for _ in range(8)]
    wait(lambda: status(link)["workers"] == 8, server)
    for victim in workers[:7]:
        at = status(link)["step"]
        wait(lambda at=at: status(link)["step"] > at, server)
        began = time.monotonic()
        victim.process.kill()
        wait(lambda at=at: status(link)["step"] > at + 1, server)
        assert time.monotonic() - began < 8, "a step waits no longer than a lease"
    assert server.end() == 0 and workers[7].end() == 0
    assert final(server) == final(calm)


@pytest.mark.fault("R2")
def test_a_run_without_workers_waits_and_goes_on_to_the_same_weights(bench: Bench, often: Often) -> None:
    options = ("--deterministic", "--exit", "--seed", "1", "--local-worker-after", "99")
    calm = bench.serve("--recipe", bench.recipe(), *options)
    bench.worker(join_link(calm))
    assert calm.end() == 0
    server = bench.serve("--recipe", bench.recipe(sleep_s=0.03), *options)
    link = join_link(server)
    workers = [bench.worker(link) for _ in range(3)]
    wait(lambda: status(link)["step"] >= 3, server)
    for worker in workers:
        worker.process.kill()
    wait(lambda: status(link)["state"] == "waiting", server)
    at = status(link)["step"]
    time.sleep(often(2, 10))
    assert status(link)["step"] == at < 30 and status(link)["workers"] == 0
    bench.worker(link)
    assert server.end() == 0
    assert final(server) == final(calm)


@pytest.mark.fault("R3")
def test_a_frozen_workers_answer_is_late_and_it_takes_part_again(bench: Bench, often: Often) -> None:
    """It is frozen in the middle of a shard: a file says when."""
    recipe = Path(bench.recipe(sleep_s=0.05))
    text = recipe.read_text().replace("import time\n", "import os\nimport time\nfrom pathlib import Path\n")
    recipe.write_text(text.replace("        time.sleep(0.05)", BUSY))
    server = bench.serve("--recipe", str(recipe), "--steps", "100000")
    link = join_link(server)
    frozen, other = bench.worker(link, "--name", "frozen"), bench.worker(link, "--name", "other")
    wait(lambda: status(link)["workers_contributing"] == 2, server)

    def done(name: str) -> int:
        return sum(int(row["shards_done"]) for row in status(link)["worker_list"] if row["name"] == name)

    def stopped_at_work() -> bool:
        frozen.process.send_signal(signal.SIGSTOP)
        if not (bench.folder / f"busy{frozen.process.pid}").exists():
            frozen.process.send_signal(signal.SIGCONT)
            time.sleep(0.03)
            return False
        return True

    wait(stopped_at_work, server)
    began = time.monotonic()
    at, before = status(link)["step"], done("frozen")
    wait(lambda: status(link)["step"] > at + 3, server)
    assert time.monotonic() - began < 8
    time.sleep(often(3, 30))
    frozen.process.send_signal(signal.SIGCONT)
    began = time.monotonic()
    wait(lambda: done("frozen") > before + 2, server)
    assert time.monotonic() - began < 15
    late, away = {"stale", "duplicate"} & set(status(link)["rejected"]), "closed the connection" in frozen.text
    assert late or away, "its answer is refused, or its connection did not outlive the silence and the answer went with it"
    server.process.terminate()
    assert server.end() == 0 and other.process.poll() is None
    assert ledger.faults(lines(bench)) == []


@pytest.mark.fault("R21")
def test_a_disk_with_no_room_left_costs_the_checkpoints_and_not_the_run(bench: Bench) -> None:
    """RLIMIT_FSIZE stands for a full disk: writing more than so many bytes of a file fails. Then there is room again."""
    server = bench.serve("--recipe", bench.recipe(sleep_s=0.005, checkpoint_every=5), "--steps", "100000")
    link = join_link(server)
    bench.worker(link)
    wait(lambda: status(link)["step"] >= 10, server)
    subprocess.run(["prlimit", f"--pid={server.process.pid}", "--fsize=100:"], check=True)
    at = status(link)["step"]
    found = wait(lambda: status(link)["error"], server)
    assert "cannot" in found and "runs" in found
    wait(lambda: status(link)["step"] > at + 20, server)
    subprocess.run(["prlimit", f"--pid={server.process.pid}", "--fsize=unlimited:"], check=True)
    wait(lambda: status(link)["error"] is None, server)
    at = status(link)["step"]
    wait(lambda: status(link)["step"] > at + 5, server)
    server.process.kill()
    server.end()
    assert ledger.faults(lines(bench)) == [], "steps whose lines found no room are left out, and said to be"
    again = bench.serve("--resume")
    assert int(again.until(r"goes on at step (\d+)")) >= 5


@pytest.mark.fault("R21")
def test_who_waits_for_a_runs_end_hears_that_it_could_not_be_stored(bench: Bench) -> None:
    server = bench.serve("--recipe", bench.recipe(sleep_s=0.005, checkpoint_every=5), "--steps", "200", "--exit")
    link = join_link(server)
    bench.worker(link)
    wait(lambda: status(link)["step"] >= 10, server)
    most = len(server.text) + 400  # what is printed is a file as well
    subprocess.run(["prlimit", f"--pid={server.process.pid}", f"--fsize={most}:"], check=True)
    assert server.process.wait(60) == 1
    assert "finished: step 200" in server.text and "distml: cannot" in server.text


def memory_mb(process: Process) -> float:
    text = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.fault("R40")
@pytest.mark.timeout(3 * 3600)
def test_a_run_under_constant_churn_learns_and_its_coordinator_does_not_grow(bench: Bench, often: Often) -> None:
    """Workers are killed at random, one in 5 seconds on average; usually 4 for a minute, with --long 32 for two hours."""
    dice, seconds, crew = random.Random(0), often(60, 7200), often(4, 32)
    recipe = Path(bench.recipe(sleep_s=0.01, checkpoint_every=50))
    wider = recipe.read_text().replace("Linear(6, 8)", "Linear(6, 256)").replace("Linear(8, 2)", "Linear(256, 2)")
    recipe.write_text(wider)  # a frame that somebody forgets to let go shows within a minute
    server = bench.serve("--recipe", str(recipe), "--steps", "100000000")
    link = join_link(server)
    workers = [bench.worker(link) for _ in range(crew)]
    wait(lambda: status(link)["step"] >= 50, server)
    time.sleep(seconds / 4)
    began, before, killed = time.monotonic(), memory_mb(server), 0
    while time.monotonic() - began < seconds:
        time.sleep(dice.expovariate(1 / 5))
        victim = dice.randrange(crew)
        workers[victim].process.kill()
        workers[victim].end()
        workers[victim] = bench.worker(link)
        killed += 1
    at = status(link)["step"]
    wait(lambda: status(link)["step"] > at, server)
    found = status(link)
    assert killed >= seconds / 15 and found["loss"] < 0.2, found["loss"]
    assert memory_mb(server) < before * often(110, 105) / 100 + 2
    server.process.terminate()
    assert server.end() == 0 and ledger.faults(lines(bench)) == []
