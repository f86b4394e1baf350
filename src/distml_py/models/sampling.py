"""Text from a language model, token by token: which token comes next, and what earlier tokens left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import creation, engine
from ..errors import ShapeError
from ..functions.padding import pad
from ..tensor import Tensor, no_grad, where


class KVCache:
    """Keys and values of the tokens so far, (n, heads, size, width) a layer. length: how many tokens that is.

    All places are there from the start, so every step has the same shapes and runs the same plan.
    """

    def __init__(self, size: int, layers: int):
        self.size, self.length = size, 0
        self.keys: list[Tensor | None] = [None] * layers
        self.values: list[Tensor | None] = [None] * layers

    def put(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Takes those of the next tokens, (n, heads, time, width), in. Returns all. Raises ShapeError when it is full."""
        if self.length + key.shape[2] > self.size:
            raise ShapeError(f"KVCache: {self.length} and {key.shape[2]} more tokens, {self.size} have room")
        self.keys[layer] = self._put(self.keys[layer], key)
        self.values[layer] = self._put(self.values[layer], value)
        return self.keys[layer], self.values[layer]  # type: ignore[return-value]

    def _put(self, known: Tensor | None, new: Tensor) -> Tensor:
        time, first = new.shape[2], self.length
        if known is None or first == 0:
            return pad(new, (0, 0, 0, self.size - time))
        place = creation.arange(self.size).reshape(1, 1, -1, 1)
        if time == 1:  # the place is a number, so the next step is the same kernel
            return where(place == first, new.expand(known.shape), known)
        moved = pad(new, (0, 0, first, self.size - first - time))
        return where((place >= first) & (place < first + time), moved, known)

    def tensors(self) -> list[Tensor]:
        """All that it holds: computed with the scores, or each step would compute those of all steps before it."""
        return [one for one in (*self.keys, *self.values) if one is not None]

    def visible(self, time: int) -> Tensor:
        """(time, size): which places the next tokens may see: all before them, and themselves."""
        return creation.arange(self.size) <= creation.arange(time).unsqueeze(1) + self.length


def next_tokens(scores: Tensor, temperature: float, top_k: int | None) -> np.ndarray:
    """(n, vocab_size) scores to (n,) tokens: the best at temperature 0, else drawn from softmax(scores / temperature).

    top_k: from that many best ones only. Draws by the largest of scores and Gumbel noise, whose key is the next stream.
    """
    found = scores.detach().numpy()
    if top_k is not None and top_k < found.shape[1]:
        least = np.partition(found, -top_k, axis=1)[:, -top_k, None]
        found = np.where(found < least, -np.inf, found)
    if temperature > 0:
        chance = creation.uniform(found.shape).numpy().astype(np.float64) + 2.0**-25
        found = found / temperature - np.log(-np.log(chance))
    return found.argmax(1).astype(np.int32)


def continued(
    step: Callable[[Tensor, KVCache | None], Tensor],
    room: tuple[int, int],
    tokens: Any,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
) -> Tensor:
    """tokens (n, time) and max_new_tokens more. step: tokens and a cache to scores (n, time, vocab_size); room: KVCache's.

    Where there are more tokens than the cache holds, the last ones are read anew for each new one.
    """
    given = tokens if isinstance(tokens, Tensor) else Tensor(tokens)
    if given.ndim != 2 or not given.shape[1]:
        raise ShapeError(f"generate needs tokens (n, time) with at least one each, got {given.shape}")
    if temperature < 0 or (top_k is not None and top_k < 1):
        raise ShapeError(f"generate: temperature is at least 0, top_k at least 1, got {temperature} and {top_k}")
    if max_new_tokens < 1:
        return given
    known = given.numpy()  # on the host, where a longer one is no new plan
    with no_grad():
        cache: KVCache | None = KVCache(*room)
        unread, size = known, room[0]
        for _ in range(max_new_tokens):
            if cache is not None and cache.length + unread.shape[1] <= size:
                scores = step(Tensor(unread), cache)
                cache.length += unread.shape[1]
            else:
                cache, scores = None, step(Tensor(np.ascontiguousarray(known[:, -size:])), None)
            last = scores[:, -1]
            engine.realize([last.node, *(kept.node for kept in (cache.tensors() if cache is not None else ()))])
            unread = next_tokens(last, temperature, top_k)[:, None].astype(known.dtype)
            known = np.concatenate([known, unread], 1)
    return Tensor(known)
