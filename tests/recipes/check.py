"""`nox -s recipes`: the criteria that the rows of the project's table of systems set, measured and asserted.

    python tests/recipes/check.py --rows 1 --seeds 0,1,2 [--json FILE]

Each criterion prints what it found beside what is asked for; the exit code is 1 when one of them fails. Row 1 is data
parallelism itself: where it speaks of tabs, `distml serve` and `distml worker` run as processes and talk over sockets.
"""

import argparse
import dataclasses
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cluster import Cluster, accuracy_of
from distml_py.recipe import Training, load_recipe

RECIPES = Path(__file__).parents[2] / "web" / "recipes"
MODELS = ("digits_mlp", "digits_cnn")
UNEQUAL = [(0, 1), (0, 20, 21), (0, 5, 30, 43)]  # where pieces of a batch of 64 begin
CURVE_STEPS = 50
TRAINING_STEPS = {"digits_mlp": 400, "digits_cnn": 300}
EXCHANGED_STEPS = 400
PATIENCE_S = 300.0


@dataclasses.dataclass(frozen=True)
class Criterion:
    name: str
    found: str
    asked: str
    passed: bool


def code_of(name: str) -> str:
    return (RECIPES / f"{name}.py").read_text()


# ---------------------------------------------------------------- row 1


def row_1(seeds: list[int]) -> list[Criterion]:
    return [
        *(unequal_shards(name, seeds) for name in MODELS),
        *(curves(name, seeds) for name in MODELS),
        *(accuracy(name, seeds) for name in MODELS),
        *(killed(name, seeds) for name in MODELS),
        *eight_bits("digits_cnn", seeds),
    ]


def unequal_shards(name: str, seeds: list[int]) -> Criterion:
    """(a) The sum of unequal shards' gradients, weighted by samples, is that of the whole batch."""
    worst = 0.0
    for seed in seeds:
        training = Training(load_recipe(name, code_of(name)), seed)
        size = training.recipe.batch_size
        _, whole = training.gradient(0, 0, size)
        for starts in UNEQUAL:
            sums = {tensor: np.zeros(array.shape) for tensor, array in whole.items()}
            for start, end in zip(starts, (*starts[1:], size), strict=True):
                _, part = training.gradient(0, start, end - start)
                sums = {tensor: total + part[tensor] * ((end - start) / size) for tensor, total in sums.items()}
            for tensor, array in whole.items():
                worst = max(worst, float(np.linalg.norm(sums[tensor] - array) / np.linalg.norm(array)))
    what = f"(a) {name}: unequal shards against one batch, worst relative error"
    return Criterion(what, f"{worst:.1e}", "<= 1e-5", worst <= 1e-5)


def curves(name: str, seeds: list[int]) -> Criterion:
    """(b) Two and four workers take the steps of one."""
    worst = 0.0
    for seed in seeds:
        alone = run_of(name, seed, CURVE_STEPS, 1)
        for workers in (2, 4):
            worst = max(worst, furthest(alone, run_of(name, seed, CURVE_STEPS, workers)))
    asked = f"<= 1e-4 over {CURVE_STEPS} steps"
    return Criterion(f"(b) {name}: losses of 2 and 4 workers against 1, furthest apart", f"{worst:.1e}", asked, worst <= 1e-4)


def accuracy(name: str, seeds: list[int]) -> Criterion:
    """(c) What it learns is right."""
    found = []
    for seed in seeds:
        training = Training(load_recipe(name, code_of(name)), seed)
        for step in range(TRAINING_STEPS[name]):
            training.step(step)
        found.append(training.evaluate("test")[1])
    mean = float(np.mean(found))
    what = f"(c) {name}: test accuracy, mean of {len(seeds)} seeds"
    return Criterion(what, f"{mean:.4f} {rounded(found)}", ">= 0.95", mean >= 0.95)


def killed(name: str, seeds: list[int]) -> Criterion:
    """(d) A worker that is killed in the middle of an epoch neither stops the run nor changes it."""
    worst = 0.0
    for seed in seeds:
        alone = run_of(name, seed, CURVE_STEPS, 1)
        worst = max(worst, furthest(alone, run_of(name, seed, CURVE_STEPS, 2, kill_at=12)))
    asked = f"all {CURVE_STEPS} steps once, losses <= 1e-4 apart"
    return Criterion(f"(d) {name}: a worker killed after 12 steps", f"{worst:.1e}", asked, worst <= 1e-4)


