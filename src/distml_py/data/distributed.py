"""PyTorch's DistributedSampler: the part of a dataset that one of several processes takes. Here there is one process."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import numpy as np

from ..errors import ShapeError
from .sampler import Sampler, permutation


class DistributedSampler(Sampler):
    """Every num_replicas-th number, from rank on; by default all of them, as of one process. set_epoch() gives another shuffle."""

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        self.dataset, self.shuffle, self.seed, self.drop_last, self.epoch = dataset, shuffle, seed, drop_last, 0
        self.num_replicas, self.rank = 1 if num_replicas is None else num_replicas, 0 if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ShapeError(f"Invalid rank {self.rank}, rank should be in the interval [0, {self.num_replicas - 1}]")
        count = len(dataset)
        self.num_samples = count // self.num_replicas if drop_last else math.ceil(count / self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        order = permutation(count, self.seed, self.epoch) if self.shuffle else np.arange(count)
        whole = np.resize(order, self.total_size) if count else order  # the first ones again, so that all parts are equal
        return (int(number) for number in whole[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """The number of the pass, which the shuffle depends on."""
        self.epoch = epoch
