"""torchvision.transforms, on the host: a data set's pictures are changed one by one before they are a batch.

distml_py.data.transforms has the ones that change whole batches on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from ...data.transforms import Compose, Lambda, RandomErasing
from ...errors import MissingNameError
from ...op import float32
from ...tensor import Tensor
from . import functional
from .by_chance import (
    ColorJitter,
    RandomApply,
    RandomChoice,
    RandomCrop,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    described,
)
from .functional import Size


class InterpolationMode(Enum):
    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class ToTensor:
    """A picture to a float32 tensor (channels, height, width); bytes go from 0..255 to [0, 1]."""

    def __call__(self, pic: Any) -> Tensor:
        return functional.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor(ToTensor):
    """The bytes as they are."""

    def __call__(self, pic: Any) -> Tensor:
        return functional.pil_to_tensor(pic)


class ToImage(ToTensor):
    """A picture to a tensor, its bytes as they are; a tensor stays."""

    def __call__(self, pic: Any) -> Tensor:
        return pic if isinstance(pic, Tensor) else functional.pil_to_tensor(pic)


class ToDtype:
    """The numbers in another dtype; scale: bytes to [0, 1]."""

    def __init__(self, dtype: Any = float32, scale: bool = False):
        self.dtype, self.scale = dtype, scale

    def __call__(self, img: Tensor) -> Tensor:
        whole = not img.is_floating_point()
        found = img.to(self.dtype)
        return found / 255 if self.scale and whole and found.is_floating_point() else found

    __repr__ = described


class ConvertImageDtype(ToDtype):
    def __init__(self, dtype: Any = float32):
        super().__init__(dtype, True)


class ToPILImage:
    def __init__(self, mode: str | None = None):
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return functional.to_pil_image(pic, self.mode)

    __repr__ = described


class Normalize:
    """(image - mean) / std, one number of each a channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, tensor: Tensor) -> Tensor:
        return functional.normalize(tensor, self.mean, self.std)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class Resize:
    """To two ints, or the shorter side to one."""

    def __init__(self, size: Size, interpolation: Any = "bilinear", max_size: int | None = None, antialias: Any = True):
        self.size, self.interpolation = size, interpolation

    def __call__(self, img: Any) -> Any:
        return functional.resize(img, self.size, self.interpolation)

    __repr__ = described


class CenterCrop:
    def __init__(self, size: Size):
        self.size = size

    def __call__(self, img: Any) -> Any:
        return functional.center_crop(img, self.size)

    __repr__ = described


class Pad:
    def __init__(self, padding: Size, fill: Any = 0, padding_mode: str = "constant"):
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def __call__(self, img: Any) -> Any:
        return functional.pad(img, self.padding, self.fill, self.padding_mode)

    __repr__ = described


class Grayscale:
    def __init__(self, num_output_channels: int = 1):
        self.num_output_channels = num_output_channels

    def __call__(self, img: Any) -> Any:
        return functional.rgb_to_grayscale(img, self.num_output_channels)

    __repr__ = described


Transform = Callable[[Any], Any]


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name == "v2":
        raise AttributeError(name)
    raise MissingNameError(f"not implemented: torchvision.transforms.{name}; nearest is Lambda() of a function of the picture")