def eight_bits(name: str, seeds: list[int]) -> list[Criterion]:
    """(e) A byte a number loses at most a point."""
    found: dict[str, list[tuple[float, float]]] = {"fp32": [], "int8": []}
    for seed in seeds:
        for codec, rows in found.items():
            cluster = Cluster(name, code_of(name), seed, EXCHANGED_STEPS, 4, {"codec": codec}).train()
            rows.append((cluster.frame_bytes, accuracy_of(cluster)[1]))
    share = sum(size for size, _ in found["int8"]) / sum(size for size, _ in found["fp32"])
    plain, small = (float(np.mean([right for _, right in rows])) for rows in found.values())
    accuracies = f"{small:.4f} {rounded([right for _, right in found['int8']])}, fp32 {plain:.4f}"
    what = f"(e) {name}: test accuracy with int8, mean of {len(seeds)} seeds"
    return [
        Criterion(what, accuracies, ">= fp32's - 0.01", small >= plain - 0.01),
        Criterion(f"(e) {name}: bytes of int8, of fp32's", f"{share:.4f}", "<= 0.27", share <= 0.27),
    ]


def rounded(numbers: list[float]) -> str:
    return f"({', '.join(f'{number:.4f}' for number in numbers)})"


def furthest(one: dict[int, float], other: dict[int, float]) -> float:
    return max(abs(one[step] - other[step]) for step in one)


def run_of(name: str, seed: int, steps: int, workers: int, kill_at: int | None = None) -> dict[int, float]:
    """A run by processes over sockets: step -> loss. Fails unless each step is committed exactly once."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--recipe", name, "--seed", str(seed), "--steps", str(steps), "--exit", "--local-worker-after", "9999"]
        command = [sys.executable, "-m", "distml_server", "serve", "--no-page", "--port", "0", "--run-dir", folder, *options]
        log = Path(folder) / "log"
        with open(log, "w") as out:
            server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        helpers: list[subprocess.Popen[bytes]] = []
        try:
            link = until(lambda: re.search(r"Others join: (\S+)", log.read_text()), server, log).group(1)
            join = [sys.executable, "-m", "distml_server", "worker", link]
            helpers += [subprocess.Popen(join, stdout=subprocess.DEVNULL) for _ in range(workers)]
            if kill_at is not None:
                until(lambda: len(curve(Path(folder))) >= kill_at, server, log)
                helpers[-1].send_signal(signal.SIGKILL)
            if server.wait(PATIENCE_S):
                raise RuntimeError(f"the run failed:\n{log.read_text()}")
            lines = curve(Path(folder))
        finally:
            for process in (server, *helpers):
                if process.poll() is None:
                    process.kill()
                process.wait()
    if [step for step, _ in lines] != list(range(1, steps + 1)):
        raise RuntimeError(f"steps were not committed once each, in order: {[step for step, _ in lines]}")
    return dict(lines)


def curve(folder: Path) -> list[tuple[int, float]]:
    lines = [line for path in folder.glob("*/curve.jsonl") for line in path.read_text().splitlines(keepends=True)]
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    return [(row["step"], row["loss"]) for row in rows if row.get("loss") is not None]


def until(holds: Callable[[], Any], server: "subprocess.Popen[bytes]", log: Path) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"it did not happen:\n{log.read_text()}")
        time.sleep(0.01)
    return found


ROWS: dict[int, Callable[[list[int]], list[Criterion]]] = {1: row_1}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(map(str, ROWS)), metavar="N,N")
    parser.add_argument("--seeds", default="0,1,2", metavar="S,S,S")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    rows = [int(row) for row in options.rows.split(",")]
    if unknown := [row for row in rows if row not in ROWS]:
        parser.error(f"there is no row {unknown[0]}; known: {', '.join(map(str, ROWS))}")
    report: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found = ROWS[row](seeds)
        report[str(row)] = [dataclasses.asdict(criterion) for criterion in found]
        for criterion in found:
            verdict = "pass" if criterion.passed else "FAIL"
            print(f"row {row} {verdict}: {criterion.name}: {criterion.found}; asked for {criterion.asked}")
    if options.json:
        Path(options.json).write_text(json.dumps({"seeds": seeds, "rows": report}, indent=1))
    failed = sum(not criterion["passed"] for criteria in report.values() for criterion in criteria)
    passed = sum(map(len, report.values())) - failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
