"""The same numbers in another shape or order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import broadcast, graph, ops
from ..dtypes import BOOL, FLOAT32, INT8, INT32, UINT8, DType, dtype_of
from ..errors import IndexRangeError, ShapeError, UnsupportedError
from . import sharing
from .counting import read
from .joining import cat
from .tensor import Tensor, apply, made, method


@method
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """A view of the same numbers where strides can say it (see sharing.py), else a copy."""
    new = broadcast.filled_in(listed(shape), input.numel(), "reshape")
    if new == input.shape:
        return _same(input)
    found = made(graph.apply(ops.RESHAPE, input._node, attrs=(new,)), input)
    if not sharing.is_contiguous(input) and sharing.reshaped_strides(input.shape, sharing.strides_of(input)[0], new) is None:
        return found
    return sharing.shared(found, input)


@method
def view(input: Tensor, *shape: object, dtype: Any = None) -> Tensor:
    """Shares its numbers with input, whose strides are never in the way. view(dtype): the same bits, see _read_as()."""
    if dtype is not None or (len(shape) == 1 and not isinstance(shape[0], (int, tuple, list, np.integer))):
        return _read_as(input, dtype_of(shape[0] if dtype is None else dtype))
    new = broadcast.filled_in(listed(shape), input.numel(), "view")
    if new == input.shape:
        return _same(input)
    return sharing.shared(made(graph.apply(ops.RESHAPE, input._node, attrs=(new,)), input), input)


def _read_as(input: Tensor, kind: DType) -> Tensor:
    """input's bits as numbers of a dtype that has as many, outside the gradient's graph; not input's own memory, as PyTorch's are.

    float32 and int32; integers of one size, which are kept by their values and wrap. Raises UnsupportedError for others.
    """
    mine = input.dtype
    if kind is mine:
        return _same(input)
    if {mine, kind} <= {UINT8, INT8, BOOL}:
        return input.detach().to(kind)
    if mine is FLOAT32 and kind is INT32:
        found = Tensor(graph.apply(ops.BITS, input._node))
        found._kind = INT32
        return found
    if mine is INT32 and kind is FLOAT32:
        return Tensor(graph.apply(ops.FROM_BITS, input._node))
    raise UnsupportedError(
        f"not implemented: torch.Tensor.view({kind}) of {mine}; nearest is torch.Tensor.to({kind}), "
        "or float32 and int32, int8 and uint8"
    )


def _same(input: Tensor) -> Tensor:
    """A view of all of it, as it is."""
    return sharing.shared(made(input._node, input), input)


@method
def flatten(input: Tensor, start_dim: Any = 0, end_dim: Any = -1) -> Tensor:
    first = broadcast.axis_of(start_dim, input.ndim, "flatten")
    last = broadcast.axis_of(end_dim, input.ndim, "flatten")
    if first > last:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return input.reshape(*input.shape[:first], math.prod(input.shape[first : last + 1]), *input.shape[last + 1 :])


@method
def permute(input: Tensor, *dims: Any) -> Tensor:
    given = listed(dims)
    axes = tuple(broadcast.axis_of(dim, input.ndim, "permute") for dim in given)
    if sorted(axes) != list(range(input.ndim)):
        raise ShapeError(f"permute needs each of {input.ndim} dimensions once, got {tuple(given)}")
    if axes == tuple(range(input.ndim)):
        return _same(input)
    return sharing.shared(made(graph.apply(ops.PERMUTE, input._node, attrs=(axes,)), input), input)


@method
def transpose(input: Tensor, dim0: Any, dim1: Any) -> Tensor:
    axes = list(range(input.ndim))
    one, two = (broadcast.axis_of(dim, input.ndim, "transpose") for dim in (dim0, dim1))
    if axes:
        axes[one], axes[two] = axes[two], axes[one]
    return input.permute(*axes)


@method
def t(input: Tensor) -> Tensor:
    if input.ndim > 2:
        raise ShapeError(f"t() takes at most 2 dimensions, got shape {input.shape}; use .transpose(dim0, dim1)")
    return input.permute(*reversed(range(input.ndim)))


@method
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of size 1, or without dim (one or several) where its size is 1."""
    axes = broadcast.axes_of(dim, input.ndim, "squeeze")
    if isinstance(dim, (tuple, list)) and not dim:
        return input
    return input.view(*(size for axis, size in enumerate(input.shape) if not (axis in axes and size == 1)))


@method
def unsqueeze(input: Tensor, dim: Any) -> Tensor:
    axis = broadcast.axis_of(dim, input.ndim + 1, "unsqueeze")
    return input.view(*input.shape[:axis], 1, *input.shape[axis:])


