"""Losses between numbers; those between classes are in nn/functional.py. PyTorch's torch.nn.functional."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np

from .. import engine
from ..errors import ShapeError
from ..tensor import Tensor, where
from ..tensor.joining import broadcast_tensors
from .activation import logsigmoid, norm, softplus


def reduced(values: Tensor, reduction: str) -> Tensor:
    match reduction:
        case "mean":
            return values.mean()
        case "sum":
            return values.sum()
        case "none":
            return values
        case _:
            raise ShapeError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")


def _same(name: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        raise ShapeError(f"{name}: input {input.shape} and target {target.shape} must have one shape")


def _spread(name: str, input: Tensor, target: Tensor, warn: bool = True) -> tuple[Tensor, Tensor]:
    """Both in one shape; as in PyTorch with a warning, for it is seldom meant. Raises ShapeError where there is none."""
    if input.shape == target.shape:
        return input, target
    if warn:
        shapes = f"{name}: a target of size {tuple(target.shape)} for an input of size {tuple(input.shape)}"
        text = f"{shapes} is broadcast, which is likely not meant; give both the same size"
        warnings.warn(text, stacklevel=4)
    one, other = broadcast_tensors(input, target)
    return one, other


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    input, target = _spread("mse_loss", input, target)
    return reduced((input - target).square(), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    input, target = _spread("l1_loss", input, target)
    return reduced((input - target).abs(), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where |d| is below beta, |d| - beta / 2 beyond. Source: Girshick 2015."""
    input, target = _spread("smooth_l1_loss", input, target)
    if beta < 0:
        raise ShapeError(f"smooth_l1_loss: beta is at least 0, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    away = (input - target).abs()
    return reduced(where(away < beta, away.square() * (0.5 / beta), away - 0.5 * beta), reduction)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None) -> Tensor:
    """d^2 / 2 where |d| is at most delta, delta * (|d| - delta / 2) beyond."""
    input, target = _spread("huber_loss", input, target)
    if delta <= 0:
        raise ShapeError(f"huber_loss: delta is above 0, got {delta}")
    away = (input - target).abs()
    losses = where(away <= delta, away.square() * 0.5, (away - 0.5 * delta) * delta)
    if weight is None:
        return reduced(losses, reduction)
    return (losses * weight).sum() / weight.sum() if reduction == "mean" else reduced(losses * weight, reduction)


def _log(x: Tensor) -> Tensor:
    """log(x), of at least -100, as PyTorch's binary_cross_entropy has it."""
    return where(x > 0.0, where(x > 0.0, x, 1.0).log(), -100.0).clamp(min=-100.0)


def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean") -> Tensor:
    """-(y log x + (1 - y) log(1 - x)); input: probabilities, whose logarithms are cut at -100. Those on the host are looked at."""
    _same("binary_cross_entropy", input, target)
    engine.ask_host(input.node, _check_shares)
    losses = -(target * _log(input) + (1.0 - target) * _log(1.0 - input))
    return reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """max(x, 0) - x * target + log(1 + exp(-|x|)): no overflow for any x.

    pos_weight: a factor for the positive targets of each class. Both weights broadcast with input.
    """
    if input.shape != target.shape:
        raise ShapeError(f"binary_cross_entropy_with_logits: {input.shape} and {target.shape} must be equal")
    smooth = softplus(input, threshold=math.inf)
    if pos_weight is None:
        losses = smooth - input * target
    else:
        losses = (1.0 - target) * input + (target * (pos_weight - 1.0) + 1.0) * (smooth - input)
    return reduced(losses if weight is None else losses * weight, reduction)


def _check_shares(known: np.ndarray) -> None:
    if not ((known >= 0) & (known <= 1)).all():
        raise ShapeError(
            "binary_cross_entropy: all elements of input should be between 0 and 1; use binary_cross_entropy_with_logits for others"
        )


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target * (log(target) - input); input: log-probabilities. reduction "batchmean": the sum over the batch's size."""
    input, target = _spread("kl_div", input, target, warn=False)
    if log_target:
        losses = target.exp() * (target - input)
    else:
        positive = target > 0.0
        losses = where(positive, target * where(positive, target, 1.0).log(), 0.0) - target * input
    return losses.sum() / input.shape[0] if reduction == "batchmean" else reduced(losses, reduction)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"
) -> Tensor:
    """exp(x) - y x, or x - y log(x + eps); full: plus Stirling's approximation of log(y!) where y is above 1."""
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        large = where(target > 1.0, target, 2.0)
        losses = losses + where(target > 1.0, large * large.log() - large + 0.5 * (large * (2 * math.pi)).log(), 0.0)
    return reduced(losses, reduction)


