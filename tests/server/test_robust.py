"""Aggregators against numbers worked out by other means, and what wrong gradients do to a model with and without them."""

import asyncio
from pathlib import Path
from typing import cast

import aiohttp
import numpy as np
import pytest

from distml_py.errors import FormatError
from distml_server import robust
from distml_server.access import Access
from distml_server.aggregate import Model, Taken
from distml_server.coordinator import Coordinator
from distml_server.guards import Guards
from distml_server.robust import AGGREGATORS
from distml_server.store import Store
from peers import Served, serving

EIGHT = np.full(8, 1 / 8)
HONEST = np.random.default_rng(0).normal(1.0, 0.1, (6, 500)).astype(np.float32)


def rows(*wrong: np.ndarray) -> np.ndarray:
    return np.concatenate([np.array(wrong, np.float32), HONEST])


def test_the_rules_are_what_they_are_called() -> None:
    found = np.random.default_rng(1).normal(0, 1, (8, 300)).astype(np.float32)
    ordered = np.sort(found.astype(np.float64), axis=0)
    np.testing.assert_allclose(robust.mean(found, EIGHT), found.mean(axis=0, dtype=np.float64), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(robust.median(found, EIGHT), np.median(found.astype(np.float64), axis=0), rtol=1e-6)
    np.testing.assert_allclose(robust.median(found[:7], EIGHT[:7] * 8 / 7), np.median(found[:7], axis=0), rtol=1e-6)
    np.testing.assert_allclose(robust.trimmed_mean(found, EIGHT), ordered[2:6].mean(axis=0), rtol=1e-6)


def test_krum_takes_a_row_and_multi_krum_leaves_the_two_farthest_out() -> None:
    found = rows(np.full(500, 50.0), np.full(500, -50.0))
    assert any(np.array_equal(robust.krum(found, EIGHT), row) for row in HONEST.astype(np.float64))
    np.testing.assert_allclose(robust.multi_krum(found, EIGHT), HONEST.mean(axis=0, dtype=np.float64), rtol=1e-6)


@pytest.mark.fault("S23")
@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name != "mean"])
@pytest.mark.parametrize("wrong", [-10.0, 0.0, 1e6, -1e6])
def test_two_of_eight_cannot_steer(name: str, wrong: float) -> None:
    """The mean is steered, or the attack would prove nothing."""
    found = rows(np.full(500, wrong), np.full(500, wrong))
    right = HONEST.mean(axis=0, dtype=np.float64)
    assert np.abs(AGGREGATORS[name](found, EIGHT) - right).mean() < 0.25
    assert np.abs(robust.mean(found, EIGHT) - right).mean() > 0.2