@method
def expand(input: Tensor, *sizes: Any) -> Tensor:
    """-1 keeps a size. Raises ShapeError when a size that is not 1 would change."""
    given = listed(sizes)
    known = (1,) * (len(given) - input.ndim) + input.shape
    if any(new == -1 for new in given[: max(len(given) - input.ndim, 0)]):
        raise ShapeError(f"expand: {input.shape} to {tuple(given)}: -1 keeps a size, and a new dimension in front has none")
    shape = tuple(old if new == -1 else int(new) for old, new in zip(known, given, strict=False))
    if len(known) != len(given) or any(new < 0 or old not in (1, new) for old, new in zip(known, shape, strict=True)):
        raise ShapeError(f"expand: {input.shape} does not expand to {tuple(given)}")
    return sharing.shared(made(broadcast.to_shape(input._node, shape), input), input)


broadcast_to = method(expand, "broadcast_to")


@method
def flip(input: Tensor, *dims: Any) -> Tensor:
    node = input._node
    for axis in broadcast.axes_of(listed(dims), input.ndim, "flip"):
        node = ops.move.flip(node, axis)
    return made(node, input)


@method
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    return input.reshape(*other.shape)


view_as = method(reshape_as, "view_as")


@method
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    return input.expand(*other.shape)


@method
def ravel(input: Tensor) -> Tensor:
    return input.reshape(-1)


@method
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """dim becomes several dimensions of these sizes; one of them may be -1."""
    axis = broadcast.axis_of(dim, input.ndim, "unflatten")
    return input.view(*input.shape[:axis], *broadcast.filled_in(sizes, input.shape[axis], "unflatten"), *input.shape[axis + 1 :])


swapaxes, swapdims = method(transpose, "swapaxes"), method(transpose, "swapdims")


@method
def adjoint(input: Tensor) -> Tensor:
    return input.transpose(-2, -1)


@method
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """The dimensions named go to other places; the rest keeps its order."""
    one = [source] if isinstance(source, int) else list(source)
    two = [destination] if isinstance(destination, int) else list(destination)
    start = [broadcast.axis_of(dim, input.ndim, "movedim") for dim in one]
    end = [broadcast.axis_of(dim, input.ndim, "movedim") for dim in two]
    if len(start) != len(end) or len(set(start)) != len(start) or len(set(end)) != len(end):
        raise ShapeError(f"movedim: as many different places as dimensions, got {source} and {destination}")
    axes = [axis for axis in range(input.ndim) if axis not in start]
    for place, axis in sorted(zip(end, start, strict=True)):
        axes.insert(place, axis)
    return input.permute(*axes) if input.ndim else input


moveaxis = method(movedim, "moveaxis")


@method
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """length numbers along dim, from start on."""
    axis = broadcast.axis_of(dim, input.ndim, "narrow")
    size = input.shape[axis]
    first = start + size if start < 0 else start
    if not (0 <= first and 0 <= length and first + length <= size):
        raise IndexRangeError(f"narrow: {length} numbers from {start} on do not lie in dim {dim} of size {size}")
    return sharing.shared(made(ops.move.slice_axis(input._node, axis, first, length), input), input)


@method
def select(input: Tensor, dim: int, index: int) -> Tensor:
    return input[(slice(None),) * broadcast.axis_of(dim, input.ndim, "select") + (index,)]


@method
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Moved along by shifts; what leaves at the end comes in at the begin. Without dims: of the flattened tensor."""
    if dims is None:
        return input.flatten().roll(shifts, 0).reshape(*input.shape)
    steps = list(shifts) if isinstance(shifts, (list, tuple)) else [int(shifts)]
    axes = [dims] if isinstance(dims, int) else list(dims)
    if len(steps) != len(axes):
        raise ShapeError(f"roll: one shift a dimension, got {shifts} for {dims}")
    out = input
    for step, dim in zip(steps, axes, strict=True):
        axis = broadcast.axis_of(dim, input.ndim, "roll")
        size = input.shape[axis] if input.ndim else 0
        if size and step % size:
            out = cat([out.narrow(axis, size - step % size, step % size), out.narrow(axis, 0, size - step % size)], axis)
    return out


@method
def fliplr(input: Tensor) -> Tensor:
    return input.flip(1)


@method
def flipud(input: Tensor) -> Tensor:
    return input.flip(0)


@method
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k quarters from the first of two dimensions towards the second."""
    one, two = (broadcast.axis_of(dim, input.ndim, "rot90") for dim in dims)
    if one == two:
        raise ShapeError(f"rot90 needs two different dimensions, got {tuple(dims)}")
    match k % 4:
        case 1:
            return input.flip(two).transpose(one, two)
        case 2:
            return input.flip(one, two)
        case 3:
            return input.flip(one).transpose(one, two)
        case _:
            return input


