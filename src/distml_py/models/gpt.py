"""GPT-2 style language model (Radford et al. 2019): pre-norm, learned positions; nanoGPT's parameter names."""

from __future__ import annotations

import math

from .. import creation, nn
from ..errors import ShapeError
from ..nn import functional as F
from ..nn.starts import constant, normal
from ..tensor import Tensor
from .sampling import KVCache, continued

STD = 0.02  # of GPT-2's initial weights


def linear(in_features: int, out_features: int, bias: bool = True, std: float = STD) -> nn.Linear:
    layer = nn.Linear(in_features, out_features, bias)
    layer.weight = normal((out_features, in_features), std=std)
    if bias:
        layer.bias = constant((out_features,), 0.0)
    return layer


def embedding(rows: int, width: int) -> nn.Embedding:
    layer = nn.Embedding(rows, width)
    layer.weight = normal((rows, width), std=STD)
    return layer


class CausalSelfAttention(nn.Module):
    """(n, time, n_embd) to the same: each position attends to itself and those before it, in n_head heads."""

    def __init__(self, n_embd: int, n_head: int, dropout: float, std: float):
        super().__init__()
        if n_embd % n_head:
            raise ShapeError(f"GPT: n_head={n_head} must divide n_embd={n_embd}")
        self.n_head, self.dropout = n_head, dropout
        self.c_attn = linear(n_embd, 3 * n_embd)  # query, key and value at once
        self.c_proj = linear(n_embd, n_embd, std=std)
        self.resid_dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: KVCache | None = None, layer: int = 0) -> Tensor:
        n, time, width = x.shape
        heads = self.c_attn(x).view(n, time, 3, self.n_head, width // self.n_head).permute(2, 0, 3, 1, 4)
        q, k, v = heads[0], heads[1], heads[2]  # (n, n_head, time, width / n_head) each
        dropout = self.dropout if self.training else 0.0
        if cache is None:
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        else:
            k, v = cache.put(layer, k, v)
            y = F.scaled_dot_product_attention(q, k, v, cache.visible(time), dropout_p=dropout)
        return self.resid_dropout(self.c_proj(y.transpose(1, 2).reshape(n, time, width)))


class MLP(nn.Module):
    def __init__(self, n_embd: int, dropout: float, std: float):
        super().__init__()
        self.c_fc = linear(n_embd, 4 * n_embd)
        self.gelu = nn.GELU(approximate="tanh")
        self.c_proj = linear(4 * n_embd, n_embd, std=std)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.c_proj(self.gelu(self.c_fc(x))))


class Block(nn.Module):
    def __init__(self, n_embd: int, n_head: int, dropout: float, std: float):
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention(n_embd, n_head, dropout, std)
        self.ln_2 = nn.LayerNorm(n_embd)
        self.mlp = MLP(n_embd, dropout, std)

    def forward(self, x: Tensor, cache: KVCache | None = None, layer: int = 0) -> Tensor:
        x = x + self.attn(self.ln_1(x), cache, layer)
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """Token numbers (n, time), time <= block_size, to scores of the next token (n, time, vocab_size).

    tie_weights: lm_head and wte are one parameter, as in GPT-2.
    """

    def __init__(
        self,
        vocab_size: int,
        block_size: int,
        n_layer: int,
        n_head: int,
        n_embd: int,
        dropout: float = 0.0,
        tie_weights: bool = True,
    ):
        super().__init__()
        self.block_size = block_size
        std = STD / math.sqrt(2 * n_layer)  # so that the sum of all residual branches keeps its size
        self.transformer = nn.ModuleDict(
            {
                "wte": embedding(vocab_size, n_embd),
                "wpe": embedding(block_size, n_embd),
                "drop": nn.Dropout(dropout),
                "h": nn.ModuleList(Block(n_embd, n_head, dropout, std) for _ in range(n_layer)),
                "ln_f": nn.LayerNorm(n_embd),
            }
        )
        self.lm_head = linear(n_embd, vocab_size, bias=False)
        if tie_weights:
            self.lm_head.weight = self.transformer.wte.weight

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """cache: keys and values of the tokens before these; the caller adds their number to its length."""
        time, first = tokens.shape[1], 0 if cache is None else cache.length
        if first + time > self.block_size:
            count = first + time
            raise ShapeError(f"GPT: {count} tokens, but block_size is {self.block_size}; cut the input or raise block_size")
        parts = self.transformer
        # a slice where it can be: its gradient is a sum over the batch
        positions = parts.wpe.weight[:time] if cache is None else parts.wpe(creation.arange(time) + first)
        x = parts.drop(parts.wte(tokens) + positions)
        for layer, block in enumerate(parts.h):
            x = block(x, cache, layer)
        return self.lm_head(parts.ln_f(x))

    def generate(self, tokens: Tensor, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
        """tokens (n, time) and max_new_tokens more: (n, time + max_new_tokens). Call eval() first.

        temperature 0: the best token each time; top_k: drawn from that many best ones. Raises ShapeError.
        """
        room = (self.block_size, len(self.transformer.h))
        return continued(self, room, tokens, max_new_tokens, temperature, top_k)
