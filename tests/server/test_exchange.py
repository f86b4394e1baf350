"""Whole runs of the middle, without sockets: codecs and modes learn, count their bytes, and repeat themselves."""

import numpy as np
import pytest

from cluster import Cluster, accuracy_of
from distml_py import io
from distml_py.recipe import Training, load_recipe
from test_tab import CODE


def cluster(workers: int = 2, steps: int = 30, code: str = CODE, **exchange: object) -> Cluster:
    return Cluster("small", code, 5, steps, workers, dict(exchange)).train()


def test_synchronous_fp32_is_the_training_of_one_worker_bit_by_bit() -> None:
    found = {io.weights_sha256(cluster(workers).model.weights()) for workers in (1, 2, 3)}
    assert len(found) == 1


@pytest.mark.parametrize("mode", ["sync", "local", "async"])
@pytest.mark.parametrize("codec", ["fp16", "int8", "topk"])
def test_every_worker_ends_with_the_runs_weights(mode: str, codec: str) -> None:
    found = cluster(mode=mode, codec=codec, local_steps=4, steps=40)
    assert found.losses[-1] < found.losses[0]  # type: ignore[operator]
    for tab in found.tabs.values():
        assert tab._newest() == 40
        weights = io.split(tab._weights[40])[0]
        assert io.weights_sha256(weights) == io.weights_sha256(found.model.weights())
    assert accuracy_of(found)[0] > 0.8


def test_local_steps_with_the_plain_mean_are_local_sgd() -> None:
    """Two shards, one round of three steps each: the mean of what two lonely workers would have."""
    code = CODE.replace("optim.Adam(parameters, lr=0.1)", "optim.SGD(parameters, lr=0.1)")
    found = cluster(2, 3, code, mode="local", local_steps=3, outer_lr=1.0, outer_momentum=0.0)
    ends = []
    for shard in (0, 1):
        training = Training(load_recipe("small", code), 5)
        for step in range(3):
            _, gradient = training.gradient(step, shard * 4, 4)
            moved = {name: array - np.float32(0.1) * gradient[name] for name, array in training.weights().items()}
            training.load_weights(moved)
        ends.append(training.weights())
    for name, array in found.model.weights().items():
        assert np.allclose(array, (ends[0][name] + ends[1][name]) / 2, atol=1e-6)


def test_local_steps_send_a_fraction_of_the_bytes() -> None:
    every, eighth = cluster(steps=32), cluster(steps=32, mode="local", local_steps=8)
    assert eighth.up == pytest.approx(every.up / 8, rel=0.05) and eighth.down == pytest.approx(every.down / 8, rel=0.05)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_a_shard_in_pieces_has_the_gradient_of_the_whole(size: int) -> None:
    whole = Training(load_recipe("small", CODE), 5)
    pieces = Training(load_recipe("small", CODE.replace("shards = 2", f"shards = 2\n    micro_batch = {size}")), 5)
    (loss, gradient), (sum_loss, sums) = whole.gradient(0, 0, 8), pieces.gradient(0, 0, 8)
    assert sum_loss == pytest.approx(loss, rel=1e-6)
    assert all(np.allclose(sums[name], gradient[name], atol=1e-7) for name in gradient)


def test_a_quantised_gradient_pulls_back_what_rounding_left_out() -> None:
    """With error feedback int8's steps stay next to fp32's; each alone would be off by up to half a quantum."""
    plain, small = cluster(steps=40), cluster(steps=40, codec="int8")
    off = max(np.abs(plain.model.weights()[name] - small.model.weights()[name]).max() for name in plain.model.shapes)
    assert 0 < off < 0.02 * max(np.abs(array).max() for array in plain.model.weights().values())


WIDE = '''"""Many numbers, of which topk sends four an answer."""

import numpy as np

from distml_py import Recipe, nn, optim
from distml_py.data import Splits, TensorDataset
from distml_py.nn import functional as F


class Wide(Recipe):
    batch_size = 32
    compile = False

    def data(self):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((256, 20)).astype(np.float32)
        y = (x @ rng.standard_normal((20, 20))).astype(np.float32)
        return Splits(TensorDataset(x, y), TensorDataset(x, y), TensorDataset(x, y))

    def model(self):
        return nn.Linear(20, 20)

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.02)

    def loss(self, model, x, y):
        return F.mse_loss(model(x), y)

    def correct(self, model, x, y):
        return ((model(x) - y).abs().mean(1) < 0.5).sum()
'''


@pytest.mark.parametrize(("mode", "most"), [("sync", 3.0), ("local", 1.6), ("async", 3.0)])
def test_with_topk_a_worker_goes_on_from_what_it_has_not_sent(mode: str, most: float) -> None:
    """From the run's weights alone it asks for the same again: 3.5, 2.1 and 3.8 times the loss, not 2.5, 1.2 and 2.3."""
    how = {"mode": mode, "local_steps": 4}
    plain = cluster(4, 120, WIDE, **how, outer_lr=1.0, outer_momentum=0.0)
    sparse = cluster(4, 120, WIDE, **how, codec="topk")
    assert np.mean(sparse.losses[-5:]) < most * np.mean(plain.losses[-5:])  # type: ignore[arg-type]


def test_topk_does_not_depend_on_how_many_share_the_shards() -> None:
    one, four, six = (np.mean(cluster(workers, 120, WIDE, codec="topk").losses[-5:]) for workers in (1, 4, 6))  # type: ignore[arg-type]
    assert max(one, six) < 1.25 * four
