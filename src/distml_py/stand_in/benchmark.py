"""PyTorch's torch.utils.benchmark, for scripts that time lines: each run ends when its result has been computed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .. import engine
from ..errors import ArgumentError
from ..tensor import Tensor


@dataclass(frozen=True)
class Measurement:
    """number_per_run: how often the line ran for each of raw_times, in seconds."""

    number_per_run: int
    raw_times: list[float]
    label: str = ""

    @property
    def times(self) -> list[float]:
        return [seconds / self.number_per_run for seconds in self.raw_times]

    @property
    def mean(self) -> float:
        return statistics.mean(self.times)

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def iqr(self) -> float:
        """The distance of the quartiles; 0 for fewer than two."""
        if len(self.times) < 2:
            return 0.0
        first, _, third = statistics.quantiles(self.times, n=4)
        return third - first

    def __repr__(self) -> str:
        count = f"{len(self.raw_times)} measurement{'s' * (len(self.raw_times) > 1)}, {self.number_per_run} runs each"
        return f"{self.label}\n  {_shown(self.median)}\n  {count}"


class Timer:
    """The line stmt, after setup, with these globals: timeit(number), or as often as fits into a time."""

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = time.perf_counter,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Any = "py",
    ):
        if str(language) not in ("py", "python", "Language.PYTHON"):
            raise ArgumentError(f"benchmark.Timer: lines are Python here, got language={language!r}")
        self.stmt, self.setup, self._timer, self.globals = stmt, setup, timer, dict(globals or {})
        self.label = ": ".join(part for part in (label or stmt, sub_label, description) if part)

    def timeit(self, number: int = 1000000) -> Measurement:
        run = self._prepared()
        return Measurement(number, [run(number)], self.label)

    def blocked_autorange(self, callback: Any = None, min_run_time: float = 0.2) -> Measurement:
        """Blocks of as many runs as take about a tenth of min_run_time, until it is over."""
        run = self._prepared()
        number = 1
        while (seconds := run(number)) < min_run_time / 20 and number < 10**6:
            number *= 2
        found = [seconds]
        while sum(found) < min_run_time:
            found.append(run(number))
        return Measurement(number, found, self.label)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0, **_: Any
    ) -> Any:
        return self.blocked_autorange(min_run_time=min_run_time)

    def _prepared(self) -> Callable[[int], float]:
        names = self.globals
        exec(compile(self.setup, "<setup>", "exec"), names)
        try:
            line, value = compile(self.stmt, "<stmt>", "eval"), True
        except SyntaxError:
            line, value = compile(self.stmt, "<stmt>", "exec"), False

        def run(number: int) -> float:
            began = self._timer()
            for _ in range(number):
                if not value:
                    exec(line, names)
                elif isinstance(found := eval(line, names), Tensor):
                    found.realize()
                engine.realize([])
            return self._timer() - began

        run(1)
        return run


class Compare:
    """A table of several measurements."""

    def __init__(self, results: Iterable[Measurement]):
        self.results = list(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        self.results.extend(results)

    def trim_significant_figures(self) -> None:
        """Nothing: three are shown."""

    def colorize(self, rowwise: bool = False) -> None:
        """Nothing: the table has no colours."""

    def __str__(self) -> str:
        return "\n".join(f"{_shown(result.median):>12}  {result.label}" for result in self.results)

    def print(self) -> None:
        print(self)


def _shown(seconds: float) -> str:
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
