"""Symbolic element numbers: sums of variables with known ranges, so that divisions whose result is known are never written.

A software renderer spends most of a kernel on address arithmetic; here it is done once, while the text is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Var(NamedTuple):  # a tuple, and so is Place: thousands are made for one kernel
    """A named whole number in [low, high]. depth: 0 known before the loops of a kernel, 1 inside the first, and so on.

    whole: an int in the text; otherwise a float, which is faster wherever it is exact.
    """

    name: str
    low: int
    high: int
    depth: int = 0
    whole: bool = False


class Place(NamedTuple):
    """const + sum of coefficient * variable. Immutable; each variable appears once."""

    terms: tuple[tuple[Var, int], ...] = ()
    const: int = 0

    @property
    def low(self) -> int:
        found = self.const
        for var, times in self.terms:
            found += (var.low if times > 0 else var.high) * times
        return found

    @property
    def high(self) -> int:
        found = self.const
        for var, times in self.terms:
            found += (var.high if times > 0 else var.low) * times
        return found

    @property
    def depth(self) -> int:
        found = 0
        for var, _ in self.terms:
            if var.depth > found:
                found = var.depth
        return found

    @property
    def span(self) -> int:
        """No partial sum is larger than this."""
        found = abs(self.const)
        for var, times in self.terms:
            found += max(abs(var.low), abs(var.high)) * abs(times)
        return found

    def plus(self, other: Place | int, times: int = 1) -> Place:
        """self + times * other."""
        if isinstance(other, int):
            return Place(self.terms, self.const + times * other)
        if not other.terms:
            return Place(self.terms, self.const + times * other.const)
        if not self.terms and times == 1:
            return Place(other.terms, self.const + other.const)
        found = {pair[0].name: pair for pair in self.terms}
        for var, count in other.terms:
            name = var.name
            if name in found:
                known, total = found[name]
                found[name] = (_narrowed(known, var), total + times * count)
            else:
                found[name] = (var, times * count)
        return Place(tuple([pair for pair in found.values() if pair[1]]), self.const + times * other.const)

    def times(self, factor: int) -> Place:
        if not factor:
            return Place()
        return Place(tuple((var, count * factor) for var, count in self.terms), self.const * factor)

    def parted(self) -> tuple[Place, Place]:
        """(what does not change in the innermost loop that self changes in, what does)."""
        depth = self.depth
        fixed = tuple([pair for pair in self.terms if pair[0].depth < depth])
        return Place(fixed, self.const), Place(tuple([pair for pair in self.terms if pair[0].depth == depth]))

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


def _narrowed(known: Var, var: Var) -> Var:
    """var with what is known of it from both."""
    low, high = max(var.low, known.low), min(var.high, known.high)
    return Var(var.name, low, high, var.depth, var.whole) if low <= high else var


def variable(var: Var) -> Place:
    """A Place of one variable; a number when its range has one member."""
    return Place(((var, 1),)) if var.low < var.high else Place((), var.low)


Fresh = Callable[[Place, int], tuple[Var, Var]]
"""(place, divisor) -> variables for its quotient and its remainder, which must be computed."""


def split(place: Place, divisor: int, fresh: Fresh) -> tuple[Place, Place]:
    """(quotient, remainder) of place by divisor, rounded down, with as few new variables as possible."""
    if divisor == 1:
        return place, Place()
    whole, rest = [], []
    for pair in place.terms:
        if pair[1] % divisor:
            rest.append(pair)
        else:
            whole.append((pair[0], pair[1] // divisor))
    quotient, remainder = _split_rest(Place(tuple(rest), place.const % divisor), divisor, fresh)
    return quotient.plus(Place(tuple(whole), place.const // divisor)), remainder


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
