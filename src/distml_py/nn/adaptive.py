"""A softmax over many classes, of which rare ones share small layers. What a plain softmax loses is in nn.loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import ShapeError
from ..tensor import Tensor, cat, where
from . import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module


class ASMoutput(NamedTuple):
    """output: the target's log-probability of each sample. loss: their mean, negative."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """(samples, in_features) and the class of each -> ASMoutput.

    cutoffs: where frequent classes end and each cluster of rarer ones does; the head scores the frequent ones and the clusters,
    a cluster's tail its own classes through in_features / div_value ** (its number + 1) features. Source: Grave et al. 2017.
    """

    def __init__(self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0, head_bias: bool = False):
        super().__init__()
        ends = list(cutoffs)
        if not ends or ends != sorted(set(ends)) or ends[0] < 1 or ends[-1] > n_classes - 1 or any(int(c) != c for c in ends):
            raise ShapeError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of unique, positive integers sorted in an increasing "
                f"order, where each value is between 1 and n_classes-1 = {n_classes - 1}, got {ends}"
            )
        self.in_features, self.n_classes, self.div_value, self.head_bias = in_features, n_classes, div_value, head_bias
        self.cutoffs = [*ends, n_classes]
        self.shortlist_size, self.n_clusters = ends[0], len(ends)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias)
        self.tail = ModuleList()
        for number, (start, end) in enumerate(zip(self.cutoffs, self.cutoffs[1:], strict=False)):
            inner = int(in_features // div_value ** (number + 1))
            self.tail.append(Sequential(Linear(in_features, inner, bias=False), Linear(inner, end - start, bias=False)))

    def reset_parameters(self) -> None:
        """The first numbers again, drawn anew."""
        self.head.reset_parameters()
        for narrow, wide in self.tail:
            narrow.reset_parameters()
            wide.reset_parameters()

    def log_prob(self, input: Tensor) -> Tensor:
        """(samples, in_features) -> (samples, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for number, tail in enumerate(self.tail):
            parts.append(F.log_softmax(tail(input), 1) + head[:, self.shortlist_size + number].unsqueeze(1))
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The likeliest class of each sample. A cluster that the head finds less likely than a frequent class is not asked."""
        best = self.head(input).argmax(1)
        return where(best < self.shortlist_size, best, self.log_prob(input).argmax(1))

    def forward(self, input: Tensor, target: Tensor) -> ASMoutput:
        if target.ndim > 1 or input.ndim != target.ndim + 1 or (target.ndim and input.shape[0] != target.shape[0]):
            raise ShapeError(
                "AdaptiveLogSoftmaxWithLoss: input is (samples, features) and target (samples,), or one of each without samples, "
                f"got {input.shape} and {target.shape}"
            )
        samples, classes = (input, target) if target.ndim else (input.unsqueeze(0), target.unsqueeze(0))
        found = self.log_prob(samples).gather(1, classes.unsqueeze(1)).squeeze(1)
        return ASMoutput(found if target.ndim else found.squeeze(0), -found.mean())
