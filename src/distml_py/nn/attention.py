"""MultiheadAttention: several attentions side by side, each on a part of the width."""

from __future__ import annotations

import math

from .. import creation
from ..errors import ShapeError
from ..op import bool_
from ..tensor import Tensor, cat, where
from . import functional as F
from .init import constant, constant_, xavier_normal_, xavier_uniform_
from .linear import Linear
from .module import Module


class NonDynamicallyQuantizableLinear(Linear):
    """Linear, by the name that it has in PyTorch's text of MultiheadAttention."""


class MultiheadAttention(Module):
    """query (l, n, embed_dim), key (s, n, kdim), value (s, n, vdim) to (l, n, embed_dim), and the weights (n, l, s).

    batch_first: (n, l, ...); without a batch (l, ...). in_proj_weight (3 * embed_dim, embed_dim) holds query's, key's and
    value's; where kdim or vdim differ there are q_proj_weight, k_proj_weight and v_proj_weight. Source: Vaswani et al. 2017.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
    ):
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ShapeError(f"MultiheadAttention: num_heads={num_heads} must divide embed_dim={embed_dim}")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        shapes: dict[str, tuple[int, ...]] = {
            "q_proj_weight": (embed_dim, embed_dim),
            "k_proj_weight": (embed_dim, self.kdim),
            "v_proj_weight": (embed_dim, self.vdim),
            "in_proj_weight": (3 * embed_dim, embed_dim),
        }
        for name, shape in shapes.items():
            used = self._qkv_same_embed_dim is (name == "in_proj_weight")
            self.register_parameter(name, constant(shape, 0.0) if used else None)
        self.register_parameter("in_proj_bias", constant((3 * embed_dim,), 0.0) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, constant((1, 1, embed_dim), 0.0) if add_bias_kv else None)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """The first numbers again, drawn anew; out_proj's weight stays."""
        names = ("in_proj_weight",) if self._qkv_same_embed_dim else ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        for name in names:
            xavier_uniform_(getattr(self, name))
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                constant_(bias, 0.0)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                xavier_normal_(row)

    in_proj_weight: Tensor | None
    in_proj_bias: Tensor | None
    q_proj_weight: Tensor
    k_proj_weight: Tensor
    v_proj_weight: Tensor
    bias_k: Tensor | None
    bias_v: Tensor | None

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """key_padding_mask: (n, s); attn_mask: (l, s) or (n * num_heads, l, s). True hides a place, numbers are added.

        need_weights=False gives None for the weights. is_causal says that attn_mask is causal, and needs it, as in PyTorch.
        """
        if is_causal and attn_mask is None:
            raise ShapeError("MultiheadAttention: is_causal=True needs the causal attn_mask as well")
        batched = query.ndim == 3
        if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
            raise ShapeError(f"MultiheadAttention needs 2 or 3 dimensions each, got {query.shape}, {key.shape}, {value.shape}")
        parts = [query, key, value]
        if not batched:
            parts = [part.unsqueeze(0) for part in parts]
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            parts = [part.transpose(0, 1) for part in parts]
        q, k, v = self._projected(parts)
        n, length, _ = q.shape
        mask = self._mask(key_padding_mask, attn_mask, n, q)
        if self.bias_k is not None and self.bias_v is not None:
            k, v, mask = _longer(k, self.bias_k.expand(n, 1, -1)), _longer(v, self.bias_v.expand(n, 1, -1)), _open(mask)
        heads = [part.reshape(n, part.shape[1], self.num_heads, self.head_dim).transpose(1, 2) for part in (q, k, v)]
        if self.add_zero_attn:
            heads[1:] = [cat([part, creation.zeros_like(part[:, :, :1])], 2) for part in heads[1:]]
            mask = _open(mask)
        out, weights = self._attended(heads, mask, need_weights)
        out = self.out_proj(out.transpose(1, 2).reshape(n, length, self.embed_dim))
        if weights is not None:
            weights = weights.mean(1) if average_attn_weights else weights
            weights = weights if batched else weights.squeeze(0)
        return out.squeeze(0) if not batched else out if self.batch_first else out.transpose(0, 1), weights

    def _attended(self, heads: list[Tensor], mask: Tensor | None, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        """(n, heads, l, head_dim), and the weights if they are asked for."""
        q, k, v = heads
        p = self.dropout if self.training else 0.0
        if not need_weights:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p), None
        scores = (q * (1 / math.sqrt(self.head_dim))) @ k.mT
        weights = F.dropout((scores if mask is None else scores + mask).softmax(-1), p)
        return weights @ v, weights

    def _projected(self, parts: list[Tensor]) -> list[Tensor]:
        e = self.embed_dim
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        if self.in_proj_weight is None:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        elif parts[0] is parts[1] is parts[2]:
            return list(F.linear(parts[0], self.in_proj_weight, self.in_proj_bias).split(e, -1))  # one product for all three
        else:
            weights = list(self.in_proj_weight.chunk(3))
        return [F.linear(part, weight, bias) for part, weight, bias in zip(parts, weights, biases, strict=True)]

    def _mask(self, padding: Tensor | None, attention: Tensor | None, n: int, like: Tensor) -> Tensor | None:
        """Both masks as numbers to add, broadcasting to (n, heads, l, s)."""
        masks = []
        if attention is not None:
            if attention.ndim not in (2, 3) or (attention.ndim == 3 and attention.shape[0] != n * self.num_heads):
                raise ShapeError(f"MultiheadAttention: attn_mask is (l, s) or ({n * self.num_heads}, l, s), got {attention.shape}")
            masks.append(attention if attention.ndim == 2 else attention.reshape(n, self.num_heads, *attention.shape[1:]))
        if padding is not None:
            if padding.ndim != 2 or padding.shape[0] != n:
                raise ShapeError(f"MultiheadAttention: key_padding_mask is ({n}, s), got {padding.shape}")
            masks.append(padding.reshape(n, 1, 1, -1))
        added = [where(mask, -math.inf, 0.0).to(like.dtype) if mask.dtype == bool_ else mask for mask in masks]
        return None if not added else added[0] if len(added) == 1 else added[0] + added[1]


def _longer(x: Tensor, more: Tensor) -> Tensor:
    return cat([x, more], 1)


def _open(mask: Tensor | None) -> Tensor | None:
    """One more place that may be seen."""
    return None if mask is None else F.pad(mask, (0, 1))
