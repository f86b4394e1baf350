"""The benchmark's bars: medians of whole runs, and what was not measured is not reached."""

from typing import Any

from bars import RATIOS, bars


def row(name: str, ratio: float | None, python_ms: float = 0.1, calls: float = 1.0) -> dict[str, Any]:
    return {"name": name, "ratio_tfjs": ratio, "captured_ms": 10.0, "captured": {"python_ms": python_ms, "bridge_calls": calls}}


def test_a_bar_is_judged_by_the_median_of_the_runs() -> None:
    runs = [[row("mlp_step", 1.9)], [row("mlp_step", 2.2)], [row("mlp_step", 2.1)]]
    assert [bar.reached for bar in bars(runs)] == [True, True, True]
    runs[1] = [row("mlp_step", 1.5, python_ms=0.5, calls=3)]
    assert bars(runs[:2])[0].found == 1.7 and not bars(runs[:2])[0].reached
    assert [bar.reached for bar in bars(runs[1:2])] == [False, False, False]


def test_what_was_not_measured_is_not_reached() -> None:
    (bar,) = bars([[row("conv", 5.0)], [row("conv", None)]])
    assert not bar.reached and "FAIL" in str(bar) and "not measured" in str(bar)
    (bar,) = bars([[row("conv", 5.0)]])
    assert bar.reached and str(bar).startswith("pass  conv")


def test_every_row_of_the_benchmark_has_a_bar() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[2] / "web" / "bench" / "measure.js").read_text()
    rows = text.split("ROWS = [")[1].split("]")[0]
    assert {name.strip().strip('"') for name in rows.split(",") if name.strip()} == set(RATIOS)
