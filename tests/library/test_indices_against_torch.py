"""x[key], x[key] = v and writing by index, with keys that tutorials do not show: numbers, gradients and errors are PyTorch's."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm

KEYS: dict[str, Callable[[Any], Any]] = {
    "two dots": lambda t: (..., ...),
    "dots behind": lambda t: (0, ..., 0, ...),
    "too many dots": lambda t: (..., 0, ..., 0),
    "true": lambda t: True,
    "false": lambda t: False,
    "a tuple of true": lambda t: (True,),
    "none, true": lambda t: (None, True),
    "none, false": lambda t: (None, False),
    "true twice": lambda t: (True, True),
    "true, false": lambda t: (True, False),
    "0, true": lambda t: (0, True),
    "true, 0": lambda t: (True, 0),
    "slice, true": lambda t: (slice(None), True),
    "dots, true": lambda t: (..., True),
    "true, slice, true": lambda t: (True, slice(0, 1), True),
    "true, list": lambda t: (True, [0, 1]),
    "true apart from a list": lambda t: (True, slice(None), [0, 1]),
    "false, list": lambda t: (False, [0, 1]),
    "true, mask": lambda t: (True, t.tensor([True, False])),
    "a tensor of true": lambda t: (t.tensor(True), 0),
    "NumPy's true": lambda t: np.True_,
    "true and too many": lambda t: (True, 0, 0, 0),
    "dots, mask of two": lambda t: (..., t.tensor([[True, False, True], [False, False, True]])),
    "lists in a list": lambda t: [[0, 1], [1, 0]],
    "tensors in a list": lambda t: [t.tensor([0, 1]), t.tensor(2)],
    "slices in a list": lambda t: [slice(None), 1],
    "NumPy's int": lambda t: np.int64(1),
    "a number": lambda t: t.tensor(1),
    "numbers": lambda t: (t.tensor(1), t.tensor(0)),
    "a computed number": lambda t: t.arange(2)[1],
}
SIZES: dict[str, tuple[int, ...]] = {"a matrix": (2, 3), "a number": (), "nothing": (0, 3)}


def matrix(library: Any, size: tuple[int, ...]) -> Any:
    return library.arange(float(np.prod(size))).reshape(size) + 1


def read(library: Any, x: Any, key: Any) -> Any:
    return x[key]


def write(library: Any, x: Any, key: Any) -> Any:
    y = x * 1
    y[key] = library.tensor([7.0])
    return y


def write_its_own(library: Any, x: Any, key: Any) -> Any:
    y = x * 1
    y[key] = -2 * y[key]
    return y


def add(library: Any, x: Any, key: Any) -> Any:
    y = x * 1
    y[key] += 1
    return y


def change_what_is_read(library: Any, x: Any, key: Any) -> Any:
    y = x * 1
    y[key].mul_(2)
    return y


def outcome(library: Any, call: Callable[[], tuple[Any, ...]]) -> tuple[type | None, list[Any]]:
    """(the error, if any; numbers)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return None, [part.detach().numpy() for part in call()]
    except Exception as error:
        return type(error), []


def gradients(library: Any, loss: Any, *sources: Any) -> list[Any]:
    return list(library.autograd.grad(loss, sources))


