"""The autotuner: which variant of a contraction or a reduction a device computes fastest, found by measuring.

Knows neither GL nor a real clock.

Fair: everybody is warm before the clock counts, candidates take turns in an order that changes, and only times of the same turn
are compared. The incumbent stays unless it is clearly beaten, and who computes other numbers is out, however fast.
"""

from __future__ import annotations

import dataclasses
import gc
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..errors import BackendError, GpuLostError
from ..steps import Graph
from ..variant import DEFAULT, Variant
from .choices import FOLDS, LAYERS, bounded
from .problems import REDUCED, shrunk

SAMPLE_S = 5e-3  # a sample is at least so long: browsers round their clocks to 0.1 ms
MOST_TIMES = 1 << 10  # draws in one sample
LONG_S = 0.1  # a draw so long is measured in fewer turns, and on a part of its batch or rows
LEAST_TURNS, MOST_TURNS = 5, 11  # pairs that a decision takes, and that it gets
LONG_LEAST_TURNS, LONG_MOST_TURNS = 3, 5
GIVE_UP = {1: 1.5, 2: 1.2, 3: 1.0}  # after so many turns, who never took less of the incumbent's time is measured no further
BEATEN = 0.95  # of the incumbent's time: more than noise, and worth other numbers in the last bit
MOST_PAIRS = 0.75  # of the pairs that must say so
CLOSE = 1e-4  # of the largest number: a sum in another order
ENOUGH = (0, 1 << 8, 1 << 10, 1 << 12)  # see Variant
PROLOGUE = (0, 4, 1 << 20)

Clock = Callable[[], float]


class Trial(Protocol):
    """One variant of one problem, ready to be drawn."""

    def run(self, times: int) -> None:
        """Draws it so many times and waits until that is done."""

    def numbers(self) -> np.ndarray:
        """What it computed."""


class Device(Protocol):
    """What is measured. Everything may raise BackendError, which puts the variant out, and GpuLostError, which ends the tuning."""

    layers: int  # that one draw can have

    def drawn(self, problem: Graph, variant: Variant) -> object:
        """All that makes this variant's draws; equal for variants that are drawn alike."""

    def trial(self, problem: Graph, variant: Variant) -> Trial:
        """Compiles the variant's programs."""


@dataclass
class Finding:
    """What was found of one problem. gain: the default's time over the winner's.

    tried: of each variant that was measured, its time over that of the best until then; out: why variants were put out.
    """

    name: str
    variant: Variant = DEFAULT
    gain: float = 1.0
    tried: dict[Variant, float] = field(default_factory=dict)
    out: dict[Variant, str] = field(default_factory=dict)

    def __str__(self) -> str:
        fields, usual = dataclasses.asdict(self.variant), dataclasses.asdict(DEFAULT)
        changed = ", ".join(f"{name} {value}" for name, value in fields.items() if value != usual[name])
        return f"{self.gain:5.2f} x  {changed or 'default':<43} {self.name}"


@dataclass
class _Runner:
    """A candidate: its trial and its samples, one for each turn, in seconds."""

    variant: Variant
    trial: Trial
    samples: list[float] = field(default_factory=list)


