"""Images in another size or another order: interpolate, pixel_shuffle, unfold. PyTorch's torch.nn.functional."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import creation, ops
from ..errors import ShapeError, UnsupportedError
from ..op import int32
from ..tensor import Tensor, apply
from .convolution import Pair, pair
from .padding import pad
from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}  # how many dimensions each takes


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """(n, c, length), (n, c, h, w) or (n, c, d, h, w) in another size, which is given, or a factor of the old one.

    mode: "nearest", "nearest-exact", "area" (means), "linear" for one dimension, "bilinear" and "bicubic" for two, "trilinear".
    antialias: each new number is a weighted mean of all old ones that it covers, as in Pillow.
    """
    rank = input.ndim - 2
    if mode not in ("nearest", "nearest-exact", "area", *LINEAR) or rank not in (1, 2, 3):
        what = f"mode={mode!r}) of {input.ndim} dimensions"
        raise UnsupportedError(f"not implemented: interpolate({what}; nearest is mode='bilinear' of (n, c, h, w)")
    if antialias and (mode not in ("bilinear", "bicubic") or rank != 2):
        raise ShapeError(f"interpolate: antialias is for 'bilinear' and 'bicubic' of (n, c, h, w), not {mode!r} of {input.shape}")
    if LINEAR.get(mode, rank) != rank:
        raise ShapeError(f"interpolate: mode {mode!r} takes {LINEAR[mode] + 2} dimensions, got {input.shape}")
    if align_corners is not None and mode not in LINEAR:
        raise ShapeError(f"interpolate: align_corners is for 'linear' and 'bilinear', not for {mode!r}")
    old = input.shape[2:]
    new, scales = _sizes(old, size, scale_factor, bool(recompute_scale_factor))
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[rank - 1](input, new)
    for axis, (before, after, scale) in enumerate(zip(old, new, scales, strict=True), 2):
        if antialias:
            input = _smoothed(input, axis, before, after, scale, bool(align_corners), mode == "bicubic")
        elif mode == "bicubic":
            input = _cubic(input, axis, before, after, scale, bool(align_corners))
        elif mode in LINEAR:
            input = _blended(input, axis, before, after, scale, bool(align_corners))
        else:
            input = _picked(input, axis, before, after, scale, 0.5 if mode == "nearest-exact" else 0.0)
    return input


def _sizes(
    old: Sequence[int], size: int | Sequence[int] | None, factor: float | Sequence[float] | None, again: bool
) -> tuple[list[int], list[float]]:
    """(new sizes, old numbers a new one). again: the factor is worked out from the sizes."""
    if (size is None) == (factor is None):
        raise ShapeError(f"interpolate takes size or scale_factor, got {size} and {factor}")
    if size is not None:
        new = [size] * len(old) if isinstance(size, int) else list(size)
        factors = None
    else:
        factors = [float(factor)] * len(old) if isinstance(factor, (int, float)) else [float(f) for f in factor or ()]
        new = [math.floor(n * f) for n, f in zip(old, factors, strict=False)]
    if len(new) != len(old) or min(new) < 1:
        raise ShapeError(f"interpolate: {len(old)} sizes of at least 1 are needed, got {new}")
    if factors is None or again:
        return new, [n / m for n, m in zip(old, new, strict=True)]
    return new, [1 / f for f in factors]


def _picked(input: Tensor, axis: int, before: int, after: int, scale: float, middle: float) -> Tensor:
    """The nearest old number for each new one."""
    if after % before == 0 and scale == before / after:  # each as often: no index is needed, nor its gradient
        shape = (*input.shape[:axis], before, after // before, *input.shape[axis + 1 :])
        return input.unsqueeze(axis + 1).expand(*shape).reshape(*input.shape[:axis], after, *input.shape[axis + 1 :])
    place = (np.arange(after, dtype=np.float32) + np.float32(middle)) * np.float32(scale)
    place = np.minimum(place.astype(np.int64), before - 1)
    return input[(slice(None),) * axis + (Tensor(place, int32),)]


def _blended(input: Tensor, axis: int, before: int, after: int, scale: float, corners: bool) -> Tensor:
    """Linear between the two nearest old numbers: a product with a matrix that holds two weights a column."""
    if before == after:
        return input
    number = np.arange(after, dtype=np.float64)
    if corners:
        place = number * ((before - 1) / (after - 1) if after > 1 else 0.0)
    else:
        place = np.maximum((number + 0.5) * scale - 0.5, 0.0)
    low = np.minimum(place.astype(np.int64), before - 1)
    share = place - low
    weights = np.zeros((before, after))
    np.add.at(weights, (low, np.arange(after)), 1 - share)
    np.add.at(weights, (np.minimum(low + 1, before - 1), np.arange(after)), share)
    return _mixed(input, axis, weights)


def _cubic(input: Tensor, axis: int, before: int, after: int, scale: float, corners: bool) -> Tensor:
    """Cubics through the four nearest old numbers, as a product with a matrix. Source: Keys 1981, a = -0.75."""
    number = np.arange(after, dtype=np.float64)
    place = number * ((before - 1) / (after - 1) if after > 1 else 0.0) if corners else (number + 0.5) * scale - 0.5
    low = np.floor(place)
    weights = np.zeros((before, after))
    for step in range(-1, 3):
        x = np.abs(place - low - step)
        near = (1.25 * x - 2.25) * x * x + 1
        far = ((-0.75 * x + 3.75) * x - 6) * x + 3
        at = np.clip(low + step, 0, before - 1).astype(np.int64)
        np.add.at(weights, (at, np.arange(after)), np.where(x <= 1, near, far))
    return _mixed(input, axis, weights)


def _smoothed(input: Tensor, axis: int, before: int, after: int, scale: float, corners: bool, cubic: bool) -> Tensor:
    """A mean under a triangle, or under Keys' cubic with a = -0.5, which is as wide as a new number where that is wider."""
    if corners:
        scale = (before - 1) / (after - 1) if after > 1 else 0.0
    wide = max(scale, 1.0)
    reach = (2 if cubic else 1) * wide
    weights = np.zeros((before, after))
    for number in range(after):
        centre = scale * (number + 0.5)
        first = max(int(centre - reach + 0.5), 0)
        places = np.arange(first, min(int(centre + reach + 0.5), before))
        x = np.abs((places - centre + 0.5) / wide)
        inner = (1.5 * x - 2.5) * x * x + 1 if cubic else 1 - x
        outer = np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0) if cubic else 0 * x
        found = np.where(x < 1, inner, outer)
        weights[places, number] = found / found.sum()
    return _mixed(input, axis, weights)


