"""Llama-style language model (Touvron et al. 2023): RMSNorm, rotary positions, grouped queries, SwiGLU; its usual names."""

from __future__ import annotations

import math

import numpy as np

from .. import creation, nn
from ..errors import ShapeError
from ..nn import functional as F
from ..nn.init import normal_
from ..tensor import Tensor, cat
from .sampling import KVCache, continued

STD = 0.02  # of all initial weights


class RotaryEmbedding:
    """Turns pairs of a head's numbers by angles that grow with the position. Source: Su et al. 2021.

    The first half of a head's width is paired with the second, as in the published checkpoints.
    """

    def __init__(self, width: int, theta: float):
        if width % 2:
            raise ShapeError(f"rotary positions need an even width of a head, got {width}")
        self.rates = (1.0 / theta ** (np.arange(0, width, 2) / width)).astype(np.float32)

    def angles(self, first: int, time: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """(cos, sin), (time, width) each, of the positions from `first` on."""
        positions = (creation.arange(time) + first).to(like.dtype).unsqueeze(1)
        turns = positions * Tensor(self.rates, like.dtype)
        both = cat([turns, turns], 1)
        return both.cos(), both.sin()


def turned(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """x (n, heads, time, width), each pair turned by its angle."""
    first, second = x.chunk(2, -1)
    return x * angles[0] + cat([-second, first], -1) * angles[1]


class Attention(nn.Module):
    """num_heads queries share num_kv_heads keys and values, in groups of equal size (Ainslie et al. 2023)."""

    def __init__(self, hidden_size: int, num_heads: int, num_kv_heads: int):
        super().__init__()
        if hidden_size % num_heads or num_heads % num_kv_heads:
            raise ShapeError(f"Llama: {num_kv_heads} key heads must divide {num_heads} heads, and those hidden_size={hidden_size}")
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, hidden_size // num_heads
        self.q_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.k_proj = nn.Linear(hidden_size, num_kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(hidden_size, num_kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], cache: KVCache | None, layer: int) -> Tensor:
        n, time, width = x.shape
        q = turned(self._heads(self.q_proj(x), self.num_heads), angles)
        k = turned(self._heads(self.k_proj(x), self.num_kv_heads), angles)
        v = self._heads(self.v_proj(x), self.num_kv_heads)
        if cache is not None:
            k, v = cache.put(layer, k, v)
        groups = self.num_heads // self.num_kv_heads
        k, v = self._shared(k, groups), self._shared(v, groups)
        if cache is None:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            y = F.scaled_dot_product_attention(q, k, v, cache.visible(time))
        return self.o_proj(y.transpose(1, 2).reshape(n, time, width))

    def _heads(self, x: Tensor, count: int) -> Tensor:
        return x.view(x.shape[0], x.shape[1], count, self.head_dim).transpose(1, 2)

    def _shared(self, x: Tensor, groups: int) -> Tensor:
        """Each head `groups` times."""
        if groups == 1:
            return x
        n, heads, time, width = x.shape
        return x.unsqueeze(2).expand(n, heads, groups, time, width).reshape(n, heads * groups, time, width)


class MLP(nn.Module):
    """down(silu(gate(x)) * up(x)). Source: Shazeer 2020."""

    def __init__(self, hidden_size: int, intermediate_size: int):
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    def __init__(self, hidden_size: int, intermediate_size: int, num_heads: int, num_kv_heads: int, eps: float):
        super().__init__()
        self.self_attn = Attention(hidden_size, num_heads, num_kv_heads)
        self.mlp = MLP(hidden_size, intermediate_size)
        self.input_layernorm = nn.RMSNorm(hidden_size, eps)
        self.post_attention_layernorm = nn.RMSNorm(hidden_size, eps)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], cache: KVCache | None, layer: int) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), angles, cache, layer)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """Token numbers (n, time), time <= max_position_embeddings, to scores of the next token (n, time, vocab_size).

    intermediate_size: 8 / 3 of hidden_size by default, up to a multiple of 32. num_key_value_heads: as many as heads by
    default. tie_word_embeddings: lm_head and embed_tokens are one parameter.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        num_key_value_heads: int | None = None,
        intermediate_size: int | None = None,
        max_position_embeddings: int = 2048,
        rms_norm_eps: float = 1e-5,
        rope_theta: float = 10000.0,
        tie_word_embeddings: bool = False,
    ):
        super().__init__()
        inner = intermediate_size or math.ceil(8 * hidden_size / 3 / 32) * 32
        sizes = (hidden_size, inner, num_attention_heads, num_key_value_heads or num_attention_heads, rms_norm_eps)
        self.block_size = max_position_embeddings
        self.model = nn.ModuleDict(
            {
                "embed_tokens": nn.Embedding(vocab_size, hidden_size),
                "layers": nn.ModuleList(DecoderLayer(*sizes) for _ in range(num_hidden_layers)),
                "norm": nn.RMSNorm(hidden_size, rms_norm_eps),
            }
        )
        self.lm_head = nn.Linear(hidden_size, vocab_size, bias=False)
        self.rotary = RotaryEmbedding(hidden_size // num_attention_heads, rope_theta)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                normal_(module.weight, std=STD)
        if tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """cache: keys and values of the tokens before these; the caller adds their number to its length."""
        time, first = tokens.shape[1], 0 if cache is None else cache.length
        if first + time > self.block_size:
            raise ShapeError(f"Llama: {first + time} tokens, max_position_embeddings is {self.block_size}; cut the input")
        x = self.model.embed_tokens(tokens)
        angles = self.rotary.angles(first, time, x)
        for layer, block in enumerate(self.model.layers):
            x = block(x, angles, cache, layer)
        return self.lm_head(self.model.norm(x))

    def generate(self, tokens: Tensor, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
        """tokens (n, time) and max_new_tokens more: (n, time + max_new_tokens). Call eval() first.

        temperature 0: the best token each time; top_k: drawn from that many best ones. Raises ShapeError.
        """
        room = (self.block_size, len(self.model.layers))
        return continued(self, room, tokens, max_new_tokens, temperature, top_k)
