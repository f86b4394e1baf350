"""Counter-based random numbers: published test vectors, moments, and keys that do not depend on who draws."""

from typing import Any

import numpy as np
import pytest

import distml_py as dm
from distml_py import engine, random
from distml_py.data.sampler import permutation
from distml_py.nn import functional as F
from distml_py.ops.source import threefry2x32
from numpy_kernels import KernelBackend

# key, counter, result of Threefry-2x32-20: Random123's known answers (Salmon et al. 2011)
ONES = 0xFFFFFFFF
VECTORS = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((ONES, ONES), (ONES, ONES), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("key", "counter", "wanted"), VECTORS)
def test_threefry_gives_the_published_answers(key: Any, counter: Any, wanted: Any) -> None:
    words = [np.array([word], np.uint32) for word in (*key, *counter)]
    found = threefry2x32((words[0], words[1]), (words[2], words[3]))
    assert tuple(int(word[0]) for word in found) == wanted


def test_uniform_numbers_are_the_upper_24_bits_of_the_first_word() -> None:
    dm.manual_seed(0)
    assert dm.rand(1).item() == (0x6B200159 >> 8) / 2**24


def test_the_seed_decides_and_each_call_is_another_stream() -> None:
    dm.manual_seed(3)
    first, second = dm.rand(4).tolist(), dm.rand(4).tolist()
    assert first != second
    dm.manual_seed(3)
    assert [dm.rand(4).tolist(), dm.rand(4).tolist()] == [first, second]
    dm.manual_seed(4)
    assert dm.rand(4).tolist() != first


def test_numbers_do_not_depend_on_when_they_are_computed() -> None:
    dm.manual_seed(3)
    early = dm.rand(4).tolist()
    dm.manual_seed(3)
    late = dm.rand(4)
    dm.manual_seed(9)
    assert late.tolist() == early and late.tolist() == early


def test_an_element_does_not_depend_on_the_shape_it_is_in() -> None:
    dm.manual_seed(1)
    long = dm.rand(12).tolist()
    dm.manual_seed(1)
    assert dm.rand(3, 4).flatten().tolist() == long
    dm.manual_seed(1)
    assert dm.rand(5).tolist() == long[:5]


def test_moments_are_right() -> None:
    dm.manual_seed(0)
    uniform, normal, coin = dm.rand(100_000).numpy(), dm.randn(100_000).numpy(), dm.bernoulli(dm.full((100_000,), 0.3)).numpy()
    assert 0 <= uniform.min() and uniform.max() < 1
    assert uniform.mean() == pytest.approx(0.5, abs=0.005) and uniform.var() == pytest.approx(1 / 12, rel=0.02)
    assert normal.mean() == pytest.approx(0, abs=0.02) and normal.std() == pytest.approx(1, rel=0.02)
    assert (normal**4).mean() == pytest.approx(3, rel=0.05) and np.isfinite(normal).all()
    assert set(np.unique(coin)) == {0, 1} and coin.mean() == pytest.approx(0.3, abs=0.01)
    assert abs(np.corrcoef(uniform[:-1], uniform[1:])[0, 1]) < 0.01


def test_randint_covers_its_range_evenly() -> None:
    dm.manual_seed(0)
    found = dm.randint(-2, 3, (50_000,)).numpy()
    numbers, counts = np.unique(found, return_counts=True)
    assert numbers.tolist() == [-2, -1, 0, 1, 2] and found.dtype == np.int64
    assert counts == pytest.approx([10_000] * 5, rel=0.05)


def test_random_tensors_can_require_grad() -> None:
    x = dm.randn(3, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    assert dm.rand(2, dtype=dm.float64).dtype == dm.float64


def masks(parts: list[tuple[int, int]], step: int = 4) -> list[np.ndarray]:
    """Two dropout masks for each part (start, count) of a batch of samples of shape (3, 5)."""
    found = []
    for start, count in parts:
        with random.training_step(7, step, start):
            x = dm.ones(count, 3, 5)
            found.append(np.stack([F.dropout(x, 0.4).numpy(), F.dropout(x, 0.4).numpy()], 1))
    return found


@pytest.mark.parametrize("parts", [[(0, 6), (6, 6)], [(0, 1), (1, 2), (3, 9)], [(n, 1) for n in range(12)]])
def test_splitting_a_batch_never_changes_a_dropout_mask(parts: list[tuple[int, int]]) -> None:
    (whole,) = masks([(0, 12)])
    assert np.concatenate(masks(parts)).tolist() == whole.tolist()
    assert whole[:, 0].tolist() != whole[:, 1].tolist(), "each dropout has a mask of its own"
    assert masks([(0, 12)], step=5)[0].tolist() != whole.tolist(), "and each step"


def test_a_training_step_leaves_the_streams_outside_as_they_were() -> None:
    dm.manual_seed(3)
    wanted = [dm.rand(2).tolist(), dm.rand(2).tolist()]
    dm.manual_seed(3)
    first = dm.rand(2).tolist()
    with random.training_step(0, 5, 3):
        dm.rand(100).numpy()
        assert random.first_sample() == 3
    assert [first, dm.rand(2).tolist()] == wanted
    assert random.first_sample() == 0


def test_no_step_shares_numbers_with_what_a_seed_starts() -> None:
    dm.manual_seed(2)
    start = dm.rand(8).tolist()
    with random.training_step(2, 0):
        assert dm.rand(8).tolist() != start


def test_kernels_draw_the_same_bits() -> None:
    dm.manual_seed(11)
    wanted = dm.rand(33).tolist()
    engine.use_backend(KernelBackend())
    try:
        dm.manual_seed(11)
        assert dm.rand(33).tolist() == wanted
        dm.manual_seed(11)
        assert (dm.rand(3, 11).t() * 1).t().flatten().tolist() == wanted
    finally:
        engine.use_backend("reference")


def test_a_permutation_is_one_and_depends_on_seed_and_epoch() -> None:
    first = permutation(1000, 5, 0)
    assert sorted(first.tolist()) == list(range(1000))
    assert first.tolist() == permutation(1000, 5, 0).tolist()
    assert first.tolist() not in (permutation(1000, 5, 1).tolist(), permutation(1000, 6, 0).tolist())
    assert np.abs(first - np.arange(1000)).mean() == pytest.approx(333, abs=30)
    assert permutation(0, 1, 1).tolist() == []


def test_permutations_stay_as_they_are_on_every_machine() -> None:
    """Golden: the order of samples is part of what a seed means, in every browser and version."""
    assert permutation(10, 0, 0).tolist() == [1, 6, 0, 5, 3, 9, 7, 2, 8, 4]
