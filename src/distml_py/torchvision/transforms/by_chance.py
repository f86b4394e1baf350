"""Transforms in which chance decides, by the seed of manual_seed(): another number each time one is called."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import random
from ...errors import ShapeError
from . import functional as F
from .functional import Size


def drawn(count: int = 1) -> np.ndarray:
    """Uniform on [0, 1)."""
    return np.random.Generator(np.random.Philox(list(random.next_key()))).random(count)


def described(transform: Any) -> str:
    return f"{type(transform).__name__}({', '.join(f'{name}={value}' for name, value in vars(transform).items())})"


class RandomHorizontalFlip:
    def __init__(self, p: float = 0.5):
        self.p = p

    def __call__(self, img: Any) -> Any:
        return F.hflip(img) if drawn()[0] < self.p else img

    __repr__ = described


class RandomVerticalFlip:
    def __init__(self, p: float = 0.5):
        self.p = p

    def __call__(self, img: Any) -> Any:
        return F.vflip(img) if drawn()[0] < self.p else img

    __repr__ = described


class RandomCrop:
    """A part of this size, first with padding around."""

    def __init__(
        self,
        size: Size,
        padding: Size | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ):
        self.size, self.padding, self.pad_if_needed = F.pair(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    def __call__(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        height, width = self.size
        rows, columns = F.size_of(img)
        if self.pad_if_needed and (rows < height or columns < width):
            img = F.pad(img, (max(0, width - columns), max(0, height - rows)), self.fill, self.padding_mode)
            rows, columns = F.size_of(img)
        if rows < height or columns < width:
            raise ShapeError(f"RandomCrop: {self.size} from a picture of {(rows, columns)}; give padding or pad_if_needed")
        top, left = (int(u * (room + 1)) for u, room in zip(drawn(2), (rows - height, columns - width), strict=True))
        return F.crop(img, top, left, height, width)

    __repr__ = described


class RandomResizedCrop:
    """A part with a share of the area from scale and width over height from ratio, in this size."""

    def __init__(
        self,
        size: Size,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: Any = "bilinear",
        antialias: Any = True,
    ):
        self.size, self.scale, self.ratio, self.interpolation = F.pair(size), tuple(scale), tuple(ratio), interpolation

    def __call__(self, img: Any) -> Any:
        rows, columns = F.size_of(img)
        for share, shape, down, across in drawn(40).reshape(10, 4):
            area = rows * columns * (self.scale[0] + share * (self.scale[1] - self.scale[0]))
            low, high = (math.log(value) for value in self.ratio)
            aspect = math.exp(low + shape * (high - low))
            width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < width <= columns and 0 < height <= rows:
                top, left = int(down * (rows - height + 1)), int(across * (columns - width + 1))
                return F.resize(F.crop(img, top, left, height, width), self.size, self.interpolation)
        side = min(rows, columns)
        return F.resize(F.center_crop(img, side), self.size, self.interpolation)

    __repr__ = described


class RandomRotation:
    """By an angle from (-degrees, degrees), or from the range given."""

    def __init__(self, degrees: Any, interpolation: Any = "nearest", expand: bool = False, center: Any = None, fill: float = 0):
        if expand or center is not None:
            raise ShapeError("RandomRotation turns about the middle and keeps the size; leave expand and center out")
        self.degrees = (-degrees, degrees) if isinstance(degrees, (int, float)) else tuple(degrees)
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        low, high = self.degrees
        return F.rotate(img, float(low + drawn()[0] * (high - low)), self.fill)

    __repr__ = described


class ColorJitter:
    """Brightness, contrast and saturation times a number from [1 - x, 1 + x], or from the range given. hue: 0 alone."""

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0):
        if hue:
            raise ShapeError("ColorJitter(hue=...) is not here; leave hue at 0")
        self.brightness, self.contrast, self.saturation = brightness, contrast, saturation

    def __call__(self, img: Any) -> Any:
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation)
        numbers = drawn(6)
        for which in np.argsort(numbers[3:]):
            span = (self.brightness, self.contrast, self.saturation)[which]
            low, high = (max(0, 1 - span), 1 + span) if isinstance(span, (int, float)) else span
            if low != high:
                img = changes[which](img, float(low + numbers[which] * (high - low)))
        return img

    __repr__ = described


class RandomGrayscale:
    def __init__(self, p: float = 0.1):
        self.p = p

    def __call__(self, img: Any) -> Any:
        channels = img.shape[-3] if hasattr(img, "requires_grad") else (1 if np.ndim(img) == 2 else np.shape(img)[2])
        return F.rgb_to_grayscale(img, channels) if drawn()[0] < self.p else img

    __repr__ = described


class RandomApply:
    """All of the transforms, with probability p."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5):
        self.transforms, self.p = transforms, p

    def __call__(self, img: Any) -> Any:
        if drawn()[0] < self.p:
            for transform in self.transforms:
                img = transform(img)
        return img

    __repr__ = described


class RandomChoice:
    """One of the transforms."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None):
        self.transforms, self.p = transforms, p

    def __call__(self, img: Any) -> Any:
        shares = np.cumsum(self.p if self.p is not None else np.ones(len(self.transforms)))
        return self.transforms[int(np.searchsorted(shares, drawn()[0] * shares[-1], "right"))](img)

    __repr__ = described
