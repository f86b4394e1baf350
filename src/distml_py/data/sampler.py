"""Samplers: in which order the samples of a dataset come. PyTorch's torch.utils.data.

Orders are made by counting, not by state: the same seed gives the same order in every browser and on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from .. import ops, random
from ..errors import DtypeError, ShapeError
from ..tensor import Tensor

AT_ONCE = 1 << 14  # numbers drawn with replacement


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """A fixed shuffle of range(count): the same in every browser and on every machine."""
    return np.argsort(_bits(count, seed, epoch), kind="stable")


def _bits(count: int, seed: int, epoch: int) -> np.ndarray:
    words = [np.uint32(word % 2**32) for word in (seed, epoch)]
    counter = np.arange(count, dtype=np.uint32)
    bits, _ = ops.source.threefry2x32((words[0], words[1]), (counter, np.full_like(counter, 0xD161)))
    return bits


def _key(generator: Any) -> tuple[int, int]:
    """(seed, number of the pass): another one each time."""
    if generator is None:
        seed, step, stream = random.next_key()
        return seed, step * 65537 + stream
    seed, step, stream, _ = (int(word) for word in generator.next_words())
    return seed, step * 65537 + stream


def drawn_permutation(count: int, generator: Any = None) -> np.ndarray:
    """The next shuffle of range(count), from manual_seed() or the generator's seed."""
    return permutation(count, *_key(generator))


def _uniform(count: int, generator: Any) -> np.ndarray:
    return _bits(count, *_key(generator)) / 2.0**32


class Sampler:
    """Numbers of samples, one after another. Subclasses define __iter__, and __len__ where it is known."""

    def __init__(self, data_source: Any = None):
        pass

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__()")


class SequentialSampler(Sampler):
    """0, 1, 2..."""

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """Another shuffle each pass; replacement: each number is drawn from all. num_samples: how many, all by default."""

    def __init__(self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator: Any = None):
        if not hasattr(data_source, "__len__"):
            raise DtypeError(f"RandomSampler needs data with a length, got {type(data_source).__name__}")
        if num_samples is not None and num_samples < 1:
            raise ShapeError(f"RandomSampler: num_samples is at least 1, got {num_samples}")
        self.data_source, self.replacement, self._num_samples, self.generator = data_source, replacement, num_samples, generator
        if not self.num_samples:
            raise ShapeError("RandomSampler: num_samples should be a positive integer value, but there are no data")

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        total, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            while wanted > 0:  # some scripts ask for 10**10, and stop when they have enough
                count = min(wanted, AT_ONCE)
                yield from (int(number) for number in _uniform(count, self.generator) * total)
                wanted -= count
            return
        while wanted > 0 and total:
            part = drawn_permutation(total, self.generator)[:wanted]
            yield from (int(number) for number in part)
            wanted -= len(part)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """Another shuffle of these numbers each pass."""

    def __init__(self, indices: Sequence[int], generator: Any = None):
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        return (self.indices[int(number)] for number in drawn_permutation(len(self.indices), self.generator))

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """num_samples numbers, each with a chance in proportion to its weight; replacement=False: none twice."""

    def __init__(self, weights: Any, num_samples: int, replacement: bool = True, generator: Any = None):
        self.weights = np.asarray(weights._array() if isinstance(weights, Tensor) else weights, np.float64)
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator
        if self.weights.ndim != 1 or not self.weights.size or self.weights.min() < 0 or not self.weights.sum() > 0:
            raise ShapeError(f"WeightedRandomSampler: weights are a list of numbers from 0 up, not all 0, got {self.weights}")
        if num_samples < 1 or (not replacement and num_samples > np.count_nonzero(self.weights)):
            raise ShapeError(
                f"WeightedRandomSampler: {num_samples} samples from {np.count_nonzero(self.weights)} that have a chance"
            )

    def __iter__(self) -> Iterator[int]:
        if self.replacement:
            edges = np.cumsum(self.weights)
            chosen = np.searchsorted(edges, _uniform(self.num_samples, self.generator) * edges[-1], side="right")
        else:  # the earliest of waiting times that are exponential with these rates (Efraimidis and Spirakis 2006)
            chance = _uniform(len(self.weights), self.generator)
            with np.errstate(divide="ignore"):
                chosen = np.argsort(-np.log(1.0 - chance) / self.weights, kind="stable")[: self.num_samples]
        return (int(number) for number in chosen)

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of batch_size numbers of a sampler; the last one may be shorter, unless drop_last."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        if batch_size < 1:
            raise ShapeError(f"BatchSampler: batch_size is at least 1, got {batch_size}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for number in self.sampler:
            batch.append(number)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)