def _mixed(input: Tensor, axis: int, weights: np.ndarray) -> Tensor:
    """Each new number along axis is a sum of old ones by a column of weights."""
    last = input.ndim - 1
    return (input.transpose(axis, last) @ Tensor(weights, input.dtype)).transpose(axis, last)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., c r^2, h, w) -> (..., c, h r, w r). Source: Shi et al. 2016."""
    r = upscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-3] % (r * r):
        raise ShapeError(f"pixel_shuffle needs (..., channels, h, w), channels divisible by {r}^2, got {input.shape}")
    *lead, c, h, w = input.shape
    n = len(lead)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return input.reshape(*lead, c // (r * r), r, r, h, w).permute(*order).reshape(*lead, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., c, h r, w r) -> (..., c r^2, h, w): pixel_shuffle undone."""
    r = downscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-2] % r or input.shape[-1] % r:
        raise ShapeError(f"pixel_unshuffle needs (..., c, h, w), h and w divisible by {r}, got {input.shape}")
    *lead, c, h, w = input.shape
    n = len(lead)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return input.reshape(*lead, c, h // r, r, w // r, r).permute(*order).reshape(*lead, c * r * r, h // r, w // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(n, c, ...): the channels of the groups take turns. Source: Zhang et al. 2018."""
    if input.ndim < 3 or groups < 1 or input.shape[1] % groups:
        raise ShapeError(f"channel_shuffle: groups={groups} must divide the channels of (n, c, ...), got {input.shape}")
    n, c, *rest = input.shape
    return input.reshape(n, groups, c // groups, *rest).transpose(1, 2).reshape(n, c, *rest)


def unfold(input: Tensor, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Tensor:
    """(n, c, h, w) or (c, h, w) -> (n, c * kh * kw, windows): one column a window."""
    if input.ndim == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    if input.ndim != 4:
        raise ShapeError(f"unfold needs (n, c, h, w) or (c, h, w), got {input.shape}")
    sizes, edge = pair(kernel_size, "kernel_size"), pair(padding, "padding", least=0)
    padded = pad(input, (edge[1], edge[1], edge[0], edge[0]))
    holes = pair(dilation, "dilation")
    if any(d * (k - 1) + 1 > n for d, k, n in zip(holes, sizes, padded.shape[2:], strict=True)):
        raise ShapeError(f"unfold: the kernel {sizes} is larger than the padded input {padded.shape[2:]}")
    windows = apply(ops.WINDOW, padded, attrs=(sizes, pair(stride, "stride"), holes))
    return windows.permute(0, 1, 4, 5, 2, 3).flatten(3 + 1).flatten(1, 3)


def fold(input: Tensor, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Tensor:
    """unfold's adjoint: (n, c * kh * kw, windows) or without n -> (n, c, h, w); where windows overlap they are added."""
    if input.ndim == 2:
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    size, kernel, holes = pair(output_size, "output_size"), pair(kernel_size, "kernel_size"), pair(dilation, "dilation")
    edge, steps = pair(padding, "padding", least=0), pair(stride, "stride")
    wide = [n + 2 * p for n, p in zip(size, edge, strict=True)]
    counts = [(n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(wide, holes, kernel, steps, strict=True)]
    if input.ndim != 3 or input.shape[1] % math.prod(kernel) or input.shape[2] != math.prod(counts):
        raise ShapeError(f"fold needs (n, c * {kernel[0]} * {kernel[1]}, {math.prod(counts)}) for {size}, got {input.shape}")
    rows, columns = (
        (np.arange(k) * d)[:, None] + np.arange(count) * s for k, d, count, s in zip(kernel, holes, counts, steps, strict=True)
    )
    places = rows[:, None, :, None] * wide[1] + columns[None, :, None, :]  # kh, kw, windows down, windows across
    n, c = input.shape[0], input.shape[1] // math.prod(kernel)
    flat = creation.zeros(n * c, math.prod(wide), dtype=input.dtype)
    found = flat.index_add(1, Tensor(places.reshape(-1), int32), input.reshape(n * c, -1)).reshape(n, c, *wide)
    return found[:, :, edge[0] : edge[0] + size[0], edge[1] : edge[1] + size[1]]
