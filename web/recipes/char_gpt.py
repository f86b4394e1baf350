"""A small language model: a GPT learns to write Python from modules of the standard library, character by character."""

import graphlib
import heapq
import inspect
import string
import weakref

from distml_py import Recipe, optim, train
from distml_py.data import CharTokenizer, Splits, TextDataset
from distml_py.models import GPT
from distml_py.nn import functional as F


class CharGPT(Recipe):
    batch_size = 16
    steps = 600
    width = 48
    time = 48  # characters that it sees at once
    evaluate_every = 50

    def data(self):
        text = "".join(inspect.getsource(module) for module in (graphlib, heapq, string, weakref))
        text = "".join(letter for letter in text if letter.isascii())
        self.tokenizer = CharTokenizer(text)
        tokens = self.tokenizer.encode(text)
        parts = (tokens[:-6000], tokens[-6000:-3000], tokens[-3000:])
        return Splits(*(TextDataset(part, self.time, stride) for part, stride in zip(parts, (1, 48, 48), strict=True)))

    def model(self):
        return GPT(self.tokenizer.vocab_size, self.time, n_layer=2, n_head=4, n_embd=self.width)

    def optimizer(self, parameters):
        return optim.AdamW(parameters, lr=0.003)

    def loss(self, model, before, after):
        return F.cross_entropy(model(before).flatten(0, 1), after.flatten())

    def correct(self, model, before, after):
        """The share of characters that are guessed, for each window."""
        return (model(before).argmax(2) == after).float().mean(1).sum()


if __name__ == "__main__":
    train(CharGPT())
