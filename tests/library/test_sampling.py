"""Random tensors: shapes, dtypes, seeds, generators; moments and frequencies within five standard errors."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

import distml_py as dm
from distml_py import engine
from numpy_kernels import KernelBackend

N = 20_000


@pytest.fixture(params=["reference", "kernels"])
def backend(request: pytest.FixtureRequest) -> Iterator[None]:
    dm.manual_seed(7)
    if request.param == "kernels":
        engine.use_backend(KernelBackend())
    yield
    engine.use_backend("reference")


def near(found: float, wanted: float, deviation: float) -> bool:
    return abs(found - wanted) < 5 * deviation / math.sqrt(N)


def test_moments(backend: None) -> None:
    assert near(dm.rand(N).mean().item(), 0.5, 0.29)
    x = dm.randn(N)
    assert near(x.mean().item(), 0, 1) and near(x.square().mean().item(), 1, math.sqrt(2))
    x = dm.normal(3.0, 0.5, (N,))
    assert near(x.mean().item(), 3, 0.5) and near(x.std().item(), 0.5, 0.5)
    assert near(dm.zeros(N).exponential_(2).mean().item(), 0.5, 0.5)
    assert near(dm.zeros(N).uniform_(-1, 3).mean().item(), 1, 1.16)
    assert near(dm.zeros(N).normal_(2, 3).mean().item(), 2, 3)
    assert near(dm.zeros(N).bernoulli_(0.3).mean().item(), 0.3, 0.46)
    assert near(dm.bernoulli(dm.full((N,), 0.8)).mean().item(), 0.8, 0.4)
    assert near(dm.full((N,), 0.1).bernoulli().mean().item(), 0.1, 0.3)


def test_integers(backend: None) -> None:
    counts = dm.bincount(dm.randint(2, 6, (N,)), minlength=6)
    assert counts.tolist()[:2] == [0, 0] and all(near(n / N, 0.25, 0.44) for n in counts.tolist()[2:])
    assert dm.randint(3, (2, 5)).shape == (2, 5) and dm.randint(3, (50,)).max().item() == 2
    assert dm.randint(0, 2, (3,), dtype=dm.float32).dtype == dm.float32
    assert dm.randint_like(dm.ones(3), 5).dtype == dm.float32
    assert set(dm.zeros(100).random_(2, 4).tolist()) == {2, 3} and dm.arange(50).random_(3).max().item() == 2
    for n in (0, 1, 7, 129, 1500):
        order = dm.randperm(n)
        assert sorted(order.tolist()) == list(range(n)) and order.dtype == dm.int64
    assert dm.randperm(40).tolist() != dm.randperm(40).tolist()


def test_multinomial(backend: None) -> None:
    weights = dm.tensor([1.0, 0.0, 3.0, 4.0])
    drawn = dm.multinomial(weights, N, replacement=True)
    found = np.bincount(drawn.numpy(), minlength=4) / N
    assert found[1] == 0 and all(near(found[n], weights.tolist()[n] / 8, 0.5) for n in (0, 2, 3))
    lines = weights.expand(N // 4, 4).multinomial(3)
    assert (dm.sort(lines, 1).values == dm.tensor([0, 2, 3])).all().item(), "without replacement all differ, and none weighs 0"
    first = np.bincount(lines[:, 0].numpy(), minlength=4) / (N // 4)
    assert abs(first[3] - 0.5) < 0.04
    assert dm.multinomial(weights.expand(2, 4), 5, replacement=True).shape == (2, 5)


def test_seeds_states_and_generators_decide(backend: None) -> None:
    dm.manual_seed(3)
    assert dm.initial_seed() == 3
    state = dm.get_rng_state()
    first = dm.rand(4).tolist()
    assert dm.rand(4).tolist() != first
    dm.set_rng_state(state)
    assert dm.rand(4).tolist() == first
    one, two = dm.Generator().manual_seed(9), dm.Generator(device="cpu").manual_seed(9)
    assert dm.randn(3, generator=one).tolist() == dm.randn(3, generator=two).tolist() != dm.randn(3, generator=one).tolist()
    kept = one.get_state()
    again = dm.rand(2, generator=one).tolist()
    one.set_state(kept)
    assert dm.rand(2, generator=one).tolist() == again and one.initial_seed() == 9
    dm.set_rng_state(state)
    dm.rand(5, generator=one)
    assert dm.rand(4).tolist() == first, "a generator does not move the others on"
    assert dm.Generator().seed() != dm.seed()


def test_shapes_and_dtypes_are_as_asked() -> None:
    like = dm.ones(2, 3, dtype=dm.float64)
    assert dm.rand_like(like).dtype == dm.randn_like(like).dtype == dm.float64 and dm.rand_like(like).shape == (2, 3)
    assert dm.rand(2, 0).shape == (2, 0) and dm.randn((3,), requires_grad=True).requires_grad
    assert dm.normal(dm.zeros(2, 1), dm.ones(3)).shape == (2, 3) and dm.normal(1.0, dm.ones(3)).shape == (3,)
