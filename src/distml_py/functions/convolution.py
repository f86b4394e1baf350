"""Linear maps and convolutions of tensors that are given their weights. PyTorch's torch.nn.functional."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..errors import DtypeError, ShapeError, UnsupportedError
from ..tensor import Tensor, apply

Pair = int | tuple[int, int]
Single = int | tuple[int]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input (..., in) @ weight (out, in).T + bias (out,). Returns (..., out); of a weight (in,), (...)."""
    if input.shape[-1:] != weight.shape[-1:] or weight.ndim > 2:
        raise ShapeError(f"linear: the last size of input {input.shape} must equal the last of weight {weight.shape}")
    out = input @ weight.t()
    return out if bias is None else out + bias


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1 (..., i), input2 (..., j), weight (o, i, j), bias (o,): sum over i and j of x1_i * weight_oij * x2_j, (..., o)."""
    if weight.ndim != 3 or input1.shape[:-1] != input2.shape[:-1]:
        raise ShapeError(f"bilinear needs (..., i), (..., j) and (o, i, j), got {input1.shape}, {input2.shape}, {weight.shape}")
    if (input1.shape[-1], input2.shape[-1]) != weight.shape[1:]:
        raise ShapeError(f"bilinear: weight {weight.shape} does not take sizes {input1.shape[-1]} and {input2.shape[-1]}")
    o, i, j = weight.shape
    left = (input1 @ weight.permute(1, 0, 2).reshape(i, o * j)).reshape(*input1.shape[:-1], o, j)
    out = (left * input2.unsqueeze(-2)).sum(-1)
    return out if bias is None else out + bias


def _single(value: Any, name: str, least: int = 1) -> tuple[int]:
    """One number for the one dimension. Raises ShapeError below `least`."""
    one = (value,) if isinstance(value, int) else tuple(value)
    if len(one) != 1 or one[0] < least:
        raise ShapeError(f"{name} is an int of at least {least}, got {value}")
    return (one[0],)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Single = 1,
    padding: Single | str = 0,
    dilation: Single = 1,
    groups: int = 1,
) -> Tensor:
    """conv2d with one row. input (n, c, length) or (c, length), weight (o, c / groups, k), bias (o,)."""
    if input.ndim not in (2, 3) or weight.ndim != 3:
        raise ShapeError(f"conv1d needs input (n, c, length) and weight (o, c, k), got {input.shape}, {weight.shape}")
    steps, holes = (1, *_single(stride, "stride")), (1, *_single(dilation, "dilation"))
    edge = padding if isinstance(padding, str) else (0, *_single(padding, "padding", least=0))
    return conv2d(input.unsqueeze(-2), weight.unsqueeze(-2), bias, steps, edge, holes, groups).squeeze(-2)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Single = 1,
    padding: Single = 0,
    output_padding: Single = 0,
    groups: int = 1,
    dilation: Single = 1,
) -> Tensor:
    """conv_transpose2d with one row. input (n, c, length) or (c, length), weight (c, o / groups, k), bias (o,)."""
    if input.ndim not in (2, 3) or weight.ndim != 3:
        raise ShapeError(f"conv_transpose1d needs input (n, c, length) and weight (c, o, k), got {input.shape}, {weight.shape}")
    steps, holes = (1, *_single(stride, "stride")), (1, *_single(dilation, "dilation"))
    edge, more = (0, *_single(padding, "padding", least=0)), (0, *_single(output_padding, "output_padding", least=0))
    out = conv_transpose2d(input.unsqueeze(-2), weight.unsqueeze(-2), bias, steps, edge, more, groups, holes)
    return out.squeeze(-2)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """The adjoint of conv2d. input (n, c, h, w) or (c, h, w), weight (c, o / groups, kh, kw), bias (o,).

    Size: (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1. Raises ShapeError.
    """
    if input.ndim == 3:
        return conv_transpose2d(input.unsqueeze(0), weight, bias, stride, padding, output_padding, groups, dilation).squeeze(0)
    if input.ndim != 4 or weight.ndim != 4 or input.shape[1] != weight.shape[0]:
        raise ShapeError(f"conv_transpose2d needs (n, c, h, w) and weight (c, o, kh, kw), got {input.shape}, {weight.shape}")
    if groups < 1 or weight.shape[0] % groups:
        raise ShapeError(f"conv_transpose2d: groups={groups} must divide the {weight.shape[0]} channels of weight {weight.shape}")
    if bias is not None and bias.shape != (weight.shape[1] * groups,):
        raise ShapeError(f"conv_transpose2d: weight {weight.shape} needs bias {(weight.shape[1] * groups,)}, got {bias.shape}")
    steps, holes = pair(stride, "stride"), pair(dilation, "dilation")
    edge, more = pair(padding, "padding", least=0), pair(output_padding, "output_padding", least=0)
    if any(m >= s for m, s in zip(more, steps, strict=True)):
        raise UnsupportedError(f"not implemented: output_padding {more} of at least stride {steps}; nearest is pad() afterwards")
    reach = [d * (k - 1) + 1 for d, k in zip(holes, weight.shape[2:], strict=True)]
    spans = zip(input.shape[2:], steps, edge, reach, more, strict=True)
    size = tuple((n - 1) * s - 2 * p + r + m for n, s, p, r, m in spans)
    if min(size) < 1:
        raise ShapeError(f"conv_transpose2d: input {input.shape} would give an image of {size}; use less padding")
    out = apply(ops.CONV2D_IMAGE, input, weight, attrs=(steps, edge, holes, size, groups))
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation, as in PyTorch. input (n, c, h, w) or (c, h, w), weight (o, c / groups, kh, kw), bias (o,).

    padding: zeros on each side, or "valid", or "same" (stride 1). Raises ShapeError.
    """
    if input.ndim == 3:
        return conv2d(input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    if input.ndim != 4 or weight.ndim != 4:
        raise ShapeError(f"conv2d needs input (n, c, h, w) and weight (o, c, kh, kw), got {input.shape}, {weight.shape}")
    if groups < 1 or input.shape[1] % groups or weight.shape[0] % groups:
        raise ShapeError(f"conv2d: groups={groups} must divide the channels of {input.shape} and {weight.shape}")
    if input.dtype != weight.dtype:
        raise DtypeError(f"conv2d needs two equal dtypes, got {input.dtype.name} and {weight.dtype.name}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"conv2d: weight {weight.shape} needs bias {weight.shape[:1]}, got {bias.shape}")
    if input.shape[1] != weight.shape[1] * groups:
        have, takes = input.shape[1], weight.shape[1] * groups
        raise ShapeError(f"conv2d: input {input.shape} has {have} channels, weight {weight.shape} takes {takes}")
    steps, holes = pair(stride, "stride"), pair(dilation, "dilation")
    reach = tuple(d * (k - 1) + 1 for d, k in zip(holes, weight.shape[2:], strict=True))
    if padding == "same":
        if steps != (1, 1):
            raise ShapeError("conv2d: padding='same' needs stride 1")
        edge, total = tuple((r - 1) // 2 for r in reach), tuple(r - 1 for r in reach)
    else:
        edge = (0, 0) if padding == "valid" else pair(padding, "padding", least=0)
        total = (2 * edge[0], 2 * edge[1])
    spans = [size + t - r for size, t, r in zip(input.shape[2:], total, reach, strict=True)]
    if min(spans) < 0:
        wide = f", spread by dilation={holes}," if max(holes) > 1 else ""
        raise ShapeError(f"conv2d: the kernel {weight.shape[2:]}{wide} is larger than the padded input {input.shape[2:]}")
    size = tuple(span // step + 1 for span, step in zip(spans, steps, strict=True))
    out = apply(ops.CONV2D, input, weight, attrs=(steps, edge, holes, size, groups))
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)


def pair(value: Any, name: str, least: int = 1) -> tuple[int, int]:
    """One number for both dimensions, or two. Raises ShapeError below `least`."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2 or min(both) < least:
        raise ShapeError(f"{name} is an int or two ints of at least {least}, got {value}")
    return both[0], both[1]
