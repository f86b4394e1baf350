"""Attention that stores no scores: softmax(Q K^T + mask) V, what normalises it, and its gradients, whose derivatives are composed.

Shapes: q (b, l, e), k (b, s, e), v (b, s, c), their gradients alike. Attributes: causal (query i sees keys 0 to i), and the sizes
that b stands for; a mask has those, each or 1, then l or 1, then s or 1. Its numbers are added to the scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Node, apply, full
from ..op import Attention, AttentionNormalizer
from ..view import Shape
from .contract import MATMUL
from .elementwise import EXP, GE, WHERE
from .move import EXPAND, PERMUTE, RESHAPE, sum_to
from .reduce import SUM
from .source import IOTA, iota_attrs

# ---------------------------------------------------------------- meaning


def _scores_numpy(q: np.ndarray, k: np.ndarray, mask: tuple[np.ndarray, ...], causal: bool, batch: Shape) -> Any:
    scores = q @ k.swapaxes(1, 2)
    if causal:
        scores = np.where(np.arange(q.shape[1])[:, None] >= np.arange(k.shape[1]), scores, scores.dtype.type(-np.inf))
    for added in mask:
        scores = (scores.reshape(*batch, *scores.shape[1:]) + added).reshape(scores.shape)
    return scores


def _normalizer_numpy(q: np.ndarray, k: np.ndarray, *rest: Any) -> Any:
    *mask, causal, batch = rest
    scores = _scores_numpy(q, k, tuple(mask), causal, batch)
    top = np.max(scores, axis=2, initial=np.finfo(scores.dtype).min, keepdims=True)
    total = np.exp(scores - top).sum(2)
    return np.where(total == 0, scores.dtype.type(0), top[..., 0] + np.log(np.where(total == 0, scores.dtype.type(1), total)))


def _weights_numpy(q: np.ndarray, k: np.ndarray, lse: np.ndarray, rest: tuple[Any, ...]) -> Any:
    *mask, causal, batch = rest
    return np.exp(_scores_numpy(q, k, tuple(mask), causal, batch) - lse[..., None])


def _slopes_numpy(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, g: np.ndarray, lse: np.ndarray, delta: np.ndarray, *rest: Any
) -> Any:
    """The gradient that arrives at each score."""
    return _weights_numpy(q, k, lse, rest) * (g @ v.swapaxes(1, 2) - delta[..., None])


# ---------------------------------------------------------------- the same, composed: for derivatives


def _turned(x: Node) -> Node:
    return apply(PERMUTE, x, attrs=((0, 2, 1),))


def _column(x: Node, like: Node) -> Node:
    """(b, l) -> (b, l, n)."""
    return apply(EXPAND, apply(RESHAPE, x, attrs=((*x.shape, 1),)), attrs=(like.shape,))


def _row_sums(x: Node) -> Node:
    """(b, l, n) -> (b, l)."""
    return apply(RESHAPE, apply(SUM, x, attrs=((2,),)), attrs=(x.shape[:2],))


def _weights(q: Node, k: Node, lse: Node, mask: tuple[Node, ...], causal: bool, batch: Shape) -> Node:
    scores = apply(MATMUL, q, _turned(k))
    if causal:
        rows, columns = (apply(IOTA, attrs=iota_attrs(scores.shape, axis)) for axis in (1, 2))
        scores = apply(WHERE, apply(GE, rows, columns), scores, full(-np.inf, scores.shape, scores.dtype))
    for added in mask:
        wide = apply(EXPAND, added, attrs=((*batch, *scores.shape[1:]),))
        scores = scores + apply(RESHAPE, wide, attrs=(scores.shape,))
    return apply(EXP, scores - _column(lse, scores))


def _of_mask(sent: Node, mask: tuple[Node, ...], batch: Shape) -> tuple[Node, ...]:
    """What the gradient of the scores sends to their mask."""
    return tuple(sum_to(apply(RESHAPE, sent, attrs=((*batch, *sent.shape[1:]),)), added.shape) for added in mask)


def _normalizer_vjp(g: Node, out: Node, q: Node, k: Node, *mask: Node) -> tuple[Node, ...]:
    of_q = apply(ATTENTION, q, k, k, out, *mask, attrs=out.attrs)
    of_k = apply(ATTENTION_VALUE, q, k, q * _column(g, q), out, *mask, attrs=out.attrs)
    sent = () if not mask else (_column(g, of := _weights(q, k, out, mask, *out.attrs)) * of,)
    return (of_q * _column(g, of_q), of_k, *(part for one in sent for part in _of_mask(one, mask, out.attrs[1])))


def _attention_vjp(g: Node, out: Node, q: Node, k: Node, v: Node, lse: Node, *mask: Node) -> tuple[Node | None, ...]:
    """lse follows from q, k and the mask: its part is within theirs, here and below."""
    delta = _row_sums(g * out)
    inputs = (q, k, v, g, lse, delta, *mask)
    of_q, of_k = (apply(op, *inputs, attrs=out.attrs) for op in (ATTENTION_QUERY, ATTENTION_KEY))
    of_v = apply(ATTENTION_VALUE, q, k, g, lse, *mask, attrs=out.attrs)
    of_mask: tuple[Node, ...] = ()
    if mask:
        sent = apply(MATMUL, g, _turned(v))
        of_mask = _of_mask(_weights(q, k, lse, mask, *out.attrs) * (sent - _column(delta, sent)), mask, out.attrs[1])
    return (of_q, of_k, of_v, None, *of_mask)


def _from_weights(
    g: Node, weights: Node, q: Node, k: Node, mask: tuple[Node, ...], batch: Shape
) -> tuple[Node, Node, tuple[Node, ...]]:
    """What the gradient of the weights sends to q, k and the mask."""
    sent = weights * (g - _column(_row_sums(g * weights), g))
    return apply(MATMUL, sent, k), apply(MATMUL, _turned(sent), q), _of_mask(sent, mask, batch)


def _value_vjp(h: Node, out: Node, q: Node, k: Node, g: Node, lse: Node, *mask: Node) -> tuple[Node | None, ...]:
    weights = _weights(q, k, lse, mask, *out.attrs)
    of_q, of_k, of_mask = _from_weights(apply(MATMUL, g, _turned(h)), weights, q, k, mask, out.attrs[1])
    return (of_q, of_k, apply(ATTENTION, q, k, h, lse, *mask, attrs=out.attrs), None, *of_mask)


def _slope_vjp(h: Node, out: Node, q: Node, k: Node, v: Node, g: Node, lse: Node, _: Node, *mask: Node) -> tuple[Node | None, ...]:
    """slopes = weights * (g v^T - delta), where delta = row sums of weights * g v^T; the row is slopes @ k or slopes^T @ q."""
    weights, sent = _weights(q, k, lse, mask, *out.attrs), apply(MATMUL, g, _turned(v))
    centred = sent - _column(_row_sums(weights * sent), sent)
    to_query = out.op is ATTENTION_QUERY
    arrives = apply(MATMUL, h, _turned(k)) if to_query else apply(MATMUL, q, _turned(h))
    means = _column(_row_sums(weights * arrives), arrives)
    of_sent = weights * (arrives - means)
    of_q, of_k, of_mask = _from_weights(arrives * centred - means * sent, weights, q, k, mask, out.attrs[1])
    direct = apply(MATMUL, _turned(weights * centred), h) if to_query else apply(MATMUL, weights * centred, h)
    of_q, of_k = (of_q, of_k + direct) if to_query else (of_q + direct, of_k)
    return (of_q, of_k, apply(MATMUL, _turned(of_sent), g), apply(MATMUL, of_sent, v), None, None, *of_mask)


# ---------------------------------------------------------------- rows

# (q, k, mask or nothing) -> (b, l): the logarithm of the sum of each row's exponentials; 0 where a row sees nothing
ATTENTION_LSE = AttentionNormalizer("attention_lse", _normalizer_numpy, _normalizer_vjp)

# (q, k, v, lse, mask or nothing) -> (b, l, c)
ATTENTION: Attention = Attention(
    name="attention",
    numpy=lambda q, k, v, lse, *rest: _weights_numpy(q, k, lse, rest) @ v,
    vjp=_attention_vjp,
    rows=0,
    of=2,
)

# (q, k, g, lse, mask or nothing) -> (b, s, c): the gradient of v
ATTENTION_VALUE: Attention = Attention(
    name="attention_value",
    numpy=lambda q, k, g, lse, *rest: _weights_numpy(q, k, lse, rest).swapaxes(1, 2) @ g,
    vjp=_value_vjp,
    rows=1,
    of=2,
)

# (q, k, v, g, lse, delta, mask or nothing) -> (b, l, e): the gradient of q; delta (b, l): the row sums of g * output
ATTENTION_QUERY: Attention = Attention(
    name="attention_query",
    numpy=lambda q, k, *rest: _slopes_numpy(q, k, *rest) @ k,
    vjp=_slope_vjp,
    rows=0,
    of=1,
)

# the same -> (b, s, e): the gradient of k
ATTENTION_KEY: Attention = Attention(
    name="attention_key",
    numpy=lambda q, k, *rest: _slopes_numpy(q, k, *rest).swapaxes(1, 2) @ q,
    vjp=_slope_vjp,
    rows=1,
    of=0,
)
