"""`nox -s codecs`: bytes a step and accuracy of each codec and mode, on the digits CNN and a small GPT.

    python tests/recipes/exchanges.py [--seeds 0,1,2] [--only CODEC:MODE,...] [--models NAMES] [--json FILE] [--check]

Four workers, real frames, no sockets (see cluster.py). Accuracy is that of the final weights, on the validation and on the test
split, and, since a step more or less moves that by more than what is asked for, that of both splits together, the mean of five
weights of the last tenth; all are means over the seeds. --check fails unless int8 takes at most 0.27 of fp32's bytes and topk at
most 0.03, with a mean accuracy of at most half a point less than fp32's, and int8 in local mode with 16 steps at most 0.02 a step.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from cluster import Cluster, accuracy_of, late_accuracy_of

ROOT = Path(__file__).parents[2]
MODELS = {
    "digits_cnn": (ROOT / "web" / "recipes" / "digits_cnn.py", 600),
    "small_gpt": (ROOT / "tests" / "recipes" / "small_gpt.py", 400),
}
MODES: dict[str, dict[str, Any]] = {"sync": {}, "local": {"local_steps": 16}, "async": {}}
CODECS = ("fp32", "fp16", "int8", "topk")
WORKERS = 4
MOST_BYTES = {("int8", "sync"): 0.27, ("topk", "sync"): 0.03, ("int8", "local"): 0.02}
MOST_LOST = 0.005


def measured(model: str, codec: str, mode: str, seeds: list[int]) -> dict[str, Any]:
    path, steps = MODELS[model]
    found = []
    for seed in seeds:
        exchange = {"codec": codec, "mode": mode, **MODES[mode]}
        cluster = Cluster(path.stem, path.read_text(), seed, steps, WORKERS, exchange).train()
        found.append((cluster.frame_bytes, *accuracy_of(cluster), late_accuracy_of(cluster)))
    frame_bytes, validation, test, late = (float(np.mean(column)) for column in zip(*found, strict=True))
    return {
        "model": model, "codec": codec, "mode": mode, "bytes_per_step": frame_bytes, "validation": validation, "test": test,
        "late": late, "lates": [row[3] for row in found], "tests": [row[2] for row in found], "seeds": seeds,
    }  # fmt: skip


def failures(rows: list[dict[str, Any]]) -> list[str]:
    wrong = []
    for row in rows:
        most = MOST_BYTES.get((row["codec"], row["mode"]))
        if most is None:
            continue
        plain = next(r for r in rows if (r["model"], r["codec"], r["mode"]) == (row["model"], "fp32", "sync"))
        share, lost = row["bytes_per_step"] / plain["bytes_per_step"], plain["late"] - row["late"]
        if share > most:
            wrong.append(f"{row['model']}, {row['codec']}, {row['mode']}: {share:.4f} of fp32's bytes, at most {most} asked for")
        if row["mode"] == "sync" and lost > MOST_LOST:
            wrong.append(f"{row['model']}, {row['codec']}: {lost * 100:.2f} points less than fp32, at most 0.5 asked for")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--only", default="", metavar="CODEC:MODE,...")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    wanted = [tuple(pair.split(":")) for pair in options.only.split(",") if pair]
    rows: list[dict[str, Any]] = []
    print("| model | mode | codec | bytes a step and worker | of fp32 | accuracy, validation | test | both, last tenth |")
    print(8 * "|---" + "|")
    for model in options.models.split(","):
        plain = 0.0
        for mode in MODES:
            for codec in CODECS:
                if wanted and (codec, mode) not in wanted:
                    continue
                began = time.monotonic()
                row = measured(model, codec, mode, seeds)
                rows.append(row)
                plain = plain or row["bytes_per_step"]
                name = f"{mode}, H = 16" if mode == "local" else mode
                print(
                    f"| {model} | {name} | {codec} | {row['bytes_per_step']:,.0f} | {row['bytes_per_step'] / plain:.4f} |"
                    f" {row['validation']:.4f} | {row['test']:.4f} | {row['late']:.4f} |",
                    flush=True,
                )
                print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps({"rows": rows}, indent=1))
    wrong = failures(rows) if options.check else []
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
