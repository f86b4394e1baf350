"""Matrix products, and sums of products over named dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import broadcast, graph, ops
from ..broadcast import Number
from ..errors import DtypeError, ShapeError
from ..op import bool_
from . import device as devices
from .choosing import where
from .ordering import places
from .tensor import Tensor, made, method


@method
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """PyTorch's matmul: vectors, matrices, and batches of matrices that broadcast. Raises ShapeError."""
    if not isinstance(other, Tensor):
        raise DtypeError(f"matmul takes two tensors, got {type(other).__name__}; wrap it in tensor(...)")
    if not input.ndim or not other.ndim:
        raise ShapeError(f"matmul needs at least 1 dimension, got {input.shape} @ {other.shape}; use * for numbers")
    left = input.unsqueeze(0) if input.ndim == 1 else input
    right = other.unsqueeze(1) if other.ndim == 1 else other
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(f"matmul needs (..., m, k) @ (..., k, n), got {input.shape} @ {other.shape}")
    if left.dtype != right.dtype or left.dtype == bool_:
        raise DtypeError(f"matmul needs two equal numeric dtypes, got {left.dtype.name} and {right.dtype.name}")
    batch = broadcast.common_shape("matmul", left.shape[:-2], right.shape[:-2])
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    if right.ndim == 2 and left.ndim > 2:  # one product with all rows together: no batch of small ones
        flat = [left.reshape(1, math.prod(batch) * m, k), right.reshape(1, k, n)]
    else:
        count = math.prod(batch)
        flat = [left.expand(*batch, m, k).reshape(count, m, k), right.expand(*batch, k, n).reshape(count, k, n)]
    out = made(graph.apply(ops.MATMUL, flat[0]._node, flat[1]._node), *flat)
    shape = batch + ((m,) if input.ndim > 1 else ()) + ((n,) if other.ndim > 1 else ())
    return out.reshape(*shape)


def _ranked(name: str, *expected: tuple[Tensor, int]) -> None:
    if any(tensor.ndim != rank for tensor, rank in expected):
        found = ", ".join(str(tensor.shape) for tensor, _ in expected)
        raise ShapeError(f"{name} needs tensors of {', '.join(str(rank) for _, rank in expected)} dimensions, got {found}")


@method
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """(m, k) @ (k, n)."""
    _ranked("mm", (input, 2), (mat2, 2))
    return input @ mat2


