"""CharLSTM: an LSTM that tells the next character, with the names of PyTorch's language model example."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import engine, nn
from ..errors import ShapeError
from ..nn.init import uniform_, zeros_
from ..tensor import Tensor, no_grad
from .sampling import next_tokens


class CharLSTM(nn.Module):
    """Token numbers (n, time) to (scores of the next token (n, time, vocab_size), state). state: from the call before."""

    def __init__(self, vocab_size: int, embedding: int = 64, hidden: int = 128, num_layers: int = 2, dropout: float = 0.0):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocab_size, embedding)
        self.rnn = nn.LSTM(embedding, hidden, num_layers, batch_first=True, dropout=dropout)
        self.decoder = nn.Linear(hidden, vocab_size)
        uniform_(self.encoder.weight, -0.1, 0.1)
        uniform_(self.decoder.weight, -0.1, 0.1)
        assert self.decoder.bias is not None
        zeros_(self.decoder.bias)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        out, state = self.rnn(self.drop(self.encoder(tokens)), state)
        return self.decoder(self.drop(out)), state

    def generate(self, tokens: Tensor, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
        """tokens (n, time) and max_new_tokens more. Call eval() first. See GPT.generate."""
        if tokens.ndim != 2 or not tokens.shape[1]:
            raise ShapeError(f"generate needs tokens (n, time) with at least one each, got {tokens.shape}")
        with no_grad():
            known, unread, state = tokens.numpy(), tokens, None
            for _ in range(max_new_tokens):
                scores, state = self(unread, state)
                last = scores[:, -1]
                engine.realize([last.node, *(part.node for part in state)])
                found = next_tokens(last, temperature, top_k)[:, None].astype(known.dtype)
                known, unread = np.concatenate([known, found], 1), Tensor(found)
        return Tensor(known)
