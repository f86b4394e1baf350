"""Layers on volumes (n, channels, depth, height, width): convolutions, pools, norms, dropout and padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..functions.volume import Triple
from ..tensor import Tensor
from . import functional as F
from .conv import _Conv, _Transposed
from .dropout import _Dropout
from .module import Module
from .normalization import _BatchNorm, _InstanceNorm
from .pooling import _AdaptiveAvg, _AdaptiveMax, _MaxPool
from .vision import _ConstantPad, _Pad


class Conv3d(_Conv):
    """weight (out_channels, in_channels / groups, kd, kh, kw), bias (out_channels,). See functional.conv3d."""

    rank = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Triple,
        stride: Triple = 1,
        padding: Triple | str = 0,
        dilation: Triple = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ):
        super().__init__()
        options = {"stride": stride, "padding": padding, "dilation": dilation, "padding_mode": padding_mode}
        self._prepare((in_channels, out_channels), kernel_size, options, bias, groups)

    def forward(self, input: Tensor) -> Tensor:
        input, padding = self._padded(input)
        return F.conv3d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)  # type: ignore[arg-type]


class ConvTranspose3d(_Transposed):
    """weight (in_channels, out_channels / groups, kd, kh, kw), bias (out_channels,). See functional.conv_transpose3d."""

    rank = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Triple,
        stride: Triple = 1,
        padding: Triple = 0,
        output_padding: Triple = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Triple = 1,
        padding_mode: str = "zeros",
    ):
        super().__init__()
        options = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": output_padding}
        self._prepare((in_channels, out_channels), kernel_size, {**options, "padding_mode": padding_mode}, bias, groups)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        options: Any = (self.stride, self.padding, self._more(input, output_size), self.groups, self.dilation)
        return F.conv_transpose3d(input, self.weight, self.bias, *options)


class MaxPool3d(_MaxPool):
    """The largest of each window of (n, c, d, h, w)."""

    def forward(self, input: Tensor) -> Any:
        return F.max_pool3d(input, *self._options())


class AvgPool3d(Module):
    """The mean of each window of (n, c, d, h, w)."""

    def __init__(
        self,
        kernel_size: Triple,
        stride: Triple | None = None,
        padding: Triple = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        options = (self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override)
        return F.avg_pool3d(input, self.kernel_size, self.stride, *options)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool3d(_AdaptiveAvg):
    """(n, c, d, h, w) to output_size means: an int, or three, of which None keeps a size."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)


class AdaptiveMaxPool3d(_AdaptiveMax):
    """(n, c, d, h, w) to the largest of output_size windows."""

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class BatchNorm3d(_BatchNorm):
    """(n, num_features, depth, height, width)."""

    ranks = (5,)


class InstanceNorm3d(_InstanceNorm):
    """(n, num_features, depth, height, width) or without n."""

    ranks = (5, 4)


class Dropout3d(_Dropout):
    """Whole channels of (n, channels, depth, height, width) become zeros."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class ZeroPad3d(_Pad):
    """Zeros around the last three dimensions."""

    rank = 3


class ConstantPad3d(_ConstantPad):
    """value around the last three dimensions."""

    rank = 3


class ReflectionPad3d(_Pad):
    """The input mirrored at its edges, which are not repeated."""

    rank, mode = 3, "reflect"


class ReplicationPad3d(_Pad):
    """The input's edges repeated."""

    rank, mode = 3, "replicate"


class CircularPad3d(_Pad):
    """The input, as if it went on in a circle."""

    rank, mode = 3, "circular"
