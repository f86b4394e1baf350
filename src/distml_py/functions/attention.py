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


def batch_of(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Shape | None:
    """The sizes before the last two that they share; None where they do not fit together: the composed form says why."""
    given = [query, key, value] + ([] if mask is None else [mask])
    if any(tensor.ndim < 2 for tensor in given[:3]) or query.dtype not in (float32, float64):
        return None
    fits = key.shape[-1] == query.shape[-1] and key.shape[-2] == value.shape[-2]
    alike = all(tensor.dtype in (query.dtype, bool_) for tensor in given[3:]) and query.dtype == key.dtype == value.dtype
    if not fits or not alike:
        return None
    scores = (query.shape[-2], key.shape[-2])
    if mask is not None and any(size not in (1, wide) for size, wide in zip(reversed(mask.shape), reversed(scores), strict=False)):
        return None
    try:
        shape = broadcast.common_shape("attention", *(tensor.shape[:-2] for tensor in given))
    except ShapeError:
        return None
    return shape


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float, batch: Shape) -> Tensor:
    """See scaled_dot_product_attention; batch: see batch_of. What masks forbid is never read twice, nor stored."""
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
