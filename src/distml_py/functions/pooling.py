"""Pooling: the largest, or the mean, of windows. PyTorch's torch.nn.functional.

What is written for images (n, c, h, w) holds for (n, c, length) as well, and for both without the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import creation, ops
from ..dtypes import INT64
from ..errors import DtypeError, ShapeError
from ..op import int32
from ..tensor import Tensor, apply
from .convolution import Pair, Single
from .padding import pad
from .volume import Triple

Sizes = int | None | Sequence[int | None]


def _listed(value: Any, rank: int, name: str, least: int = 1) -> tuple[int, ...]:
    """One number for all dimensions, or one for each. Raises ShapeError below `least`."""
    words = ("a tuple of one int", "two ints", "three ints")[rank - 1]
    found = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(found) == 1:
        found *= rank
    if len(found) != rank or min(found) < least:
        raise ShapeError(f"{name} is an int or {words} of at least {least}, got {value}")
    return found


class _Windows:
    """Where the windows of one call lie. rank: 1 to 3 dimensions are pooled."""

    def __init__(self, name: str, rank: int, input: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool):
        self.name, self.rank, self.sizes = name, rank, _listed(kernel, rank, "kernel_size")
        self.edge = _listed(padding, rank, "padding", least=0)
        self.steps = _listed(kernel if stride is None or stride == () else stride, rank, "stride")
        self.holes = _listed(dilation, rank, "dilation")
        if input.ndim != rank + 2:
            wanted = ("(n, c, length)", "(n, c, h, w)", "(n, c, d, h, w)")[rank - 1]
            raise ShapeError(f"{name} needs {wanted}, got {input.shape}; add a batch dimension with .unsqueeze(0)")
        if any(2 * p > k for p, k in zip(self.edge, self.sizes, strict=True)):
            raise ShapeError(f"{name}: padding {self.edge} is more than half of the kernel {self.sizes}")
        self.reach = [d * (k - 1) + 1 for d, k in zip(self.holes, self.sizes, strict=True)]
        self.shape = input.shape[2:]
        spans = zip(self.shape, self.edge, self.reach, self.steps, strict=True)
        self.more = [_beyond(*span) if ceil else 0 for span in spans]

    def of(self, input: Tensor, fill: float) -> Tensor:
        """(n, c, oh, ow, kh * kw): the padded input, one row a window."""
        around = [side for p, m in zip(self.edge[::-1], self.more[::-1], strict=True) for side in (p, p + m)]
        padded = pad(input, around, value=fill)
        if any(r > size for r, size in zip(self.reach, padded.shape[2:], strict=True)):
            raise ShapeError(f"{self.name}: the kernel {self.sizes} is larger than the padded input {padded.shape[2:]}")
        return apply(ops.WINDOW, padded, attrs=(self.sizes, self.steps, self.holes)).flatten(2 + self.rank)

    def counts(self, include_pad: bool) -> np.ndarray:
        """(oh, ow): how many numbers of each window count in its mean."""
        total = np.ones((), np.float64)
        for size, p, r, s, m in zip(self.shape, self.edge, self.reach, self.steps, self.more, strict=True):
            first = np.arange((size + 2 * p + m - r) // s + 1) * s - p
            low, high = (-p, size + p) if include_pad else (0, size)
            total = total[..., None] * (np.minimum(first + r, high) - np.maximum(first, low))
        return total

    def places(self, chosen: Tensor) -> Tensor:
        """The numbers in the flattened image of elements chosen by their numbers in each window."""
        total, number = None, chosen
        for axis in reversed(range(self.rank)):
            inside, number = number % self.sizes[axis], number // self.sizes[axis]
            line = creation.arange(chosen.shape[2 + axis]) * self.steps[axis] - self.edge[axis]
            place = inside * self.holes[axis] + line.reshape(-1, *(1,) * (self.rank - 1 - axis))
            place = place * math.prod(self.shape[axis + 1 :])
            total = place if total is None else total + place
        assert total is not None
        return total


def _beyond(size: int, edge: int, reach: int, step: int) -> int:
    """How far a last window, which must start inside the input or its left edge, reaches beyond the padded input."""
    room = size + 2 * edge - reach
    last = -(-room // step) * step
    if last >= size + edge:
        last -= step
    return max(0, last - room)


def _max_pool(name: str, rank: int, input: Tensor, options: tuple[Any, ...], return_indices: bool) -> Any:
    if input.ndim == rank + 1:
        found = _max_pool(name, rank, input.unsqueeze(0), options, return_indices)
        return (found[0].squeeze(0), found[1].squeeze(0)) if return_indices else found.squeeze(0)
    whole = input.dtype.kind in "iu"
    if not (input.is_floating_point() or (whole and (rank > 1 or return_indices))):  # PyTorch's max_pool1d refuses integers
        raise DtypeError(f"{name} needs floating-point numbers, got {input.dtype.name}; use .float()")
    windows = _Windows(name, rank, input, *options)
    values, chosen = windows.of(input, _least(input) if whole else -math.inf).max(-1)
    return (values, windows.places(chosen)) if return_indices else values


def _least(input: Tensor) -> int:
    """The least integer of its dtype, which all of ours hold in 32 bits."""
    return max(int(np.iinfo(input.dtype.name).min), -(2**31))


def max_pool1d(
    input: Tensor,
    kernel_size: Single,
    stride: Single | None = None,
    padding: Single = 0,
    dilation: Single = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """max_pool2d for (n, c, length) or (c, length)."""
    return _max_pool("max_pool1d", 1, input, (kernel_size, stride, padding, dilation, ceil_mode), return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of each window; its gradient goes to the first of equals. input (n, c, h, w) or (c, h, w).

    ceil_mode: a last window that starts inside the input may reach beyond it.
    return_indices: (values, indices) with the numbers of the chosen elements in the flattened image.
    """
    return _max_pool("max_pool2d", 2, input, (kernel_size, stride, padding, dilation, ceil_mode), return_indices)