@method
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """(b, m, k) @ (b, k, n)."""
    _ranked("bmm", (input, 3), (mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm needs two batches of one size, got {input.shape} and {mat2.shape}")
    return input @ mat2


@method
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """(m, k) @ (k,)."""
    _ranked("mv", (input, 2), (vec, 1))
    return input @ vec


@method
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of products of two lines of one size."""
    _ranked("dot", (input, 1), (tensor, 1))
    return input @ tensor


vdot = method(dot, "vdot")


@method
def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sums of products along both last dimensions."""
    return input * other if not (input.ndim and other.ndim) else tensordot(input, other, ([-1], [-1]))


@method
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """(n,), (m,) -> (n, m)."""
    _ranked("outer", (input, 1), (vec2, 1))
    return input.unsqueeze(1) * vec2


ger = method(outer, "ger")


def _added(input: Tensor, product: Tensor, beta: Number, alpha: Number) -> Tensor:
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else (input if beta == 1 else input * beta) + product


@method
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * mat1 @ mat2."""
    return _added(input, mm(mat1, mat2), beta, alpha)


@method
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    return _added(input, mv(mat, vec), beta, alpha)


@method
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    return _added(input, outer(vec1, vec2), beta, alpha)


@method
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    return _added(input, bmm(batch1, batch2), beta, alpha)


@method
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    return _added(input, bmm(batch1, batch2).sum(0), beta, alpha)


def chain_matmul(*matrices: Tensor) -> Tensor:
    out = matrices[0]
    for matrix in matrices[1:]:
        out = out @ matrix
    return out


@method
def matrix_power(input: Tensor, n: int) -> Tensor:
    """input @ input @ ..., n times; n is at least 0."""
    if n < 0 or input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise ShapeError(f"matrix_power needs square matrices and n of at least 0, got {input.shape} and {n}")
    size = input.shape[-1]
    shape = (size, size)
    out = (places(shape, 0) == places(shape, 1)).to(input.dtype).expand(*input.shape)
    square = input
    while n:
        out = out @ square if n % 2 else out
        n //= 2
        square = square @ square if n else square
    return out


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sums of products over dims of both: how many last ones of a and first ones of b, or two lists."""
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: dims is from 0 to the dimensions of {a.shape} and {b.shape}, got {dims}")
        dims = (list(range(a.ndim - dims, a.ndim)), list(range(dims)))
    one = [broadcast.axis_of(dim, a.ndim, "tensordot") for dim in ([dims[0]] if isinstance(dims[0], int) else dims[0])]
    two = [broadcast.axis_of(dim, b.ndim, "tensordot") for dim in ([dims[1]] if isinstance(dims[1], int) else dims[1])]
    if [a.shape[axis] for axis in one] != [b.shape[axis] for axis in two]:
        raise ShapeError(f"tensordot: dims {dims} name sizes that differ in {a.shape} and {b.shape}")
    rows = [axis for axis in range(a.ndim) if axis not in one]
    columns = [axis for axis in range(b.ndim) if axis not in two]
    shape = [a.shape[axis] for axis in rows] + [b.shape[axis] for axis in columns]
    length = math.prod(a.shape[axis] for axis in one)
    left = a.permute(*rows, *one).reshape(math.prod(a.shape[axis] for axis in rows), length)
    right = b.permute(*two, *columns).reshape(length, math.prod(b.shape[axis] for axis in columns))
    return (left @ right).reshape(*shape)


@method
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Every number of input times all of other, as blocks."""
    rank = max(input.ndim, other.ndim)
    x = input.reshape(*(1,) * (rank - input.ndim), *input.shape)
    y = other.reshape(*(1,) * (rank - other.ndim), *other.shape)
    left = x.reshape(*(size for n in x.shape for size in (n, 1)))
    right = y.reshape(*(size for n in y.shape for size in (1, n)))
    return (left * right).reshape(*(n * m for n, m in zip(x.shape, y.shape, strict=True)))


@method
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product along a dimension of size 3: dim, else the first such one."""
    x, y = input, other
    shape = broadcast.common_shape("cross", x.shape, y.shape)
    x, y = x.expand(*shape), y.expand(*shape)
    axis = shape.index(3) if dim is None and 3 in shape else broadcast.axis_of(-1 if dim is None else dim, len(shape), "cross")
    if not shape or shape[axis] != 3:
        raise ShapeError(f"cross needs a dimension of size 3, got {input.shape} and {other.shape}")
    return x.roll(-1, axis) * y.roll(-2, axis) - x.roll(-2, axis) * y.roll(-1, axis)


# ---------------------------------------------------------------- triangles and diagonals


def _triangle(input: Tensor, diagonal: int, lower: bool) -> Tensor:
    if input.ndim < 2:
        raise ShapeError(f"{'tril' if lower else 'triu'} needs at least 2 dimensions, got {input.shape}")
    shape = input.shape[-2:]
    gap = places(shape, 1) - places(shape, 0)
    return where(gap <= diagonal if lower else gap >= diagonal, input, False if input.dtype == bool_ else 0)


@method
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Zeros above the diagonal (moved up by `diagonal`)."""
    return _triangle(input, diagonal, True)


@method
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Zeros below the diagonal (moved up by `diagonal`)."""
    return _triangle(input, diagonal, False)


@method
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last dimension along the diagonal of two new ones; zeros elsewhere."""
    size = input.shape[-1] + abs(offset)
    line = made(ops.move.pad_axis(input._node, input.ndim - 1, max(-offset, 0), max(offset, 0)), input)
    shape = (size, size)
    hit = places(shape, 1) - places(shape, 0) == offset
    return where(hit, line.unsqueeze(-1), False if input.dtype == bool_ else 0).movedim((-2, -1), (dim1, dim2))


@method
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A line as the diagonal of a matrix, or the diagonal of a matrix."""
    if input.ndim not in (1, 2):
        raise ShapeError(f"diag takes a line or a matrix, got {input.shape}; use diagonal() or diag_embed()")
    return diag_embed(input, diagonal) if input.ndim == 1 else input.diagonal(diagonal)


@method
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    return diag_embed(input.flatten(), offset)


@method
def trace(input: Tensor) -> Tensor:
    _ranked("trace", (input, 2))
    return input.diagonal().sum()


def _indices(row: int, col: int, offset: int, lower: bool, dtype: Any) -> Tensor:
    if row < 0 or col < 0:
        raise ShapeError(f"{'tril' if lower else 'triu'}_indices: row and col are from 0 up, got {row} and {col}")
    found = np.tril_indices(row, offset, col) if lower else np.triu_indices(row, offset, col)
    return Tensor(np.stack(found).astype(np.int64), dtype)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None) -> Tensor:
    """(2, n): rows and columns of the lower triangle."""
    devices.check(device)
    return _indices(row, col, offset, True, dtype)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None) -> Tensor:
    devices.check(device)
    return _indices(row, col, offset, False, dtype)


# ---------------------------------------------------------------- einsum


