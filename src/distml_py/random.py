"""Counter-based keys for random numbers: (seed, step, stream, number of the element). No numbers are made here.

The same key gives the same bits on every backend, and an element's number counts from the start of the global batch:
splitting a batch over workers never changes a dropout mask.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from . import live


@dataclass
class _State:
    seed: int = 0
    step: int = 0
    stream: int = 0
    first_sample: int = 0
    began: int = 0  # the stream at the begin of what is captured or replayed
    relative: bool = False  # whether keys are still counted from there


_state = _State()  # what may change in this module, in one place


def manual_seed(seed: int) -> Generator:
    """Start all random streams again from a seed in [0, 2**32). Returns default_generator."""
    _state.seed, _state.step, _state.stream, _state.first_sample = int(seed) % 2**32, 0, 0, 0
    _state.relative = False
    return default_generator


def next_key() -> tuple[int, int, int]:
    """(seed, step, stream) for one more random array; each call is another stream."""
    _state.stream += 1
    return _state.seed, _state.step, _state.stream - 1


def first_sample() -> int:
    """Where in the global batch this worker's samples begin."""
    return _state.first_sample


def next_words(per_sample: int = 0) -> list[float]:
    """The next key and the number of the first element, as int32 words; a captured step asks for them again."""
    seed, step, stream = next_key()
    if not _state.relative:
        return [_signed(word) for word in (seed, step, stream, _state.first_sample * per_sample)]
    after = stream - _state.began
    return [
        live.number(lambda: _signed(_state.seed)),
        live.number(lambda: _signed(_state.step)),
        live.number(lambda: _signed(_state.began + after)),
        live.number(lambda: _signed(_state.first_sample * per_sample)),
    ]


class Generator:
    """Random streams of their own, for functions that take `generator`. device: accepted."""

    def __init__(self, device: object = None):
        self._seed, self._stream = 0, 0

    def manual_seed(self, seed: int) -> Generator:
        """Start again from a seed in [0, 2**32)."""
        self._seed, self._stream = int(seed) % 2**32, 0
        return self

    def initial_seed(self) -> int:
        return self._seed

    def seed(self) -> int:
        """Start again from a seed of the operating system."""
        self.manual_seed(secrets.randbits(32))
        return self._seed

    def get_state(self) -> tuple[int, int]:
        return self._seed, self._stream

    def set_state(self, state: tuple[int, int]) -> Generator:
        self._seed, self._stream = state
        return self

    def next_words(self) -> list[float]:
        """See next_words; the step is one that no training has."""
        if live.state.recorder is not None:
            live.state.recorder.refuse("it draws from a Generator, which a replay would not move on")
        self._stream += 1
        return [_signed(self._seed), _signed(2**32 - 1), _signed(self._stream - 1), 0]


def initial_seed() -> int:
    """The seed of manual_seed()."""
    return _state.seed


def seed() -> int:
    """Start all random streams again from a seed of the operating system."""
    manual_seed(secrets.randbits(32))
    return _state.seed


class _Default(Generator):
    """The streams that everything draws from that is given no generator."""

    def manual_seed(self, seed: int) -> Generator:
        manual_seed(seed)
        return self

    def initial_seed(self) -> int:
        return initial_seed()

    def get_state(self) -> Any:
        return state()

    def set_state(self, state: Any) -> Generator:
        restore(state)
        return self

    def next_words(self) -> list[float]:
        return next_words()


default_generator = _Default()


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True) -> Iterator[None]:
    """What is drawn inside changes nothing of what is drawn after. devices: taken, there is one."""
    known = state()
    try:
        yield
    finally:
        if enabled:
            restore(known)


def _signed(word: int) -> int:
    """The int32 with the bits of a uint32."""
    word %= 2**32
    return word - 2**32 if word >= 2**31 else word


def begin() -> None:
    """From here on keys are counted relative to the stream of now: a capture or a replay begins."""
    _state.began, _state.relative = _state.stream, True


def state() -> tuple[int, int, int, int]:
    return _state.seed, _state.step, _state.stream, _state.first_sample


def end() -> int | None:
    """How many streams were used since begin(); None when the seed was set meanwhile."""
    used = _state.stream - _state.began if _state.relative else None
    _state.relative = False
    return used


def advance(streams: int) -> None:
    _state.stream += streams


def restore(known: tuple[int, int, int, int]) -> None:
    """Back to an earlier state()."""
    _state.seed, _state.step, _state.stream, _state.first_sample = known


@contextmanager
def training_step(seed: int, step: int, first: int = 0) -> Iterator[None]:
    """Random arrays made inside belong to a training step: their keys depend on seed, step and order alone.

    step counts from 1 here, so that no step shares a key with what manual_seed starts.
    """
    before, relative = state(), _state.relative
    _state.relative = False
    _state.seed, _state.step, _state.stream, _state.first_sample = seed % 2**32, step + 1, 0, first
    try:
        yield
    finally:
        restore(before)
        _state.relative = relative
