"""The sum of a step: the same bits for every way in which its parts lie at several coordinators."""

import numpy as np
import pytest

from distml_server import summing
from distml_server.aggregate import Model, Taken

SIZE = 37


def terms(count: int) -> list[tuple[np.ndarray, float]]:
    """Of such different magnitudes that another order of adding them is another sum."""
    random = np.random.default_rng(count)
    scale = 10.0 ** random.integers(-12, 12, (count, 1))
    rows = (random.standard_normal((count, SIZE)) * scale).astype(np.float32)
    return [(row, float(factor)) for row, factor in zip(rows, random.random(count), strict=True)]


def spread(found: list[tuple[np.ndarray, float]], owners: np.ndarray) -> np.ndarray:
    """The sum when part i lies at coordinator owners[i]."""
    nodes, rows = [], {}
    for owner in set(owners.tolist()):
        own = {place: term for place, term in enumerate(found) if owners[place] == owner}
        made, left = summing.held(own, len(found), SIZE)
        nodes += made
        rows |= {place: found[place] for place in left}
    return summing.joined(nodes, rows, len(found), SIZE)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 8, 9, 17, 40, 63, 64, 65, 200])
def test_wherever_the_parts_lie_the_sum_has_the_same_bits(count: int) -> None:
    found, random = terms(count), np.random.default_rng(1)
    alone = summing.total(found, SIZE)
    for coordinators in (1, 2, 3, 8):
        assert spread(found, random.integers(0, coordinators, count)).tobytes() == alone.tobytes()
        assert spread(found, np.arange(count) * coordinators // count).tobytes() == alone.tobytes()


def test_the_order_of_adding_is_seen_in_these_numbers() -> None:
    found = terms(64)
    plain = summing.add_up(found, SIZE)
    assert plain.tobytes() != summing.total(found, SIZE).tobytes(), "else the test above could not fail"
    np.testing.assert_allclose(plain, summing.total(found, SIZE), rtol=1e-10)


def test_up_to_a_range_the_order_is_that_of_the_shards() -> None:
    found = terms(summing.RANGE)
    total = np.zeros(SIZE)
    for vector, factor in found:
        total += vector.astype(np.float64) * factor
    assert total.tobytes() == summing.total(found, SIZE).tobytes()


def test_whole_parts_travel_as_few_sums() -> None:
    found = terms(64)
    nodes, left = summing.held({place: found[place] for place in range(32)}, 64, SIZE)
    assert [node[:2] for node in nodes] == [(3, 0)] and left == []
    nodes, left = summing.held({place: found[place] for place in range(2, 64)}, 64, SIZE)
    assert [node[:2] for node in nodes] == [(0, 1), (1, 1), (2, 1), (3, 1)] and left == [2, 3]


def test_a_part_that_is_missing_is_no_sum() -> None:
    found = terms(20)
    nodes, left = summing.held({place: found[place] for place in range(16)}, 20, SIZE)
    with pytest.raises(LookupError):
        summing.joined(nodes, {place: found[place] for place in left}, 20, SIZE)


def test_a_model_steps_by_this_sum() -> None:
    model = Model({"w": np.zeros(SIZE, np.float32)}, {"name": "SGD", "lr": 1.0})
    found = [(vector / np.float32(1e12), factor) for vector, factor in terms(40)]
    model.apply({(0, shard): Taken(1, vector, {}) for shard, (vector, _) in enumerate(found)}, 40)
    total = summing.total([(vector, 1 / 40) for vector, _ in found], SIZE)
    np.testing.assert_array_equal(model.weights()["w"], -total.astype(np.float32))
