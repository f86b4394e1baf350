"""Which tensors a program still holds that have no numbers yet. What it holds is computed with the next realization, as PyTorch
would have done at once: else each later use would compute it again, and a sum that is added to grow without end."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

MOST = 1 << 10  # tensors that are remembered; then those are computed that are still there
_tensors: list[weakref.ref[Any]] = []  # what may change in this module, in one place


def hold(tensor: Any) -> None:
    """Remember a tensor whose node is only promised."""
    _tensors.append(weakref.ref(tensor))


def many() -> bool:
    """Whether it is time to compute those that are remembered: a running mean that nobody reads would grow without end."""
    return len(_tensors) % MOST == MOST - 1


def take() -> Iterator[Any]:
    """The remembered tensors that are still there. They are forgotten."""
    known, _tensors[:] = _tensors[:], ()
    return (tensor for ref in known if (tensor := ref()) is not None)
