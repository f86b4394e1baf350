"""Symbolic element numbers: sums of variables with known ranges, so that divisions whose result is known are never written.

A software renderer spends most of a kernel on address arithmetic; here it is done once, while the text is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Var:
    """A named whole number in [low, high]. depth: 0 known before the loops of a kernel, 1 inside the first, and so on.

    whole: an int in the text; otherwise a float, which is faster wherever it is exact.
    """

    name: str
    low: int
    high: int
    depth: int = 0
    whole: bool = False


@dataclass(frozen=True)
class Place:
    """const + sum of coefficient * variable. Immutable; each variable appears once."""

    terms: tuple[tuple[Var, int], ...] = ()
    const: int = 0

    @property
    def low(self) -> int:
        return self.const + sum(min(var.low * times, var.high * times) for var, times in self.terms)

    @property
    def high(self) -> int:
        return self.const + sum(max(var.low * times, var.high * times) for var, times in self.terms)

    @property
    def depth(self) -> int:
        return max((var.depth for var, _ in self.terms), default=0)

    @property
    def span(self) -> int:
        """No partial sum is larger than this."""
        return abs(self.const) + sum(max(abs(var.low), abs(var.high)) * abs(times) for var, times in self.terms)

    def plus(self, other: Place | int, times: int = 1) -> Place:
        """self + times * other."""
        if isinstance(other, int):
            return Place(self.terms, self.const + times * other)
        found: dict[str, tuple[Var, int]] = {var.name: (var, count) for var, count in self.terms}
        for var, count in other.terms:
            known, total = found.get(var.name, (var, 0))
            narrow = Var(var.name, max(var.low, known.low), min(var.high, known.high), var.depth, var.whole)
            found[var.name] = (narrow if narrow.low <= narrow.high else var, total + times * count)
        return Place(tuple(pair for pair in found.values() if pair[1]), self.const + times * other.const)

    def times(self, factor: int) -> Place:
        if not factor:
            return Place()
        return Place(tuple((var, count * factor) for var, count in self.terms), self.const * factor)

    def within(self, low: int, high: int) -> Place | None:
        """The same number, known to be in [low, high]; None when this Place cannot say so without a new variable."""
        if low <= self.low and self.high <= high:
            return self
        if len(self.terms) == 1 and self.terms[0][1] == 1:
            var = self.terms[0][0]
            bottom, top = max(var.low, low - self.const), min(var.high, high - self.const)
            if bottom <= top:
                return Place(((Var(var.name, bottom, top, var.depth, var.whole), 1),), self.const)
        return None


def variable(var: Var) -> Place:
    """A Place of one variable; a number when its range has one member."""
    return Place(((var, 1),)) if var.low < var.high else Place((), var.low)


Fresh = Callable[[Place, int], tuple[Var, Var]]
"""(place, divisor) -> variables for its quotient and its remainder, which must be computed."""


def split(place: Place, divisor: int, fresh: Fresh) -> tuple[Place, Place]:
    """(quotient, remainder) of place by divisor, rounded down, with as few new variables as possible."""
    if divisor == 1:
        return place, Place()
    whole = tuple((var, times // divisor) for var, times in place.terms if times % divisor == 0)
    rest = Place(tuple(pair for pair in place.terms if pair[1] % divisor), place.const % divisor)
    quotient, remainder = _split_rest(rest, divisor, fresh)
    return quotient.plus(Place(whole, place.const // divisor)), remainder


def _split_rest(rest: Place, divisor: int, fresh: Fresh) -> tuple[Place, Place]:
    turns = rest.low // divisor
    if turns == rest.high // divisor:
        return Place((), turns), rest.plus(-turns * divisor)
    terms = sorted(rest.terms, key=lambda pair: -abs(pair[1]))
    for count in range(len(terms), 0, -1):
        common = math.gcd(divisor, *(times for _, times in terms[:count]))
        tail = Place(tuple(terms[count:]), rest.const)
        steps = tail.low // common
        if common > 1 and steps == tail.high // common:
            head = Place(tuple((var, times // common) for var, times in terms[:count]), steps)
            quotient, remainder = split(head, divisor // common, fresh)
            return quotient, remainder.times(common).plus(tail).plus(-steps * common)
    found, left = fresh(rest, divisor)
    return variable(found), variable(left)


def total(places: Iterable[Place]) -> Place:
    """The sum of places."""
    found = Place()
    for place in places:
        found = found.plus(place)
    return found
