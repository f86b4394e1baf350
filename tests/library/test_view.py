"""Views judged by NumPy: any sequence of moves, chained into as few views as possible, reads what NumPy's arrays hold."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distml_py import ops
from distml_py.op import Move
from distml_py.view import Shape, View, chain, contiguous_strides, merge

Moves = list[tuple[Move, tuple[Any, ...]]]


def places(view: View) -> tuple[np.ndarray, np.ndarray]:
    """(source element, has it one?) for every element of a view, row-major."""
    if not view.shape:
        return np.array([view.offset]), np.array([True])
    grid = np.indices(view.shape).reshape(len(view.shape), -1)
    inside = np.ones(grid.shape[1], bool)
    for coordinate, (low, high) in zip(grid, view.mask or (), strict=False):
        inside &= (coordinate >= low) & (coordinate < high)
    return view.offset + np.array(view.strides) @ grid, inside


def read(elements: np.ndarray, views: tuple[View, ...]) -> np.ndarray:
    """The elements behind a chain of views, outermost first."""
    if not views:
        return elements
    source = read(elements, views[1:])
    where, inside = places(views[0])
    assert ((where >= 0) & (where < source.size))[inside].all(), "a view reads beyond its source"
    return np.where(inside, source[np.where(inside, where, 0)] if source.size else 0, views[0].fill)


@st.composite
def slices(draw: Any, shape: Shape) -> tuple[tuple[int, int, int], ...]:
    found = []
    for size in shape:
        ends = st.none() | st.integers(-size - 1, size + 1)
        step = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        first, last, step = slice(draw(ends), draw(ends), step).indices(size)
        count = len(range(first, last, step))
        found.append((first, count, step) if count else (0, 0, 1))
    return tuple(found)


@st.composite
def reshaped(draw: Any, shape: Shape) -> Shape:
    """Another shape of as many elements: sizes split, joined, and ones put between."""
    if 0 in shape:
        return tuple(draw(st.permutations(shape)))
    rest, new = math.prod(shape), []
    while rest > 1:
        size = draw(st.sampled_from([d for d in range(2, rest + 1) if rest % d == 0]))
        new.append(size)
        rest //= size
        if draw(st.booleans()):
            new.append(1)
    return tuple(new)


@st.composite
def moves(draw: Any) -> tuple[Shape, Moves]:
    start = shape = tuple(draw(st.lists(st.integers(0, 4) | st.integers(1, 4), max_size=3)))
    found: Moves = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["permute", "slice", "reshape", "pad", "expand", "window"]))
        attrs: tuple[Any, ...] = ()
        if kind == "permute":
            row, attrs = ops.PERMUTE, (tuple(draw(st.permutations(range(len(shape))))),)
        elif kind == "slice":
            row, attrs = ops.SLICE, (draw(slices(shape)),)
        elif kind == "reshape":
            row, attrs = ops.RESHAPE, (draw(reshaped(shape)),)
        elif kind == "pad" and shape:
            row, attrs = (
                ops.PAD,
                (tuple(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in shape), draw(st.sampled_from([0, 7]))),
            )
        elif kind == "expand" and 1 in shape:
            row, attrs = ops.EXPAND, (tuple(draw(st.integers(1, 3)) if size == 1 else size for size in shape),)
        elif kind == "window" and shape and shape[-1] > 1:
            kernel = draw(st.integers(1, 2))
            row, attrs = ops.WINDOW, ((kernel,), (draw(st.integers(1, 2)),), (1,))
        else:
            continue
        new = row.view(shape, *attrs).shape
        if math.prod(new) > 2000:
            continue
        found.append((row, attrs))
        shape = new
    return start, found


@settings(max_examples=400, deadline=None)
@given(moves())
def test_any_moves_read_what_numpys_arrays_hold(case: tuple[Shape, Moves]) -> None:
    shape, todo = case
    array = np.arange(100, 100 + math.prod(shape)).reshape(shape)
    elements, views = array.reshape(-1), ()
    for row, attrs in todo:
        view = row.view(array.shape, *attrs)
        array = row.numpy(array, *attrs)
        assert view.shape == array.shape
        views = chain(view, views)
        found = read(elements, views)[: array.size].reshape(array.shape)
        np.testing.assert_array_equal(found, array)


@settings(max_examples=200, deadline=None)
@given(moves())
def test_a_simplified_view_is_the_same_map_with_no_more_dimensions(case: tuple[Shape, Moves]) -> None:
    shape, todo = case
    for row, attrs in todo:
        view = row.view(shape, *attrs)
        shape = view.shape
        simple = view.simplified()
        assert len(simple.shape) <= len(view.shape)
        if math.prod(shape):
            where, inside = places(view)
            again, still = places(simple)
            np.testing.assert_array_equal(inside, still)
            np.testing.assert_array_equal(where[inside], again[inside])


def view_of(shape: Shape) -> View:
    return View(shape, contiguous_strides(shape))


# moves that a kernel must read with one view: name, shape, moves
ONE_VIEW: list[tuple[str, Shape, Moves]] = [
    ("a transpose of a transpose is nothing", (3, 4), [(ops.PERMUTE, ((1, 0),)), (ops.PERMUTE, ((1, 0),))]),
    ("a slice of a transpose", (3, 4), [(ops.PERMUTE, ((1, 0),)), (ops.SLICE, (((1, 2, 2), (0, 3, 1)),))]),
    ("a flip of a slice", (9,), [(ops.SLICE, (((1, 4, 2),),)), (ops.SLICE, (((3, 4, -1),),))]),
    ("a pad of a slice", (9,), [(ops.SLICE, (((2, 4, 1),),)), (ops.PAD, (((1, 2),), 0))]),
    (
        "windows of a padded row after it was cut",
        (6, 5),
        [(ops.SLICE, (((1, 4, 1), (0, 5, 1)),)), (ops.WINDOW, ((2, 2), (1, 1), (1, 1)))],
    ),
    ("an expand of a row", (4,), [(ops.RESHAPE, ((1, 4),)), (ops.EXPAND, ((3, 4),)), (ops.PERMUTE, ((1, 0),))]),
    ("ones put in and taken out", (3, 4), [(ops.RESHAPE, ((3, 1, 4),)), (ops.PERMUTE, ((1, 2, 0),)), (ops.RESHAPE, ((4, 3),))]),
]


@pytest.mark.parametrize(("name", "shape", "todo"), ONE_VIEW, ids=[row[0] for row in ONE_VIEW])
def test_moves_that_walk_one_dimension_each_are_one_view(name: str, shape: Shape, todo: Moves) -> None:
    views: tuple[View, ...] = ()
    for row, attrs in todo:
        view = row.view(shape, *attrs)
        shape, views = view.shape, chain(view, views)
    assert len(views) <= 1


def test_an_identity_is_no_view() -> None:
    assert view_of((2, 3)).is_identity and view_of(()).is_identity and View((1, 1), (5, 7)).is_identity
    assert not View((2, 3), (1, 2)).is_identity and not View((3,), (1,), offset=1).is_identity
    assert chain(view_of((6,)), ()) == ()


def test_what_no_single_view_can_read_is_not_merged() -> None:
    turned = View((3, 2), (1, 3))
    assert merge(view_of((6,)), turned) is None, "reading a transpose row by row needs a division"
    assert merge(View((2,), (-1,), 3), View((2, 3), (1, 2))) is None, "backwards over the start of a row"
    assert merge(View((2,), (1,), 2), View((2, 3), (1, 2))) is None, "forwards over its end"
    assert merge(View((4,), (1,), -1, ((1, 3),)), View((2,), (1,), 0, ((0, 1),))) is None, "a mask inside stays"
