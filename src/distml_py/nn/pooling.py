"""Pooling layers on one, two and three dimensions after (n, channels)."""

from __future__ import annotations

from typing import Any

from ..functions.pooling import Sizes as Wanted
from ..tensor import Tensor
from . import functional as F
from .functional import Single, Sizes
from .module import Module


class _MaxPool(Module):
    rank = 2

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        options = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)
        return getattr(F, f"max_pool{self.rank}d")(input, *options)

    def extra_repr(self) -> str:
        sizes = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        return f"{sizes}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class MaxPool1d(_MaxPool):
    """The largest of each window of (n, c, length)."""

    rank = 1


class MaxPool2d(_MaxPool):
    """The largest of each window of (n, c, h, w)."""


class MaxPool3d(_MaxPool):
    """The largest of each window of (n, c, d, h, w)."""

    rank = 3


class AvgPool1d(Module):
    """The mean of each window of (n, c, length)."""

    def __init__(
        self,
        kernel_size: Single,
        stride: Single | None = None,
        padding: Single = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__()
        self.kernel_size, self.stride, self.padding = map(_one, (kernel_size, kernel_size if stride is None else stride, padding))
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        options: Any = (self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return F.avg_pool1d(input, *options)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


def _one(value: Single) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


class _AvgPool(Module):
    rank = 2

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        options = (self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override)
        return getattr(F, f"avg_pool{self.rank}d")(input, self.kernel_size, self.stride, *options)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window of (n, c, h, w)."""


class AvgPool3d(_AvgPool):
    """The mean of each window of (n, c, d, h, w)."""

    rank = 3


class _AdaptiveAvg(Module):
    rank = 2

    def __init__(self, output_size: Wanted):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return getattr(F, f"adaptive_avg_pool{self.rank}d")(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvg):
    """(n, c, length) to output_size means."""

    rank = 1


class AdaptiveAvgPool2d(_AdaptiveAvg):
    """(n, c, h, w) to output_size means: an int, or two, of which None keeps a size."""


class AdaptiveAvgPool3d(_AdaptiveAvg):
    """(n, c, d, h, w) to output_size means: an int, or three, of which None keeps a size."""

    rank = 3


class _AdaptiveMax(Module):
    rank = 2

    def __init__(self, output_size: Wanted, return_indices: bool = False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return getattr(F, f"adaptive_max_pool{self.rank}d")(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMax):
    """(n, c, length) to the largest of output_size windows."""

    rank = 1


class AdaptiveMaxPool2d(_AdaptiveMax):
    """(n, c, h, w) to the largest of output_size windows."""


class AdaptiveMaxPool3d(_AdaptiveMax):
    """(n, c, d, h, w) to the largest of output_size windows."""

    rank = 3
