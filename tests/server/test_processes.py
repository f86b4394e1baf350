"""The command ``distml`` as real processes: runs that end, workers that are killed, coordinators that are restarted."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from distml_py import safetensors
from peers import has_ipv6

DISTML = [sys.executable, "-m", "distml_server"]
PATIENCE_S = 60.0

RECIPE = '''"""Two moons of numbers, for tests."""

import os
import time

import numpy as np

from distml_py import Recipe, nn, optim
from distml_py.data import Splits, TensorDataset


class Small(Recipe):
    batch_size = 16
    shards = 4
    steps = 30
    evaluate_every = 10
    checkpoint_every = EVERY
    compile = False  # loss() sleeps in every step, also in those that a replay would do

    def data(self):
        x = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32)
        y = (x[:, 0] > 0).astype(np.int32)
        return Splits(TensorDataset(x[:120], y[:120]), TensorDataset(x[120:160], y[120:160]), TensorDataset(x[160:], y[160:]))

    def model(self):
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.02)

    def loss(self, model, *batch):
        while GATED and not os.path.exists(GATE):
            time.sleep(0.01)
        time.sleep(SLEEP)
        return super().loss(model, *batch)
'''


class Process:
    """A `distml` command whose output is kept."""

    def __init__(self, folder: Path, *arguments: str, feed: str | None = None) -> None:
        self.path = folder / f"out-{time.monotonic_ns()}.txt"
        with open(self.path, "w") as out:
            self.process = subprocess.Popen(
                [*DISTML, *arguments], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.PIPE, cwd=folder, text=True
            )
        assert self.process.stdin is not None
        self.process.stdin.write(feed or "")
        self.process.stdin.close()

    @property
    def text(self) -> str:
        return self.path.read_text()

    def until(self, pattern: str) -> str:
        """Waits until the output has the pattern; its first group."""
        return str(wait(lambda: re.search(pattern, self.text), self).group(1))

    def end(self) -> int:
        return self.process.wait(PATIENCE_S)


def wait(condition: Callable[[], Any], process: Process) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        if process.process.poll() is not None and not condition():
            break
        time.sleep(0.02)
    raise AssertionError(f"it did not happen; the output was\n{process.text}")


class Bench:
    """Starts processes in a folder and leaves none behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[Process] = []

    def recipe(self, sleep_s: float = 0.0, checkpoint_every: int = 5, gated: bool = False) -> str:
        """gated: nobody computes before all_join()."""
        path, known = (
            self.folder / "small.py",
            {"SLEEP": sleep_s, "EVERY": checkpoint_every, "GATED": gated, "GATE": str(self.gate)},
        )
        text = RECIPE
        for name, value in known.items():
            text = text.replace(name, repr(value))
        path.write_text(text)
        return str(path)

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    def all_join(self, server: Process, count: int) -> None:
        """On a busy machine one would have done it all while another one starts."""
        wait(lambda: status(join_link(server))["workers"] == count, server)
        self.gate.touch()

    def distml(self, *arguments: str, feed: str | None = None) -> Process:
        self.processes.append(Process(self.folder, *arguments, feed=feed))
        return self.processes[-1]

    def serve(self, *arguments: str, port: int = 0) -> Process:
        return self.distml("serve", "--no-page", "--port", str(port), "--run-dir", "runs", *arguments)

    def worker(self, link: str, *arguments: str) -> Process:
        return self.distml("worker", "-", *arguments, feed=link + "\n")


def end(processes: list[Process]) -> None:
    """Kills those that still run, the stopped ones too; none may have said anything of an error of its own."""
    for process in processes:
        if process.process.poll() is None:
            process.process.send_signal(signal.SIGCONT)
            process.process.kill()
            process.process.wait()
    for process in processes:
        assert "Traceback" not in process.text and "never retrieved" not in process.text, process.text


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    yield found
    end(found.processes)


def join_link(server: Process) -> str:
    return server.until(r"Others join: (\S+)")


def status(link: str) -> dict[str, Any]:
    url = link.split("#")[0] + "api/status"
    with urllib.request.urlopen(url, timeout=10) as response:
        found: dict[str, Any] = json.load(response)
        return found


def final(server: Process) -> str:
    """The SHA-256 of the final weights."""
    return server.until(r"Run \w+ finished: step \d+, weights_sha256 (\w{64}), test_accuracy \d")


