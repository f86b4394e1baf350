"""A small GPT that learns to spell: two layers of 32, 24 characters of a text of sixteen words."""

import numpy as np

from distml_py import Recipe, nn, optim
from distml_py.data import Splits, TensorDataset
from distml_py.models import GPT
from distml_py.nn import functional as F

TEXT = "tab worker round shard lease recipe kernel gradient step browser weights codec mean loss batch coordinator"
WORDS = TEXT.split()
LETTERS = sorted(set(" ".join(WORDS)))
LENGTH = 24


def text(count, seed):
    rng = np.random.default_rng(seed)
    letters = " ".join(rng.choice(WORDS, count * 4))
    tokens = np.array([LETTERS.index(letter) for letter in letters], np.int32)
    starts = rng.integers(0, len(tokens) - LENGTH - 1, count)
    rows = np.stack([tokens[start : start + LENGTH + 1] for start in starts])
    return TensorDataset(rows[:, :-1], rows[:, 1:])


class SmallGPT(Recipe):
    batch_size = 32
    steps = 400

    def data(self):
        return Splits(text(2048, 0), text(256, 1), text(256, 2))

    def model(self):
        return nn.Sequential(GPT(len(LETTERS), LENGTH, n_layer=2, n_head=4, n_embd=32))

    def optimizer(self, parameters):
        return optim.AdamW(parameters, lr=3e-3, weight_decay=0.01)

    def loss(self, model, tokens, following):
        scores = model(tokens)
        return F.cross_entropy(scores.reshape(-1, len(LETTERS)), following.reshape(-1))

    def correct(self, model, tokens, following):
        """Of the characters, as many samples' worth as are foretold."""
        return (model(tokens).argmax(2) == following).float().mean(1).sum()
