"""PyTorch's torch.nn.functional, one flat namespace: normalisation, classes and attention here, the rest in functions/."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import creation, engine, ops
from ..errors import DtypeError, ShapeError
from ..functions.activation import (
    celu,
    elu,
    gelu,
    glu,
    gumbel_softmax,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    normalize,
    prelu,
    relu,
    relu6,
    rrelu,
    selu,
    sigmoid,
    silu,
    softplus,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
)
from ..functions.bags import embedding_bag
from ..functions.changing import changed as _changed
from ..functions.convolution import (
    Pair,
    Single,
    bilinear,
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    linear,
    pair,
)
from ..functions.ctc import ctc_loss
from ..functions.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from ..functions.grid import affine_grid, grid_sample
from ..functions.heads import multi_head_attention_forward, scaled_dot_product_attention
from ..functions.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    cosine_similarity,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    mse_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    pairwise_distance,
    poisson_nll_loss,
    reduced,
    smooth_l1_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from ..functions.padding import pad
from ..functions.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from ..functions.token import embedding, one_hot
from ..functions.unpooling import lp_pool1d, lp_pool2d, max_unpool1d, max_unpool2d, max_unpool3d
from ..functions.vision import channel_shuffle, fold, interpolate, pixel_shuffle, pixel_unshuffle, unfold
from ..functions.volume import Triple, conv3d, conv_transpose3d, triple
from ..indexing import gather
from ..missing import getter as _getter
from ..op import bool_, int32
from ..ops.index import check_range
from ..tensor import Tensor, apply, made, where
from ..tensor.arguments import guard as _guard
from ..tensor.grad_fn import named as _named
from ..tensor.reduction import exp_sum

Sizes = int | Sequence[int]


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """dim: None takes the first dimension of 0, 1 or 3, else the second, as PyTorch's earlier programs expect."""
    return input.softmax(_implicit(input) if dim is None else dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """The logarithm of softmax()."""
    return input.log_softmax(_implicit(input) if dim is None else dim, dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """softmax() of the negative numbers."""
    return softmax(-input, dim, dtype=dtype)


def _implicit(input: Tensor) -> int:
    return 0 if input.ndim in (0, 1, 3) else 1


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
    ignored, classes = target == ignore_index, input.shape[axis]
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(f"nll_loss: weight {weight.shape} needs one factor for each of {classes} classes")

    def checked(known: np.ndarray) -> bool:
        """Whether every label counts."""
        counted = known != ignore_index
        check_range(known[counted], classes)
        return bool(counted.all())

    whole = engine.ask_host(target.node, checked)  # None: the labels are on the GPU already
    labels = target if whole else where(ignored, 0, target)
    picked = _picked(input, labels, axis)
    losses = -picked if total is None else total.squeeze(axis) - picked
    factors = weight[labels] if weight is not None else None
    if factors is None and whole:
        return reduced(losses, reduction)
    counts = where(ignored, 0.0, 1.0 if factors is None else factors)
    losses = where(ignored, 0.0, losses) * counts
    return losses.sum() / counts.sum() if reduction == "mean" else reduced(losses, reduction)


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
    if not 0 <= label_smoothing <= 1:
        raise ShapeError(f"cross_entropy: label_smoothing must be between 0.0 and 1.0, got {label_smoothing}")
    if target.dtype not in (int32, bool_):
        return _soft_cross_entropy(input.log_softmax(axis), target, weight, reduction, label_smoothing, axis)
    if not input.shape[axis]:
        raise ShapeError(f"cross_entropy of no classes: scores {input.shape}")
    input = input if input.is_floating_point() else input.float()
    top, total = exp_sum(input, axis, "cross_entropy")
    shifted, total = input - top, total.log()
    loss = _likelihood(shifted, total, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return loss
    scores = shifted - total
    ignored = target == ignore_index
    even = where(ignored, 0.0, -_weighted(scores, weight, axis).sum(axis) / input.shape[axis])
    if reduction != "mean":
        return loss * (1 - label_smoothing) + reduced(even, reduction) * label_smoothing
    counts = where(ignored, 0.0, 1.0 if weight is None else weight[where(ignored, 0, target)])
    return loss * (1 - label_smoothing) + even.sum() / counts.sum() * label_smoothing


def _soft_cross_entropy(
    scores: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float, axis: int
) -> Tensor:
    if target.shape != scores.shape:
        raise ShapeError(f"cross_entropy: probabilities {target.shape} must have the shape of the scores {scores.shape}")
    soft = target * (1 - label_smoothing) + label_smoothing / scores.shape[axis]
    losses = -(_weighted(scores, weight, axis) * soft).sum(axis)
    return losses.sum() / (losses.numel() or math.nan) if reduction == "mean" else reduced(losses, reduction)


def _weighted(scores: Tensor, weight: Tensor | None, axis: int) -> Tensor:
    """scores, each class times its factor."""
    if weight is None:
        return scores
    if weight.shape != (scores.shape[axis],):
        raise ShapeError(f"cross_entropy: weight {weight.shape} needs one factor for each of {scores.shape[axis]} classes")
    return scores * weight.reshape(*(-1 if a == axis else 1 for a in range(scores.ndim)))


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
    _check_parts("batch_norm", input.shape[1:2], running_mean, running_var, weight, bias)
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
    out, mean, square = _standardized(input, axes, eps)
    if running_mean is not None:
        running_mean._renew(running_mean * (1.0 - momentum) + mean._aside().flatten() * momentum)
    if running_var is not None:
        unbiased = square._aside().flatten() * (1 / (count - 1))
        running_var._renew(running_var * (1.0 - momentum) + unbiased * momentum)
    parts = (None if part is None else part.reshape(column) for part in (weight, bias))
    return _affine(out, *parts)


def _standardized(input: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """(input, standardised over axes; its mean and the sum of its squared distances from it, for which axes stay as size 1)."""
    found = apply(ops.MOMENTS, input, attrs=(axes, eps))
    mean = found[0]
    return apply(ops.NORMALIZE, input, mean.expand(input.shape), found[2].expand(input.shape)), mean, found[1]


def _affine(input: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    out = input if weight is None else input * weight
    return out if bias is None else out + bias


def layer_norm(
    input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Standardised over the last dimensions, which are normalized_shape, as are weight and bias. Source: Ba et al. 2016."""
    axes = _last_axes("layer_norm", input, normalized_shape)
    _check_parts("layer_norm", input.shape[axes[0] :], weight, bias)
    return _affine(_standardized(input, axes, eps)[0], weight, bias)


def rms_norm(input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divided by the root of the mean square over the last dimensions. eps: the dtype's own by default.

    Source: Zhang and Sennrich 2019.
    """
    axes = _last_axes("rms_norm", input, normalized_shape)
    _check_parts("rms_norm", input.shape[axes[0] :], weight)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    return _affine(input * (input.square().mean(axes, keepdim=True) + eps).rsqrt(), weight, None)


def _check_parts(name: str, shape: Sequence[int], *parts: Tensor | None) -> None:
    """Raises ShapeError for weights, biases or statistics that are not of this shape."""
    for part in parts:
        if part is not None and part.shape != tuple(shape):
            raise ShapeError(f"{name}: weight, bias and running statistics have the shape {tuple(shape)}, got {part.shape}")


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
    _check_parts("group_norm", input.shape[1:2], weight, bias)
    inner = input.numel() // max(input.shape[0] * num_groups, 1)
    grouped = input.reshape(input.shape[0], num_groups, inner)
    column = (1, input.shape[1], *(1,) * (input.ndim - 2))
    parts = (None if part is None else part.reshape(column) for part in (weight, bias))
    return _affine(_standardized(grouped, (2,), eps)[0].reshape(input.shape), *parts)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel (dimension 1) of each sample standardised; weight and bias (channels,). Source: Ulyanov et al. 2016.

    use_input_stats=False: with the running mean and variance, as batch_norm.
    """
    if input.ndim < 3:
        raise ShapeError(f"instance_norm needs (n, channels, length, ...), got {input.shape}")
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    count = math.prod(input.shape[2:])
    if count < 2:
        raise ShapeError(f"instance_norm: more than one number a channel and sample is needed when training, got {input.shape}")
    out, mean, square = _standardized(input, tuple(range(2, input.ndim)), eps)
    if running_mean is not None:
        running_mean._renew(running_mean * (1.0 - momentum) + mean._aside().flatten(1).mean(0) * momentum)
    if running_var is not None:
        unbiased = square._aside().flatten(1).mean(0) * (1 / (count - 1))
        running_var._renew(running_var * (1.0 - momentum) + unbiased * momentum)
    column = (1, input.shape[1], *(1,) * (input.ndim - 2))
    parts = (None if part is None else part.reshape(column) for part in (weight, bias))
    return _affine(out, *parts)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """input / (k + alpha * mean of the squares of `size` neighbouring channels)^beta. Source: Krizhevsky et al. 2012."""
    if input.ndim < 3 or size < 1:
        raise ShapeError(
            f"local_response_norm needs (n, channels, length, ...) and a size of at least 1, got {input.shape}, {size}"
        )
    squares = pad(input.square(), (0, 0) * (input.ndim - 2) + (size // 2, (size - 1) // 2))
    channels = input.shape[1]
    total = sum((squares[:, n : n + channels] for n in range(1, size)), start=squares[:, :channels])
    return input / (total * (alpha / size) + k) ** beta


def upsample(input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None) -> Tensor:
    """interpolate() under its earlier name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    return interpolate(input, size, scale_factor)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    return interpolate(input, size, scale_factor, "bilinear", True)


def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The distances of all pairs of rows of (n, d), (n (n - 1) / 2,)."""
    if input.ndim != 2:
        raise ShapeError(f"pdist needs (n, d), got {input.shape}")
    first, second = np.triu_indices(input.shape[0], 1)
    return (input[Tensor(first.astype(np.int64))] - input[Tensor(second.astype(np.int64))]).norm(p, -1)


_named(globals())
relu_, elu_, selu_, celu_, rrelu_ = (_changed(function) for function in (relu, elu, selu, celu, rrelu))
leaky_relu_, hardtanh_, threshold_ = (_changed(function) for function in (leaky_relu, hardtanh, threshold))
_guard(globals(), [name for name, value in globals().items() if inspect.isfunction(value)])
__getattr__ = _getter("torch.nn.functional", globals())