@method
def repeat(input: Tensor, *sizes: Any) -> Tensor:
    """sizes[d] copies along each dimension; more sizes than dimensions make new ones in front."""
    counts = [int(size) for size in listed(sizes)]
    if any(count < 0 for count in counts):
        raise ShapeError(f"repeat: counts are from 0 up, got {tuple(counts)}")
    if len(counts) < input.ndim:
        raise ShapeError(f"repeat: one count a dimension of {input.shape}, got {tuple(counts)}; use tile()")
    shape = (1,) * (len(counts) - input.ndim) + input.shape
    apart = input.reshape(*(size for pair in zip((1,) * len(counts), shape, strict=True) for size in pair))
    wide = apart.expand(*(size for pair in zip(counts, shape, strict=True) for size in pair))
    return wide.reshape(*(count * size for count, size in zip(counts, shape, strict=True))).clone()  # no view, whatever the counts


@method
def tile(input: Tensor, *dims: Any) -> Tensor:
    """repeat(), with 1 for the dimensions in front that are not named."""
    counts = list(listed(dims))
    return input.repeat(*[1] * (input.ndim - len(counts)), *counts)


@method
def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each number (with dim: each slice) repeats times in a row. repeats: an int, or integers (n,), which are read."""
    if dim is None:
        return input.flatten().repeat_interleave(repeats, 0)
    axis = broadcast.axis_of(dim, input.ndim, "repeat_interleave")
    if isinstance(repeats, int):
        if repeats < 0:
            raise ShapeError(f"repeat_interleave: repeats are at least 0, got {repeats}")
        wide = input.unsqueeze(axis + 1).expand(*input.shape[: axis + 1], repeats, *input.shape[axis + 1 :])
        return wide.flatten(axis, axis + 1)
    counts = read(repeats, "repeat_interleave").reshape(-1)
    counts = np.broadcast_to(counts, (input.shape[axis],)) if counts.size == 1 else counts
    if len(counts) != input.shape[axis] or (counts < 0).any():
        raise ShapeError(f"repeat_interleave: one count of at least 0 for each of {input.shape[axis]}, got {counts.tolist()}")
    return input.index_select(axis, Tensor(np.repeat(np.arange(len(counts), dtype=np.int64), counts)))


@method
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` numbers along a dimension, every step-th; they come as a new last dimension."""
    axis = broadcast.axis_of(dimension, input.ndim, "unfold")
    line = input.movedim(axis, -1) if input.ndim else input.reshape(1)
    if not 0 <= size <= line.shape[-1] or step < 1:
        raise ShapeError(f"unfold: windows of {size}, every {step} numbers, do not fit in dim {dimension} of {input.shape}")
    if not input.ndim:
        return line.narrow(0, 0, size)
    if not size:
        return (
            line.narrow(-1, 0, 0)
            .unsqueeze(axis)
            .expand(*input.shape[:axis], line.shape[-1] // step + 1, *input.shape[axis + 1 :], 0)
        )
    found = sharing.shared(apply(ops.WINDOW, line, attrs=((size,), (step,), (1,))), line)
    return found.movedim(-2, axis)


@method
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The numbers at (n, n + offset) of two dimensions, which become one at the end."""
    one, two = (broadcast.axis_of(dim, input.ndim, "diagonal") for dim in (dim1, dim2))
    if one == two or input.ndim < 2:
        raise ShapeError(f"diagonal needs two different dimensions, got {dim1} and {dim2} of {input.shape}")
    x = input.movedim((one, two), (-2, -1))
    rows, columns = x.shape[-2:]
    x = x.narrow(-2, min(max(-offset, 0), rows), max(rows - max(-offset, 0), 0))
    x = x.narrow(-1, min(max(offset, 0), columns), max(columns - max(offset, 0), 0))
    size = min(x.shape[-2:])
    if not size:
        return x.reshape(*x.shape[:-2], 0)
    line = x.narrow(-2, 0, size).narrow(-1, 0, size).view(*x.shape[:-2], size * size)
    line = pad_last(line, size)  # rows of size + 1: the diagonal is their first column
    return line.view(*x.shape[:-2], size, size + 1)[..., 0]


def pad_last(input: Tensor, after: int) -> Tensor:
    return sharing.shared(made(ops.move.pad_axis(input._node, input.ndim - 1, 0, after), input), input)


def listed(values: tuple[Any, ...]) -> Sequence[int]:
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return values[0]
    return values
