"""Compositions of ops: activations, losses, pooling, convolution, dropout. PyTorch's torch.nn.functional."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import creation, engine, ops, random
from ..errors import DtypeError, ShapeError, UnsupportedError
from ..indexing import gather
from ..op import bool_, int32
from ..ops.index import check_range
from ..tensor import Tensor, apply, made, where

Pair = int | tuple[int, int]
Sizes = int | Sequence[int]


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


def _windows(
    input: Tensor,
    name: str,
    kernel: Pair,
    stride: Pair | None,
    padding: Pair,
    dilation: Pair,
    fill: float,
    ceil_mode: bool = False,
) -> Tensor:
    """(n, c, oh, ow, kh * kw): the padded input, one row a window."""
    sizes, edge = pair(kernel, "kernel_size"), pair(padding, "padding", least=0)
    steps, holes = pair(kernel if stride is None else stride, "stride"), pair(dilation, "dilation")
    if input.ndim != 4:
        raise ShapeError(f"{name} needs (n, c, h, w), got {input.shape}; add a batch dimension with .unsqueeze(0)")
    if any(2 * p > k for p, k in zip(edge, sizes, strict=True)):
        raise ShapeError(f"{name}: padding {edge} is more than half of the kernel {sizes}")
    reach = [d * (k - 1) + 1 for d, k in zip(holes, sizes, strict=True)]
    more = [_beyond(input.shape[2 + a], edge[a], reach[a], steps[a]) if ceil_mode else 0 for a in (0, 1)]
    padded = pad(input, (edge[1], edge[1] + more[1], edge[0], edge[0] + more[0]), value=fill)
    if any(r > size for r, size in zip(reach, padded.shape[2:], strict=True)):
        raise ShapeError(f"{name}: the kernel {sizes} is larger than the padded input {padded.shape[2:]}")
    return apply(ops.WINDOW, padded, attrs=(sizes, steps, holes)).flatten(4)


def _beyond(size: int, edge: int, reach: int, step: int) -> int:
    """How far a last window, which must start inside the input or its left edge, reaches beyond the padded input."""
    room = size + 2 * edge - reach
    last = -(-room // step) * step
    if last >= size + edge:
        last -= step
    return max(0, last - room)


def max_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The largest of each window; its gradient goes to the first of equals. input (n, c, h, w) or (c, h, w).

    ceil_mode: a last window that starts inside the input may reach beyond it. Raises UnsupportedError for indices.
    """
    if return_indices:
        raise UnsupportedError("not implemented: max_pool2d(return_indices=True); nearest is Tensor.argmax over windows")
    if input.ndim == 3:
        return max_pool2d(input.unsqueeze(0), kernel_size, stride, padding, dilation, ceil_mode).squeeze(0)
    if not input.is_floating_point():
        raise DtypeError(f"max_pool2d needs floating-point numbers, got {input.dtype.name}; use .float()")
    windows = _windows(input, "max_pool2d", kernel_size, stride, padding, dilation, -math.inf, ceil_mode)
    values: Tensor = windows.max(-1)[0]
    return values


