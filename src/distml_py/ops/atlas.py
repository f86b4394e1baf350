"""Many arrays in one: an atlas (rows, columns) holds each array in a rectangle of its own, zeros elsewhere."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..graph import Node, apply
from ..op import Move, Pack
from ..view import Shape, View, contiguous_strides


class Spot(NamedTuple):
    """Where an array lies. row, column, and the size of its cell (rows, columns); columns are counted in numbers.

    The axes from `split` on run along a row, those before it down the rows; what the cell has more is zeros.
    """

    row: int
    column: int
    rows: int
    columns: int
    split: int


def sizes(shape: Shape, spot: Spot) -> tuple[int, int]:
    """(rows, numbers in each) that an array takes in its cell."""
    return math.prod(shape[: spot.split]), math.prod(shape[spot.split :])


def _part_view(whole: Shape, spot: Spot, shape: Shape) -> View:
    strides = [stride * whole[1] for stride in contiguous_strides(shape[: spot.split])]
    return View(shape, (*strides, *contiguous_strides(shape[spot.split :])), spot.row * whole[1] + spot.column)


def _part_numpy(whole: np.ndarray, spot: Spot, shape: Shape) -> np.ndarray:
    rows, length = sizes(shape, spot)
    return whole[spot.row : spot.row + rows, spot.column : spot.column + length].reshape(shape)


PART: Move = Move(
    name="part",
    numpy=_part_numpy,
    view=_part_view,
    vjp=lambda g, out, whole: (apply(PACK, g, attrs=(whole.shape, (out.attrs[0],))),),
)


def _pack_numpy(*given: object) -> np.ndarray:
    *arrays, shape, spots = given
    found = np.zeros(shape, arrays[0].dtype)  # type: ignore[call-overload, attr-defined]
    for array, spot in zip(arrays, spots, strict=True):  # type: ignore[call-overload]
        rows, length = sizes(array.shape, spot)
        found[spot.row : spot.row + rows, spot.column : spot.column + length] = array.reshape(rows, length)
    return found


def _pack_vjp(g: Node, out: Node, *arrays: Node) -> tuple[Node, ...]:
    return tuple(apply(PART, g, attrs=(spot, array.shape)) for spot, array in zip(out.attrs[1], arrays, strict=True))


PACK: Pack = Pack("pack", _pack_numpy, _pack_vjp)