class Tuner:
    """Tunes one problem after another until the budget is spent, a sample more at most. clock: in seconds."""

    def __init__(self, device: Device, clock: Clock, budget_s: float):
        self.device, self.clock = device, clock
        self.deadline = clock() + budget_s

    @property
    def over(self) -> bool:
        return not self.clock() < self.deadline

    def tune(self, name: str, problem: Graph) -> Finding | None:
        """The best variant of a problem; None when the budget ran out before it was known, or nobody can compute it."""
        with _no_collection():
            return self._tune(name, problem)

    def _tune(self, name: str, problem: Graph) -> Finding | None:
        finding = Finding(name)
        first = bounded(DEFAULT, self.device.layers)
        try:
            problem, best = self._incumbent(problem, first)
            wanted = best.trial.numbers()
        except GpuLostError:
            raise
        except BackendError:
            return None
        known = {self.device.drawn(problem, first)}
        for stage in _stages(problem, self.device.layers):
            runners = [best]
            for change in stage:
                if self.over:
                    break
                candidate = dataclasses.replace(best.variant, **change)
                drawn = self.device.drawn(problem, candidate)
                if drawn in known:
                    continue
                known.add(drawn)
                runner = self._prepared(problem, candidate, wanted, finding)
                runners += [runner] if runner is not None else []
            if len(runners) > 1:
                best, ratios = self._race(runners)
                finding.tried |= ratios
                finding.gain /= ratios.get(best.variant, 1.0)
            if self.over:
                break
        finding.variant = DEFAULT if best.variant == first else best.variant
        complete = not self.over or finding.variant != DEFAULT
        return finding if complete else None

    def _incumbent(self, problem: Graph, variant: Variant) -> tuple[Graph, _Runner]:
        """The problem, smaller where this device takes long for it, and who is to be beaten."""
        runner = _Runner(variant, self.device.trial(problem, variant))
        runner.trial.run(1)
        seconds = self._seconds(runner.trial, 1)
        smaller = shrunk(problem, LONG_S / seconds) if seconds > LONG_S else problem
        if smaller == problem:
            return problem, runner
        runner = _Runner(variant, self.device.trial(smaller, variant))
        runner.trial.run(1)
        return smaller, runner

    def _prepared(self, problem: Graph, variant: Variant, wanted: np.ndarray, finding: Finding) -> _Runner | None:
        """A candidate that computes the right numbers; None, and why in finding, when it does not."""
        try:
            trial = self.device.trial(problem, variant)
            trial.run(1)
            numbers = trial.numbers()
        except GpuLostError:
            raise
        except BackendError as error:
            finding.out[variant] = str(error)
            return None
        off = float(np.abs(numbers - wanted).max(initial=0)) if numbers.shape == wanted.shape else math.inf
        if not off <= CLOSE * float(np.abs(wanted).max(initial=0)):
            finding.out[variant] = f"its numbers differ from the default's by up to {off:g}"
            return None
        return _Runner(variant, trial)

    def _race(self, runners: Sequence[_Runner]) -> tuple[_Runner, dict[Variant, float]]:
        """The winner, and the median time of each challenger over that of the incumbent, runners[0]."""
        incumbent = runners[0]
        for runner in runners:
            runner.samples.clear()
        times, long = self._sized(incumbent.trial)
        for runner in runners:
            if times > 1:
                runner.trial.run(times)  # warm, at this size
        racing = list(runners)
        for turn in range(LONG_MOST_TURNS if long else MOST_TURNS):
            if self.over or len(racing) == 1:
                break
            shift = turn // 2 % len(racing)
            order = racing[shift:] + racing[:shift]
            for runner in order if turn % 2 else reversed(order):
                runner.samples.append(self._seconds(runner.trial, times))
            if turn + 1 in GIVE_UP:
                most = GIVE_UP[turn + 1]
                racing = [r for r in racing if r is incumbent or not min(_ratios(r, incumbent), default=1.0) > most]
        ratios = {runner.variant: found for runner in runners[1:] if (found := _ratios(runner, incumbent))}
        medians = {variant: float(np.median(found)) for variant, found in ratios.items()}
        least = LONG_LEAST_TURNS if long else LEAST_TURNS
        better = [one for one in racing[1:] if _beats(ratios.get(one.variant, []), least) and _quicker(one, incumbent)]
        return min(better, key=lambda runner: medians[runner.variant], default=incumbent), medians

    def _sized(self, trial: Trial) -> tuple[int, bool]:
        """How many draws make a sample, and whether one alone takes long."""
        times = 1
        while not (seconds := self._seconds(trial, times)) >= SAMPLE_S and times < MOST_TIMES:
            times *= 2
        return times, times == 1 and seconds >= LONG_S

    def _seconds(self, trial: Trial, times: int) -> float:
        began = self.clock()
        trial.run(times)
        return self.clock() - began


def _stages(problem: Graph, layers: int) -> list[list[dict[str, Any]]]:
    """One thing is changed at a time: all combinations would be compiled for longer than anybody waits."""
    if isinstance(problem.steps[-1].op, REDUCED):
        return [[{"fold": length} for length in FOLDS]]
    return [
        [{"layers": most} for most in reversed(LAYERS) if most <= layers],
        [{"enough": enough} for enough in ENOUGH],
        [{"fetch": fetch} for fetch in (False, True)],
        [{"prologue": reads} for reads in PROLOGUE],
    ]


def _pairs(runner: _Runner, incumbent: _Runner) -> list[tuple[float, float]]:
    """The runner's time and the incumbent's, of each turn in which the clock can be believed."""
    pairs = zip(runner.samples, incumbent.samples, strict=False)
    return [(mine, its) for mine, its in pairs if 0 < mine < math.inf and 0 < its < math.inf]


def _ratios(runner: _Runner, incumbent: _Runner) -> list[float]:
    return [mine / its for mine, its in _pairs(runner, incumbent)]


def _quicker(runner: _Runner, incumbent: _Runner) -> bool:
    """At their best, too: what disturbs a machine only adds time, so the shortest samples are the least disturbed."""
    pairs = _pairs(runner, incumbent)
    return min(mine for mine, _ in pairs) <= BEATEN * min(its for _, its in pairs)


def _beats(ratios: list[float], least: int) -> bool:
    """Clearly: by the median, and in most of at least `least` turns."""
    if len(ratios) < least:
        return False
    return float(np.median(ratios)) <= BEATEN and sum(ratio < 1 for ratio in ratios) >= MOST_PAIRS * len(ratios)


@contextmanager
def _no_collection() -> Iterator[None]:
    """The garbage collector would fall upon one candidate and not the other."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
