"""Several tensors of one, and one of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import broadcast, graph, ops
from ..errors import DtypeError, ShapeError
from ..graph import Node
from ..op import DTYPES, float32
from ..ops.elementwise import cast
from ..size import Size
from . import sharing
from .tensor import Tensor, made, method


@method
def split(input: Tensor, split_size_or_sections: Any, dim: Any = 0) -> tuple[Tensor, ...]:
    """Parts of one size (the last may be smaller), or of the sizes listed, along dim."""
    axis = broadcast.axis_of(dim, input.ndim, "split")
    size = input.shape[axis]
    if isinstance(split_size_or_sections, int):
        part = split_size_or_sections
        if part < (size > 0):
            raise ShapeError(f"split: the size of a part is at least 1, got {part}")
        sizes = [min(part, size - n) for n in range(0, size, part or 1)] or [0]
    else:
        sizes = list(split_size_or_sections)
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise ShapeError(f"split: sizes {sizes} do not add up to {size}")
    starts = np.cumsum([0, *sizes])[:-1]
    parts = [made(ops.move.slice_axis(input._node, axis, int(at), n), input) for at, n in zip(starts, sizes, strict=True)]
    return tuple(sharing.shared(part, input, several=True) for part in parts)


split_with_sizes = method(split, "split_with_sizes")


@method
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """So many parts of sizes that differ by 1 at most, or parts that begin at the places listed."""
    axis = broadcast.axis_of(dim, input.ndim, "tensor_split")
    size = input.shape[axis]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1:
            raise ShapeError(f"tensor_split: at least 1 part, got {indices_or_sections}")
        part, rest = divmod(size, indices_or_sections)
        sizes = [part + (n < rest) for n in range(indices_or_sections)]
        ends = [int(n) for n in np.cumsum(sizes)[:-1]]
    else:
        ends = list(indices_or_sections)
    whole = (slice(None),) * axis
    return tuple(input[(*whole, slice(a, b))] for a, b in zip([0, *ends], [*ends, size], strict=True))


def _split_in(input: Tensor, parts: Any, dim: int, name: str) -> tuple[Tensor, ...]:
    if isinstance(parts, int) and input.shape[dim] % parts:
        raise ShapeError(f"{name}: {input.shape} does not divide into {parts} equal parts along dim {dim}")
    return tensor_split(input, parts, dim)


@method
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    return _split_in(input, indices_or_sections, 0 if input.ndim == 1 else 1, "hsplit")


@method
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    return _split_in(input, indices_or_sections, 0, "vsplit")


@method
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    return _split_in(input, indices_or_sections, 2, "dsplit")


@method
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Every slice along dim, without it."""
    axis = broadcast.axis_of(dim, input.ndim, "unbind")
    if not input.ndim:
        raise ShapeError("unbind of a 0-d tensor; it has no dimension to be cut along")
    parts = [input[(slice(None),) * axis + (n,)] for n in range(input.shape[axis])]
    for part in parts:
        if part._view is not None:
            part._view.several = True
    return tuple(parts)


