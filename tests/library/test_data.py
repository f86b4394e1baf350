"""Datasets, samplers and loaders: what PyTorch's give, ours do; orders are the seed's."""

import inspect
from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data

import distml_py as dm
from distml_py import data, random
from distml_py.errors import DistmlError


class Numbers:
    """The samples 0 to n - 1, in either library."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return list(range(self.count))[index]


class Stream(data.IterableDataset):
    def __init__(self, count: int):
        self.count = count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))

    def __len__(self) -> int:
        return self.count


class TorchStream(torch.utils.data.IterableDataset):
    __init__, __iter__, __len__ = Stream.__init__, Stream.__iter__, Stream.__len__  # type: ignore[assignment]


class Fixed:
    """A generator that a test decides."""

    def __init__(self, seed: int):
        self.words = [seed, 0, 0, 0]

    def next_words(self) -> list[int]:
        self.words[2] += 1
        return self.words


def plain(batch: Any) -> Any:
    """Tensors as lists, groups one by one."""
    if isinstance(batch, dict):
        return {name: plain(value) for name, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return [plain(value) for value in batch]
    return batch.tolist() if hasattr(batch, "tolist") else batch


Point = namedtuple("Point", ["x", "y"])


@pytest.mark.parametrize(
    "samples",
    [
        [1, 2, 3],
        [1.5, 2.5],
        [True, False],
        [np.array([1, 2], np.int32), np.array([3, 4], np.int32)],
        [(1, 2.0), (3, 4.0)],
        [[1, "a"], [2, "b"]],
        [{"x": 1, "y": [1, 2]}, {"x": 2, "y": [3, 4]}],
        [Point(1, 2), Point(3, 4)],
        [b"one", b"two"],
    ],
)
def test_samples_are_collated_as_pytorchs(samples: list[Any]) -> None:
    found, wanted = data.default_collate(samples), torch.utils.data.default_collate(samples)
    assert plain(found) == plain(wanted) and type(found).__name__ == type(wanted).__name__


@pytest.mark.parametrize("options", [{"batch_size": 4}, {"batch_size": 4, "drop_last": True}, {"batch_size": None}, {}])
@pytest.mark.parametrize("count", [10, 8, 0])
def test_batches_are_cut_as_pytorchs(options: dict[str, Any], count: int) -> None:
    for mine, other in ((Numbers(count), Numbers(count)), (Stream(count), TorchStream(count))):
        ours, theirs = data.DataLoader(mine, **options), torch.utils.data.DataLoader(other, **options)
        assert len(ours) == len(theirs)
        assert [plain(batch) for batch in ours] == [plain(batch) for batch in theirs]
        assert [plain(batch) for batch in ours] == [plain(batch) for batch in theirs], "a second pass is as the first"


def test_a_loader_takes_samplers_and_a_collate_function() -> None:
    whole = data.TensorDataset(np.arange(10, dtype=np.float32), np.arange(10) * 2)
    loader = data.DataLoader(whole, batch_size=2, sampler=[3, 1, 4, 1, 5])
    assert [plain(batch) for batch in loader] == [[[3, 1], [6, 2]], [[4, 1], [8, 2]], [[5], [10]]]
    assert [plain(b) for b in data.DataLoader(whole, batch_sampler=[[0, 9], [5]])] == [[[0, 9], [0, 18]], [[5], [10]]]
    assert list(data.DataLoader(Numbers(5), 2, collate_fn=sum)) == [1, 5, 4]
    assert list(data.DataLoader(Numbers(3), None, collate_fn=lambda n: n * 10)) == [0, 10, 20]
    several = data.DataLoader(whole, 5, num_workers=4, pin_memory=True, persistent_workers=True, prefetch_factor=2)
    assert [len(x) for x, _ in several] == [5, 5]


def test_a_shuffle_is_the_seeds_and_another_one_each_pass() -> None:
    for generator in (None, Fixed(7)):
        loader = data.DataLoader(Numbers(40), 40, shuffle=True, generator=generator)
        dm.manual_seed(1)
        first, second = (next(iter(loader)).tolist() for _ in range(2))
        assert sorted(first) == sorted(second) == list(range(40)) and first != second
        if generator is not None:
            generator.words[2] = 0
        dm.manual_seed(1)
        assert next(iter(loader)).tolist() == first
    dm.manual_seed(1)
    seed, step, stream = random.next_key()
    dm.manual_seed(1)
    assert list(data.RandomSampler(Numbers(9))) == data.sampler.permutation(9, seed, step * 65537 + stream).tolist()


def test_samplers_draw_what_they_say() -> None:
    dm.manual_seed(3)
    assert list(data.SequentialSampler(Numbers(4))) == [0, 1, 2, 3]
    assert list(data.BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert [len(data.BatchSampler(range(5), 2, last)) for last in (False, True)] == [3, 2]
    drawn = list(data.RandomSampler(Numbers(10), replacement=True, num_samples=5000))
    assert np.bincount(drawn, minlength=10) == pytest.approx(500, abs=90) and len(drawn) == 5000
    twice = list(data.RandomSampler(Numbers(3), num_samples=7))
    assert sorted(twice[:3]) == sorted(twice[3:6]) == [0, 1, 2] and len(twice) == 7
    assert sorted(data.SubsetRandomSampler([5, 7, 9])) == [5, 7, 9]
    weighted = list(data.WeightedRandomSampler([1.0, 0.0, 3.0], 4000))
    assert np.bincount(weighted, minlength=3) == pytest.approx([1000, 0, 3000], abs=120)
    firsts = [next(iter(data.WeightedRandomSampler(dm.tensor([1.0, 0.0, 3.0]), 2, replacement=False))) for _ in range(400)]
    assert np.bincount(firsts, minlength=3) == pytest.approx([100, 0, 300], abs=40)
    assert sorted(data.WeightedRandomSampler([1.0, 0.0, 3.0], 2, replacement=False)) == [0, 2]


def test_datasets_are_put_together_and_taken_apart() -> None:
    for lib in (data, torch.utils.data):
        joined = lib.ConcatDataset([Numbers(3), Numbers(2)])
        assert [joined[n] for n in range(5)] == [0, 1, 2, 0, 1] and joined[-1] == 1 and len(joined) == 5
        part = lib.Subset(Numbers(9), [4, 2, 8])
        assert [part[n] for n in range(3)] == [4, 2, 8] and len(part) == 3
        stacked = lib.StackDataset(Numbers(3), Numbers(3)), lib.StackDataset(a=Numbers(3), b=Numbers(3))
        assert stacked[0][1] == (1, 1) and stacked[1][2] == {"a": 2, "b": 2} and len(stacked[1]) == 3
    assert list(Stream(2) + Stream(3)) == [0, 1, 0, 1, 2] and len(data.ChainDataset([Stream(2), Stream(3)])) == 5
    whole = data.TensorDataset(np.arange(4))
    assert (whole + whole)[5][0].item() == 1 and whole.tensors[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(IndexError, match="sample 8 of a dataset of 8"):
        (whole + whole)[8]


def test_a_random_split_has_pytorchs_lengths() -> None:
    for lengths in ([7, 3], [0.7, 0.3], [0.33, 0.33, 0.34], [10]):
        found = data.random_split(Numbers(10), lengths, generator=Fixed(1))
        wanted = torch.utils.data.random_split(Numbers(10), lengths)
        assert [len(part) for part in found] == [len(part) for part in wanted]
        assert sorted(number for part in found for number in part.indices) == list(range(10))
    assert found[0].indices == data.random_split(Numbers(10), [10], generator=Fixed(1))[0].indices
    assert found[0].indices != data.random_split(Numbers(10), [10], generator=Fixed(2))[0].indices


NAMES = ["DataLoader", "RandomSampler", "BatchSampler", "WeightedRandomSampler", "SubsetRandomSampler", "ConcatDataset", "Subset"]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_have_pytorchs_order_and_defaults(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(lib, name).__init__).parameters for lib in (data, torch.utils.data))
    assert {key: value.default for key, value in ours.items()} == {key: value.default for key, value in theirs.items()}
    assert list(ours) == list(theirs)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: data.DataLoader(Numbers(3), shuffle=True, sampler=[1]), "DataLoader takes shuffle or a sampler, not both"),
        (lambda: data.DataLoader(Stream(3), shuffle=True), "an IterableDataset has its own order; leave shuffle"),
        (lambda: data.DataLoader(Numbers(3), 2, batch_sampler=[[1]]), "a batch_sampler decides batch_size, shuffle, sampler"),
        (
            lambda: data.default_collate([object()]),
            "takes tensors, arrays, numbers, text and groups of them, got object",
        ),
        (lambda: data.default_collate([(1,), (1, 2)]), r"samples of one batch have \[1, 2\] fields; give collate_fn"),
        (lambda: data.StackDataset(), "StackDataset takes datasets, or datasets by name, and at least one"),
        (lambda: data.StackDataset(Numbers(1), Numbers(2)), r"StackDataset needs datasets of one length, got \[1, 2\]"),
        (lambda: data.ConcatDataset([]), "ConcatDataset takes at least one dataset with numbers"),
        (lambda: data.random_split(Numbers(3), [1, 1]), r"random_split: lengths \[1, 1\] do not add up to 3 samples"),
        (lambda: data.random_split(Numbers(3), [0.5, 0.25]), r"random_split: shares add up to 1, got \[0.5, 0.25\]"),
        (lambda: data.RandomSampler(Numbers(3), num_samples=0), "RandomSampler: num_samples is at least 1, got 0"),
        (lambda: data.BatchSampler([1], 0, False), "BatchSampler: batch_size is at least 1, got 0"),
        (lambda: data.WeightedRandomSampler([0.0], 1), "weights are a list of numbers from 0 up, not all 0"),
        (lambda: data.WeightedRandomSampler([1.0, 0.0], 2, False), "2 samples from 1 that have a chance"),
    ],
)
def test_what_cannot_be_done_is_said(wrong: Any, message: str) -> None:
    with pytest.raises(DistmlError, match=message):
        wrong()


@pytest.mark.parametrize("kind", [data.IterableDataset, data.Sampler])
def test_what_a_subclass_owes_is_said(kind: type) -> None:
    with pytest.raises(NotImplementedError, match=rf"{kind.__name__} has no __iter__\(\)"):
        iter(kind())


def test_a_tab_has_no_workers_to_ask_about() -> None:
    assert data.get_worker_info() is None


def test_a_sampler_of_ten_thousand_million_draws_as_it_goes() -> None:
    sampler = data.RandomSampler(Numbers(7), replacement=True, num_samples=10**10)
    assert len(sampler) == 10**10 and {next(iter(sampler)) for _ in range(60)} == set(range(7))
    short = data.RandomSampler(Numbers(7), replacement=True, num_samples=20_000)
    assert len(list(short)) == 20_000