def avg_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window, or its sum / divisor_override. input (n, c, h, w) or (c, h, w)."""
    if ceil_mode:
        raise UnsupportedError("not implemented: avg_pool2d(ceil_mode=True); nearest is pad() and ceil_mode=False")
    if input.ndim == 3:
        whole = avg_pool2d(input.unsqueeze(0), kernel_size, stride, padding, False, count_include_pad, divisor_override)
        return whole.squeeze(0)
    sums = _windows(input, "avg_pool2d", kernel_size, stride, padding, 1, 0.0)
    if divisor_override is not None:
        return sums.sum(-1) / divisor_override
    if count_include_pad:
        return sums.mean(-1)
    counts = _windows(creation.ones_like(input), "avg_pool2d", kernel_size, stride, padding, 1, 0.0)
    return sums.sum(-1) / counts.sum(-1)


def pad(input: Tensor, pad: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Constants around the last dimensions: (before last, after last, before second to last...). Negative sizes cut."""
    if mode != "constant":
        raise ShapeError(f"pad: mode {mode!r} is not implemented; nearest is mode='constant'")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ShapeError(f"pad: {len(pad)} sizes for {input.ndim} dimensions; give two for each of the last ones")
    pairs = [(0, 0)] * (input.ndim - len(pad) // 2)
    pairs += [(pad[n], pad[n + 1]) for n in reversed(range(0, len(pad), 2))]
    for axis, (before, after) in enumerate(pairs):
        if min(before, after) < 0:
            count = input.shape[axis] + min(before, 0) + min(after, 0)
            if count < 0:
                raise ShapeError(f"pad: {pad} cuts more than there is in {input.shape}")
            input = input[(slice(None),) * axis + (slice(max(-before, 0), max(-before, 0) + count),)]
    grown = tuple((max(before, 0), max(after, 0)) for before, after in pairs)
    return input if not any(map(any, grown)) else apply(ops.PAD, input, attrs=(grown, float(value)))


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """inplace is taken for PyTorch's sake: the result is always new, and costs no more."""
    return input.relu()


def tanh(input: Tensor) -> Tensor:
    return input.tanh()


def sigmoid(input: Tensor) -> Tensor:
    return input.sigmoid()


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return where(input > 0, input, input * negative_slope)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x; "tanh": its approximation of Hendrycks and Gimpel 2016."""
    if approximate == "none":
        return input * ((input * math.sqrt(0.5)).erf() + 1.0) * 0.5
    if approximate != "tanh":
        raise ShapeError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")
    return apply(ops.GELU_TANH, input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    return input * input.sigmoid()


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x above 0, alpha * (exp(x) - 1) below, where exp(x) - 1 = 2 t / (1 - t) with t = tanh(x / 2): exact near 0."""
    half = (input.clamp(max=0.0) * 0.5).tanh()
    return where(input > 0, input, half * (2.0 * alpha) / (1.0 - half))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, which cannot overflow; x itself where beta * x is above threshold."""
    scaled = input * beta
    smooth = (input.relu() * beta + ((-scaled.abs()).exp() + 1.0).log()) / beta
    return where(scaled > threshold, input, smooth)


def softmax(input: Tensor, dim: int) -> Tensor:
    return input.softmax(dim)


def log_softmax(input: Tensor, dim: int) -> Tensor:
    return input.log_softmax(dim)


def one_hot(tensor: Tensor, num_classes: int) -> Tensor:
    """int32, one more dimension of num_classes at the end."""
    return (tensor.unsqueeze(-1) == creation.arange(num_classes)).int()


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeros with probability p, the rest scaled by 1 / (1 - p).

    The mask depends on seed, step and each sample's number in the global batch (dimension 0), not on how it is split.
    """
    if not 0 <= p <= 1:
        raise ShapeError(f"dropout: p is a probability, got {p}")
    if not training or p == 0:
        return input
    per_sample = math.prod(input.shape[1:])
    chance = creation.uniform(input.shape, random.first_sample() * per_sample)
    return where(chance < p, 0.0, input / (1 - p)) if p < 1 else input * 0.0


def _reduce(values: Tensor, reduction: str) -> Tensor:
    match reduction:
        case "mean":
            return values.mean()
        case "sum":
            return values.sum()
        case "none":
            return values
        case _:
            raise ShapeError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    if input.shape != target.shape:
        raise ShapeError(f"mse_loss: input {input.shape} and target {target.shape} must have one shape")
    return _reduce((input - target).square(), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    if input.shape != target.shape:
        raise ShapeError(f"l1_loss: input {input.shape} and target {target.shape} must have one shape")
    return _reduce((input - target).abs(), reduction)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Negative log-likelihood. input: log-probabilities (n, classes, ...), target: class indices (n, ...).

    weight: (classes,), one factor a class; the mean is then over the sum of the labels' factors.

    Raises IndexRangeError for labels on the host outside [0, classes); on the GPU such a label gives NaN.
    """
    return _likelihood(input, None, target, weight, ignore_index, reduction)


def _likelihood(
    input: Tensor, total: Tensor | None, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    """nll_loss of input - total. Kept apart, the gradient needs no sum over the classes."""
    if target.dtype != int32:
        raise DtypeError(f"nll_loss: labels are integers, got {target.dtype.name}; use .long()")
    if input.ndim < 1 or target.shape != input.shape[:1] * (input.ndim > 1) + input.shape[2:]:
        raise ShapeError(f"nll_loss: scores {input.shape} need labels {input.shape[:1] + input.shape[2:]}, got {target.shape}")
    axis = 1 if input.ndim > 1 else 0
    ignored = target == ignore_index
    known = engine.host_array(target.node)
    if known is not None:
        check_range(known[known != ignore_index], input.shape[axis])
    labels = where(ignored, 0, target) if known is None or (known == ignore_index).any() else target
    picked = _picked(input, labels, axis)
    losses = -picked if total is None else total.squeeze(axis) - picked
    factors = weight[labels] if weight is not None else None
    if factors is None and known is not None and labels is target:
        return _reduce(losses, reduction)
    counts = where(ignored, 0.0, 1.0 if factors is None else factors)
    losses = where(ignored, 0.0, losses) * counts
    return losses.sum() / counts.sum() if reduction == "mean" else _reduce(losses, reduction)


def _picked(input: Tensor, labels: Tensor, axis: int) -> Tensor:
    return made(gather(input.node, axis, labels.unsqueeze(axis).node), input).squeeze(axis)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean negative log-likelihood of the true class, in nats.

    input: (n, classes, ...), unnormalised. target: (n, ...) class indices, or (n, classes, ...) probabilities.
    weight: (classes,), one factor a class. label_smoothing: this much of the target is spread evenly.
    Source: Goodfellow et al. 2016, section 6.2.2.3; the row maximum is subtracted first, so exp cannot overflow.
    """
    axis = 1 if input.ndim > 1 else 0
    if target.dtype not in (int32, bool_):
        return _soft_cross_entropy(input.log_softmax(axis), target, weight, reduction, label_smoothing, axis)
    shifted = input - input.detach().amax(axis, keepdim=True)
    total = shifted.exp().sum(axis, keepdim=True).log()
    loss = _likelihood(shifted, total, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return loss
    scores = shifted - total
    ignored = target == ignore_index
    even = where(ignored, 0.0, -_weighted(scores, weight, axis).sum(axis) / input.shape[axis])
    if reduction != "mean":
        return loss * (1 - label_smoothing) + _reduce(even, reduction) * label_smoothing
    counts = where(ignored, 0.0, 1.0 if weight is None else weight[where(ignored, 0, target)])
    return loss * (1 - label_smoothing) + even.sum() / counts.sum() * label_smoothing


def _soft_cross_entropy(
    scores: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float, axis: int
) -> Tensor:
    if target.shape != scores.shape:
        raise ShapeError(f"cross_entropy: probabilities {target.shape} must have the shape of the scores {scores.shape}")
    soft = target * (1 - label_smoothing) + label_smoothing / scores.shape[axis]
    losses = -(_weighted(scores, weight, axis) * soft).sum(axis)
    return losses.sum() / (losses.numel() or math.nan) if reduction == "mean" else _reduce(losses, reduction)


def _weighted(scores: Tensor, weight: Tensor | None, axis: int) -> Tensor:
    """scores, each class times its factor."""
    if weight is None:
        return scores
    if weight.shape != (scores.shape[axis],):
        raise ShapeError(f"cross_entropy: weight {weight.shape} needs one factor for each of {scores.shape[axis]} classes")
    return scores * weight.reshape(*(-1 if a == axis else 1 for a in range(scores.ndim)))


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """max(x, 0) - x * target + log(1 + exp(-|x|)): no overflow for any x. At 0 maximum's slope is 1/2, as the sigmoid's value."""
    if input.shape != target.shape:
        raise ShapeError(f"binary_cross_entropy_with_logits: {input.shape} and {target.shape} must be equal")
    return _reduce(input.maximum(creation.zeros_like(input)) - input * target + ((-input.abs()).exp() + 1).log(), reduction)


# ---------------------------------------------------------------- normalization


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Standardised for each channel (dimension 1), then times weight plus bias, both (channels,).

    training: with the batch's own mean and variance, which the running ones follow by `momentum`; else with the running ones.
    Source: Ioffe and Szegedy 2015, algorithm 1. The variance is that of centred numbers: no digits cancel.
    """
    if input.ndim < 2:
        raise ShapeError(f"batch_norm needs (n, channels, ...), got {input.shape}")
    column = (1, input.shape[1], *(1,) * (input.ndim - 2))
    if not training:
        if running_mean is None or running_var is None:
            raise ShapeError("batch_norm: training=False needs running_mean and running_var; there are none, use training=True")
        scale = (running_var + eps).rsqrt()
        scale = scale if weight is None else scale * weight
        return _affine(input - running_mean.reshape(column), scale.reshape(column), None if bias is None else bias.reshape(column))
    axes = tuple(axis for axis in range(input.ndim) if axis != 1)
    count = math.prod(input.shape[axis] for axis in axes)
    if count < 2:
        raise ShapeError(f"batch_norm: more than one number a channel is needed when training, got {input.shape}")
    mean, variance = _moments(input, axes)
    if running_mean is not None:
        running_mean._renew(running_mean * (1.0 - momentum) + mean.detach().flatten() * momentum)
    if running_var is not None:
        unbiased = variance.detach().flatten() * (count / (count - 1))
        running_var._renew(running_var * (1.0 - momentum) + unbiased * momentum)
    parts = (None if part is None else part.reshape(column) for part in (weight, bias))
    return _affine(_normalized(input, mean, variance, eps), *parts)


def _moments(input: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """(mean, biased variance) over axes, which stay as size 1."""
    mean = input.mean(axes, keepdim=True)
    return mean, (input - mean).square().mean(axes, keepdim=True)


def _normalized(input: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
    return apply(ops.NORMALIZE, input, mean.expand(input.shape), (variance + eps).rsqrt().expand(input.shape))


def _affine(input: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    out = input if weight is None else input * weight
    return out if bias is None else out + bias


def layer_norm(
    input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Standardised over the last dimensions, which are normalized_shape, as are weight and bias. Source: Ba et al. 2016."""
    moments = _moments(input, _last_axes("layer_norm", input, normalized_shape))
    return _affine(_normalized(input, *moments, eps), weight, bias)


def rms_norm(input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divided by the root of the mean square over the last dimensions. eps: the dtype's own by default.

    Source: Zhang and Sennrich 2019.
    """
    axes = _last_axes("rms_norm", input, normalized_shape)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    return _affine(input * (input.square().mean(axes, keepdim=True) + eps).rsqrt(), weight, None)


def _last_axes(name: str, input: Tensor, normalized_shape: Sizes) -> tuple[int, ...]:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise ShapeError(f"{name}: the last sizes of input {input.shape} must be normalized_shape {shape}")
    return tuple(range(input.ndim - len(shape), input.ndim))


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Each sample's channels (dimension 1) standardised in num_groups groups; weight and bias (channels,). Source: Wu, He 2018."""
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise ShapeError(f"group_norm: num_groups={num_groups} must divide the channels of (n, channels, ...), got {input.shape}")
    inner = input.numel() // max(input.shape[0] * num_groups, 1)
    grouped = input.reshape(input.shape[0], num_groups, inner)
    column = (1, input.shape[1], *(1,) * (input.ndim - 2))
    parts = (None if part is None else part.reshape(column) for part in (weight, bias))
    return _affine(_normalized(grouped, *_moments(grouped, (2,)), eps).reshape(input.shape), *parts)


# ---------------------------------------------------------------- tokens


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of weight (rows, width) that input, integers of any shape, names: (*input.shape, width).

    The row padding_idx gets no gradient. Raises IndexRangeError for indices on the host outside [0, rows); on the GPU such
    an index reads NaN. UnsupportedError for max_norm, scale_grad_by_freq and sparse.
    """
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise UnsupportedError("not implemented: embedding(max_norm, scale_grad_by_freq, sparse); nearest is their defaults")
    if weight.ndim != 2:
        raise ShapeError(f"embedding needs weight (rows, width), got {weight.shape}")
    known = engine.host_array(input.node)
    if known is not None:
        check_range(known, weight.shape[0])
    rows = input.reshape(-1, 1).expand(input.numel(), weight.shape[1])
    found = made(gather(weight.node, 0, rows.node), weight).reshape(*input.shape, weight.shape[1])
    if padding_idx is None:
        return found
    return where((input == padding_idx % weight.shape[0]).unsqueeze(-1), found.detach(), found)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(query @ key.mT * scale + mask) @ value. query (..., l, e), key (..., s, e), value (..., s, v): (..., l, v).

    attn_mask: (..., l, s), True where attention is allowed, or numbers that are added. is_causal: position i sees 0 to i.
    scale: 1 / sqrt(e) by default. A row that may see nothing gives zeros. Source: Vaswani et al. 2017, section 3.2.1.
    """
    if is_causal and attn_mask is not None:
        raise ShapeError("scaled_dot_product_attention takes attn_mask or is_causal, not both")
    factor = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    scores = (query * factor) @ key.mT
    if is_causal:
        attn_mask = creation.arange(scores.shape[-2]).unsqueeze(1) >= creation.arange(scores.shape[-1])
    if attn_mask is not None and attn_mask.dtype == bool_:
        scores = where(attn_mask, scores, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    top = scores.detach().amax(-1, keepdim=True)
    if attn_mask is not None and not is_causal:  # a causal row sees itself at least
        top = where(top == -math.inf, 0.0, top)
    total = (scores - top).exp().sum(-1, keepdim=True)
    if attn_mask is not None and not is_causal:
        total = where(total == 0.0, 1.0, total)
    weights = apply(ops.SOFTMAX, scores, top.expand(scores.shape), total.expand(scores.shape))
    return dropout(weights, dropout_p) @ value
