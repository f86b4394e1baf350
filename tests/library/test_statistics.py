"""Statistics found in one draw: how exact they are, also far from 0, and what they make of numbers without end."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import engine
from distml_py.nn import functional as F
from numpy_kernels import KernelBackend

EPS = 2.0**-24


@pytest.fixture(params=["reference", "kernels"], autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[None]:
    engine.use_backend("reference" if request.param == "reference" else KernelBackend())
    yield
    engine.use_backend("reference")


@pytest.mark.parametrize("length", [2, 5, 129, 256, 521, 5000])
@pytest.mark.parametrize("mean", [0.0, 1e4, -1e4])
def test_mean_and_variance_are_exact_however_large_the_mean_is(mean: float, length: int) -> None:
    """The mean within 8 roundings of the largest number, the variance within 1e-5 of itself."""
    x = (np.random.default_rng(length).standard_normal((length, 3)) + mean).astype(np.float32)
    running = dm.zeros(3), dm.zeros(3)
    y = F.batch_norm(dm.tensor(x), *running, None, None, True, 1.0, 0.0)
    exact = x.astype(np.float64)
    assert np.abs(running[0].numpy() - exact.mean(0)).max() <= 8 * EPS * np.abs(x).max()
    np.testing.assert_allclose(running[1].numpy(), exact.var(0, ddof=1), rtol=1e-5)
    wanted = (exact - exact.mean(0)) / exact.std(0)
    bound = 8 * EPS * np.abs(x).max() / exact.std(0).min() + 1e-5 * np.abs(wanted).max()
    assert np.abs(y.numpy() - wanted).max() <= bound


@pytest.mark.parametrize("first", [1e3, 1e6])
def test_a_first_number_far_from_the_others_costs_no_more_bits_than_are_in_a_chunk(first: float) -> None:
    x = np.random.default_rng(3).standard_normal((1000, 2)).astype(np.float32)
    x[0] = first
    running = dm.zeros(2), dm.zeros(2)
    F.batch_norm(dm.tensor(x), *running, None, None, True, 1.0, 0.0).realize()
    np.testing.assert_allclose(running[1].numpy(), x.astype(np.float64).var(0, ddof=1), rtol=2.5e-4)


INF, NAN = np.inf, np.nan
ROWS = [[-INF] * 3, [INF, 0, 1], [NAN, 0, 1], [-INF, 0, 1], [-INF, -INF, 5], [INF, INF, -INF], [0, NAN, INF], [1e30, -1e30, 0]]


@pytest.mark.parametrize("times", [1, 2, 200])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_rows_without_end_give_what_pytorch_gives(name: str, times: int) -> None:
    x = np.tile(np.array(ROWS, np.float32), (1, times))
    found = getattr(dm.tensor(x), name)(1).numpy()
    np.testing.assert_allclose(found, getattr(torch.tensor(x), name)(1).numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_a_whole_part_of_a_row_may_be_masked(name: str) -> None:
    x = np.random.default_rng(0).standard_normal((3, 900)).astype(np.float32)
    x[0, :600], x[1, 300:] = -INF, -INF
    found = getattr(dm.tensor(x), name)(1).numpy()
    np.testing.assert_allclose(found, getattr(torch.tensor(x), name)(1).numpy(), rtol=1e-5)


@pytest.mark.parametrize("times", [1, 200])
def test_the_cross_entropy_of_rows_without_end_is_pytorchs(times: int) -> None:
    x, y = np.tile(np.array(ROWS, np.float32), (1, times)), np.arange(len(ROWS)) % 3
    ours, theirs = dm.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    found = F.cross_entropy(ours, dm.tensor(y.astype(np.int32)), reduction="none")
    wanted = torch.nn.functional.cross_entropy(theirs, torch.tensor(y), reduction="none")
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-5)


def test_cross_entropy_of_no_classes_says_so() -> None:
    with pytest.raises(dm.errors.ShapeError, match="no classes"):
        F.cross_entropy(dm.zeros(2, 0), dm.tensor([0, 0]))
