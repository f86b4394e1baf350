"""profile(): where the time of a program goes, per op, kernel and line. Costs nothing while no profile is open."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from . import engine, graph, live
from .graph import Node
from .kernel import Draw


@dataclass
class Row:
    """All draws of one kind of kernel that one op of one line asked for. ms: each draw awaited; bytes: read and written.

    flops: about how many floating-point operations; 0 on the reference backend.
    """

    op: str
    kernel: str
    line: str
    ms: float = 0.0
    bytes: int = 0
    draws: int = 0
    flops: int = 0


@dataclass
class Profile:
    """rows: see Row. recompiles, host_stalls: (line, ms) of each plan that was made and of each wait for numbers."""

    rows: list[Row] = field(default_factory=list)
    recompiles: list[tuple[str, float]] = field(default_factory=list)
    host_stalls: list[tuple[str, float]] = field(default_factory=list)
    _by_kind: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    _lines: weakref.WeakKeyDictionary[Node, str] = field(default_factory=weakref.WeakKeyDictionary)
    _steps: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ms(self) -> float:
        """GPU time of all rows."""
        return sum(row.ms for row in self.rows)

    def born(self, node: Node) -> None:
        self._lines[node] = live.user_place()

    def steps(self, nodes: list[Node]) -> None:
        """The nodes behind the steps of the graph that runs next."""
        self._steps = [(node.op.name, self._lines.get(node, "")) for node in nodes]

    def drew(self, draw: Draw, seconds: float) -> None:
        op, line = self._steps[draw.step] if draw.step < len(self._steps) else ("", "")
        key = (op, draw.kernel, line)
        if key not in self._by_kind:
            self._by_kind[key] = Row(*key)
            self.rows.append(self._by_kind[key])
        row = self._by_kind[key]
        row.ms += seconds * 1e3
        row.bytes += draw.size_bytes
        row.draws += 1
        row.flops += draw.flops

    def planned(self, seconds: float) -> None:
        self.recompiles.append((live.user_place(), seconds * 1e3))

    def stalled(self, seconds: float) -> None:
        self.host_stalls.append((live.user_place(), seconds * 1e3))

    def __str__(self) -> str:
        lines = [f"{'ms':>9} {'draws':>6} {'MB':>8}  {'op':<16} {'kernel':<14} line"]
        for row in sorted(self.rows, key=lambda row: -row.ms):
            lines.append(f"{row.ms:9.2f} {row.draws:6d} {row.bytes / 1e6:8.1f}  {row.op:<16} {row.kernel:<14} {row.line}")
        for title, found in (("recompiles", self.recompiles), ("host stalls", self.host_stalls)):
            lines.append(f"{sum(ms for _, ms in found):9.2f} {len(found):6d} {title}")
        return "\n".join(lines)


@contextmanager
def profile() -> Iterator[Profile]:
    """with profile() as p: ...; then print(p). Inside, draws are awaited and compiled steps run eagerly: slower, not different."""
    found = Profile()
    before = engine.watch(found)
    graph.watching.append(found.born)
    try:
        yield found
    finally:
        graph.watching.remove(found.born)
        engine.watch(before)
