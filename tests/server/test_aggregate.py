"""The coordinator's model: the float64 sum in shard order, the optimizer's step, and what it refuses to become."""

import itertools

import numpy as np
import pytest

from distml_py import io
from distml_py.errors import FormatError, NonFiniteError
from distml_server.aggregate import Model, Taken

SGD = {"name": "SGD", "lr": 1.0}


def model(config: dict[str, object] | None = None, size: int = 1) -> Model:
    return Model({"w": np.zeros(size, np.float32)}, config or SGD)


def gradient(value: float, size: int = 1) -> dict[str, np.ndarray]:
    return {"w": np.full(size, value, np.float32)}


Shards = dict[int, tuple[int, dict[str, np.ndarray]]]


def step(trained: Model, shards: Shards, samples: int) -> None:
    """A step of these shards: samples and arrays, in this order."""
    found = {
        (0, shard): Taken(count, trained.manifest.join(arrays), io.split(arrays)[1]) for shard, (count, arrays) in shards.items()
    }
    trained.apply(found, samples)


def test_the_sum_is_in_shard_order_whatever_the_order_of_arrival() -> None:
    # in float64, 1e16 + 1 - 1e16 is 0 and 1e16 - 1e16 + 1 is 1
    shards = {0: (1, gradient(1e16)), 1: (1, gradient(1.0)), 2: (1, gradient(-1e16)), 3: (1, gradient(0.5))}
    found = set()
    for order in itertools.permutations(shards):
        trained = model()
        step(trained, {shard: shards[shard] for shard in order}, 1)
        found.add(trained.weights()["w"].tobytes())
    assert found == {np.array([-0.5], np.float32).tobytes()}


def test_the_sum_is_in_float64() -> None:
    trained = model()
    step(trained, {shard: (1, gradient(value)) for shard, value in enumerate([2.0**24, 1.0, 1.0])}, 1)
    assert trained.weights()["w"][0] == -(2.0**24 + 2)  # in float32 each 1 would be lost


def test_a_shard_counts_by_its_samples() -> None:
    trained = model()
    step(trained, {0: (1, gradient(1.0)), 1: (3, gradient(5.0))}, 4)
    assert trained.weights()["w"][0] == -4.0


@pytest.mark.parametrize("config", [SGD, SGD | {"momentum": 0.9}, {"name": "Adam", "lr": 0.1}])
def test_a_model_that_adopts_a_state_goes_on_from_it_bit_by_bit(config: dict[str, object]) -> None:
    first, second = model(config, 5), model(config, 5)
    for number in range(3):
        step(first, {0: (1, gradient(number + 1.0, 5))}, 1)
    second.adopt(first.state())
    for trained in (first, second):
        step(trained, {0: (1, gradient(0.3, 5))}, 1)
    assert io.weights_sha256(first.weights()) == io.weights_sha256(second.weights())


@pytest.mark.fault("R11")
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinity_in_a_running_mean_is_refused_like_one_in_a_gradient(value: float) -> None:
    """No later mean would ever leave it; a mask has its own."""
    own = {"buffers/mean": np.zeros(2, np.float32), "buffers/mask": np.array([-np.inf, 0], np.float32)}
    trained = Model({"w": np.zeros(1, np.float32)}, SGD, own)
    trained.open(gradient(1.0) | own)
    for name in own:
        spoilt = own | {name: np.array([0, value], np.float32)}
        with pytest.raises(NonFiniteError, match=f"the buffer '{name}' holds an infinity where the run's has none"):
            trained.open(gradient(1.0) | spoilt)


def test_the_buffers_that_shard_0_leaves_are_the_models() -> None:
    mean, seen = np.zeros(2, np.float32), np.array(0, np.int32)
    own = {"buffers/mean": mean, "buffers/seen": seen, "buffers/mask": np.array([-np.inf], np.float32)}
    trained = Model({"w": np.zeros(1, np.float32)}, SGD, own)
    after = own | {"buffers/mean": mean + 5, "buffers/seen": np.array(1, np.int32)}
    with pytest.raises(FormatError, match="expected the buffers none in this order, got buffers/mean"):
        trained.open(gradient(1.0) | after, 1)
    with pytest.raises(FormatError, match="got none"):
        trained.open(gradient(1.0), 0)
    trained.open(gradient(1.0) | after, 0)
    trained.open(gradient(2.0), 1)
    step(trained, {1: (1, gradient(2.0)), 0: (1, gradient(1.0) | after)}, 2)
    assert trained.weights()["w"].tolist() == [-1.5]
    assert trained.state()["buffers/mean"].tolist() == [5, 5] and trained.state()["buffers/seen"] == 1
    again = Model({"w": np.zeros(1, np.float32)}, SGD, own)
    again.adopt(trained.state())
    assert again.buffers["buffers/mean"].tolist() == [5, 5]
    broken = trained.state()
    del broken["buffers/seen"]
    with pytest.raises(FormatError, match="odd: buffers/seen"):
        again.adopt(broken)


def test_a_step_that_diverges_leaves_weights_and_optimizer_as_they_were() -> None:
    trained = model({"name": "SGD", "lr": 1e10, "momentum": 0.9})
    step(trained, {0: (1, gradient(1.0))}, 1)
    before = {name: array.tobytes() for name, array in trained.state().items()}
    with pytest.raises(NonFiniteError, match="smaller learning rate"):
        step(trained, {0: (1, gradient(1e38))}, 1)
    assert {name: array.tobytes() for name, array in trained.state().items()} == before


def test_a_state_that_does_not_fit_is_not_adopted() -> None:
    trained = model()
    for state in ({}, {"weights/w": np.zeros(2, np.float32)}, {"weights/w": np.full(1, np.nan, np.float32)}):
        with pytest.raises(FormatError):
            trained.adopt(state)
    assert trained.weights()["w"].tolist() == [0.0]


def test_a_model_without_parameters_or_with_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(FormatError, match="got 0"):
        Model({}, SGD)
    with pytest.raises(FormatError, match="unknown optimizer 'Magic'"):
        model({"name": "Magic"})
    with pytest.raises(FormatError, match="holds a NaN"):
        Model({"w": np.full(1, np.inf, np.float32)}, SGD)


def test_a_gradient_of_incredible_size_is_refused_and_one_that_grew_is_not() -> None:
    model = Model({"w": np.ones(4, np.float32)}, {"name": "SGD", "lr": 0.1})
    for size in (1e2, 1e7, 1e12):  # training may grow, step by step
        grown = {"w": np.full(4, size, np.float32)}
        model.open(grown)
        step(model, {0: (1, grown)}, 1)
    with pytest.raises(FormatError, match="one worker could wreck the run"):
        model.open({"w": np.full(4, 1e30, np.float32)})
    with pytest.raises(FormatError, match="the largest that counted 1"):
        Model({"w": np.ones(4, np.float32)}, {"name": "SGD", "lr": 0.1}).open({"w": np.full(4, 3e38, np.float32)})
