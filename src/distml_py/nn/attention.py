"""MultiheadAttention: several attentions side by side, each on a part of the width."""

from __future__ import annotations

from ..errors import ExpectedError, ShapeError
from ..functions.heads import in_batches, many_heads, projected
from ..tensor import Tensor
from .init import constant_, xavier_normal_, xavier_uniform_
from .linear import Linear
from .module import Module
from .starts import constant


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
            raise ExpectedError(f"MultiheadAttention: num_heads={num_heads} must divide embed_dim={embed_dim}")
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
        parts, padding = in_batches([query, key, value], key_padding_mask, self.batch_first)
        if query.shape[-1] != self.embed_dim:
            told = f"was expecting embedding dimension of {self.embed_dim}, but got {query.shape[-1]}"
            raise ExpectedError(f"MultiheadAttention: {told}")
        weights = (
            [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight] if self.in_proj_weight is None else self.in_proj_weight
        )
        rows, more = projected(parts, weights, self.in_proj_bias), (self.bias_k, self.bias_v)
        p = self.dropout if self.training else 0.0
        out, found = many_heads(rows, self.num_heads, (padding, attn_mask), more, self.add_zero_attn, p, need_weights)
        out = self.out_proj(out)
        found = found.mean(1) if found is not None and average_attn_weights else found
        if query.ndim == 2:
            return out.squeeze(0), None if found is None else found.squeeze(0)
        return out if self.batch_first else out.transpose(0, 1), found
