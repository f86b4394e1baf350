"""What a recipe's data() may return besides Splits: one data set, cut in the same way in every tab."""

from typing import Any

import numpy as np
import pytest

import distml_py as dm
from distml_py import nn, optim
from distml_py.data import Dataset, IterableDataset, TensorDataset
from distml_py.data.splitting import splits_of
from distml_py.errors import RecipeError, ShapeError
from distml_py.recipe import Recipe, Training

X, Y = np.arange(60.0).reshape(20, 3) / 60, np.arange(20) % 4


class Squares(Dataset):
    def __getitem__(self, index: int) -> Any:
        return dm.tensor([float(index)] * 3), index % 4

    def __len__(self) -> int:
        return 20


class Stream(IterableDataset):
    pass


GIVEN = {
    "arrays": (X, Y),
    "tensors": (dm.tensor(X.astype(np.float32)), dm.tensor(Y)),
    "dataset": TensorDataset(X, Y),
    "own": Squares(),
    "list": [([float(n)] * 3, n % 4) for n in range(20)],
}


@pytest.mark.parametrize("name", GIVEN)
def test_every_sample_is_in_one_part_and_the_parts_are_the_same_each_time(name: str) -> None:
    one, other = splits_of(GIVEN[name]), splits_of(GIVEN[name])
    assert one is not None and other is not None
    parts = [[field.numpy() for field in part.batch(np.arange(len(part)))] for part in (one.train, one.validation, one.test)]
    assert [len(part[0]) for part in parts] == [16, 2, 2]
    assert sorted(np.concatenate([part[0][:, 0] for part in parts])) == pytest.approx(
        sorted(np.asarray(X if name in ("arrays", "tensors", "dataset") else np.arange(20)[:, None] + np.zeros((20, 3)))[:, 0])
    )
    assert all(part[0].dtype == np.float32 and part[1].dtype.kind == "i" for part in parts)
    again = other.train.batch(np.arange(16))
    assert np.array_equal(again[0].numpy(), parts[0][0]) and np.array_equal(again[1].numpy(), parts[0][1])
    assert not np.array_equal(parts[0][0][:, 0], np.sort(parts[0][0][:, 0])), "sorted data sets are mixed"


@pytest.mark.parametrize("count", [3, 4, 9, 10, 11])
def test_each_part_has_a_sample(count: int) -> None:
    found = splits_of((np.ones((count, 2)),))
    assert found is not None and min(len(found.train), len(found.validation), len(found.test)) >= 1
    assert len(found.train) + len(found.validation) + len(found.test) == count


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((np.ones((2, 2)), np.ones(2)), "2 samples cannot be split"),
        ([], "0 samples cannot be split"),
        ((np.ones(9), np.ones(8)), "fields of one length"),
        ([(1, 2), (3,)] * 4, "have .1, 2. fields"),
        ([("a", 1)] * 4, "numbers of one shape, found <U1"),
        ([[[1.0]], [[1.0, 2.0]]] * 4, "numbers of one shape, found float64"),
    ],
)
def test_what_cannot_be_cut_says_why(given: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        splits_of(given)


def test_what_is_no_data_set_is_not_guessed() -> None:
    assert all(splits_of(given) is None for given in (3, None, "text", Stream(), {"x": X}))


def recipe(**methods: Any) -> Recipe:
    defaults = {
        "data": lambda self: (X, Y),
        "model": lambda self: nn.Linear(3, 4),
        "optimizer": lambda self, parameters: optim.SGD(parameters, lr=0.1),
    }
    made: Recipe = type("Made", (Recipe,), defaults | methods)()
    return made


def test_a_recipe_trains_on_a_pair_of_arrays() -> None:
    training = Training(recipe(), 0)
    losses = [training.step(step) for step in range(30)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"data": lambda self: None}, "got None: is there a return"),
        ({"data": lambda self: (X, Y[:3])}, r"data\(\): TensorDataset needs fields of one length"),
        ({"loss": lambda self, model, batch: None}, r"called with the model and the 2 fields of a batch.*takes \(model, batch\)"),
    ],
)
def test_a_recipe_that_does_not_fit_its_data_is_told_so(methods: Any, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        Training(recipe(**methods), 0)
