"""Convolution layers on one, two and three dimensions after (n, channels), and their transposes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..functions.pooling import Sizes
from ..functions.volume import triple
from ..tensor import Tensor
from . import functional as F
from .init import as_layers_begin
from .module import Module
from .starts import fan_in_uniform

MODES = ("zeros", "reflect", "replicate", "circular")


def _sizes(value: Any, name: str, rank: int, least: int = 1) -> tuple[int, ...]:
    if rank == 2:
        return F.pair(value, name, least)
    if rank == 3:
        return triple(value, name, least)
    found = (value,) if isinstance(value, int) else tuple(value)
    if len(found) != 1 or found[0] < least:
        raise ShapeError(f"{name} is an int of at least {least}, got {value}")
    return found


class _Conv(Module):
    """What all of them hold. rank: dimensions of the image; transposed: whether weight begins with in_channels."""

    rank = 2
    transposed = False

    def _prepare(self, channels: tuple[int, int], kernel_size: Any, options: dict[str, Any], bias: bool, groups: int) -> None:
        name, rank = type(self).__name__, self.rank
        if groups < 1 or channels[0] % groups or channels[1] % groups:
            raise ShapeError(f"{name}: groups={groups} must divide {channels[0]} and {channels[1]} channels")
        self.in_channels, self.out_channels = channels
        self.kernel_size = _sizes(kernel_size, "kernel_size", rank)
        self.stride, self.dilation = (_sizes(options[key], key, rank) for key in ("stride", "dilation"))
        padding = options["padding"]
        self.padding = padding if isinstance(padding, str) else _sizes(padding, "padding", rank, least=0)
        self.output_padding = _sizes(options.get("output_padding", 0), "output_padding", rank, least=0)
        self.groups, self.padding_mode = groups, options["padding_mode"]
        modes = ("zeros",) if self.transposed else tuple(MODES)
        if self.padding_mode not in modes:
            raise ShapeError(f"{name}: padding_mode is one of {', '.join(modes)}, got {self.padding_mode!r}")
        if padding in ("same", "valid") and self.transposed or isinstance(padding, str) and padding not in ("same", "valid"):
            raise ShapeError(f"{name}: padding is a size{'' if self.transposed else ', same or valid'}, got {padding!r}")
        if padding == "same" and any(step != 1 for step in self.stride):
            raise ShapeError(f"{name}: padding='same' needs stride 1")
        first, second = (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, self.in_channels)
        fan_in = second // groups * math.prod(self.kernel_size)
        self.weight = fan_in_uniform((first, second // groups, *self.kernel_size), fan_in)
        self.bias = fan_in_uniform((self.out_channels,), fan_in) if bias else None

    def reset_parameters(self) -> None:
        """The first numbers again, drawn anew."""
        as_layers_begin(self.weight, self.bias, math.prod(self.weight.shape[1:]))

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """(input, padding that is left to the convolution): its own zeros, or copies of the input around it."""
        if self.padding_mode == "zeros":
            return input, self.padding
        if self.padding == "valid":
            return input, 0
        around: list[int] = []
        for axis in reversed(range(self.rank)):
            total = self.dilation[axis] * (self.kernel_size[axis] - 1)
            edge = self.padding[axis]
            around += [total // 2, total - total // 2] if self.padding == "same" else [int(edge), int(edge)]
        return F.pad(input, around, self.padding_mode), 0

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        none = (0,) * self.rank
        text += f", padding={self.padding}" if self.padding != none else ""
        text += f", dilation={self.dilation}" if self.dilation != (1,) * self.rank else ""
        text += f", output_padding={self.output_padding}" if self.output_padding != none else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class _Plain(_Conv):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ):
        super().__init__()
        options = {"stride": stride, "padding": padding, "dilation": dilation, "padding_mode": padding_mode}
        self._prepare((in_channels, out_channels), kernel_size, options, bias, groups)

    def forward(self, input: Tensor) -> Tensor:
        input, padding = self._padded(input)
        options: Any = (self.stride, padding, self.dilation, self.groups)
        return getattr(F, f"conv{self.rank}d")(input, self.weight, self.bias, *options)


class Conv1d(_Plain):
    """weight (out_channels, in_channels / groups, k), bias (out_channels,). See functional.conv1d."""

    rank = 1


class Conv2d(_Plain):
    """weight (out_channels, in_channels / groups, kh, kw), bias (out_channels,). See functional.conv2d.

    padding_mode: "zeros", or copies of the input as functional.pad makes them.
    """


class Conv3d(_Plain):
    """weight (out_channels, in_channels / groups, kd, kh, kw), bias (out_channels,). See functional.conv3d."""

    rank = 3


class _Transposed(_Conv):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
    ):
        super().__init__()
        options = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": output_padding}
        self._prepare((in_channels, out_channels), kernel_size, {**options, "padding_mode": padding_mode}, bias, groups)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        options: Any = (self.stride, self.padding, self._more(input, output_size), self.groups, self.dilation)
        return getattr(F, f"conv_transpose{self.rank}d")(input, self.weight, self.bias, *options)

    def _more(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The output_padding that gives output_size, if that is asked for."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.rank :]
        found = []
        for axis in range(self.rank):
            step, edge = self.stride[axis], int(self.padding[axis])
            least = (input.shape[axis - self.rank] - 1) * step - 2 * edge
            least += self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            if not least <= wanted[axis] < least + step:
                raise ShapeError(f"{type(self).__name__}: output_size {wanted} is not within {least} to {least + step - 1}")
            found.append(wanted[axis] - least)
        return tuple(found)


class ConvTranspose1d(_Transposed):
    """weight (in_channels, out_channels / groups, k), bias (out_channels,). See functional.conv_transpose1d."""

    rank = 1


class ConvTranspose2d(_Transposed):
    """weight (in_channels, out_channels / groups, kh, kw), bias (out_channels,). See functional.conv_transpose2d."""


class ConvTranspose3d(_Transposed):
    """weight (in_channels, out_channels / groups, kd, kh, kw), bias (out_channels,). See functional.conv_transpose3d."""

    rank = 3
