"""PyTorch's torch.nn.attention: a choice among ways to compute attention. Here the backend chooses: nothing changes."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import ArgumentError
from ..missing import getter as _getter


class SDPBackend(enum.Enum):
    ERROR, MATH, FLASH_ATTENTION, EFFICIENT_ATTENTION, CUDNN_ATTENTION, OVERRIDEABLE = range(-1, 5)


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """A context in which attention is computed as ever: the numbers are the same in all of them."""
    for backend in backends if isinstance(backends, (list, tuple, set)) else [backends]:
        if not isinstance(backend, SDPBackend):
            raise ArgumentError(f"sdpa_kernel takes an SDPBackend, or a list of them, got {backend!r}")
    yield


__getattr__ = _getter("torch.nn.attention", globals())
