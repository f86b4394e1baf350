"""torchvision.transforms.functional: what becomes of one picture, computed on the host before it is part of a batch.

A picture is an array (height, width) or (height, width, channels), a PIL image, or a tensor (..., channels, height, width).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from ...errors import DtypeError, ShapeError
from ...tensor import Tensor

Size = int | Sequence[int]
MODES = {"constant": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


def changed(img: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """change((..., channels, height, width)) of a picture, as the kind that it was; a PIL image becomes an array."""
    if isinstance(img, Tensor):
        return Tensor(np.ascontiguousarray(change(img._array())), img.dtype)
    array = np.asarray(img)
    if array.ndim not in (2, 3) or array.dtype.kind not in "buif":
        raise ShapeError(f"a picture is an array (height, width) or (height, width, channels), got {array.dtype} {array.shape}")
    channels = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    found = change(channels)
    return found[0] if len(found) == 1 and (array.ndim == 2 or len(channels) > 1) else found.transpose(1, 2, 0)


def to_tensor(pic: Any) -> Tensor:
    """A float32 tensor (channels, height, width); bytes go from 0..255 to [0, 1]."""
    array = np.asarray(pic)
    if isinstance(pic, Tensor) or array.ndim not in (2, 3) or array.dtype.kind not in "buif":
        raise ShapeError(f"ToTensor takes a picture (height, width) or (height, width, channels), got {type(pic).__name__}")
    channels = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    scaled = np.ascontiguousarray(channels, np.float32)
    return Tensor(scaled / np.float32(255) if array.dtype == np.uint8 else scaled)


def pil_to_tensor(pic: Any) -> Tensor:
    """The bytes as they are: int32 (channels, height, width)."""
    array = np.asarray(pic)
    return Tensor(np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1)))


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A PIL image where PIL is installed, else a uint8 array (height, width, channels)."""
    array = pic._array() if isinstance(pic, Tensor) else np.asarray(pic)
    if isinstance(pic, Tensor):
        array = array[None] if array.ndim == 2 else array
        array = array.transpose(1, 2, 0)
    if array.dtype.kind == "f":
        array = (array * 255).clip(0, 255)
    array = array.astype(np.uint8)
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    try:
        pillow = import_module("PIL.Image")
    except ImportError:
        return array
    return pillow.fromarray(array)


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """(tensor - mean) / std, one number of each a channel."""
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        found = tensor.dtype.name if isinstance(tensor, Tensor) else type(tensor).__name__
        raise DtypeError(f"Normalize needs a tensor of floating-point numbers, got {found}; put ToTensor() before it")
    if not np.all(std):
        raise ShapeError(f"Normalize: no std may be 0, got {std}")
    array = tensor._array()
    shift, scale = (np.asarray(value, array.dtype).reshape(-1, 1, 1) for value in (mean, std))
    return Tensor((array - shift) / scale)


def hflip(img: Any) -> Any:
    return changed(img, lambda array: array[..., ::-1])


def vflip(img: Any) -> Any:
    return changed(img, lambda array: array[..., ::-1, :])


