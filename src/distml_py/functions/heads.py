"""Attention by PyTorch's words: one head's or that of many side by side. How it is computed in one piece is in attention.py."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import creation, ops
from ..errors import ExpectedError, ShapeError, UnsupportedError
from ..op import bool_
from ..tensor import Tensor, apply, cat, where
from . import attention
from .convolution import linear
from .dropout import dropout
from .padding import pad


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key.mT * scale + mask) @ value. query (..., l, e), key (..., s, e), value (..., s, v): (..., l, v).

    attn_mask: (..., l, s), True where attention is allowed, or numbers that are added. is_causal: position i sees 0 to i.
    scale: 1 / sqrt(e) by default. A row that may see nothing gives zeros. enable_gqa: neighbouring heads (dimension -3)
    of query share one of the fewer heads of key and value. Source: Vaswani et al. 2017, section 3.2.1.
    """
    if enable_gqa:
        key, value = (_shared_heads(query, part) for part in (key, value))
    if is_causal and attn_mask is not None:
        raise ShapeError("scaled_dot_product_attention takes attn_mask or is_causal, not both")
    factor = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    if not dropout_p and attention.is_fused(query, key, value, attn_mask):
        return attention.fused(query, key, value, attn_mask, is_causal, factor)
    scores = (query @ key.mT) * factor
    if is_causal:
        attn_mask = creation.arange(scores.shape[-2]).unsqueeze(1) >= creation.arange(scores.shape[-1])
    if attn_mask is not None and attn_mask.dtype == bool_:
        scores = where(attn_mask, scores, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    top = scores._aside().amax(-1, keepdim=True)
    if attn_mask is not None and not is_causal:  # a causal row sees itself at least
        top = where(top == -math.inf, 0.0, top)
    total = (scores - top).exp().sum(-1, keepdim=True)
    if attn_mask is not None and not is_causal:
        total = where(total == 0.0, 1.0, total)
    weights = apply(ops.SOFTMAX, scores, top.expand(scores.shape), total.expand(scores.shape))
    return dropout(weights, dropout_p) @ value


def _shared_heads(query: Tensor, part: Tensor) -> Tensor:
    if min(query.ndim, part.ndim) < 3 or not part.shape[-3] or query.shape[-3] % part.shape[-3]:
        raise ShapeError(f"enable_gqa: the heads of query {query.shape} must be a multiple of those of {part.shape}")
    return part.repeat_interleave(query.shape[-3] // part.shape[-3], -3)


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What MultiheadAttention computes, with weights of one's own. query (l, n, e) or (l, e), key and value (s, ...).

    use_separate_proj_weight: q_, k_ and v_proj_weight instead of in_proj_weight (3 e, e). static_k and static_v: projected heads
    (n * num_heads, s, e / num_heads), not implemented. Masks: see MultiheadAttention. Returns the result, and the weights or None.
    """
    if static_k is not None or static_v is not None:
        raise UnsupportedError("not implemented: multi_head_attention_forward(static_k=); nearest is scaled_dot_product_attention")
    if query.shape[-1] != embed_dim_to_check or embed_dim_to_check % num_heads:
        raise ShapeError(
            f"multi_head_attention_forward: query {query.shape} needs the width {embed_dim_to_check}, cut by {num_heads} heads"
        )
    if is_causal and attn_mask is None:
        raise ShapeError("MultiheadAttention: is_causal=True needs the causal attn_mask as well")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    weights = [weight for weight in separate if weight is not None] if use_separate_proj_weight else in_proj_weight
    if weights is None or (isinstance(weights, list) and len(weights) < 3):
        raise ShapeError("multi_head_attention_forward needs in_proj_weight, or all of q_, k_ and v_proj_weight")
    parts, key_padding_mask = in_batches([query, key, value], key_padding_mask, False)
    rows, p = projected(parts, weights, in_proj_bias), dropout_p if training else 0.0
    out, found = many_heads(rows, num_heads, (key_padding_mask, attn_mask), (bias_k, bias_v), add_zero_attn, p, need_weights)
    found = found.mean(1) if found is not None and average_attn_weights else found
    out = linear(out, out_proj_weight, out_proj_bias)
    if query.ndim == 2:
        return out.squeeze(0), None if found is None else found.squeeze(0)
    return out.transpose(0, 1), found


def in_batches(parts: list[Tensor], padding: Tensor | None, batch_first: bool) -> tuple[list[Tensor], Tensor | None]:
    """query, key and value as (n, length, width), and the padding as (n, s). Raises ShapeError."""
    if parts[0].ndim not in (2, 3) or len({part.ndim for part in parts}) > 1:
        told = ", ".join(str(part.shape) for part in parts)
        raise ExpectedError(f"MultiheadAttention needs 2 or 3 dimensions each, got {told}")
    if parts[0].ndim == 2:
        return [part.unsqueeze(0) for part in parts], None if padding is None else padding.unsqueeze(0)
    return parts if batch_first else [part.transpose(0, 1) for part in parts], padding


def projected(parts: Sequence[Tensor], weights: Tensor | list[Tensor], bias: Tensor | None) -> list[Tensor]:
    """query, key and value by their weights: three, or one (3 e, e) for all; one product where all three are the same tensor."""
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    if isinstance(weights, Tensor):
        if parts[0] is parts[1] is parts[2]:
            return list(linear(parts[0], weights, bias).split(weights.shape[0] // 3, -1))
        weights = list(weights.chunk(3))
    return [linear(part, weight, one) for part, weight, one in zip(parts, weights, biases, strict=True)]


def many_heads(
    rows: list[Tensor],
    num_heads: int,
    masks: tuple[Tensor | None, Tensor | None],
    more: tuple[Tensor | None, Tensor | None],
    add_zero_attn: bool,
    dropout_p: float,
    need_weights: bool,
) -> tuple[Tensor, Tensor | None]:
    """Projected queries, keys and values (n, length, e), each head on its part of the width: (n, l, e), weights (n, heads, l, s).

    masks: the padding (n, s) and (l, s) or (n * heads, l, s). more: one more key and value, (1, 1, e). add_zero_attn: one of zeros.
    """
    q, k, v = rows
    n, length, width = q.shape
    mask = _joint_mask(*masks, n, num_heads, q)
    if more[0] is not None and more[1] is not None:
        k, v = (cat([part, row.expand(n, 1, -1)], 1) for part, row in ((k, more[0]), (v, more[1])))
        mask = _open(mask)
    heads = [part.reshape(n, part.shape[1], num_heads, width // num_heads).transpose(1, 2) for part in (q, k, v)]
    if add_zero_attn:
        heads[1:] = [cat([part, creation.zeros_like(part[:, :, :1])], 2) for part in heads[1:]]
        mask = _open(mask)
    q, k, v = heads
    found = None
    if need_weights:
        scores = (q * (1 / math.sqrt(width // num_heads))) @ k.mT
        found = dropout((scores if mask is None else scores + mask).softmax(-1), dropout_p)
        out = found @ v
    else:
        out = scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p)
    return out.transpose(1, 2).reshape(n, length, width), found


def _joint_mask(padding: Tensor | None, attention: Tensor | None, n: int, num_heads: int, like: Tensor) -> Tensor | None:
    """Both masks as numbers to add, broadcasting to (n, heads, l, s)."""
    masks = []
    if attention is not None:
        if attention.ndim not in (2, 3) or (attention.ndim == 3 and attention.shape[0] != n * num_heads):
            raise ShapeError(f"MultiheadAttention: attn_mask is (l, s) or ({n * num_heads}, l, s), got {attention.shape}")
        masks.append(attention if attention.ndim == 2 else attention.reshape(n, num_heads, *attention.shape[1:]))
    if padding is not None:
        if padding.ndim != 2 or padding.shape[0] != n:
            raise ShapeError(f"MultiheadAttention: key_padding_mask is ({n}, s), got {padding.shape}")
        masks.append(padding.reshape(n, 1, 1, -1))
    added = [where(mask, -math.inf, 0.0).to(like.dtype) if mask.dtype == bool_ else mask for mask in masks]
    return None if not added else added[0] if len(added) == 1 else added[0] + added[1]


def _open(mask: Tensor | None) -> Tensor | None:
    """One more place that may be seen."""
    return None if mask is None else pad(mask, (0, 1))
