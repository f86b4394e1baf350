"""What the benchmark has to reach: each bar, judged by the median of whole runs. Times nothing."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# TensorFlow.js's time over ours, captured
RATIOS = {
    "matmul_512": 1.2,
    "matmul_1024": 1.2,
    "chain_1m": 1.2,
    "conv": 3.0,
    "conv_input_grad": 3.0,
    "conv_weight_grad": 3.0,
    "mlp_step": 2.0,
    "cnn_step": 4.0,
    "resnet18_step": 4.0,
    "gpt_step": 2.0,
}
PYTHON_SHARE = 0.03  # of a captured step's time
CALLS = 1.0  # of the bridge, a captured step; the number that is read at the end of each round is not part of one


@dataclass(frozen=True)
class Bar:
    """found is None where it was not measured."""

    row: str
    what: str
    wanted: float
    found: float | None
    at_least: bool

    @property
    def reached(self) -> bool:
        if self.found is None:
            return False
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted

    def __str__(self) -> str:
        sign, found = ">=" if self.at_least else "<=", "not measured" if self.found is None else f"{self.found:.3g}"
        return f"{'pass' if self.reached else 'FAIL':4}  {self.row:<17} {self.what:<22} {found:>12}  ({sign} {self.wanted:g})"


def bars(runs: Sequence[Sequence[dict[str, Any]]]) -> list[Bar]:
    """All bars of the rows that were run. runs: the rows of each whole run."""
    found = []
    for name in dict.fromkeys(row["name"] for rows in runs for row in rows):
        same = [row for rows in runs for row in rows if row["name"] == name]
        found.append(Bar(name, "x TensorFlow.js", RATIOS[name], _median(row.get("ratio_tfjs") for row in same), True))
        if name.endswith("_step"):
            shares = (_share(row) for row in same)
            found.append(Bar(name, "Python, share of time", PYTHON_SHARE, _median(shares), False))
            calls = ((row.get("captured") or {}).get("bridge_calls") for row in same)
            found.append(Bar(name, "bridge calls a step", CALLS, _median(calls), False))
    return found


def _share(row: dict[str, Any]) -> float | None:
    figures, whole = row.get("captured"), row.get("captured_ms")
    return figures["python_ms"] / whole if figures and whole else None


def _median(values: Any) -> float | None:
    """None where one of the runs has no such figure."""
    known = list(values)
    return None if not known or None in known else statistics.median(known)
