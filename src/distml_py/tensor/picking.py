"""x[...], gather, scatter: reading and adding by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import broadcast, engine, graph, indexing, ops
from ..errors import DtypeError, ShapeError
from ..op import bool_, int32
from .tensor import Tensor, made, method


@method
def __getitem__(input: Tensor, key: Any) -> Tensor:
    parts = key if isinstance(key, tuple) else (key,)
    return made(indexing.index(input._node, tuple(_index_item(part) for part in parts)), input)


@method
def gather(input: Tensor, dim: Any, index: Tensor) -> Tensor:
    axis = broadcast.axis_of(dim, input.ndim, "gather")
    _check_index(index, input.shape[axis])
    return made(indexing.gather(input._node, axis, index._node), input)


@method
def index_select(input: Tensor, dim: Any, index: Tensor) -> Tensor:
    return input[(slice(None),) * broadcast.axis_of(dim, input.ndim, "index_select") + (index,)]


@method
def scatter_add(input: Tensor, dim: Any, index: Tensor, src: Tensor) -> Tensor:
    axis = broadcast.axis_of(dim, input.ndim, "scatter_add")
    indexing.check_fits("scatter_add", input._node, axis, index._node)
    _check_index(index, input.shape[axis])
    if index.shape != src.shape:
        raise ShapeError(f"scatter_add: index {index.shape} and src {src.shape} must be equal")
    return input + made(graph.apply(ops.SCATTER_ADD, index._node, src._node, attrs=(input.shape, axis)), src)


def _index_item(item: Any) -> Any:
    if isinstance(item, Tensor):
        if item.dtype == bool_:
            raise DtypeError("a boolean mask gives a shape that depends on the numbers; use where() or masked_fill()")
        return item._node
    if isinstance(item, (list, np.ndarray)):
        return _index_item(Tensor(item, None if np.size(item) else int32))
    return item


def _check_index(index: Tensor, size: int) -> None:
    """Indices that are still on the host are checked now; on the GPU a wrong one reads NaN."""
    engine.ask_host(index._node, lambda known: ops.index.check_range(known, size))
