"""Text as numbers: a character and a byte-pair tokenizer, and windows of a long text to learn from."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError, IndexRangeError, ShapeError
from ..tensor import Tensor
from .dataset import Dataset

# words with the blank before them, numbers, other signs, and blanks: pairs are never joined over these borders
_PIECES = re.compile(r" ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


class CharTokenizer:
    """One number a character: those of a text, in their order by code."""

    def __init__(self, text: Iterable[str]):
        self.characters = sorted(set(text))
        self.numbers = {character: number for number, character in enumerate(self.characters)}

    @property
    def vocab_size(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """Raises FormatError for a character that the training text has not."""
        try:
            return [self.numbers[character] for character in text]
        except KeyError as error:
            raise FormatError(f"CharTokenizer does not know {error.args[0]!r}; it knows {self.vocab_size} characters") from None

    def decode(self, tokens: Iterable[Any]) -> str:
        return "".join(self.characters[_checked(token, self.vocab_size)] for token in _plain(tokens))

    def save(self, path: str | Path) -> None:
        Path(path).write_text(json.dumps({"kind": "characters", "characters": "".join(self.characters)}), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> CharTokenizer:
        return cls(_loaded(path, "characters")["characters"])


class BytePairTokenizer:
    """The 256 bytes, and pairs of tokens that often stand together. Any text can be encoded. Source: Sennrich et al. 2016.

    merges: pairs of tokens in the order in which they were joined; the pair with number n became token 256 + n.
    """

    def __init__(self, merges: Sequence[tuple[int, int]] = ()):
        self.merges = [(int(first), int(second)) for first, second in merges]
        self.ranks = {pair: number for number, pair in enumerate(self.merges)}
        self.texts = [bytes([byte]) for byte in range(256)]
        for number, (first, second) in enumerate(self.merges):
            if not 0 <= min(first, second) <= max(first, second) < 256 + number:
                raise FormatError(f"BytePairTokenizer: merge {number} joins {first} and {second}, of {256 + number} tokens so far")
            self.texts.append(self.texts[first] + self.texts[second])
        self._known: dict[str, list[int]] = {}

    @property
    def vocab_size(self) -> int:
        return len(self.texts)

    @classmethod
    def train(cls, text: str, vocab_size: int) -> BytePairTokenizer:
        """Joins the most frequent pair until there are vocab_size tokens, or none is met twice; of equals the smaller numbers."""
        if vocab_size < 256:
            raise ShapeError(f"BytePairTokenizer: vocab_size is at least 256, the bytes, got {vocab_size}")
        words = [(list(piece.encode()), times) for piece, times in Counter(_PIECES.findall(text)).items()]
        counts: Counter[tuple[int, int]] = Counter()
        where: dict[tuple[int, int], set[int]] = {}
        for number, (word, times) in enumerate(words):
            _count(word, times, number, counts, where)
        merges: list[tuple[int, int]] = []
        while len(merges) + 256 < vocab_size and counts:
            pair = min(counts, key=lambda found: (-counts[found], found))
            if counts[pair] < 2:
                break
            for number in sorted(where.pop(pair)):
                word, times = words[number]
                _count(word, -times, number, counts, None)
                word = _joined(word, pair, 256 + len(merges))
                words[number] = (word, times)
                _count(word, times, number, counts, where)
            del counts[pair]
            merges.append(pair)
        return cls(merges)

    def encode(self, text: str) -> list[int]:
        found: list[int] = []
        for piece in _PIECES.findall(text):
            known = self._known.get(piece)
            if known is None:
                known = self._known[piece] = self._encoded(piece)
            found += known
        return found

    def _encoded(self, piece: str) -> list[int]:
        word = list(piece.encode())
        while len(word) > 1:
            pair = min(zip(word, word[1:], strict=False), key=lambda found: self.ranks.get(found, len(self.merges)))
            if pair not in self.ranks:
                break
            word = _joined(word, pair, 256 + self.ranks[pair])
        return word

    def decode(self, tokens: Iterable[Any]) -> str:
        """Bytes that are no text, where a character was cut, become the sign for that."""
        parts = (self.texts[_checked(token, self.vocab_size)] for token in _plain(tokens))
        return b"".join(parts).decode("utf-8", errors="replace")

    def save(self, path: str | Path) -> None:
        Path(path).write_text(json.dumps({"kind": "byte pairs", "merges": self.merges}), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> BytePairTokenizer:
        return cls([tuple(pair) for pair in _loaded(path, "byte pairs")["merges"]])


def _count(word: list[int], times: int, number: int, counts: Counter[tuple[int, int]], where: Any) -> None:
    """Adds a word's pairs; where: in which words each is, if that is asked for."""
    for pair in zip(word, word[1:], strict=False):
        counts[pair] += times
        if counts[pair] <= 0:
            del counts[pair]
        if where is not None:
            where.setdefault(pair, set()).add(number)


def _joined(word: list[int], pair: tuple[int, int], token: int) -> list[int]:
    found, place = [], 0
    while place < len(word):
        if place + 1 < len(word) and (word[place], word[place + 1]) == pair:
            found.append(token)
            place += 2
        else:
            found.append(word[place])
            place += 1
    return found


def _plain(tokens: Any) -> Iterable[Any]:
    return tokens.tolist() if isinstance(tokens, (Tensor, np.ndarray)) else tokens


def _checked(token: Any, count: int) -> int:
    if not 0 <= int(token) < count:
        raise IndexRangeError(f"token {token} of a vocabulary of {count}")
    return int(token)


def _loaded(path: str | Path, kind: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{str(path)!r} is no tokenizer: {error}") from None
    if not isinstance(found, dict) or found.get("kind") != kind:
        raise FormatError(f"{str(path)!r} holds no tokenizer of {kind}")
    return found


class TextDataset(Dataset):
    """Windows of a long text. A sample is (tokens, the same one place later), int64 (block_size,) each.

    stride: from one window to the next, 1 by default. Raises ShapeError when the text is shorter than one window.
    """

    def __init__(self, tokens: Any, block_size: int, stride: int = 1):
        self.tokens, self.block_size, self.stride = np.asarray(_plain(tokens), np.int64), block_size, stride
        if block_size < 1 or stride < 1 or self.tokens.ndim != 1 or len(self.tokens) <= block_size:
            raise ShapeError(f"TextDataset: windows of {block_size} + 1 tokens, every {stride}, from {self.tokens.shape} tokens")

    def __len__(self) -> int:
        return (len(self.tokens) - self.block_size - 1) // self.stride + 1

    def batch(self, numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        """The windows of these numbers, stacked: int32 (n, block_size) each. What a recipe's Splits need of their parts."""
        places = np.asarray(numbers)[:, None] * self.stride + np.arange(self.block_size + 1)
        windows = self.tokens[places]
        return Tensor(np.ascontiguousarray(windows[:, :-1])), Tensor(np.ascontiguousarray(windows[:, 1:]))

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not -len(self) <= index < len(self):
            raise IndexRangeError(f"window {index} of {len(self)}")
        first = index % len(self) * self.stride
        return self.tokens[first : first + self.block_size], self.tokens[first + 1 : first + self.block_size + 1]