@method
def chunk(input: Tensor, chunks: Any, dim: Any = 0) -> tuple[Tensor, ...]:
    if chunks < 1:
        raise ShapeError(f"chunk: at least 1 chunk, got {chunks}")
    size = input.size(dim)
    return input.split(-(-size // chunks), dim) if size else input.split([0] * chunks, dim)


unsafe_split, unsafe_split_with_sizes, unsafe_chunk = (
    method(function, name)
    for function, name in ((split, "unsafe_split"), (split, "unsafe_split_with_sizes"), (chunk, "unsafe_chunk"))
)


def cat(tensors: Sequence[Tensor], dim: Any = 0) -> Tensor:
    """Joined along dim; all other sizes are equal. Empty tensors of shape (0,) are passed over. Raises ShapeError."""
    kind = max((t._node.dtype for t in tensors), key=DTYPES.index, default=float32)  # of those that are passed over, too
    tensors = [t for t in tensors if t.shape != (0,)] or list(tensors)[:1]
    if not tensors or not tensors[0].ndim:
        raise ShapeError(f"cat needs tensors with at least 1 dimension, got {'numbers; use stack' if tensors else 'none'}")
    axis = broadcast.axis_of(dim, tensors[0].ndim, "cat")
    off = [tensor.shape[:axis] + tensor.shape[axis + 1 :] for tensor in tensors]
    if any(tensor.ndim != tensors[0].ndim for tensor in tensors) or len(set(off)) > 1:
        raise ShapeError(f"cat along dim {dim} needs equal other sizes, got {', '.join(str(t.shape) for t in tensors)}")
    nodes = [cast(tensor._node, kind) for tensor in tensors]
    total, before = sum(node.shape[axis] for node in nodes), 0
    joined: Node | None = None
    for node in nodes:
        size = node.shape[axis]
        part = ops.move.pad_axis(node, axis, before, total - before - size)
        if joined is None:
            joined = part
        else:  # chosen, not added: a NaN in one part must stay where it is
            number = graph.apply(ops.IOTA, attrs=ops.source.iota_attrs(part.shape, axis))
            joined = graph.apply(ops.WHERE, number < before, joined, part)
        before += size
    assert joined is not None
    return made(joined, *tensors)


def stack(tensors: Sequence[Tensor], dim: Any = 0) -> Tensor:
    """Joined along a new dimension. Raises ShapeError when shapes differ."""
    if len({tensor.shape for tensor in tensors}) != 1:
        raise ShapeError(f"stack needs tensors of one shape, got {', '.join(str(t.shape) for t in tensors) or 'none'}")
    return cat([tensor.unsqueeze(dim) for tensor in tensors], dim)


def concat(tensors: Sequence[Tensor], dim: Any = 0) -> Tensor:
    return cat(tensors, dim)


concatenate = concat


def atleast_1d(*tensors: Any) -> Any:
    return _each(lambda x: x if x.ndim else x.reshape(1), tensors)


def atleast_2d(*tensors: Any) -> Any:
    return _each(lambda x: x if x.ndim > 1 else x.reshape(1, -1), tensors)


def atleast_3d(*tensors: Any) -> Any:
    return _each(lambda x: x if x.ndim > 2 else x.unsqueeze(2) if x.ndim == 2 else x.reshape(1, -1, 1), tensors)


def _each(change: Callable[[Tensor], Tensor], tensors: Any) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return change(tensors[0])
    given = tensors[0] if len(tensors) == 1 else tensors
    if not all(isinstance(tensor, Tensor) for tensor in given) or isinstance(given, dict):
        raise DtypeError(f"atleast_1d and the like take tensors, got {type(given).__name__}; wrap it in tensor(...)")
    return tuple(change(tensor) for tensor in given)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    parts = atleast_1d(list(tensors))
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    return cat(atleast_2d(list(tensors)), 0)


row_stack = vstack


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    return cat(atleast_3d(list(tensors)), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    return cat([x if x.ndim > 1 else x.reshape(-1, 1) for x in tensors], 1)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    shape = broadcast.common_shape("broadcast_tensors", *(tensor.shape for tensor in tensors))
    return tuple(tensor.expand(*shape) for tensor in tensors)


def broadcast_shapes(*shapes: Any) -> Size:
    each = ((shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes)
    return Size(broadcast.common_shape("broadcast_shapes", *each))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Lines (n,), (m,), ... as grids (n, m, ...) on which each varies along its dimension; "xy" turns the first two."""
    lines = list(tensors[0]) if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else list(tensors)
    if indexing not in ("ij", "xy") or any(line.ndim > 1 for line in lines):
        raise ShapeError(f"meshgrid takes lines and indexing 'ij' or 'xy', got {[line.shape for line in lines]}, {indexing!r}")
    shape = tuple(line.numel() for line in lines)
    grids = [line.reshape(*(-1 if a == n else 1 for a in range(len(lines)))).expand(*shape) for n, line in enumerate(lines)]
    return tuple(grid.transpose(0, 1) if indexing == "xy" and len(lines) > 1 else grid for grid in grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one number of each line, as rows."""
    if any(tensor.ndim != 1 for tensor in tensors):
        raise ShapeError(f"cartesian_prod takes lines, got {[tensor.shape for tensor in tensors]}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([grid.flatten() for grid in meshgrid(*tensors)], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with these along its diagonal, and zeros."""
    parts = [atleast_2d(tensor) for tensor in tensors]
    width, before = sum(part.shape[1] for part in parts), 0
    rows = []
    for part in parts:
        node = ops.move.pad_axis(part._node, 1, before, width - before - part.shape[1])
        rows.append(made(node, part))
        before += part.shape[1]
    return cat(rows, 0)