@pytest.mark.fault("R26")
def test_any_number_of_workers_gives_bit_identical_weights(bench: Bench) -> None:
    results = []
    options = ("--deterministic", "--exit", "--seed", "1", "--local-worker-after", "99")
    for count in (1, 2, 3):
        bench.gate.unlink(missing_ok=True)
        server = bench.serve("--recipe", bench.recipe(gated=True), *options)
        workers = [bench.worker(join_link(server)) for _ in range(count)]
        bench.all_join(server, count)
        assert server.end() == 0
        assert [worker.end() for worker in workers] == [0] * count
        results.append(final(server))
        assert all(results[-1] in worker.text for worker in workers)
    assert len(set(results)) == 1


def test_batch_norms_statistics_are_in_the_checkpoint_whoever_computed_them(bench: Bench) -> None:
    """Alone, by one worker's shards or by two's: solo steps normalise whole batches, so only the shared runs agree."""
    path = Path(bench.recipe(gated=True))
    path.write_text(path.read_text().replace("nn.ReLU(), nn", "nn.BatchNorm1d(8), nn.ReLU(), nn"))
    seen = []
    for count in (1, 2):
        bench.gate.unlink(missing_ok=True)
        server = bench.serve("--recipe", str(path), "--deterministic", "--exit", "--seed", "1", "--local-worker-after", "99")
        workers = [bench.worker(join_link(server)) for _ in range(count)]
        bench.all_join(server, count)
        assert server.end() == 0 and [worker.end() for worker in workers] == [0] * count
        run = re.search(r"Run (\w+) finished", server.text)
        assert run is not None
        (stored,) = (bench.folder / "runs").glob(f"*{run[1]}*/checkpoint-00000030.safetensors")
        arrays = safetensors.loads(stored.read_bytes())
        seen.append({name: array.tobytes() for name, array in arrays.items()})
        assert arrays["buffers/1.num_batches_tracked"] == 30 and arrays["buffers/1.running_mean"].any()
    assert seen[0] == seen[1]


@pytest.mark.fault("R1")
def test_killing_a_worker_in_the_middle_changes_nothing_in_a_deterministic_run(bench: Bench) -> None:
    options = ("--deterministic", "--exit", "--seed", "1", "--local-worker-after", "99")
    undisturbed = bench.serve("--recipe", bench.recipe(), *options)
    bench.worker(join_link(undisturbed))
    assert undisturbed.end() == 0
    server = bench.serve("--recipe", bench.recipe(sleep_s=0.02), *options)
    link = join_link(server)
    stays, dies = bench.worker(link), bench.worker(link)
    wait(lambda: status(link)["workers_contributing"] == 2 and status(link)["step"] >= 3, server)
    assert status(link)["step"] < 25
    dies.process.kill()
    assert server.end() == 0 and stays.end() == 0
    assert final(server) == final(undisturbed)


@pytest.mark.fault("R3")
@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGSTOP")
def test_a_frozen_worker_delays_a_step_and_never_stops_the_run(bench: Bench) -> None:
    server = bench.serve("--recipe", bench.recipe(sleep_s=0.01), "--exit", "--deterministic", "--local-worker-after", "99")
    link = join_link(server)
    workers = [bench.worker(link), bench.worker(link)]
    wait(lambda: status(link)["workers_contributing"] == 2, server)
    workers[1].process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - began < 20
    workers[1].process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    "options",
    [("--codec", "int8"), ("--mode", "local", "--local-steps", "4", "--codec", "topk"), ("--mode", "async", "--codec", "fp16")],
    ids=" ".join,
)
def test_a_run_of_another_mode_and_codec_learns_and_all_end_with_the_same_weights(bench: Bench, options: tuple[str, ...]) -> None:
    recipe = bench.recipe(gated=True)
    server = bench.serve("--recipe", recipe, "--exit", "--steps", "60", "--local-worker-after", "99", *options)
    workers = [bench.worker(join_link(server)) for _ in range(2)]
    bench.all_join(server, 2)
    assert server.end() == 0
    assert [worker.end() for worker in workers] == [0, 0]
    assert all(final(server) in worker.text for worker in workers)
    assert float(server.until(r"test_accuracy (\S+)")) > 0.8
    refused = {reason for worker in workers for reason in re.findall(r"refused something \((\w+)\)", worker.text)}
    assert refused <= {"stale"}


