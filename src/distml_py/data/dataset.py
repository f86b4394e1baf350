"""Datasets: samples by number, or one after another. PyTorch's torch.utils.data."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import IndexRangeError, ShapeError
from ..tensor import Tensor
from .sampler import drawn_permutation


class Dataset:
    """Samples by number. Subclasses define __getitem__ and __len__."""

    def __class_getitem__(cls, kind: Any) -> type[Dataset]:
        return cls  # Dataset[...] says to a reader what a sample is

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(index)")

    if TYPE_CHECKING:  # else list() of a loader would ask for a length that there is not

        def __len__(self) -> int: ...

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Samples one after another. Subclasses define __iter__."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__()")

    def __add__(self, other: Dataset) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Fields of equal length. They stay on the host; batch() picks all fields with one index array."""

    def __init__(self, *tensors: Tensor | np.ndarray):
        self.fields = tuple(field._array() if isinstance(field, Tensor) else np.asarray(field) for field in tensors)
        if not self.fields or len({len(field) for field in self.fields}) != 1:
            raise ShapeError(f"TensorDataset needs fields of one length, got {[field.shape for field in self.fields]}")

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The fields as tensors."""
        return tuple(Tensor(field) for field in self.fields)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(Tensor(field[index]) for field in self.fields)

    def __len__(self) -> int:
        return len(self.fields[0])

    def batch(self, numbers: np.ndarray) -> tuple[Tensor, ...]:
        """The samples with these numbers, one tensor a field."""
        return tuple(Tensor(field[numbers]) for field in self.fields)


class StackDataset(Dataset):
    """A sample is a tuple of one sample from each dataset, or a dictionary where they are named."""

    def __init__(self, *args: Any, **kwargs: Any):
        if bool(args) == bool(kwargs):
            raise ShapeError("StackDataset takes datasets, or datasets by name, and at least one")
        self.datasets: Any = kwargs or args
        lengths = [len(part) for part in (kwargs.values() if kwargs else args)]
        if len(set(lengths)) != 1:
            raise ShapeError(f"StackDataset needs datasets of one length, got {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: part[index] for name, part in self.datasets.items()}
        return tuple(part[index] for part in self.datasets)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset):
    """The samples of several datasets, one dataset after another."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = list(datasets)
        if not self.datasets or any(isinstance(part, IterableDataset) for part in self.datasets):
            raise ShapeError("ConcatDataset takes at least one dataset with numbers; ChainDataset takes iterable ones")
        self.cumulative_sizes = list(accumulate(len(part) for part in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexRangeError(f"sample {index} of a dataset of {len(self)}")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset):
    """The samples of several iterable datasets, one dataset after another."""

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[Any]:
        for part in self.datasets:
            yield from part

    def __len__(self) -> int:
        return sum(len(part) for part in self.datasets)


class Subset(Dataset):
    """The samples of a dataset with these numbers."""

    def __init__(self, dataset: Any, indices: Sequence[int]):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Any = None) -> list[Subset]:
    """Parts of these lengths, or shares that add up to 1, in random order: the same for a seed. Raises ShapeError."""
    total, sizes = len(dataset), [int(length) for length in lengths]
    if any(isinstance(length, float) for length in lengths) and sum(lengths) <= 1 + 1e-9:
        if not math.isclose(sum(lengths), 1):
            raise ShapeError(f"random_split: shares add up to 1, got {list(lengths)}")
        sizes = [math.floor(total * length) for length in lengths]
        for number in range(total - sum(sizes)):
            sizes[number % len(sizes)] += 1
    if sum(sizes) != total or min(sizes, default=0) < 0:
        raise ShapeError(f"random_split: lengths {list(lengths)} do not add up to {total} samples")
    order = [int(number) for number in drawn_permutation(total, generator)]
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, accumulate(sizes), strict=True)]


class Samples(Protocol):
    """What a split is asked for: how many samples it has, and those of some numbers, one tensor a field."""

    def __len__(self) -> int: ...

    def batch(self, numbers: np.ndarray, /) -> tuple[Tensor, ...]: ...


@dataclass(frozen=True)
class Splits:
    """train: steps are taken on it; validation: watched while training; test: read once, when the run is over."""

    train: Samples
    validation: Samples
    test: Samples
