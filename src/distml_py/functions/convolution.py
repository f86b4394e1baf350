"""Linear maps and convolutions of tensors that are given their weights. PyTorch's torch.nn.functional."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..errors import DtypeError, ShapeError
from ..tensor import Tensor, apply

Pair = int | tuple[int, int]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input (..., in) @ weight (out, in).T + bias (out,). Returns (..., out)."""
    if input.shape[-1:] != weight.shape[1:]:
        raise ShapeError(f"linear: the last size of input {input.shape} must equal the last of weight {weight.shape}")
    out = input @ weight.t()
    return out if bias is None else out + bias


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
        raise ShapeError(f"conv2d: the kernel {weight.shape[2:]} is larger than the padded input {input.shape[2:]}")
    size = tuple(span // step + 1 for span, step in zip(spans, steps, strict=True))
    out = apply(ops.CONV2D, input, weight, attrs=(steps, edge, holes, size, groups))
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)


def pair(value: Any, name: str, least: int = 1) -> tuple[int, int]:
    """One number for both dimensions, or two. Raises ShapeError below `least`."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2 or min(both) < least:
        raise ShapeError(f"{name} is an int or two ints of at least {least}, got {value}")
    return both[0], both[1]
