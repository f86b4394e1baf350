"""Where numbers lie: every array fits, and whoever walks along a row stays in one. Float32 quotients are exact."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distml_py.backends.glsl import render
from distml_py.backends.places import Place, Var, variable
from distml_py.backends.writer import EXACT, Writer
from distml_py.kernel import Load, Map
from distml_py.layout import LEAST_ROWS, MOST_ROWS, MOST_WIDTH, Layout, layout_of
from distml_py.op import float32

SIZES = st.sampled_from([0, 1, 2, 3, 4, 5, 8, 10, 12, 28, 64, 100, 129, 1000, 4096])
ARRAYS = st.lists(SIZES, max_size=4).map(tuple).filter(lambda shape: math.prod(shape) <= 1 << 26)


@settings(max_examples=1000, deadline=None)
@given(ARRAYS, st.sampled_from([1, 4, 8]))
def test_every_array_fits(shape: tuple[int, ...], layers: int) -> None:
    """Up to 2**26 numbers in a layer: 256 MiB."""
    layout, size = layout_of(shape, layers), math.prod(shape)
    assert layout.layers == layers
    assert layout.layer_size >= size and layout.size_bytes == layout.layer_size * layers * 4
    assert 1 <= layout.rows(size) <= layout.height <= MOST_ROWS
    assert layout.rows(size) * layout.width * 4 >= size > (layout.rows(size) - 1) * layout.width * 4 or size == 0
    assert layout.width <= max(MOST_WIDTH, math.isqrt(size))
    assert layout.layer_size <= max(64, 4 * size), "little is wasted"


@settings(max_examples=1000, deadline=None)
@given(ARRAYS.filter(lambda shape: 0 not in shape))
def test_an_array_of_whole_texels_lies_in_rows_of_its_own(shape: tuple[int, ...]) -> None:
    """The last sizes together, where they fill whole texels, not too many, and leave enough rows."""
    texels = -(-math.prod(shape) // 4)
    for first in range(len(shape)):
        row = math.prod(shape[first:])
        if row % 4 == 0 and row // 4 <= min(texels // LEAST_ROWS, MOST_WIDTH) and texels <= MOST_WIDTH * LEAST_ROWS:
            width = layout_of(shape).width
            assert (width * 4) % row == 0, f"{width} texels do not hold rows of {row} numbers"


@pytest.mark.parametrize(
    ("shape", "width", "height"),
    [
        ((), 1, 1),
        ((0,), 1, 1),
        ((4,), 1, 1),
        ((5,), 1, 2),
        ((4, 8), 2, 4),
        ((64, 64), 16, 64),
        ((32, 8, 12, 12), 288, 32),
        ((1000, 10), 64, 48),
        ((1000, 12), 12, 256),
        ((9, 7), 4, 4),
        ((1 << 26,), 4096, 4096),
    ],
)
def test_this_array_has_this_texture(shape: tuple[int, ...], width: int, height: int) -> None:
    assert layout_of(shape) == Layout(width, height)


def test_many_arrays_share_few_sizes_of_textures() -> None:
    """Textures are used again by arrays of the same layout: the batch's last, smaller part among them."""
    assert len({layout_of((batch, 64)).height for batch in range(1, 257)}) <= 16


# ---------------------------------------------------------------- arithmetic in float32


def quotient_text(divisor: int, high: int) -> tuple[str, str]:
    """(quotient, remainder) of a number up to `high` as the writer writes them; the number is called x."""
    writer = Writer((), Layout(1, 1))
    writer.split(variable(Var("x", 0, high)), divisor)
    (quotient, rest) = (re.fullmatch(r"float \w+ = (.*);", line) for line in writer.lines[0])
    assert quotient is not None and rest is not None
    return quotient[1], re.sub(r"\bq\d+\b", "q", rest[1])


def computed(text: str, **names: np.ndarray) -> np.ndarray:
    """A written expression, every step of it rounded to float32."""
    text = re.sub(r"(?<![\w.])\d+\.?\d*(?:e-?\d+)?", lambda found: f"f({found[0]})", text)
    found: np.ndarray = eval(text, {"f": np.float32, "floor": np.floor, **names})
    assert found.dtype == np.float32
    return found