def sides_of(padding: Size) -> tuple[int, int, int, int]:
    """left, top, right, bottom of one number, two, or four."""
    sides = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
    sides = sides * (4 // len(sides)) if len(sides) in (1, 2) else sides
    if len(sides) != 4:
        raise ShapeError(f"padding is one int, two or four, got {padding}")
    return sides[0], sides[1], sides[2], sides[3]


def pad(img: Any, padding: Size, fill: Any = 0, padding_mode: str = "constant") -> Any:
    if padding_mode not in MODES:
        raise ShapeError(f"padding_mode is {', '.join(MODES)}, got {padding_mode!r}")
    left, top, right, bottom = sides_of(padding)

    def change(array: np.ndarray) -> np.ndarray:
        around = [(0, 0)] * (array.ndim - 2) + [(top, bottom), (left, right)]
        if padding_mode == "constant" and np.ndim(fill) == 0:
            return np.pad(array, around, constant_values=fill)
        if padding_mode == "constant":
            return np.stack([np.pad(array[n], around[1:], constant_values=value) for n, value in enumerate(fill)])
        return np.pad(array, around, mode=MODES[padding_mode])  # type: ignore[call-overload]

    return changed(img, change)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    return changed(img, lambda array: array[..., top : top + height, left : left + width])


def size_of(img: Any) -> tuple[int, int]:
    """(height, width)."""
    shape = tuple(img.shape[-2:]) if isinstance(img, Tensor) else np.asarray(img).shape[:2]
    return shape[0], shape[1]


def center_crop(img: Any, output_size: Size) -> Any:
    """The middle; with zeros around where the picture is smaller."""
    height, width = pair(output_size)
    rows, columns = size_of(img)
    more_rows, more_columns = max(height - rows, 0), max(width - columns, 0)
    if more_rows or more_columns:
        img = pad(img, (more_columns // 2, more_rows // 2, (more_columns + 1) // 2, (more_rows + 1) // 2))
        rows, columns = size_of(img)
    return crop(img, round((rows - height) / 2), round((columns - width) / 2), height, width)


def pair(size: Size) -> tuple[int, int]:
    both = (size, size) if isinstance(size, int) else tuple(size) * (2 if len(size) == 1 else 1)
    if len(both) != 2 or min(both) < 1:
        raise ShapeError(f"a size is an int or two ints of at least 1, got {size}")
    return int(both[0]), int(both[1])


def resize(img: Any, size: Size, interpolation: Any = "bilinear", max_size: int | None = None, antialias: Any = True) -> Any:
    """To (height, width), or the shorter side to one number. Bilinear as PIL does it: a triangle as wide as a new pixel."""
    rows, columns = size_of(img)
    if isinstance(size, int) or len(size) == 1:
        short = size if isinstance(size, int) else size[0]
        scale = short / min(rows, columns)
        new = (short, int(columns * scale)) if rows <= columns else (int(rows * scale), short)
    else:
        new = pair(size)
    if new == (rows, columns):
        return img
    name = str(getattr(interpolation, "value", interpolation))
    down, across = (_weights(have, want, name) for have, want in zip((rows, columns), new, strict=True))

    def change(array: np.ndarray) -> np.ndarray:
        found = down @ array.astype(np.float32) @ across.T
        return found.astype(array.dtype) if array.dtype.kind == "f" else np.clip(np.rint(found), 0, 255).astype(array.dtype)

    return changed(img, change)


def _weights(have: int, want: int, name: str) -> np.ndarray:
    """(want, have): how much of each old pixel goes into each new one."""
    scale = have / want
    if name in ("nearest", "0"):
        found = np.zeros((want, have), np.float32)
        found[np.arange(want), np.minimum((np.arange(want) * scale).astype(int), have - 1)] = 1
        return found
    reach = max(scale, 1.0)
    centers = (np.arange(want) + 0.5) * scale
    gaps = np.abs(np.arange(have)[None] + 0.5 - centers[:, None]) / reach
    found = np.maximum(1 - gaps, 0)
    return (found / found.sum(1, keepdims=True)).astype(np.float32)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """ITU-R 601 luma."""

    def change(array: np.ndarray) -> np.ndarray:
        if array.shape[-3] == 3:
            luma = np.tensordot(np.array([0.2989, 0.587, 0.114], np.float32), array.astype(np.float32), (0, array.ndim - 3))
            array = luma[..., None, :, :].astype(array.dtype)
        return np.repeat(array, num_output_channels, axis=-3)

    return changed(img, change)


def rotate(img: Any, angle: float, fill: float = 0) -> Any:
    """Counter-clockwise by angle in degrees about the middle, each pixel the nearest one."""

    def change(array: np.ndarray) -> np.ndarray:
        rows, columns = array.shape[-2:]
        turn = np.deg2rad(angle)
        y, x = np.mgrid[:rows, :columns] - np.array([(rows - 1) / 2, (columns - 1) / 2]).reshape(2, 1, 1)
        across = np.rint(np.cos(turn) * x - np.sin(turn) * y + (columns - 1) / 2).astype(int)
        down = np.rint(np.sin(turn) * x + np.cos(turn) * y + (rows - 1) / 2).astype(int)
        inside = (across >= 0) & (across < columns) & (down >= 0) & (down < rows)
        return np.where(inside, array[..., down.clip(0, rows - 1), across.clip(0, columns - 1)], np.asarray(fill, array.dtype))

    return changed(img, change)


def blended(img: Any, other: Callable[[np.ndarray], np.ndarray], ratio: float) -> Any:
    """ratio of the picture and the rest of other(picture): brightness, contrast and saturation are this."""

    def change(array: np.ndarray) -> np.ndarray:
        mixed = ratio * array.astype(np.float32) + (1 - ratio) * other(array.astype(np.float32))
        return np.clip(mixed, 0, 255 if array.dtype == np.uint8 else 1).astype(array.dtype)

    return changed(img, change)


def _luma(array: np.ndarray) -> np.ndarray:
    if array.shape[-3] != 3:
        return array
    return np.tensordot(np.array([0.2989, 0.587, 0.114], np.float32), array, (0, array.ndim - 3))[..., None, :, :]


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    return blended(img, np.zeros_like, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    return blended(img, lambda array: np.full_like(array, _luma(array).mean()), contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    return blended(img, lambda array: np.broadcast_to(_luma(array), array.shape), saturation_factor)
