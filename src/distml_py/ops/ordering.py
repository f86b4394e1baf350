"""Rows that a GPU composes of others, and the reference backend computes at once: their meaning alone. See tensor/ordering.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import Node
from ..op import Op, int32
from ..view import Shape
from .index import check_range


@dataclass(frozen=True, eq=False, repr=False)
class Ordering(Op):
    """Places along an axis, int32, of the input's shape."""

    on_host = True

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        return inputs[0].shape, int32


def _argsort_numpy(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """Equals stay in order; NaN counts as the largest number."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable").astype(int32)
    turned = np.argsort(np.flip(x, axis), axis=axis, kind="stable").astype(int32)
    return np.flip(x.shape[axis] - 1 - turned, axis)


ARGSORT = Ordering("argsort", _argsort_numpy)


def _winner_numpy(index: np.ndarray, axis: int, size: int) -> np.ndarray:
    """For each place along the axis, of `size`: 1 + the last position whose index it is, 0 where there is none."""
    check_range(index, size)
    shape = tuple(size if a == axis else n for a, n in enumerate(index.shape))
    out = np.zeros(shape, int32)
    grids = list(np.ogrid[tuple(slice(0, n) for n in index.shape)])
    numbers = np.broadcast_to(grids[axis] + 1, index.shape).astype(int32)
    grids[axis] = index
    np.maximum.at(out, tuple(grids), numbers)
    return out


@dataclass(frozen=True, eq=False, repr=False)
class Winner(Op):
    """attrs: axis, size of the output along it."""

    on_host = True

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        return tuple(attrs[1] if a == attrs[0] else n for a, n in enumerate(inputs[0].shape)), int32


LAST_AT = Winner("last_at", _winner_numpy)
