"""Whether new tensors take part in gradients. PyTorch's no_grad."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_grad_enabled = [True]  # what may change in this module, in one place


@contextmanager
def no_grad() -> Iterator[None]:
    """Tensors made inside take no part in gradients."""
    _grad_enabled.append(False)
    try:
        yield
    finally:
        _grad_enabled.pop()


def is_grad_enabled() -> bool:
    return _grad_enabled[-1]
