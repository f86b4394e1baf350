"""PyTorch's torch.sparse, for programs of small graphs: a matrix given by its entries is kept whole, and products are whole ones.

Numbers and gradients are PyTorch's; the memory that sparse tensors save is not saved, which is said once.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from .creation import tensor, zeros
from .errors import ShapeError
from .missing import getter as _getter
from .tensor import Tensor
from .tensor.arguments import guard as _guard
from .tensor.tensor import method

LARGE = 2**24  # numbers from which on it is told that they are kept


def sparse_coo_tensor(
    indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> Tensor:
    """A tensor of this size with values (n, ...) at indices (dimensions, n), zeros elsewhere. Values of one place are added.

    size: by default as large as the indices need.
    """
    places = indices if isinstance(indices, Tensor) else tensor(indices)
    numbers = values if isinstance(values, Tensor) else tensor(values)
    if places.ndim != 2 or not numbers.ndim or places.shape[1] != numbers.shape[0]:
        raise ShapeError(
            f"sparse_coo_tensor needs indices (dimensions, n) and values (n, ...), got {places.shape}, {numbers.shape}"
        )
    if size is None:
        size = (*(places.max(1).values + 1).tolist(), *numbers.shape[1:])
    if len(size) != places.shape[0] + numbers.ndim - 1:
        rank = places.shape[0] + numbers.ndim - 1
        raise ShapeError(f"sparse_coo_tensor: size {tuple(size)} has not the {rank} dimensions of the entries")
    _told(math.prod(size))
    numbers = numbers if dtype is None else numbers.to(dtype)
    found = zeros(*size, dtype=numbers.dtype, device=device).index_put(tuple(places.long().unbind(0)), numbers, accumulate=True)
    return found.detach().requires_grad_() if requires_grad else found


def FloatTensor(indices: Any = None, values: Any = None, size: Any = None) -> Tensor:
    """sparse_coo_tensor(), as it was written first."""
    return sparse_coo_tensor(indices, values, size)


LongTensor = IntTensor = DoubleTensor = FloatTensor


def mm(sparse: Tensor, dense: Tensor) -> Tensor:
    return sparse.mm(dense)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    return mat.addmm(mat1, mat2, beta=beta, alpha=alpha)


def sum(input: Tensor, dim: Any = None, dtype: Any = None) -> Tensor:
    found: Tensor = input.sum(dtype=dtype) if dim is None else input.sum(dim, dtype=dtype)
    return found


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Over the entries that are not zero; the others stay zero."""
    return input.masked_fill(input == 0, -math.inf).softmax(dim, dtype=dtype).nan_to_num(nan=0.0)


def spmm(input: Tensor, mat2: Tensor) -> Tensor:
    return input.mm(mat2)


@method
def to_dense(input: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """input itself: all tensors are dense."""
    return input if dtype is None else input.to(dtype)


@method
def to_sparse(input: Tensor, *layout: Any, **named: Any) -> Tensor:
    """input itself, kept whole."""
    _told(input.numel())
    return input


method(to_sparse, "to_sparse_coo")


@method
def coalesce(input: Tensor) -> Tensor:
    return input


@method
def indices(input: Tensor) -> Tensor:
    """Where it is not zero, (dimensions, n)."""
    return input.detach().nonzero().t()


@method
def values(input: Tensor) -> Tensor:
    """What is not zero, (n,)."""
    return input[tuple(input.detach().nonzero().unbind(1))]


method(indices, "_indices")
method(values, "_values")


@method
def _nnz(input: Tensor) -> int:
    return int(input.detach().count_nonzero().item())


def _told(numbers: int) -> None:
    if numbers > LARGE and "whole" not in _said:
        _said.add("whole")
        warnings.warn(f"a sparse tensor is kept whole here: {numbers} numbers", stacklevel=3)


_said: set[str] = set()  # what may change here: what was said once
_guard(globals(), ["sparse_coo_tensor", "FloatTensor", "mm", "addmm", "sum", "softmax", "spmm"])
__getattr__ = _getter("torch.sparse", globals())
