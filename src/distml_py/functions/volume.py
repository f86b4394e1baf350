"""Convolutions of volumes (n, c, depth, height, width), made of those of images: each place's slices along the depth are channels
of one image. PyTorch's torch.nn.functional."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError, UnsupportedError
from ..tensor import Tensor, stack
from .convolution import conv2d, conv_transpose2d
from .padding import pad

Triple = int | tuple[int, int, int]


def triple(value: Any, name: str, least: int = 1) -> tuple[int, int, int]:
    """One number for all dimensions, or three. Raises ShapeError below `least`."""
    found = (value,) * 3 if isinstance(value, int) else tuple(value)
    if len(found) != 3 or min(found) < least:
        raise ShapeError(f"{name} is an int or three ints of at least {least}, got {value}")
    return found[0], found[1], found[2]


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Triple = 1,
    padding: Triple | str = 0,
    dilation: Triple = 1,
    groups: int = 1,
) -> Tensor:
    """input (n, c, d, h, w) or (c, d, h, w), weight (o, c / groups, kd, kh, kw), bias (o,). padding as for conv2d."""
    if input.ndim == 4:
        return conv3d(input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    if input.ndim != 5 or weight.ndim != 5:
        raise ShapeError(f"conv3d needs input (n, c, d, h, w) and weight (o, c, kd, kh, kw), got {input.shape}, {weight.shape}")
    if groups < 1 or input.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise ShapeError(f"conv3d: groups={groups}, input {input.shape} and weight {weight.shape} do not fit")
    steps, holes = triple(stride, "stride"), triple(dilation, "dilation")
    reach = tuple(d * (k - 1) + 1 for d, k in zip(holes, weight.shape[2:], strict=True))
    if padding == "same" and steps != (1, 1, 1):
        raise ShapeError("conv3d: padding='same' needs stride 1")
    given = (0, 0, 0) if isinstance(padding, str) else triple(padding, "padding", least=0)
    ends = [((r - 1) // 2, r - 1 - (r - 1) // 2) if padding == "same" else (p, p) for r, p in zip(reach, given, strict=True)]
    padded = pad(input, [side for pair in reversed(ends) for side in pair])
    if any(r > size for r, size in zip(reach, padded.shape[2:], strict=True)):
        raise ShapeError(f"conv3d: the kernel {weight.shape[2:]} is larger than the padded input {padded.shape[2:]}")
    n, c, depth, h, w = padded.shape
    kept, taps = (depth - reach[0]) // steps[0] + 1, weight.shape[2]
    by_depth = padded.transpose(1, 2).reshape(n, depth, groups, c // groups, h, w)
    spans = [slice(tap * holes[0], tap * holes[0] + (kept - 1) * steps[0] + 1, steps[0]) for tap in range(taps)]
    images = stack([by_depth[:, span] for span in spans], 3).reshape(n * kept, taps * c, h, w)
    kernel = weight.transpose(1, 2).reshape(weight.shape[0], taps * weight.shape[1], *weight.shape[3:])
    out = conv2d(images, kernel, bias, steps[1:], 0, holes[1:], groups)
    return out.reshape(n, kept, *out.shape[1:]).transpose(1, 2)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Triple = 1,
    padding: Triple = 0,
    output_padding: Triple = 0,
    groups: int = 1,
    dilation: Triple = 1,
) -> Tensor:
    """The adjoint of conv3d. input (n, c, d, h, w) or (c, d, h, w), weight (c, o / groups, kd, kh, kw), bias (o,)."""
    if input.ndim == 4:
        return conv_transpose3d(input.unsqueeze(0), weight, bias, stride, padding, output_padding, groups, dilation).squeeze(0)
    if input.ndim != 5 or weight.ndim != 5 or input.shape[1] != weight.shape[0]:
        raise ShapeError(f"conv_transpose3d needs (n, c, d, h, w) and weight (c, o, kd, kh, kw), got {input.shape}, {weight.shape}")
    steps, holes = triple(stride, "stride"), triple(dilation, "dilation")
    edge, more = triple(padding, "padding", least=0), triple(output_padding, "output_padding", least=0)
    if any(m >= s for m, s in zip(more, steps, strict=True)):
        raise UnsupportedError(f"not implemented: output_padding {more} of at least stride {steps}; nearest is pad() afterwards")
    n, c, depth, h, w = input.shape
    out_channels, taps = weight.shape[1], weight.shape[2]
    length = (depth - 1) * steps[0] + holes[0] * (taps - 1) + 1
    if length - 2 * edge[0] + more[0] < 1:
        raise ShapeError(f"conv_transpose3d: input {input.shape} would give nothing along the depth; use less padding")
    images = input.transpose(1, 2).reshape(n * depth, c, h, w)
    kernel = weight.reshape(c, out_channels * taps, *weight.shape[3:])
    found = conv_transpose2d(images, kernel, None, steps[1:], edge[1:], more[1:], groups, holes[1:])
    size = found.shape[2:]
    found = found.reshape(n, depth, groups * out_channels, taps, *size)
    total: Any = 0
    for tap in range(taps):
        apart = pad(found[:, :, :, tap].unsqueeze(2), (0, 0) * 3 + (0, steps[0] - 1)).reshape(n, depth * steps[0], -1, *size)
        before = tap * holes[0]
        total = total + pad(apart, (0, 0) * 3 + (before, length - before - depth * steps[0]))
    out = pad(total, (0, 0) * 3 + (-edge[0], more[0] - edge[0])).transpose(1, 2)
    return out if bias is None else out + bias.reshape(1, -1, 1, 1, 1)
