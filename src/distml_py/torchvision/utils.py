"""torchvision.utils: many pictures as one, and one as a PNG file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor, stack


def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
    **_: Any,
) -> Tensor:
    """Pictures (n, c, h, w) beside each other, nrow in a line, as (3, height, width). normalize: value_range to [0, 1]."""
    images = (tensor if isinstance(tensor, Tensor) else stack(list(tensor))).detach().numpy()
    if images.ndim < 2 or images.ndim > 4:
        raise ShapeError(f"make_grid takes (n, c, h, w), (c, h, w) or (h, w), got {tuple(images.shape)}")
    if images.ndim == 2:
        images = images[None]
    if images.ndim == 3:
        images = images[None]
    if images.shape[1] == 1:
        images = np.repeat(images, 3, axis=1)
    if normalize:
        images = _normalized(images.astype(np.float32), value_range, scale_each)
    if len(images) == 1:
        return Tensor(np.ascontiguousarray(images[0]))
    count, channels, height, width = images.shape
    across = min(nrow, count)
    down = -(-count // across)
    height, width = height + padding, width + padding
    grid = np.full((channels, height * down + padding, width * across + padding), pad_value, images.dtype)
    for number, image in enumerate(images):
        top, left = number // across * height + padding, number % across * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = image
    return Tensor(grid)


def _normalized(images: np.ndarray, value_range: tuple[float, float] | None, each: bool) -> np.ndarray:
    if each:
        return np.stack([_normalized(image, value_range, False) for image in images])
    low, high = (float(images.min()), float(images.max())) if value_range is None else value_range
    return (np.clip(images, low, high) - low) / max(high - low, 1e-5)


def save_image(tensor: Tensor | Sequence[Tensor], fp: Any, format: str | None = None, **options: Any) -> None:
    """make_grid(tensor), numbers in [0, 1], as a PNG file. fp: a path or a file. Other formats are a ShapeError."""
    kind = format or (str(fp).rpartition(".")[2] if not hasattr(fp, "write") else "png")
    if kind.lower() != "png":
        raise ShapeError(f"save_image writes PNG files, got {kind!r}; name the file .png")
    grid = make_grid(tensor, **options).detach().numpy()
    data = png_bytes(np.clip(grid * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    if hasattr(fp, "write"):
        fp.write(data)
    else:
        with open(fp, "wb") as file:
            file.write(data)


def png_bytes(picture: np.ndarray) -> bytes:
    """A PNG file of (height, width, 3) uint8."""
    height, width, _ = picture.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows.tobytes())), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
