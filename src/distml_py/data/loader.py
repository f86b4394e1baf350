"""Dataset, TensorDataset and DataLoader; Splits, the three parts a recipe trains and judges with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ops, random
from ..errors import ShapeError
from ..tensor import Tensor, stack


class Dataset:
    """Samples by number. Subclasses define __getitem__ and __len__."""

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(index)")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__()")


class TensorDataset(Dataset):
    """Fields of equal length. They stay on the host; batch() picks all fields with one index array."""

    def __init__(self, *fields: Tensor | np.ndarray):
        self.fields = tuple(field.numpy() if isinstance(field, Tensor) else np.asarray(field) for field in fields)
        if not self.fields or len({len(field) for field in self.fields}) != 1:
            raise ShapeError(f"TensorDataset needs fields of one length, got {[field.shape for field in self.fields]}")

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(Tensor(field[index]) for field in self.fields)

    def __len__(self) -> int:
        return len(self.fields[0])

    def batch(self, numbers: np.ndarray) -> tuple[Tensor, ...]:
        """The samples with these numbers, one tensor a field."""
        return tuple(Tensor(field[numbers]) for field in self.fields)


@dataclass(frozen=True)
class Splits:
    """train: steps are taken on it; validation: watched while training; test: read once, when the run is over."""

    train: TensorDataset
    validation: TensorDataset
    test: TensorDataset


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """A fixed shuffle of range(count): the same in every browser and on every machine."""
    words = [np.uint32(word % 2**32) for word in (seed, epoch)]
    counter = np.arange(count, dtype=np.uint32)
    bits, _ = ops.source.threefry2x32((words[0], words[1]), (counter, np.full_like(counter, 0xD161)))
    return np.argsort(bits, kind="stable")


class DataLoader:
    """Batches of a Dataset. shuffle: another fixed order each pass, from manual_seed()."""

    def __init__(self, dataset: Dataset, batch_size: int = 1, shuffle: bool = False, drop_last: bool = False):
        if batch_size < 1:
            raise ShapeError(f"DataLoader: batch_size is at least 1, got {batch_size}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        numbers = np.arange(len(self.dataset))
        if self.shuffle:
            seed, step, stream = random.next_key()
            numbers = permutation(len(numbers), seed, step * 65537 + stream)
        for batch in range(len(self)):
            chosen = numbers[batch * self.batch_size : (batch + 1) * self.batch_size]
            if isinstance(self.dataset, TensorDataset):
                yield self.dataset.batch(chosen)
            else:
                yield _collated([self.dataset[int(number)] for number in chosen])


def _collated(samples: Sequence[Any]) -> Any:
    """A tensor for tensors and numbers, field by field for tuples."""
    first = samples[0]
    if isinstance(first, (tuple, list)):
        return tuple(_collated(column) for column in zip(*samples, strict=True))
    return stack(list(samples)) if isinstance(first, Tensor) else Tensor(np.asarray(samples))