def _check_variances(known: np.ndarray) -> None:
    if (known < 0).any():
        raise ShapeError(f"gaussian_nll_loss: var is at least 0, found {known.min():g}")


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log(var) + (x - y)^2 / var) / 2, with var of at least eps; full: plus log(2 pi) / 2.

    var: input's shape, or that with a last size of 1, or without the last dimension. Raises ShapeError.
    """
    spread = var if isinstance(var, Tensor) else input._aside() * 0.0 + var
    if spread.shape != input.shape:
        if spread.shape == input.shape[:-1]:
            spread = spread.unsqueeze(-1)
        elif spread.shape != (*input.shape[:-1], 1):
            raise ShapeError(f"gaussian_nll_loss: var {spread.shape} does not fit input {input.shape}")
    engine.ask_host(spread.node, _check_variances)
    spread = spread + (spread.clamp(min=eps) - spread)._aside()  # the limit does not stop the gradient
    losses = (spread.log() + (input - target).square() / spread) * 0.5
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1."""
    far = where(target != 1, (margin - input).relu(), 0.0)
    return reduced(far + where(target != -1, input, 0.0), reduction)


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-y x)); targets are 1 and -1."""
    input, target = _spread("soft_margin_loss", input, target, warn=False)
    return reduced(softplus(-(target * input), threshold=math.inf), reduction)


def multilabel_soft_margin_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean") -> Tensor:
    """The mean over the last dimension's classes of binary_cross_entropy_with_logits."""
    losses = -(target * logsigmoid(input) + (1.0 - target) * logsigmoid(-input))
    return reduced((losses if weight is None else losses * weight).mean(-1), reduction)


def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """max(0, -y (x1 - x2) + margin): y is 1 where x1 should be larger, else -1."""
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(f"margin_ranking_loss: {input1.shape}, {input2.shape} and {target.shape} need equal ranks")
    return reduced((-target * (input1 - input2) + margin).relu(), reduction)


def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1. x1, x2 (n, d) or (d,)."""
    if input1.shape != input2.shape or target.shape != input1.shape[:-1]:
        raise ShapeError(f"cosine_embedding_loss needs (n, d), (n, d) and (n,), got {input1.shape}, {input2.shape}, {target.shape}")
    one, two = (x.square().sum(-1) + 1e-12 for x in (input1, input2))
    cosine = (input1 * input2).sum(-1) / (one * two).sqrt()
    losses = where(target == 1, 1.0 - cosine, 0.0) + where(target == -1, (cosine - margin).relu(), 0.0)
    return reduced(losses, reduction)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)) along dim."""
    x1, x2 = broadcast_tensors(x1, x2)
    one, two = (norm(x, 2.0, dim).clamp(min=eps) for x in (x1, x2))
    return ((x1 / one) * (x2 / two)).sum(dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension."""
    found = norm(x1 - x2 + eps, p, -1)
    return found if keepdim else found.squeeze(-1)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin). swap: or d(positive, negative), if nearer.

    Source: Balntas et al. 2016.
    """
    if not margin > 0:
        raise ShapeError(f"triplet_margin_loss: margin is above 0, got {margin}")
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))
    return reduced((near - far + margin).relu(), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over the wrong classes of max(0, margin - x[y] + x[i])^p, over the number of classes. input (n, c), target (n,)."""
    if p not in (1, 2) or input.ndim != 2 or target.shape != input.shape[:1]:
        raise ShapeError(f"multi_margin_loss needs p 1 or 2, (n, classes) and (n,), got p={p}, {input.shape}, {target.shape}")
    labels = target.unsqueeze(1)
    over = (margin - input.gather(1, labels) + input).relu() ** p
    if weight is not None:
        over = over * weight[target].unsqueeze(1)
    zeros = input._aside() * 0.0
    wrong = zeros.scatter_add(1, labels, zeros[:, :1] + 1.0) == 0.0
    return reduced(where(wrong, over, 0.0).sum(1) / input.shape[1], reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """triplet_margin_loss() with a distance of one's own; pairwise_distance() by default."""
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((near - far + margin).relu(), reduction)


def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The sum over true and other classes of max(0, 1 - x[true] + x[other]), over the number of classes.

    input (n, c) or (c,); target, of its shape: the true classes, then -1.
    """
    if input.ndim not in (1, 2) or target.shape != input.shape or target.dtype.kind != "i":
        raise ShapeError(f"multilabel_margin_loss needs (n, c) or (c,) and integers like it, got {input.shape}, {target.shape}")
    counts = (target < 0).long().cumsum(-1) == 0
    labels = target.clamp(min=0)
    zeros = input._aside() * 0.0
    true = zeros.scatter_add(-1, labels, counts.to(input.dtype)) > 0
    over = (1.0 - input.gather(-1, labels).unsqueeze(-1) + input.unsqueeze(-2)).relu()
    kept = counts.unsqueeze(-1) & ~true.unsqueeze(-2)
    return reduced(where(kept, over, 0.0).sum((-2, -1)) / max(input.shape[-1], 1), reduction)
