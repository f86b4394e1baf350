"""Pooling: the largest, or the mean, of windows. PyTorch's torch.nn.functional."""

from __future__ import annotations

import math

from .. import creation, ops
from ..errors import DtypeError, ShapeError, UnsupportedError
from ..tensor import Tensor, apply
from .convolution import Pair, pair
from .padding import pad


def _windows(
    input: Tensor,
    name: str,
    kernel: Pair,
    stride: Pair | None,
    padding: Pair,
    dilation: Pair,
    fill: float,
    ceil_mode: bool = False,
) -> Tensor:
    """(n, c, oh, ow, kh * kw): the padded input, one row a window."""
    sizes, edge = pair(kernel, "kernel_size"), pair(padding, "padding", least=0)
    steps, holes = pair(kernel if stride is None else stride, "stride"), pair(dilation, "dilation")
    if input.ndim != 4:
        raise ShapeError(f"{name} needs (n, c, h, w), got {input.shape}; add a batch dimension with .unsqueeze(0)")
    if any(2 * p > k for p, k in zip(edge, sizes, strict=True)):
        raise ShapeError(f"{name}: padding {edge} is more than half of the kernel {sizes}")
    reach = [d * (k - 1) + 1 for d, k in zip(holes, sizes, strict=True)]
    more = [_beyond(input.shape[2 + a], edge[a], reach[a], steps[a]) if ceil_mode else 0 for a in (0, 1)]
    padded = pad(input, (edge[1], edge[1] + more[1], edge[0], edge[0] + more[0]), value=fill)
    if any(r > size for r, size in zip(reach, padded.shape[2:], strict=True)):
        raise ShapeError(f"{name}: the kernel {sizes} is larger than the padded input {padded.shape[2:]}")
    return apply(ops.WINDOW, padded, attrs=(sizes, steps, holes)).flatten(4)


def _beyond(size: int, edge: int, reach: int, step: int) -> int:
    """How far a last window, which must start inside the input or its left edge, reaches beyond the padded input."""
    room = size + 2 * edge - reach
    last = -(-room // step) * step
    if last >= size + edge:
        last -= step
    return max(0, last - room)


def max_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The largest of each window; its gradient goes to the first of equals. input (n, c, h, w) or (c, h, w).

    ceil_mode: a last window that starts inside the input may reach beyond it. Raises UnsupportedError for indices.
    """
    if return_indices:
        raise UnsupportedError("not implemented: max_pool2d(return_indices=True); nearest is Tensor.argmax over windows")
    if input.ndim == 3:
        return max_pool2d(input.unsqueeze(0), kernel_size, stride, padding, dilation, ceil_mode).squeeze(0)
    if not input.is_floating_point():
        raise DtypeError(f"max_pool2d needs floating-point numbers, got {input.dtype.name}; use .float()")
    windows = _windows(input, "max_pool2d", kernel_size, stride, padding, dilation, -math.inf, ceil_mode)
    values: Tensor = windows.max(-1)[0]
    return values


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
    if ceil_mode:
        raise UnsupportedError("not implemented: avg_pool2d(ceil_mode=True); nearest is pad() and ceil_mode=False")
    if input.ndim == 3:
        whole = avg_pool2d(input.unsqueeze(0), kernel_size, stride, padding, False, count_include_pad, divisor_override)
        return whole.squeeze(0)
    sums = _windows(input, "avg_pool2d", kernel_size, stride, padding, 1, 0.0)
    if divisor_override is not None:
        return sums.sum(-1) / divisor_override
    if count_include_pad:
        return sums.mean(-1)
    counts = _windows(creation.ones_like(input), "avg_pool2d", kernel_size, stride, padding, 1, 0.0)
    return sums.sum(-1) / counts.sum(-1)
