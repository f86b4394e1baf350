"""GLSL of long sums: a tree of accumulators, so that rounding errors grow with the logarithm of the length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..kernel import Expression, Fold, Joint
from .places import Place
from .writer import COUNTED, TYPES, Value, Writer, indented, loop


@dataclass(frozen=True)
class Tree:
    """A loop of `turns` turns as loops within loops, none of which adds more than `group` numbers in a row.

    With whole texels in pairs, 256 numbers are off by at most 11 roundings (group 4) or 16 (group 8); in a row, by 255.
    """

    turns: int
    group: int
    count: int = 4  # accumulators

    @property
    def levels(self) -> int:
        """Loops around the innermost one."""
        levels = 0
        while self.group ** (levels + 1) < self.turns <= COUNTED:
            levels += 1
        return levels

    def accumulator(self, k: int, level: int = 0) -> str:
        """That of number k; level 0: in the innermost loop."""
        return f"acc{k}" if level == self.levels else f"sum{level}{k}"

    def loops(self, name: str, body: Sequence[str]) -> list[str]:
        """body, which adds to accumulator(k), for each value of counter `name`; acc0, acc1... have the sums then."""
        if not self.levels:
            return loop(name, self.turns, body)
        lines = list(body)
        for level in range(self.levels + 1):
            outer = level == self.levels
            var, step = f"turn{level}" if level else name, float(self.group**level)
            begin = "0.0" if outer else f"turn{level + 1}"
            end = f"{self.turns}.0" if outer else f"turn{level + 1} + {self.group * step}"
            if not outer and self.turns % int(self.group * step):
                end = f"min({end}, {self.turns}.0)"
            lines = [f"for (float {var} = {begin}; {var} < {end}; {var} += {step}) {{", *indented(lines), "}"]
            if not outer:
                starts = [f"float {self.accumulator(k, level)} = 0.0;" for k in range(self.count)]
                ends = [f"{self.accumulator(k, level + 1)} += {self.accumulator(k, level)};" for k in range(self.count)]
                lines = [*starts, *lines, *ends]
        return lines


def pairs(terms: Sequence[str]) -> str:
    """Their sum, in pairs."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({pairs(terms[:half])} + {pairs(terms[half:])})"


def numbers(
    writer: Writer, kernel: Fold | Joint, body: Expression, k: int, r: Place, unroll: int
) -> Iterator[tuple[Place, Value, list[Value]]]:
    """(place in the chunk, number, conditions under which it is there) of those that a turn adds to number k of a texel."""
    step = -(-kernel.length // kernel.chunks)
    chunk, row = writer.split(writer.own().times(4).plus(k), kernel.rows)
    for j in range(unroll):
        at = r.times(unroll).plus(j)
        left: list[Value] = []
        if step * kernel.chunks > kernel.length:
            writer.inside(chunk.times(step).plus(at), 0, kernel.length, left)
        value = writer.expression(body, row.times(kernel.length).plus(chunk, step).plus(at))
        yield at, writer.let(TYPES[body.dtype], value.text, value.depth), left
