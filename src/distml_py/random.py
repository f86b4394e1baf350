"""Counter-based keys for random numbers: (seed, step, stream, number of the element). No numbers are made here.

The same key gives the same bits on every backend, and an element's number counts from the start of the global batch:
splitting a batch over workers never changes a dropout mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class _State:
    seed: int = 0
    step: int = 0
    stream: int = 0
    first_sample: int = 0


_state = _State()  # what may change in this module, in one place


def manual_seed(seed: int) -> None:
    """Start all random streams again from a seed in [0, 2**32)."""
    _state.seed, _state.step, _state.stream, _state.first_sample = int(seed) % 2**32, 0, 0, 0


def next_key() -> tuple[int, int, int]:
    """(seed, step, stream) for one more random array; each call is another stream."""
    _state.stream += 1
    return _state.seed, _state.step, _state.stream - 1


def first_sample() -> int:
    """Where in the global batch this worker's samples begin."""
    return _state.first_sample


@contextmanager
def training_step(seed: int, step: int, first: int = 0) -> Iterator[None]:
    """Random arrays made inside belong to a training step: their keys depend on seed, step and order alone.

    step counts from 1 here, so that no step shares a key with what manual_seed starts.
    """
    before = (_state.seed, _state.step, _state.stream, _state.first_sample)
    _state.seed, _state.step, _state.stream, _state.first_sample = seed % 2**32, step + 1, 0, first
    try:
        yield
    finally:
        _state.seed, _state.step, _state.stream, _state.first_sample = before