def test_exit_alone_finishes_with_a_local_worker(bench: Bench) -> None:
    """By IPv6 where this machine has it; a README command's test does it by IPv4."""
    options = ("--host", "::1") if has_ipv6() else ()
    server = bench.serve("--recipe", bench.recipe(), "--steps", "12", "--exit", "--local-worker-after", "0.3", *options)
    assert server.end() == 0
    assert join_link(server).startswith("http://[::1]:" if options else "http://127.0.0.1:")
    assert "No worker has joined for 0.3 s: starting one here." in server.text
    assert "step 12, weights_sha256" in server.text and final(server)


def test_a_worker_with_the_host_token_steps_solo_and_hands_over_to_two(bench: Bench) -> None:
    server = bench.serve("--recipe", bench.recipe(sleep_s=0.005), "--steps", "400")
    host_link = server.until(r"You \(host\):\s+(\S+)")
    first = bench.worker(host_link)
    wait(lambda: status(host_link)["mode"] == "solo" and status(host_link)["weights_version"] >= 5, server)
    second = bench.worker(join_link(server))
    wait(lambda: status(host_link)["mode"] == "shared" and status(host_link)["workers_contributing"] == 2, server)
    version = status(host_link)["weights_version"]
    assert version >= 5
    second.process.kill()
    wait(lambda: status(host_link)["mode"] == "solo" and status(host_link)["weights_version"] > version, server)
    first.process.kill()
    wait(lambda: status(host_link)["state"] == "waiting", server)