def agree(call: Callable[[Any], tuple[Any, ...]]) -> None:
    (wanted, judge), (found, ours) = outcome(torch, lambda: call(torch)), outcome(dm, lambda: call(dm))
    assert (wanted is None) == (found is None), (wanted, judge, found, ours)
    if wanted is not None and found is not None:
        assert issubclass(found, [one for one in wanted.__mro__ if one.__module__ == "builtins"][0])
    for one, other in zip(judge, ours, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        np.testing.assert_allclose(other, one, rtol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("what", [read, write, write_its_own, add, change_what_is_read])
def test_a_key_means_what_it_means_in_pytorch(name: str, size: str, what: Callable[..., Any]) -> None:
    def call(library: Any) -> tuple[Any, ...]:
        x = matrix(library, SIZES[size]).requires_grad_()
        found = what(library, x, KEYS[name](library))
        weights = library.arange(float(found.numel())).reshape(found.shape) + 1
        return found, *gradients(library, (found * weights).sum() + 0 * x.sum(), x)

    agree(call)


def test_a_mask_of_uint8_is_a_mask_and_says_that_it_is_old() -> None:
    x = dm.arange(6.0).reshape(2, 3)
    mask = dm.tensor([0, 1], dtype=dm.uint8)
    with pytest.warns(UserWarning, match="indexing with a uint8 tensor as a mask is deprecated"):
        assert x[mask].tolist() == [[3, 4, 5]]
    with pytest.warns(UserWarning, match="uint8"):
        x[mask] = dm.tensor([7.0, 8, 9])
    assert x.tolist() == [[0, 1, 2], [7, 8, 9]]


NUMBERS = {"number": "t.tensor(5.)", "line": "t.arange(3.)", "matrix": "t.arange(6.).reshape(2, 3)", "nothing": "t.zeros(0, 3)"}
PLACES = {
    "number": "t.tensor(0)",
    "one": "t.tensor([0])",
    "two": "t.tensor([1, 0])",
    "none": "t.zeros(0, dtype=t.long)",
    "no rows": "t.zeros(0, 3, dtype=t.long)",
    "no columns": "t.zeros(2, 0, dtype=t.long)",
    "matrix": "t.tensor([[0, 1, 1], [1, 0, 0]])[:, :1]",
}
SOURCES = {"number": "t.tensor(7.)", "one": "t.tensor([7.])", "two": "t.tensor([7., 8.])", "none": "t.zeros(0)"}
READING = ("t.gather(x, 0, i)", "x.index_select(0, i)", "t.take_along_dim(x, i)", "x.take(i)")
FILLING = ("x.scatter(0, i, 2.)", "x.index_fill(0, i, 3.)")
WRITING = (
    "x.scatter(0, i, s)",
    "x.scatter_add(0, i, s)",
    "x.index_add(0, i, s)",
    "x.index_put((i,), s, accumulate=True)",
    "x.clone().scatter_add_(0, i, src=s)",
    *(f"x.scatter_reduce(0, i, s, {how!r})" for how in ("sum", "mean", "amax", "prod")),
)
COPYING = ("x.index_copy(0, i, s)", "x.index_reduce(0, i, s, 'mean')")


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("form", (*READING, *FILLING))
def test_reading_by_numbers_and_by_nothing(form: str, numbers: str, places: str) -> None:
    def call(library: Any) -> tuple[Any, ...]:
        x = eval(NUMBERS[numbers], {"t": library}).requires_grad_()
        found = eval(form, {"t": library, "x": x, "i": eval(PLACES[places], {"t": library})})
        return found, *gradients(library, found.sum(), x)

    agree(call)


@pytest.mark.parametrize("places", ("number", "one", "two", "none"))
@pytest.mark.parametrize("numbers", ("number", "line"))
@pytest.mark.parametrize("form", (*WRITING, *COPYING))
def test_writing_by_numbers_and_by_nothing(form: str, numbers: str, places: str) -> None:
    for source in (places, "number") if numbers == "number" and places == "one" else (places,):

        def call(library: Any, source: str = source) -> tuple[Any, ...]:
            names = {"t": library}
            x, s = (eval(text, names).requires_grad_() for text in (NUMBERS[numbers], SOURCES[source]))
            found = eval(form, {"t": library, "x": x, "s": s, "i": eval(PLACES[places], names)})
            return found, *gradients(library, (found * 3).sum(), x, s)

        if outcome(torch, lambda: call(torch))[0] is None:  # noqa: B023 (what PyTorch refuses for its shapes is not all refused here)
            agree(call)


def test_scatter_multiplies_as_in_pytorch() -> None:
    agree(lambda t: (t.arange(3).scatter(0, t.tensor([1, 1, 2]), t.tensor([2, 3, 4]), reduce="multiply"),))
    agree(lambda t: (t.arange(3.0).scatter_(0, t.tensor([2]), 2.0, reduce="multiply"),))
