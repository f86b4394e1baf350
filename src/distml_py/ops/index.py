"""Reading and adding by index: gather and its adjoint."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import IndexRangeError
from ..graph import Node, apply, full
from ..op import Gather, ScatterAdd
from ..view import Shape
from .elementwise import EQ, WHERE
from .move import EXPAND
from .source import IOTA, iota_attrs


def check_range(index: np.ndarray, size: int) -> None:
    """Raises IndexRangeError when an index is outside [0, size)."""
    if index.size and not (0 <= int(index.min()) and int(index.max()) < size):
        raise IndexRangeError(f"an index must be in [0, {size}), found {int(index.min())} to {int(index.max())}; check the labels")


def _places(index: np.ndarray, axis: int) -> tuple[Any, ...]:
    grids = list(np.ogrid[tuple(slice(0, size) for size in index.shape)])
    grids[axis] = index
    return tuple(grids)


def _gather_numpy(x: np.ndarray, index: np.ndarray, axis: int) -> Any:
    check_range(index, x.shape[axis])
    return x[_places(index, axis)]


def _scatter_add_numpy(index: np.ndarray, source: np.ndarray, shape: Shape, axis: int) -> np.ndarray:
    check_range(index, shape[axis])
    out = np.zeros(shape, source.dtype)
    np.add.at(out, _places(index, axis), source)
    return out


def _gather_vjp(g: Node, out: Node, x: Node, index: Node) -> tuple[Node, None]:
    axis = out.attrs[0]
    if index.shape == (*x.shape[:axis], 1, *x.shape[axis + 1 :]):  # one place a line: a comparison, which readers take in
        hit = apply(EQ, apply(IOTA, attrs=iota_attrs(x.shape, axis)), apply(EXPAND, index, attrs=(x.shape,)))
        return apply(WHERE, hit, apply(EXPAND, g, attrs=(x.shape,)), full(0, x.shape, g.dtype)), None
    return apply(SCATTER_ADD, index, g, attrs=(x.shape, axis)), None


GATHER = Gather("gather", _gather_numpy, _gather_vjp)
SCATTER_ADD = ScatterAdd(
    name="scatter_add",
    numpy=_scatter_add_numpy,
    vjp=lambda g, out, index, source: (None, apply(GATHER, g, index, attrs=(out.attrs[1],))),
)