@pytest.mark.fault("R18")
@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM handler")
@pytest.mark.parametrize("role", ["host", "worker"])
def test_a_terminated_coordinator_loses_nothing_and_its_workers_come_back(bench: Bench, role: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = bench.serve("--recipe", bench.recipe(sleep_s=0.005, checkpoint_every=1000), "--steps", "200", port=port)
    link = join_link(server) if role == "worker" else server.until(r"You \(host\):\s+(\S+)")
    worker = bench.worker(link)
    wait(lambda: (status(link)["step"] or 0) >= 20, server)
    before = status(link)
    server.process.terminate()
    assert server.end() == 0
    stored = json.loads(next(bench.folder.glob("runs/*/run.json")).read_text())["checkpoints"][0]["step"]
    assert stored >= before["step"]
    again = bench.serve("--resume", "--exit", "--local-worker-after", "99", port=port)
    assert again.until(r"Run \w+ goes on at step (\d+) of 200") == str(stored)
    assert again.end() == 0 and worker.end() == 0
    assert f"Run {before['run']} finished: step 200" in again.text
    assert "(1012)" in worker.text


@pytest.mark.fault("R19")
@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL")
def test_a_killed_coordinator_continues_from_its_last_checkpoint_to_the_same_weights(bench: Bench) -> None:
    options = ("--deterministic", "--seed", "2", "--local-worker-after", "0.2")
    undisturbed = bench.serve("--recipe", bench.recipe(), "--exit", *options)
    assert undisturbed.end() == 0
    server = bench.serve("--recipe", bench.recipe(sleep_s=0.02), *options)
    link = join_link(server)
    worker = bench.worker(link)
    wait(lambda: status(link)["step"] >= 12, server)
    server.process.kill()
    server.end()
    worker.process.kill()
    again = bench.serve("--resume", "--exit", "--local-worker-after", "0.2")
    assert int(again.until(r"goes on at step (\d+)")) >= 5
    assert again.end() == 0
    assert final(again) == final(undisturbed)


@pytest.mark.fault("R20")
@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL")
def test_a_damaged_newest_checkpoint_is_said_and_the_one_before_it_used(bench: Bench) -> None:
    server = bench.serve("--recipe", bench.recipe(), "--exit", "--local-worker-after", "0.1")
    assert server.end() == 0
    newest = max(bench.folder.glob("runs/*/checkpoint-*"))
    newest.write_bytes(newest.read_bytes()[:-1])
    record = next(bench.folder.glob("runs/*/run.json"))
    record.write_text(record.read_text().replace('"state": "finished"', '"state": "training"'))
    again = bench.serve("--resume", "--exit", "--local-worker-after", "0.1")
    assert again.end() == 0
    assert f"{newest.name} cannot be used" in again.text
    assert "goes on at step 0" not in again.text and final(again)


def test_a_busy_port_is_an_error_that_names_it(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = bench.serve(port=port)
        assert server.end() == 2
    assert f"port {port} is in use" in server.text and "--port" in server.text


CANNOT_BEGIN: dict[str, tuple[tuple[str, ...], str]] = {
    "an unknown recipe": (("--recipe", "nope"), "there is no recipe 'nope'; there are char_gpt, digits_cnn, digits_mlp"),
    "a file that is not there": (("--recipe", "nope.py"), "cannot read the recipe nope.py"),
    "nothing to resume": (("--resume",), "nothing to resume: runs holds no run"),
    "exit without a run": (("--exit",), "--exit needs a run to wait for"),
    "a run directory that is a file": (("--run-dir", "file"), "cannot write to the run directory file"),
    "a recipe that raises": (("--recipe", "broken.py"), "the recipe broken fails in line 2: ZeroDivisionError"),
    "a port that cannot be": (("--port", "70000"), "cannot listen on port 70000"),
}


@pytest.mark.parametrize("name", list(CANNOT_BEGIN))
def test_serve_says_why_it_cannot_begin_with(bench: Bench, name: str) -> None:
    arguments, words = CANNOT_BEGIN[name]
    (bench.folder / "file").write_text("")
    (bench.folder / "broken.py").write_text("x = 1\nx / 0\n")
    server = bench.serve(*arguments)
    assert server.end() == 2
    assert words in server.text and "listening" not in server.text


@pytest.mark.fault("R24")
def test_two_coordinators_cannot_share_a_run_directory(bench: Bench) -> None:
    first = bench.serve()
    join_link(first)
    second = bench.serve()
    assert second.end() == 2 and f"process {first.process.pid}" in second.text


def test_resume_refuses_options_that_contradict_the_run(bench: Bench) -> None:
    assert bench.serve("--recipe", bench.recipe(), "--steps", "5", "--exit", "--local-worker-after", "0.1").end() == 0
    other = bench.serve("--resume", "--steps", "7")
    assert other.end() == 2 and "has steps 5, not 7" in other.text
    same = bench.serve("--resume", "--steps", "5", "--exit")
    assert same.end() == 0 and final(same)


@pytest.mark.fault("R36")
def test_a_recipe_that_fails_in_a_worker_ends_everybody_with_its_line(bench: Bench) -> None:
    path = Path(bench.recipe())
    path.write_text(path.read_text().replace("time.sleep(0.0)", "1 / 0"))
    server = bench.serve("--recipe", str(path), "--exit", "--local-worker-after", "0.3")
    worker = bench.worker(join_link(server))
    assert worker.end() == 1
    line = path.read_text().split("\n").index("        1 / 0") + 1
    assert f"ZeroDivisionError: division by zero (line {line} of the recipe)" in worker.text
    assert server.end() == 1
    assert f"(line {line} of the recipe)" in server.text


def test_a_worker_is_told_what_is_wrong_with_its_link(bench: Bench) -> None:
    server = bench.serve()
    link = join_link(server)
    wrong = bench.worker(link.split("#")[0] + "#t=wrong")
    assert wrong.end() == 2 and "a link from an earlier start is no longer good" in wrong.text
    assert bench.worker("ftp://somewhere").end() == 2


@pytest.mark.fault("S6")
def test_tokens_are_neither_in_the_output_of_workers_nor_in_the_status(bench: Bench) -> None:
    server = bench.serve("--recipe", bench.recipe(sleep_s=0.005))
    link = join_link(server)
    token = link.split("#t=")[1].split("&")[0]
    worker = bench.worker(link)
    wait(lambda: status(link)["workers"] == 1, server)
    assert token not in json.dumps(status(link))
    assert worker.end() == 0 and token not in worker.text
    records = [path.read_text() for path in bench.folder.glob("runs/*/run.json")]
    assert records and not any(token in record for record in records)


def test_a_second_start_listens_within_three_seconds(bench: Bench) -> None:
    bench.serve("--recipe", bench.recipe(), "--exit", "--local-worker-after", "0.1").end()
    began = time.monotonic()
    join_link(bench.serve("--recipe", bench.recipe()))
    assert time.monotonic() - began < 3


def test_run_trains_a_recipe_file_alone(bench: Bench) -> None:
    run = bench.distml("run", bench.recipe(), "--steps", "10")
    assert run.end() == 0
    assert re.search(r"step 10: loss \d", run.text) and re.search(r"test: loss \d", run.text)
