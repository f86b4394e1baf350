"""tune(): contractions and reductions of a step are measured in all variants, the fastest used from then on; and its memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import engine, live
from .backends.choices import read, written
from .backends.problems import alone, multiplications, name_of, problems
from .backends.trials import Trials
from .backends.tuner import Finding, Tuner
from .backends.webgl import WebGLBackend
from .errors import CaptureError
from .steps import Graph
from .variant import Variant

HEAVY = 0.005  # of all multiplications: a problem with less is not worth its measuring


@dataclass
class Report:
    """findings: one for each problem that was measured, the heaviest first. seconds: all that took.

    known: problems that were measured before; left: those for which the budget did not last.
    """

    findings: list[Finding] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        counts = f"{len(self.findings)} tuned, {len(self.known)} known, {len(self.left)} left"
        return "\n".join([*map(str, self.findings), f"{counts}, {self.seconds:.1f} s"])


@dataclass
class _State:
    remember: Callable[[str], None] | None = None


_state = _State()  # what may change in this module, in one place


def tune(step: Callable[..., Any] | None = None, *args: Any, budget_s: float = 10.0, again: bool = False, **named: Any) -> Report:
    """Measure how this device computes each product, convolution and long reduction fastest; the winners are used from now on.

    step(*args, **named) is called once first, as it is: a training step trains. Whatever was computed on this backend until
    then is tuned, the heaviest first, for about budget_s seconds; what was measured before is not measured
    again, unless again. Steps that were compiled are captured anew. Results may differ in their last bits then: sums are
    added up in another order. On NumPy there is nothing to choose. Returns what was found; str() of it is a table.
    Raises GpuLostError when the GPU went away; what was found until then is used. CaptureError inside a compiled step.
    """
    if live.state.recorder is not None:
        raise CaptureError("tune() was called inside a compiled step; call it outside, after the step has run once")
    if step is not None:
        step(*args, **named)
    report = Report()
    backend = engine.backend()
    if isinstance(backend, WebGLBackend):
        began = time.perf_counter()
        try:
            _tune(backend, report, budget_s, again)
        finally:
            report.seconds = time.perf_counter() - began
    return report


def _tune(backend: WebGLBackend, report: Report, budget_s: float, again: bool) -> None:
    tuner = Tuner(Trials(backend), time.perf_counter, budget_s)
    found: dict[str, Variant] = {}
    try:
        for name, problem in _heaviest(engine.planned()):
            if name in backend.choices.variants and not again:
                report.known.append(name)
                continue
            finding = None if tuner.over else tuner.tune(name, problem)
            if finding is None:
                report.left.append(name)
            else:
                report.findings.append(finding)
                found[name] = finding.variant
    finally:
        if found:
            backend.choices = backend.choices.with_(found)
            engine.drop_stale_plans()
            if _state.remember is not None:
                _state.remember(save_tuning())


def _heaviest(graphs: list[Graph]) -> list[tuple[str, Graph]]:
    """The problems in graphs with their names, those first in which most is multiplied."""
    work: dict[str, int] = {}
    found: dict[str, Graph] = {}
    for graph in graphs:
        for number in problems(graph):
            name = name_of(graph, number)
            work[name] = work.get(name, 0) + multiplications(graph, number)
            found.setdefault(name, alone(graph, number))
    least = HEAVY * sum(work.values())
    return [(name, found[name]) for name in sorted(work, key=lambda name: -work[name]) if work[name] >= least]


def save_tuning() -> str:
    """All that tune() has found on this device, as JSON; empty where nothing is chosen, on NumPy."""
    from . import __version__

    backend = engine.backend()
    return written(backend.choices, backend.name, __version__) if isinstance(backend, WebGLBackend) else ""


def load_tuning(text: str) -> bool:
    """Use what save_tuning() gave. False, and nothing is changed, when it is damaged, another device's or another version's."""
    from . import __version__

    backend = engine.backend()
    found = read(text, backend.name, __version__) if isinstance(backend, WebGLBackend) else None
    if found is None or not isinstance(backend, WebGLBackend):
        return False
    backend.choices = backend.choices.with_(found)
    engine.drop_stale_plans()
    return True


def remember_with(keep: Callable[[str], None] | None) -> None:
    """keep(text) is called with save_tuning()'s text whenever something new was found."""
    _state.remember = keep
