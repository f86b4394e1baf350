"""Images read at places that a grid names, and grids of affine maps. Source: Jaderberg et al. 2015."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ShapeError, UnsupportedError
from ..tensor import Tensor


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """theta (n, 2, 3), size (n, c, h, w): for each pixel of the new image the place in the old one, (n, h, w, 2) in [-1, 1]."""
    if theta.ndim != 3 or theta.shape[1:] != (2, 3) or len(size) != 4:
        raise ShapeError(f"affine_grid needs theta (n, 2, 3) and a size (n, c, h, w), got {theta.shape} and {tuple(size)}")
    n, _, h, w = size
    lines = [np.linspace(-1, 1, count) if count > 1 else np.zeros(1) for count in (w, h)]
    if not align_corners:
        lines = [line * (count - 1) / count for line, count in zip(lines, (w, h), strict=True)]
    x, y = np.meshgrid(*lines)
    base = Tensor(np.stack([x, y, np.ones_like(x)], -1).reshape(1, h * w, 3), theta.dtype)
    return (base.expand(n, h * w, 3) @ theta.transpose(1, 2)).reshape(n, h, w, 2)


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """input (n, c, h, w) at the places of grid (n, oh, ow, 2), x and y in [-1, 1]. Returns (n, c, oh, ow).

    mode: "bilinear" or "nearest". padding_mode, for places outside: "zeros", "border" or "reflection".
    """
    if input.ndim != 4 or grid.ndim != 4 or grid.shape[-1] != 2 or grid.shape[0] != input.shape[0]:
        raise ShapeError(f"grid_sample needs (n, c, h, w) and a grid (n, oh, ow, 2), got {input.shape} and {grid.shape}")
    if mode not in ("bilinear", "nearest"):
        raise UnsupportedError(f"not implemented: grid_sample(mode={mode!r}); nearest is mode='bilinear'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ShapeError(f"grid_sample: padding_mode is 'zeros', 'border' or 'reflection', got {padding_mode!r}")
    corners = bool(align_corners)
    x, y = (_place(grid[..., axis], input.shape[3 - axis], padding_mode, corners) for axis in (0, 1))
    if mode == "nearest":
        return _read(input, x.round(), y.round())
    left, top = x.detach().floor(), y.detach().floor()
    right, low = x - left, y - top
    found = [
        _read(input, left + across, top + down) * ((right if across else 1 - right) * (low if down else 1 - low)).unsqueeze(1)
        for down in (0, 1)
        for across in (0, 1)
    ]
    return found[0] + found[1] + found[2] + found[3]


def _place(line: Tensor, size: int, padding: str, corners: bool) -> Tensor:
    """Pixels instead of [-1, 1], inside the image where padding says how."""
    place = (line + 1) * ((size - 1) / 2) if corners else ((line + 1) * size - 1) / 2
    if padding == "reflection":
        low, span = (0.0, float(size - 1)) if corners else (-0.5, float(size))
        if span <= 0:
            return place * 0
        away = (place - low).abs()
        turns, rest = (away.detach() / span).floor(), away.fmod(span)
        odd = turns - (turns / 2).floor() * 2
        place = rest + low + odd * (span - 2 * rest)
    return place if padding == "zeros" else place.clamp(0, size - 1)


def _read(input: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The pixels at whole places, zeros outside. x, y: (n, oh, ow)."""
    n, c, h, w = input.shape
    x, y = x.detach(), y.detach()
    inside = ((x >= 0) & (x < w) & (y >= 0) & (y < h)).to(input.dtype)
    number = (y.clamp(0, h - 1) * w + x.clamp(0, w - 1)).long().reshape(n, 1, -1).expand(n, c, x[0].numel())
    return input.flatten(2).gather(2, number).reshape(n, c, *x.shape[1:]) * inside.unsqueeze(1)
