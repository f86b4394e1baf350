"""Symbolic element numbers judged by Python's own integers."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from distml_py.backends.places import Place, Var, split, total, variable

Values = dict[str, int]


@dataclass
class Text:
    """What a shader would compute: each new variable and the (place, divisor) that it is made from."""

    made: list[tuple[Var, Var, Place, int]] = field(default_factory=list)

    def fresh(self, place: Place, divisor: int) -> tuple[Var, Var]:
        number = len(self.made)
        low, high = place.low // divisor, place.high // divisor
        found = Var(f"q{number}", low, high, place.depth), Var(f"r{number}", 0, divisor - 1, place.depth)
        self.made.append((*found, place, divisor))
        return found

    def run(self, values: Values) -> Values:
        """values, and those of the variables that were made."""
        known = dict(values)
        for quotient, rest, place, divisor in self.made:
            known[quotient.name], known[rest.name] = divmod(at(place, known), divisor)
        return known


def at(place: Place, values: Values) -> int:
    """The number that a place is; its variables must be in their ranges."""
    assert all(var.low <= values[var.name] <= var.high for var, _ in place.terms), (place, values)
    return place.const + sum(values[var.name] * times for var, times in place.terms)


@st.composite
def places(draw: st.DrawFn) -> tuple[Place, list[Values]]:
    """A sum of up to four variables, and some values of theirs: among them the ends of their ranges."""
    terms, spans = [], []
    for number in range(draw(st.integers(0, 4))):
        low = draw(st.sampled_from([0, 0, 0, 1, -3]))
        size = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 12, 17, 64]))
        times = draw(st.sampled_from([1, 1, 2, 3, 4, 5, 8, 12, 16, 20, 60, 64, -1, -4]))
        terms.append(variable(Var(f"v{number}", low, low + size - 1, depth=number % 3)).times(times))
        spans.append((low, low + size - 1))
    place = total(terms).plus(draw(st.integers(-20, 20)))
    ends = [{f"v{n}": span[side] for n, span in enumerate(spans)} for side in (0, 1)]
    inside = [{f"v{n}": draw(st.integers(*span)) for n, span in enumerate(spans)} for _ in range(6)]
    return place, ends + inside


DIVISORS = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 17, 20, 60, 64, 100])


@settings(max_examples=600, deadline=None)
@given(places(), DIVISORS)
def test_a_quotient_and_a_remainder_are_those_of_the_number(case: tuple[Place, list[Values]], divisor: int) -> None:
    place, some = case
    text = Text()
    quotient, remainder = split(place, divisor, text.fresh)
    assert remainder.low >= 0 and remainder.high < divisor, "a remainder is known to be one"
    for values in some:
        known = text.run(values)
        number = at(place, known)
        assert (at(quotient, known), at(remainder, known)) == divmod(number, divisor)
        assert place.low <= number <= place.high and quotient.low <= number // divisor <= quotient.high
        assert abs(number) <= place.span


@settings(max_examples=300, deadline=None)
@given(places(), st.lists(DIVISORS, min_size=2, max_size=4))
def test_coordinates_are_those_of_the_number(case: tuple[Place, list[Values]], shape: list[int]) -> None:
    """Split by one size after the other, as a view does."""
    place, some = case
    text = Text()
    rest, found = place, []
    for size in shape:
        rest, coordinate = split(rest, size, text.fresh)
        found.append(coordinate)
    for values in some:
        known = text.run(values)
        number = at(place, known)
        for size, coordinate in zip(shape, found, strict=True):
            number, wanted = divmod(number, size)
            assert at(coordinate, known) == wanted
        assert at(rest, known) == number


@settings(max_examples=300, deadline=None)
@given(places(), places(), st.integers(-5, 5), st.integers(-40, 40), st.integers(0, 40))
def test_sums_and_products_are_those_of_the_numbers(
    one: tuple[Place, list[Values]], two: tuple[Place, list[Values]], factor: int, low: int, size: int
) -> None:
    """Both sums use the same names; where they do not allow the same values there is nothing to compare."""
    for values in one[1] + two[1]:
        ranges = [var for place in (one[0], two[0]) for var, _ in place.terms]
        if not all(var.low <= values.get(var.name, var.low - 1) <= var.high for var in ranges):
            continue
        first, second = at(one[0], values), at(two[0], values)
        assert at(one[0].plus(two[0], factor), values) == first + factor * second
        assert at(one[0].times(factor), values) == factor * first
        known = one[0].within(low, low + size)
        if known is not None and low <= first <= low + size:
            assert low <= known.low and known.high <= low + size
            assert at(known, values) == first


def test_a_division_whose_result_is_known_is_not_written() -> None:
    x, y, k = (variable(Var(name, 0, size - 1)) for name, size in (("x", 8), ("y", 16), ("k", 4)))
    texel = y.times(8).plus(x)
    for place, divisor, wanted in [
        (texel, 8, (y, x)),
        (texel.times(4).plus(3), 4, (texel, Place((), 3))),
        (texel.times(4).plus(3), 32, (y, x.times(4).plus(3))),
        (texel, 128, (Place(), texel)),
        (x.plus(-8), 8, (Place((), -1), x)),
        (y.times(20).plus(k.times(4)).plus(2), 20, (y, k.times(4).plus(2))),
    ]:
        text = Text()
        assert split(place, divisor, text.fresh) == wanted
        assert text.made == []


def test_a_division_of_what_is_a_multiple_divides_smaller_numbers() -> None:
    x = variable(Var("x", 0, 99))
    text = Text()
    split(x.times(4).plus(3), 20, text.fresh)
    assert [(place, divisor) for _, _, place, divisor in text.made] == [(x, 5)]


def test_a_variable_of_one_value_is_a_number() -> None:
    assert variable(Var("x", 5, 5)) == Place((), 5)
    assert variable(Var("x", 0, 3)).plus(variable(Var("x", 0, 3)), -1) == Place()


def test_a_narrowed_variable_stays_narrow_in_a_sum() -> None:
    wide, narrow = variable(Var("x", 0, 9)), variable(Var("x", 2, 4))
    assert wide.plus(narrow).low == 4 and narrow.plus(wide).high == 8
    assert wide.plus(5).within(7, 9) == narrow.plus(5)
    assert wide.times(2).within(0, 9) is None, "half a variable has no range"