def einsum(equation: str, *operands: Any) -> Tensor:
    """Sums of products over named dimensions: "ij,jk->ik". Spaces, "..." and repeated letters as in PyTorch.

    Products of two with shared letters are matrix products, from left to right. Raises ShapeError.
    """
    tensors = list(operands[0]) if len(operands) == 1 and not isinstance(operands[0], Tensor) else list(operands)
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        raise ShapeError(f"einsum: {equation!r} names {len(terms)} operands, got {len(tensors)}")
    parts = [_named(term, tensor, equation) for term, tensor in zip(terms, tensors, strict=True)]
    dots = max((sum(label.isdigit() for label in labels) for labels, _ in parts), default=0)
    ellipsis = [str(n) for n in range(dots)][::-1]
    every = [label for labels, _ in parts for label in labels]
    once = [label for label in set(left) if label.isalpha() and left.count(label) == 1]
    if arrow:
        kept = [label for label in right.replace("...", "")]
        place = len(right.partition("...")[0]) if "..." in right else 0
        out = [*kept[:place], *ellipsis, *kept[place:]] if "..." in right else kept
    else:
        out = [*ellipsis, *sorted(once)]
    if len(set(out)) != len(out) or any(label not in every for label in out):
        raise ShapeError(f"einsum: {equation!r} asks for dimensions that are not there, or twice")
    labels, found = parts[0]
    for n, (more, other) in enumerate(parts[1:], 1):
        needed = {*out, *(label for rest, _ in parts[n + 1 :] for label in rest)}
        labels, found = _contracted(labels, found, more, other, needed, equation)
    gone = [axis for axis, label in enumerate(labels) if label not in out]
    found = found.sum(gone) if gone else found
    labels = [label for label in labels if label in out]
    return found.permute(*(labels.index(label) for label in out)) if out else found


def _named(term: str, tensor: Tensor, equation: str) -> tuple[list[str], Tensor]:
    """(one letter a dimension, the tensor): "..." becomes digits counted from the right, a repeated letter a diagonal."""
    before, dots, after = term.partition("...")
    missing = tensor.ndim - len(before) - len(after)
    if missing < 0 or (missing and not dots) or not all(label.isalpha() for label in before + after):
        raise ShapeError(f"einsum: {term!r} of {equation!r} does not fit a tensor of shape {tensor.shape}")
    labels = [*before, *(str(n) for n in reversed(range(missing))), *after]
    for label in sorted(set(labels)):
        while labels.count(label) > 1:
            one = labels.index(label)
            two = labels.index(label, one + 1)
            if tensor.shape[one] != tensor.shape[two]:
                raise ShapeError(f"einsum: {label!r} of {equation!r} stands for {tensor.shape[one]} and {tensor.shape[two]}")
            tensor = tensor.diagonal(0, one, two)
            labels = [*(x for axis, x in enumerate(labels) if axis not in (one, two)), label]
    return labels, tensor


def _contracted(one: list[str], x: Tensor, two: list[str], y: Tensor, needed: set[str], equation: str) -> tuple[list[str], Tensor]:
    """The product of two over the letters both have, less those that nobody needs any more."""
    x, one = _reduced_to(x, one, {*needed, *two})
    y, two = _reduced_to(y, two, {*needed, *one})
    sizes = dict(zip(one, x.shape, strict=True))
    for label, size in zip(two, y.shape, strict=True):
        if sizes.get(label, size) != size and 1 not in (size, sizes[label]):
            raise ShapeError(f"einsum: {label!r} of {equation!r} stands for {sizes[label]} and {size}")
        sizes[label] = max(size, sizes.get(label, size)) if size and sizes.get(label, 1) else 0
    batch = [label for label in one if label in two and label in needed]
    gone = [label for label in one if label in two and label not in needed]
    rows, columns = [label for label in one if label not in two], [label for label in two if label not in one]
    left = _arranged(x, one, (batch, rows, gone), sizes)
    right = _arranged(y, two, (batch, gone, columns), sizes)
    out = (left @ right).reshape(*(sizes[label] for label in (*batch, *rows, *columns)))
    return [*batch, *rows, *columns], out


def _reduced_to(x: Tensor, labels: list[str], needed: set[str]) -> tuple[Tensor, list[str]]:
    gone = [axis for axis, label in enumerate(labels) if label not in needed]
    return (x.sum(gone) if gone else x), [label for label in labels if label in needed]


def _arranged(x: Tensor, labels: list[str], groups: Sequence[list[str]], sizes: dict[str, int]) -> Tensor:
    """x with its dimensions in three groups, each one dimension."""
    wanted = [label for group in groups for label in group]
    if wanted:
        x = x.permute(*(labels.index(label) for label in wanted)).expand(*(sizes[label] for label in wanted))
    return x.reshape(*(math.prod(sizes[label] for label in group) for group in groups))