@pytest.mark.parametrize("name", AGGREGATORS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_rows_are_enough_and_equal_rows_are_themselves(name: str, count: int) -> None:
    found = np.tile(np.arange(5, dtype=np.float32), (count, 1))
    np.testing.assert_allclose(AGGREGATORS[name](found, np.full(count, 1 / count)), np.arange(5), atol=1e-6)


@pytest.mark.parametrize("name", AGGREGATORS)
def test_late_answers_make_a_smaller_step(name: str) -> None:
    found = np.ones((4, 3), np.float32)
    np.testing.assert_allclose(AGGREGATORS[name](found, np.full(4, 1 / 8)), np.full(3, 0.5), rtol=1e-6)


def test_columns_are_sorted_in_pieces_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = robust.trimmed_mean(HONEST, EIGHT[:6])
    monkeypatch.setattr(robust, "SCALE_BYTES", 7 * 4 * 6)
    np.testing.assert_array_equal(robust.trimmed_mean(HONEST, EIGHT[:6]), whole)


@pytest.mark.fault("S22")
@pytest.mark.parametrize("times", [1e6, 1e25, 6.0])
def test_s22_a_gradient_that_is_too_long_is_shortened_and_counted(times: float) -> None:
    sieve = robust.Sieve()
    sieve.prepare(HONEST)
    before = sieve.clipped
    found = sieve.prepare(rows(HONEST[0] * np.float32(times), HONEST[1] * np.float32(times)))
    usual = np.median(np.linalg.norm(HONEST, axis=1))
    assert 2 <= sieve.clipped - before <= 2 + len(HONEST) // 2
    assert (np.linalg.norm(found, axis=1) <= usual * 1.0001).all()
    right = HONEST.mean(axis=0)
    for row in found[2:]:
        np.testing.assert_allclose(row, right, atol=0.1)  # the long ones are nobody's neighbours


def test_the_limit_follows_honest_lengths_and_a_minority_cannot_move_it_out_of_them() -> None:
    """No number in it was chosen for an attack: it is the median."""
    honest, attacked = robust.Sieve(), robust.Sieve()
    lengths = np.linspace(1, 2, 6)
    unit = np.eye(6, 500, dtype=np.float32)
    for times in (0.0, 1e3):
        wrong = np.full((2, 500), times, np.float32) * np.float32([[1], [1.5]])
        attacked.prepare(np.concatenate([wrong, unit * lengths[:, None].astype(np.float32)]))
    honest.prepare(unit * lengths[:, None].astype(np.float32))
    assert lengths[0] <= np.median(attacked._norms) <= lengths[-1]
    assert np.median(honest._norms) == pytest.approx(1.5)


@pytest.mark.fault("S23")
def test_s23_copies_of_anothers_gradient_count_once() -> None:
    sieve = robust.Sieve()
    found = sieve.prepare(rows(HONEST[5], HONEST[5]))
    assert sieve.copies == 2 and len(found) == 6
    same = np.ones((8, 4), np.float32)
    assert len(sieve.prepare(same)) == 8 and sieve.copies == 2, "what all say is agreement"


def test_a_model_steps_by_its_rule_and_not_by_the_mean_of_what_is_left() -> None:
    model = Model({"w": np.zeros(2, np.float32)}, {"name": "SGD", "lr": 1.0}, aggregator="median")
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)  # of one length, and too few to be mixed
    model.apply({(0, shard): Taken(2, vector, {}) for shard, vector in enumerate(vectors)}, 6)
    np.testing.assert_allclose(model.weights()["w"], [-0.6, -0.8], rtol=1e-6)


def stepped(aggregator: str, wrong: float) -> float:
    """How far two wrong shards of eight move a weight that the six others want to move by -1."""
    model = Model({"w": np.zeros(4, np.float32)}, {"name": "SGD", "lr": 1.0}, aggregator=aggregator)
    vectors = [np.full(4, wrong if shard < 2 else 1.0, np.float32) for shard in range(8)]
    model.apply({(0, shard): Taken(2, vector, {}) for shard, vector in enumerate(vectors)}, 16)
    return float(model.weights()["w"][0])


@pytest.mark.fault("S23")
@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name != "mean"])
def test_s23_a_models_step_is_the_honest_ones_and_with_the_mean_it_is_not(name: str) -> None:
    assert stepped(name, -10.0) == pytest.approx(-1.0, abs=0.26)
    assert stepped("mean", -10.0) == pytest.approx(1.75)


def test_an_unknown_aggregator_is_refused_by_name() -> None:
    with pytest.raises(FormatError, match="an aggregator is mean, median, trimmed_mean, krum, multi_krum, centered_clipping"):
        Model({"w": np.zeros(1, np.float32)}, {"name": "SGD", "lr": 1.0}, aggregator="best")


async def _when_there_is_room(served: Served) -> aiohttp.ClientWebSocketResponse:
    while True:
        try:
            return cast(aiohttp.ClientWebSocketResponse, await served.socket())
        except aiohttp.WSServerHandshakeError:
            await asyncio.sleep(0.01)


@pytest.mark.fault("S11", "S26")
@pytest.mark.parametrize("most", [1, 3])
async def test_s26_one_address_has_so_many_connections_and_a_closed_one_makes_room(tmp_path: Path, most: int) -> None:
    async with serving(tmp_path, per_address=most) as served:
        sockets = [await served.socket() for _ in range(most)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await served.socket()
        assert refused.value.status == 429
        async with served.client.get(f"{served.url}/api/info") as answer:
            assert answer.status == 200, "the page is still served"
        await sockets.pop().close()
        async with asyncio.timeout(5), await _when_there_is_room(served):
            pass
        for socket in sockets:
            await socket.close()


def test_a_deterministic_run_has_the_mean(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(FormatError, match="a deterministic run has the aggregator mean, not median: leave one of them away"):
        Coordinator(store, Access(False), deterministic=True, guards=Guards("median"))
    store.close()
