"""Images in another size or another order, and with more around them, as layers."""

from __future__ import annotations

from collections.abc import Sequence

from ..tensor import Tensor
from . import functional as F
from .functional import Pair
from .module import Module


class Upsample(Module):
    """See functional.interpolate."""

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        self.size, self.mode = size, mode
        if isinstance(scale_factor, Sequence):
            self.scale_factor: float | tuple[float, ...] | None = tuple(map(float, scale_factor))
        else:
            self.scale_factor = None if scale_factor is None else float(scale_factor)
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        first = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{first}, mode={self.mode!r}"


class PixelShuffle(Module):
    """(..., c r^2, h, w) -> (..., c, h r, w r)."""

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(..., c, h r, w r) -> (..., c r^2, h, w)."""

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """The channels of the groups take turns."""

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Unfold(Module):
    """(n, c, h, w) -> (n, c * kh * kw, windows). See functional.unfold."""

    def __init__(self, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        first = f"kernel_size={self.kernel_size}, dilation={self.dilation}"
        return f"{first}, padding={self.padding}, stride={self.stride}"


class _Pad(Module):
    """padding: one size for all sides, or (left, right) and for images (top, bottom). rank: dimensions that grow."""

    rank = 2
    mode = "constant"

    def __init__(self, padding: int | Sequence[int]):
        super().__init__()
        self.padding = (padding,) * (2 * self.rank) if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_Pad):
    """Zeros around the last dimension."""

    rank = 1


class ZeroPad2d(_Pad):
    """Zeros around the last two dimensions."""


class ZeroPad3d(_Pad):
    """Zeros around the last three dimensions."""

    rank = 3


class _ConstantPad(_Pad):
    def __init__(self, padding: int | Sequence[int], value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """value around the last dimension."""

    rank = 1


class ConstantPad2d(_ConstantPad):
    """value around the last two dimensions."""


class ConstantPad3d(_ConstantPad):
    """value around the last three dimensions."""

    rank = 3


class ReflectionPad1d(_Pad):
    """The input mirrored at its edges, which are not repeated."""

    rank, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The input mirrored at its edges, which are not repeated."""

    mode = "reflect"


class ReflectionPad3d(_Pad):
    """The input mirrored at its edges, which are not repeated."""

    rank, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The input's edges repeated."""

    rank, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The input's edges repeated."""

    mode = "replicate"


class ReplicationPad3d(_Pad):
    """The input's edges repeated."""

    rank, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The input, as if it went on in a circle."""

    rank, mode = 1, "circular"


class CircularPad2d(_Pad):
    """The input, as if it went on in a circle."""

    mode = "circular"


class CircularPad3d(_Pad):
    """The input, as if it went on in a circle."""

    rank, mode = 3, "circular"