def test_float_quotients_are_exact_for_every_divisor() -> None:
    """Up to EXACT; around every multiple that a sample meets, where rounding would be seen first. Divisors 2 to 4099."""
    places = np.random.RandomState(0)
    for divisor in [*range(2, 1030), *range(1030, 4100, 7), 4096, 4097, 4099]:
        multiples = np.unique(np.concatenate([places.randint(0, EXACT // divisor + 1, 200), [0, 1, EXACT // divisor]]))
        numbers = (multiples[:, None] * divisor + np.array([-1, 0, 1, divisor // 2])).reshape(-1)
        numbers = np.unique(numbers[(numbers >= 0) & (numbers < EXACT)])
        quotient, rest = quotient_text(divisor, EXACT - 1)
        x = numbers.astype(np.float32)
        q = computed(quotient, x=x)
        np.testing.assert_array_equal(q, numbers // divisor, err_msg=f"by {divisor}")
        np.testing.assert_array_equal(computed(rest, x=x, q=q), numbers % divisor, err_msg=f"by {divisor}")


def test_beyond_that_places_are_counted_in_ints() -> None:
    writer = Writer((), Layout(1, 1))
    writer.split(variable(Var("x", 0, EXACT)), 3)
    assert [line.split()[0] for line in writer.lines[0]] == ["int", "int"]
    assert "(int(x)) / 3" in writer.lines[0][0]


@pytest.mark.parametrize(("times", "const"), [(1, 0), (-6, 23), (-1, -5), (7, -100)])
def test_int_quotients_are_rounded_down_though_glsl_rounds_towards_0(times: int, const: int) -> None:
    """An index that a gather reads is an int; a flipped array counts down."""
    for divisor in (2, 3, 4, 7):
        writer = Writer((), Layout(1, 1))
        quotient, rest = writer.split(variable(Var("k", 0, 20, whole=True)).times(times).plus(const), divisor)
        for k in range(21):
            names = {"k": k}
            for line in writer.lines[0]:
                _, name, _, text = line.rstrip(";").split(" ", 3)
                names[name] = eval(re.sub(r"(\(.*\)) / (\d+)", r"int(\1 / \2)", text), dict(names))
            found = [place.const + sum(names[var.name] * count for var, count in place.terms) for place in (quotient, rest)]
            assert tuple(found) == divmod(k * times + const, divisor)


def test_every_texel_of_a_row_is_found_by_its_middle() -> None:
    """Texture coordinates for every width up to 1200, whether or not a loop's counter is part of the place."""
    for size in range(2, 1201):
        writer = Writer((), Layout(1, 1))
        start, step = variable(Var("x", 0, size - 1)), variable(Var("k", 0, size - 1, 1))
        writer._coordinate(start.plus(step), size)
        names: dict[str, np.ndarray] = {}
        k = np.arange(size, dtype=np.float32)
        names["k"], names["x"] = k, np.float32(size - 1) - k
        for depth in (0, 1):
            for line in writer.lines.get(depth, []):
                _, name, _, text = line.rstrip(";").split(" ", 3)
                names[name] = computed(text, **names)
                found = names[name]
        assert (np.floor(found * np.float32(size)) == size - 1).all(), size


@pytest.mark.parametrize("side", [8, 64, 2048])
@pytest.mark.parametrize("texels", [1, 7, 64, 65, 4096, 4097, 20_481, 5_000_000])
def test_an_array_larger_than_a_texture_takes_a_stack_of_layers(side: int, texels: int) -> None:
    for shape in ((texels * 4,), (texels, 4), (2, texels * 2), (texels * 4 - 3,)):
        for layers in (1, 4):
            layout = layout_of(shape, layers, side)
            assert layout.width <= side and layout.height <= side
            assert layout.layers == layers * layout.stack
            assert layout.layer_size == layout.width * layout.height * layout.stack * 4 >= math.prod(shape)
            if layout.stack > 1:
                assert layout.height == side, "numbers run on from layer to layer without a gap"
                assert (layout.stack - 1) * layout.width * side * 4 < math.prod(shape), "no layer is empty"
                assert 2 * layout.width > side or layout.width * side < texels


def test_a_fragment_of_a_stack_knows_its_layer() -> None:
    text = render(Map(Load(0, float32), float32), [Layout(4, 8, 3, 3)], Layout(4, 8, 3, 3)).text
    assert "float layer = s0;" in text and text.count("out vec4") == 1
    assert "sampler2DArray t0" in text
    blocks = render(Map(Load(0, float32), float32), [Layout(4, 8, 3, 3)], Layout(4, 8)).text
    assert "layer =" not in blocks


def test_the_same_place_is_divided_once() -> None:
    writer = Writer((), Layout(1, 1))
    place = variable(Var("x", 0, 99))
    assert writer.split(place, 7) == writer.split(place, 7)
    assert len(writer.lines[0]) == 2
    assert writer.split(place, 1) == (place, Place())
