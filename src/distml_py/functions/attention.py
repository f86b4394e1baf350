"""Attention in one piece, without its scores in memory, and the rule by which it is chosen over the composed form."""

from __future__ import annotations

import math

from .. import broadcast, ops
from ..errors import ShapeError
from ..op import bool_, float32, float64
from ..tensor import Tensor, apply, where
from ..view import Shape

MOST_SCORES = 1 << 22  # numbers: 16 MiB. Of each array of scores a training step stores three and more
WIDEST = 256  # numbers of a row that a fragment keeps in registers


def stores_scores(batch: int, queries: int, keys: int, *widths: int) -> bool:
    """Is the composed form taken for so many products of queries and keys? widths: of their rows and of the values'."""
    return batch * queries * keys <= MOST_SCORES or max(widths) > WIDEST


def is_fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> bool:
    """The rule: the composed form stays while it stores few scores. It also says what does not fit together."""
    batch = _batch(query, key, value, mask)
    if batch is None:
        return False
    return not stores_scores(math.prod(batch), query.shape[-2], *key.shape[-2:], value.shape[-1])


def fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    """See scaled_dot_product_attention. Nothing of the size of the scores is stored but a mask that is given so, as it is given."""
    batch = _batch(query, key, value, mask)
    assert batch is not None
    count = math.prod(batch)
    q, k, v = (x.expand(*batch, *x.shape[-2:]).reshape(count, *x.shape[-2:]) for x in (query * scale, key, value))
    rest: tuple[Tensor, ...] = ()
    if mask is not None:
        added = where(mask, 0.0, -math.inf).to(query.dtype) if mask.dtype == bool_ else mask
        rest = (added.reshape((1,) * (len(batch) + 2 - added.ndim) + added.shape),)
    attrs = (causal, batch if rest else ())
    lse = apply(ops.ATTENTION_LSE, q, k, *rest, attrs=attrs)
    found = apply(ops.ATTENTION, q, k, v, lse, *rest, attrs=attrs)
    return found.reshape(*batch, *found.shape[-2:])


def _batch(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Shape | None:
    """The sizes before the last two that all broadcast to; None where the tensors do not fit together."""
    masks = [] if mask is None else [mask]
    if min(query.ndim, key.ndim, value.ndim) < 2 or query.dtype not in (float32, float64):
        return None
    if not (query.dtype == key.dtype == value.dtype and all(added.dtype in (query.dtype, bool_) for added in masks)):
        return None
    scores = (query.shape[-2], key.shape[-2])
    fits = key.shape[-1] == query.shape[-1] and value.shape[-2] == scores[1]
    for added in masks:
        fits &= all(size in (1, wide) for size, wide in zip(added.shape[::-1], scores[::-1], strict=False))
    try:
        shapes = (tensor.shape[:-2] for tensor in (query, key, value, *masks))
        return broadcast.common_shape("attention", *shapes) if fits else None
    except ShapeError:
        return None
