"""Changes to images, as tensor operations on the device. Names as in torchvision.transforms.

They take (c, h, w) or a whole batch (n, c, h, w), where chance decides for each image by itself. It is counted, not kept:
the same seed, step and number of the image in the global batch give the same crop on every backend and in every worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import creation
from ..errors import DtypeError, ShapeError
from ..functions.padding import pad
from ..functions.vision import interpolate
from ..tensor import Tensor, where

Size = int | Sequence[int]


def _pair(size: Size) -> tuple[int, int]:
    both = (size, size) if isinstance(size, int) else tuple(size) * (2 if len(size) == 1 else 1)
    if len(both) != 2 or min(both) < 1:
        raise ShapeError(f"a size is an int or two ints of at least 1, got {size}")
    return both[0], both[1]


def _batch(name: str, image: Tensor) -> Tensor:
    if not isinstance(image, Tensor) or image.ndim not in (3, 4):
        found = image.shape if isinstance(image, Tensor) else type(image).__name__
        raise ShapeError(f"{name} needs a tensor (c, h, w) or (n, c, h, w), got {found}; begin with ToTensor()")
    return image if image.ndim == 4 else image.unsqueeze(0)


def _chance(count: int) -> Tensor:
    """(count, 1, 1, 1) uniform on [0, 1): one number an image."""
    return creation.uniform((count,), 1).reshape(count, 1, 1, 1)


class Transform:
    """Subclasses define batch(images): what becomes of (n, c, h, w)."""

    def batch(self, images: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no batch(images)")

    def __call__(self, image: Tensor) -> Tensor:
        found = self.batch(_batch(type(self).__name__, image))
        return found if image.ndim == 4 else found.squeeze(0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in vars(self).items())})"


class Compose:
    """One transform after another."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        self.transforms = list(transforms)

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image

    def __repr__(self) -> str:
        return "Compose(\n" + "".join(f"    {transform!r}\n" for transform in self.transforms) + ")"


class ToTensor:
    """An array (h, w) or (h, w, c) to a float32 tensor (c, h, w); bytes go from 0..255 to [0, 1]."""

    def __call__(self, picture: Any) -> Tensor:
        array = np.asarray(picture)
        if array.ndim not in (2, 3) or array.dtype.kind not in "buif":
            raise ShapeError(f"ToTensor needs an array (h, w) or (h, w, c) of numbers, got {array.dtype} {array.shape}")
        channels = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        scaled = channels.astype(np.float32)
        return Tensor(scaled / np.float32(255) if array.dtype == np.uint8 else scaled)

    def __repr__(self) -> str:
        return "ToTensor()"


class Lambda:
    """Any function as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]):
        self.lambd = lambd

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)

    def __repr__(self) -> str:
        return "Lambda()"


class Normalize(Transform):
    """(image - mean) / std, one number of each a channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        self.mean, self.std, self.inplace = mean, std, inplace
        if not all(std):
            raise ShapeError(f"Normalize: no std may be 0, got {std}")

    def batch(self, images: Tensor) -> Tensor:
        if not images.is_floating_point():
            raise DtypeError(f"Normalize needs floating-point numbers, got {images.dtype.name}; begin with ToTensor()")
        mean, std = (Tensor(np.asarray(value, np.float32).reshape(-1, 1, 1), images.dtype) for value in (self.mean, self.std))
        return (images - mean) / std

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class RandomHorizontalFlip(Transform):
    """Left and right change places, with probability p."""

    def __init__(self, p: float = 0.5):
        self.p = p

    def batch(self, images: Tensor) -> Tensor:
        return where(_chance(images.shape[0]) < self.p, images.flip(3), images)


class RandomVerticalFlip(Transform):
    """Top and bottom change places, with probability p."""

    def __init__(self, p: float = 0.5):
        self.p = p

    def batch(self, images: Tensor) -> Tensor:
        return where(_chance(images.shape[0]) < self.p, images.flip(2), images)