def _avg_pool(
    name: str, rank: int, input: Tensor, options: tuple[Any, ...], count_include_pad: bool, divisor: int | None = None
) -> Tensor:
    if input.ndim == rank + 1:
        return _avg_pool(name, rank, input.unsqueeze(0), options, count_include_pad, divisor).squeeze(0)
    if not (input.is_floating_point() or input.dtype == INT64):
        raise DtypeError(f"{name} needs floating-point numbers or int64, got {input.dtype.name}; use .float()")
    kernel, stride, padding, ceil_mode = options
    windows = _Windows(name, rank, input, kernel, stride, padding, 1, ceil_mode)
    rows = windows.of(input, 0.0)
    if divisor == 0:
        raise ShapeError(f"{name}: divisor_override is not 0")
    if input.dtype == INT64:
        counts = Tensor(windows.counts(count_include_pad), int32) if divisor is None else divisor
        return rows.sum(-1).div(counts, rounding_mode="trunc")
    if divisor is not None:
        return rows.sum(-1) / divisor
    if count_include_pad and not any(windows.more):
        return rows.mean(-1)
    return rows.sum(-1) / Tensor(windows.counts(count_include_pad), input.dtype)


def avg_pool1d(
    input: Tensor,
    kernel_size: Single,
    stride: Single | None = None,
    padding: Single = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """avg_pool2d for (n, c, length) or (c, length)."""
    return _avg_pool("avg_pool1d", 1, input, (kernel_size, stride, padding, ceil_mode), count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window, or its sum / divisor_override. input (n, c, h, w) or (c, h, w)."""
    return _avg_pool("avg_pool2d", 2, input, (kernel_size, stride, padding, ceil_mode), count_include_pad, divisor_override)


def max_pool3d(
    input: Tensor,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    dilation: Triple = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """max_pool2d for (n, c, d, h, w) or (c, d, h, w)."""
    return _max_pool("max_pool3d", 3, input, (kernel_size, stride, padding, dilation, ceil_mode), return_indices)


def avg_pool3d(
    input: Tensor,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """avg_pool2d for (n, c, d, h, w) or (c, d, h, w)."""
    return _avg_pool("avg_pool3d", 3, input, (kernel_size, stride, padding, ceil_mode), count_include_pad, divisor_override)


def _targets(name: str, rank: int, input: Tensor, output_size: Sizes) -> tuple[int, ...]:
    """The sizes asked for; None keeps one."""
    given = (output_size,) * rank if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if input.ndim not in (rank + 1, rank + 2) or len(given) != rank:
        raise ShapeError(
            f"{name} needs {rank} sizes for an input of {rank + 1} or {rank + 2} dimensions, got {given}, {input.shape}"
        )
    return tuple(size if want is None else want for want, size in zip(given, input.shape[-rank:], strict=True))


def _ranges(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Where `count` windows, as equal as can be, begin and end."""
    number = np.arange(count)
    return number * size // count, -(-(number + 1) * size // count)


def _adaptive_avg(name: str, rank: int, input: Tensor, output_size: Sizes) -> Tensor:
    """Each axis by itself: whole windows where they divide, else a product with the windows' weights."""
    for axis, count in enumerate(_targets(name, rank, input, output_size), input.ndim - rank):
        size = input.shape[axis]
        if count == size:
            continue
        if count and size % count == 0:
            input = input.reshape(*input.shape[:axis], count, size // count, *input.shape[axis + 1 :]).mean(axis + 1)
            continue
        begin, end = _ranges(size, count)
        place = np.arange(size)[:, None]
        weights = Tensor(((place >= begin) & (place < end)) / (end - begin), input.dtype)
        last = input.ndim - 1
        input = (input.transpose(axis, last) @ weights).transpose(axis, last)
    return input


def _adaptive_max(name: str, rank: int, input: Tensor, output_size: Sizes) -> Any:
    """Windows of one size: those that are shorter hold their last element several times."""
    targets = _targets(name, rank, input, output_size)
    lead = input.ndim - rank
    places, shape = [], input.shape[lead:]
    for axis, count in enumerate(targets):
        begin, end = _ranges(shape[axis], count)
        widest = int((end - begin).max(initial=1))
        places.append(np.minimum(begin[:, None] + np.arange(widest), end[:, None] - 1))
    windows, number = input, np.zeros((), np.int64)
    for axis, place in enumerate(places):
        windows = windows[(slice(None),) * (lead + 2 * axis) + (Tensor(place.reshape(-1), int32),)]
        at = lead + 2 * axis
        windows = windows.reshape(*windows.shape[:at], *place.shape, *windows.shape[at + 1 :])
        number = number[..., None, None] * shape[axis] + place
    order = [*range(0, 2 * rank, 2), *range(1, 2 * rank, 2)]
    rows = windows.permute(*range(lead), *(lead + n for n in order)).flatten(lead + rank)
    values, chosen = rows.max(-1)
    found = Tensor(number.transpose(order).reshape(*targets, -1), int32).expand(*rows.shape)
    return values, found.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)


def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """The means of output_size windows that cover (n, c, length) or (c, length) as evenly as can be."""
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """The means of windows that cover (n, c, h, w) or (c, h, w) as evenly as can be. output_size: None keeps a size."""
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """The means of windows that cover (n, c, d, h, w) or (c, d, h, w) as evenly as can be. output_size: None keeps a size."""
    return _adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


def adaptive_max_pool3d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """As adaptive_avg_pool3d, with the largest of each window."""
    found = _adaptive_max("adaptive_max_pool3d", 3, input, output_size)
    return found if return_indices else found[0]


def adaptive_max_pool1d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """As adaptive_avg_pool1d, with the largest of each window."""
    found = _adaptive_max("adaptive_max_pool1d", 1, input, output_size)
    return found if return_indices else found[0]


def adaptive_max_pool2d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """As adaptive_avg_pool2d, with the largest of each window."""
    found = _adaptive_max("adaptive_max_pool2d", 2, input, output_size)
    return found if return_indices else found[0]
