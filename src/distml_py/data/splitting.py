"""One data set as the three parts that a run needs. What a data set is stands in dataset.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor
from .dataset import Dataset, IterableDataset, Splits, TensorDataset
from .sampler import permutation

SHARES = (0.8, 0.9)  # where training's samples end, and validation's; the rest are for the test
LEAST = 3  # samples: one for each


def splits_of(given: Any) -> Splits | None:
    """given, cut into 80 % for training, 10 % for validation, 10 % for the test, in an order that is the same in every tab.

    given: Splits stay; arrays or tensors of one length in a tuple, a Dataset with a length, or a list of samples are cut; their
    float64 becomes float32.
    None for anything else. Raises ShapeError when there are too few samples, or their fields have no one length.
    """
    if isinstance(given, Splits):
        return given
    whole = _whole(given)
    if whole is None:
        return None
    count = len(whole)
    if count < LEAST:
        raise ShapeError(f"{count} samples cannot be split: training, validation and test need at least one each")
    order = permutation(count, 0, 0)
    first, second = (min(max(int(count * share), 1 + number), count - 2 + number) for number, share in enumerate(SHARES))
    return Splits(*(TensorDataset(*(field[part] for field in whole.fields)) for part in np.split(order, [first, second])))


def _whole(given: Any) -> TensorDataset | None:
    if isinstance(given, TensorDataset):
        fields: Sequence[Any] = given.fields
    elif isinstance(given, tuple) and given and all(isinstance(field, (np.ndarray, Tensor)) and field.ndim for field in given):
        fields = given
    elif isinstance(given, (Dataset, list)) and not isinstance(given, IterableDataset):
        samples = [given[number] for number in range(len(given))]
        whole = [sample if isinstance(sample, (tuple, list)) else (sample,) for sample in samples]
        if len({len(sample) for sample in whole}) > 1:
            raise ShapeError(f"the samples have {sorted({len(sample) for sample in whole})} fields, not all as many")
        fields = [_column(column) for column in zip(*whole, strict=True)] or [np.zeros(0)]
    else:
        return None
    return TensorDataset(*(_single(field) for field in fields))


def _column(values: Sequence[Any]) -> np.ndarray:
    arrays = [np.asarray(value) for value in values]
    if len({array.shape for array in arrays}) > 1 or arrays[0].dtype.kind not in "biuf":
        kinds = sorted({f"{array.dtype} {array.shape}" for array in arrays})[:4]
        raise ShapeError(f"a field of the samples is numbers of one shape, found {', '.join(kinds)}")
    return np.stack(arrays)


def _single(field: Any) -> Any:
    """Models are of float32, so that float64 would fit nowhere."""
    array = np.asarray(field)
    return array.astype(np.float32) if array.dtype == np.float64 else array