class Pad(Transform):
    """More pixels around: one size, (left and right, top and bottom), or (left, top, right, bottom)."""

    modes = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}

    def __init__(self, padding: Size, fill: float = 0, padding_mode: str = "constant"):
        if padding_mode not in self.modes:
            raise ShapeError(f"padding_mode is {', '.join(self.modes)}, got {padding_mode!r}")
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def batch(self, images: Tensor) -> Tensor:
        sides = (self.padding,) * 4 if isinstance(self.padding, int) else tuple(self.padding)
        left, top, right, bottom = sides * 2 if len(sides) == 2 else sides
        return pad(images, (left, right, top, bottom), self.modes[self.padding_mode], self.fill)


class RandomCrop(Transform):
    """A part of this size, from a place that chance decides; first with padding around."""

    def __init__(
        self,
        size: Size,
        padding: Size | None = None,
        pad_if_needed: bool = False,
        fill: float = 0,
        padding_mode: str = "constant",
    ):
        self.size, self.padding, self.pad_if_needed = _pair(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    def batch(self, images: Tensor) -> Tensor:
        if self.padding is not None:
            images = Pad(self.padding, self.fill, self.padding_mode).batch(images)
        height, width = self.size
        more = [max(0, want - have) if self.pad_if_needed else 0 for want, have in zip(self.size, images.shape[2:], strict=True)]
        if any(more):
            images = Pad((more[1], more[0]), self.fill, self.padding_mode).batch(images)
        count, channels, rows, columns = images.shape
        if rows < height or columns < width:
            raise ShapeError(f"RandomCrop: {self.size} from images of {(rows, columns)}; give padding or pad_if_needed")
        top, left = ((_chance(count) * float(room + 1)).floor().long() for room in (rows - height, columns - width))
        down = (top + creation.arange(height).reshape(1, 1, -1, 1)).expand(count, channels, height, columns)
        across = (left + creation.arange(width)).expand(count, channels, height, width)
        return images.gather(2, down).gather(3, across)


class CenterCrop(Transform):
    """The middle part of this size; with zeros around where the image is smaller."""

    def __init__(self, size: Size):
        self.size = _pair(size)

    def batch(self, images: Tensor) -> Tensor:
        around: list[int] = []
        for want, have in zip(self.size[::-1], images.shape[:1:-1], strict=True):
            before = (want - have) // 2 if want > have else -round((have - want) / 2)
            around += [before, want - have - before]
        return pad(images, around)


class Resize(Transform):
    """The image in another size: two ints, or one for the shorter side. interpolation: "bilinear" or "nearest"."""

    def __init__(self, size: Size, interpolation: str = "bilinear"):
        self.size, self.interpolation = size, interpolation

    def batch(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        if isinstance(self.size, int) or len(self.size) == 1:
            short = self.size if isinstance(self.size, int) else self.size[0]
            new = (short, int(short * width / height)) if height <= width else (int(short * height / width), short)
        else:
            new = _pair(self.size)
        return interpolate(images, new, mode=self.interpolation)


class RandomErasing(Transform):
    """A rectangle of the image is set to value, with probability p. Source: Zhong et al. 2020.

    scale: its share of the image; ratio: its height over its width; both from a range, the ratio's logarithm evenly.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float = 0,
        inplace: bool = False,
    ):
        self.p, self.scale, self.ratio, self.value, self.inplace = p, tuple(scale), tuple(ratio), value, inplace

    def batch(self, images: Tensor) -> Tensor:
        count, _, rows, columns = images.shape
        area = (_chance(count) * (self.scale[1] - self.scale[0]) + self.scale[0]) * float(rows * columns)
        low, high = np.log(self.ratio[0]), np.log(self.ratio[1])
        shape = (_chance(count) * float(high - low) + float(low)).exp()
        height = ((area * shape).sqrt() + 0.5).floor().clamp(1, rows)
        width = ((area / shape).sqrt() + 0.5).floor().clamp(1, columns)
        top = (_chance(count) * (float(rows + 1) - height)).floor()
        left = (_chance(count) * (float(columns + 1) - width)).floor()
        down, across = creation.arange(rows).float().reshape(1, 1, -1, 1), creation.arange(columns).float()
        inside = (down >= top) & (down < top + height) & (across >= left) & (across < left + width)
        return where(inside & (_chance(count) < self.p), float(self.value), images)
