"""Pictures read at any place: affine_grid and grid_sample of PyTorch's torch.nn.functional, for (n, c, h, w)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..creation import linspace, ones
from ..errors import ShapeError, UnsupportedError
from ..op import int32
from ..tensor import Tensor, stack, where

MODES = ("bilinear", "nearest")
EDGES = ("zeros", "border", "reflection")


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """theta, shape (n, 2, 3), at each place of a picture of size (n, c, h, w): shape (n, h, w, 2), x before y, -1 to 1.

    align_corners: are -1 and 1 the middles of the outer pixels, or their edges (the default)?
    """
    if len(size) != 4 or theta.shape != (size[0], 2, 3):
        wanted = f"theta of shape (n, 2, 3) and size (n, c, h, w), got {theta.shape} and {tuple(size)}"
        raise (UnsupportedError if len(size) == 5 else ShapeError)(f"affine_grid takes {wanted}")
    count, _, height, width = size
    across, down = (_places(size, bool(align_corners), theta.dtype) for size in (width, height))
    base = stack([across.expand(height, width), down.unsqueeze(1).expand(height, width), ones(height, width, dtype=theta.dtype)], 2)
    found: Tensor = base.reshape(1, height * width, 3) @ theta.transpose(1, 2)
    return found.reshape(count, height, width, 2)


def _places(count: int, align_corners: bool, dtype: Any) -> Tensor:
    if align_corners:
        return linspace(-1, 1, count, dtype=dtype)
    return linspace(-1 + 1 / count, 1 - 1 / count, count, dtype=dtype)


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """input, shape (n, c, h, w), read at grid, shape (n, rows, columns, 2): shape (n, c, rows, columns).

    grid: x before y, from -1 to 1. mode: "bilinear" or "nearest"; padding_mode: what is read outside, "zeros", "border" or
    "reflection". It has gradients for both; where it jumps ("nearest") the grid's is zero.
    """
    if mode not in MODES or input.ndim != 4:
        what = f"torch.nn.functional.grid_sample(mode={mode!r}) of {input.ndim} dimensions"
        raise UnsupportedError(f"not implemented: {what}; nearest is mode='bilinear' of (n, c, h, w)")
    if padding_mode not in EDGES:
        raise ShapeError(f"grid_sample: padding_mode is one of {', '.join(EDGES)}, got {padding_mode!r}")
    if grid.ndim != 4 or grid.shape[0] != input.shape[0] or grid.shape[3] != 2 or 0 in input.shape[2:]:
        raise ShapeError(
            f"grid_sample: a grid for {input.shape} has the shape ({input.shape[0]}, rows, columns, 2), got {grid.shape}"
        )
    x = _pixel(grid[..., 0], input.shape[3], padding_mode, bool(align_corners))
    y = _pixel(grid[..., 1], input.shape[2], padding_mode, bool(align_corners))
    if mode == "nearest":
        return _read(input, x.detach().round(), y.detach().round()) + (x + y).unsqueeze(1) * 0
    left, top = x.detach().floor(), y.detach().floor()
    right, low = (x - left).unsqueeze(1), (y - top).unsqueeze(1)
    above = _read(input, left, top) * (1 - right) + _read(input, left + 1, top) * right
    below = _read(input, left, top + 1) * (1 - right) + _read(input, left + 1, top + 1) * right
    return above * (1 - low) + below * low


def _pixel(place: Tensor, size: int, edge: str, align_corners: bool) -> Tensor:
    """-1 to 1 as a place among pixels, whose middles are whole numbers."""
    place = (place + 1) / 2 * (size - 1) if align_corners else ((place + 1) * size - 1) / 2
    if edge == "reflection":
        low, span = (0.0, float(size - 1)) if align_corners else (-0.5, float(size))
        if not span:
            return place * 0
        away = (place - low).abs()
        turns = (away / span).detach().floor()
        rest = away - turns * span
        odd = turns % 2
        place = (rest * (1 - odd) + (span - rest) * odd) + low
    return place.clamp(0, size - 1) if edge != "zeros" else place


def _read(input: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The pixels at whole places of shape (n, rows, columns); zeros outside."""
    count, channels, height, width = input.shape
    inside = ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)).unsqueeze(1)
    index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).to(int32).reshape(count, 1, -1)
    found = input.reshape(count, channels, height * width).gather(2, index.expand(count, channels, index.shape[2]))
    return where(inside, found.reshape(count, channels, *x.shape[1:]), 0.0)
