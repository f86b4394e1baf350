"""DataLoader: batches of a dataset, as tensors. PyTorch's torch.utils.data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from .. import engine, random
from ..errors import DtypeError, ShapeError
from ..op import float32, float64
from ..tensor import Tensor, stack
from .dataset import Dataset, IterableDataset, TensorDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples as one batch: a tensor for tensors, arrays and numbers; tuples, lists and dictionaries field by field.

    Text stays a list, and as one field of several a tuple, as in PyTorch. Python's integers become int64, its floats float64 where
    the backend has it, else float32; NumPy's numbers keep their dtype.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(list(batch))
    if isinstance(first, np.ndarray):
        return Tensor(np.stack(batch))
    if isinstance(first, (bool, int, float, np.number, np.bool_)):
        return _numbers(batch)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {name: default_collate([sample[name] for sample in batch]) for name in first}
    if isinstance(first, (tuple, list)):
        if any(len(sample) != len(first) for sample in batch):
            raise ShapeError(
                f"default_collate: samples of one batch have {sorted({len(s) for s in batch})} fields; give collate_fn"
            )
        columns = zip(*batch, strict=True)
        fields = [column if isinstance(column[0], (str, bytes)) else default_collate(column) for column in columns]
        return type(first)(*fields) if hasattr(first, "_fields") else fields
    raise DtypeError(f"default_collate takes tensors, arrays, numbers, text and groups of them, got {type(first).__name__}")


def _numbers(batch: Sequence[Any]) -> Tensor:
    """PyTorch makes float64 of Python's floats, whatever its default dtype; a GPU has none."""
    array = np.asarray(batch)
    if array.dtype == float64:
        return Tensor(array, float64 if float64 in engine.backend().dtypes else float32)
    return Tensor(array)


def default_convert(data: Any) -> Any:
    """A sample that is no batch: arrays become tensors, also those in tuples, lists and dictionaries; all else stays."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind in "biuf":
        return Tensor(data)
    if isinstance(data, Mapping):
        return {name: default_convert(value) for name, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    return [default_convert(value) for value in data] if isinstance(data, (tuple, list)) else data


@dataclass
class _Position:
    """Where a pass stands: the random state and the generator's when it began, and how many batches it has given."""

    random: tuple[int, int, int, int]
    generator: Any
    given: int = 0


class DataLoader:
    """Batches of a Dataset. shuffle: another fixed order each pass, from manual_seed() or the generator's seed.

    batch_size=None gives samples as they are. num_workers, pin_memory, timeout, worker_init_fn, multiprocessing_context,
    prefetch_factor, persistent_workers and in_order are taken for PyTorch's sake and do nothing: a browser tab has no
    processes, and batches are made where they are used.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        self.dataset, self.num_workers, self.generator = dataset, num_workers, generator
        self.drop_last, self.collate_fn, self.pin_memory = drop_last, collate_fn or default_collate, pin_memory
        self._streamed = isinstance(dataset, IterableDataset)
        self._position: _Position | None = None  # of the pass that began last
        self._resumed: _Position | None = None  # of the next one
        self._check(batch_size, shuffle, sampler, batch_sampler)
        self.batch_size = batch_size if batch_sampler is None else None
        if self._streamed:
            self.sampler = self.batch_sampler = None
            return
        if sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler

    def _check(self, batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any) -> None:
        if batch_size is not None and batch_size < 1:
            raise ShapeError(f"DataLoader: batch_size is at least 1, got {batch_size}")
        if self.num_workers < 0:
            raise ShapeError(f"DataLoader: num_workers counts from 0 up, got {self.num_workers}")
        if self._streamed and (shuffle or sampler is not None or batch_sampler is not None):
            raise ShapeError("DataLoader: an IterableDataset has its own order; leave shuffle, sampler and batch_sampler out")
        if shuffle and sampler is not None:
            raise ShapeError("DataLoader takes shuffle or a sampler, not both")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or self.drop_last):
            raise ShapeError("DataLoader: a batch_sampler decides batch_size, shuffle, sampler and drop_last; leave them out")

    def __len__(self) -> int:
        if not self._streamed:
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]
        if self.batch_size is None:
            return len(self.dataset)
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        """One pass; after load_state_dict() first the rest of the pass that was stored."""
        position, self._resumed = self._resumed, None
        if position is None:
            position = _Position(random.state(), self._generator_state())
            places = self._places()
        else:
            places = self._continued(position)
        self._position = position
        for place in places:
            position.given += 1
            yield self._batch(place)
        if self._position is position:
            self._position = None

    def state_dict(self) -> dict[str, Any]:
        """How far the pass at work has come, for load_state_dict(): {} between two passes. As torchdata's StatefulDataLoader."""
        position = self._position
        if position is None:
            return {"position": None, "generator": self._generator_state()}
        known = {"given": position.given, "random": list(position.random), "began": position.generator}
        return {"position": known, "generator": self._generator_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The next pass is the rest of the one whose state_dict() this is: the same samples in the same order.

        A sampler of your own must give the same order again. An IterableDataset is read from its begin, without what was given.
        """
        known = state_dict["position"]
        if self.generator is not None and state_dict["generator"] is not None:
            self.generator.set_state(tuple(state_dict["generator"]))
        self._resumed = None
        if known is not None:
            began = None if known["began"] is None else tuple(known["began"])
            self._resumed = _Position(tuple(known["random"]), began, known["given"])

    def _generator_state(self) -> Any:
        return self.generator.get_state() if hasattr(self.generator, "get_state") else None

    def _continued(self, position: _Position) -> Iterator[Any]:
        """The places of a pass that began in another random state, without those that were given."""
        now, own = random.state(), self._generator_state()
        random.restore(position.random)
        if position.generator is not None:
            self.generator.set_state(position.generator)
        try:
            places = iter(self._places())
            for _ in islice(places, position.given):
                pass
        finally:
            random.restore(now)
            if own is not None:
                self.generator.set_state(own)
        return places

    def _places(self) -> Iterable[Any]:
        """What each batch is made of: numbers of samples, or, of a stream, the samples."""
        if self._streamed:
            return self._stream()
        return (self.sampler or ()) if self.batch_sampler is None else self.batch_sampler

    def _batch(self, place: Any) -> Any:
        if self._streamed:
            return place
        if self.batch_sampler is None:
            return self._alone(self.dataset[place])
        if isinstance(self.dataset, TensorDataset) and self.collate_fn is default_collate:
            return list(self.dataset.batch(np.asarray(place, np.int64)))
        return self.collate_fn([self.dataset[number] for number in place])

    def _alone(self, sample: Any) -> Any:
        return default_convert(sample) if self.collate_fn is default_collate else self.collate_fn(sample)

    def _stream(self) -> Iterator[Any]:
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self._alone, samples)
            return
        while batch := list(islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)


__all__ = ["DataLoader", "Dataset", "default_collate"]
