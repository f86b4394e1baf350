"""CTC: a loss of sequences whose labels have no places (Graves et al. 2006). PyTorch's torch.nn.functional.ctc_loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import int32
from ..tensor import Tensor, cat, where
from .loss import reduced

NEVER = -1e30  # the logarithm of a chance of 0, whose differences are numbers


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the logarithm of the chance of each label sequence, over all its places, in nats.

    log_probs: (time, n, classes) or (time, classes), from log_softmax. targets: (n, most labels), or all one after another;
    they and the lengths are read on the host. mean: each loss over its number of labels, then over n. A sequence that is
    too long for its input has infinite loss, or 0 with zero_infinity. The gradient is that of log_probs as they are given:
    where they come from log_softmax, what reaches its input is PyTorch's.
    """
    alone = log_probs.ndim == 2
    if alone:
        log_probs = log_probs.unsqueeze(1)
    if log_probs.ndim != 3 or not log_probs.shape[0]:
        raise ShapeError(f"ctc_loss needs (time, n, classes) or (time, classes) with at least one frame, got {log_probs.shape}")
    time, n, classes = log_probs.shape
    frames, counts = (_lengths(name, given, n) for name, given in (("input", input_lengths), ("target", target_lengths)))
    labels = _labels(targets.numpy(), counts, blank, classes)
    if frames.max(initial=0) > time or not 0 <= blank < classes:
        raise ShapeError(f"ctc_loss: input_lengths are at most {time}, blank is 0 to {classes - 1}, got {frames.tolist()}, {blank}")
    final = _forward(log_probs, labels, frames, blank)
    last = Tensor(np.stack([2 * counts, np.maximum(2 * counts - 1, 0)], 1), int32)
    ends = final.gather(1, last)
    only = Tensor(counts == 0)
    ends = where(only.unsqueeze(1) & Tensor(np.array([False, True])), NEVER, ends)  # no label: one end, not two
    losses = -_total(ends[:, 0], ends[:, 1])
    losses = where(losses > -NEVER / 2, 0.0 if zero_infinity else math.inf, losses)
    if reduction == "mean":
        return (losses / Tensor(np.maximum(counts, 1), losses.dtype)).mean()
    return losses.squeeze(0) if alone and reduction == "none" else reduced(losses, reduction)


def _lengths(name: str, given: Any, n: int) -> np.ndarray:
    found = np.asarray(given.numpy() if isinstance(given, Tensor) else given).reshape(-1).astype(np.int64)
    if found.shape != (n,) or found.min(initial=0) < 0:
        raise ShapeError(f"ctc_loss: {name}_lengths are {n} numbers from 0 up, got {found.tolist()}")
    return found


def _labels(targets: np.ndarray, counts: np.ndarray, blank: int, classes: int) -> np.ndarray:
    """(n, 2 * most + 1): the labels with blanks around each, and blanks where a sequence is shorter."""
    most = int(counts.max(initial=0))
    whole = np.full((len(counts), 2 * most + 1), blank, np.int64)
    if targets.ndim == 1 and targets.size < counts.sum() or targets.ndim == 2 and targets.shape[1] < most or targets.ndim > 2:
        raise ShapeError(f"ctc_loss: targets {targets.shape} hold fewer labels than target_lengths {counts.tolist()}")
    first = 0
    for number, count in enumerate(counts):
        row = targets[first : first + count] if targets.ndim == 1 else targets[number, :count]
        if row.size and (row.min() < 0 or row.max() >= classes or (row == blank).any()):
            raise ShapeError(f"ctc_loss: labels are 0 to {classes - 1} without the blank {blank}, got {row.tolist()}")
        whole[number, 1 : 2 * count : 2] = row
        first += int(count)
    return whole


def _total(*parts: Tensor) -> Tensor:
    """log(exp(a) + exp(b) + ...), where no part is -infinity."""
    top = parts[0]._aside()
    for part in parts[1:]:
        top = top.maximum(part._aside())
    shifted = [(part - top).exp() for part in parts]
    return sum(shifted[1:], start=shifted[0]).log() + top


def _later(alpha: Tensor, places: int) -> Tensor:
    """Each chance some places later; nothing comes into the first ones."""
    n, size = alpha.shape
    if places >= size:
        return alpha._aside() * 0.0 + NEVER
    return cat([alpha[:, :places]._aside() * 0.0 + NEVER, alpha[:, : size - places]], 1)


def _forward(log_probs: Tensor, labels: np.ndarray, frames: np.ndarray, blank: int) -> Tensor:
    """(n, places): the logarithm of the chance to be at each place after each sequence's last frame."""
    time, n, _ = log_probs.shape
    size = labels.shape[1]
    skips = np.zeros((n, size), bool)
    skips[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    may_skip, place = Tensor(skips), np.arange(size)
    said = log_probs.gather(2, Tensor(labels, int32).unsqueeze(0).expand(time, n, size))
    alpha = where(Tensor(np.broadcast_to(place < 2, (n, size))), said[0], NEVER)
    for step in range(1, time):
        two = where(may_skip, _later(alpha, 2), NEVER)
        after = _total(alpha, _later(alpha, 1), two) + said[step]
        alpha = where(Tensor((step < frames)[:, None]), after, alpha)
    begun = Tensor((frames > 0)[:, None])
    return where(begun, alpha, where(Tensor(place == 0), 0.0, NEVER))
