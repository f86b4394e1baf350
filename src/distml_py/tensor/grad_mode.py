"""Whether new tensors take part in gradients: PyTorch's no_grad and enable_grad."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

_grad_enabled = [True]  # what may change in this module, in one place


@contextmanager
def no_grad() -> Iterator[None]:
    """Tensors made inside take no part in gradients."""
    _grad_enabled.append(False)
    try:
        yield
    finally:
        _grad_enabled.pop()


@contextmanager
def enable_grad() -> Iterator[None]:
    """Tensors made inside take part in gradients again."""
    _grad_enabled.append(True)
    try:
        yield
    finally:
        _grad_enabled.pop()


@contextmanager
def inference_mode(mode: bool = True) -> Iterator[None]:
    """no_grad(), or nothing with mode=False. What is made inside may be used in gradients later, other than in PyTorch."""
    _grad_enabled.append(not mode and _grad_enabled[-1])
    try:
        yield
    finally:
        _grad_enabled.pop()


class set_grad_enabled:
    """From now on, or inside `with`, new tensors take part in gradients, or do not."""

    def __init__(self, mode: bool):
        self.mode = mode
        self._before = _grad_enabled[-1]
        _grad_enabled[-1] = mode

    def __enter__(self) -> None:
        _grad_enabled[-1] = self._before
        _grad_enabled.append(self.mode)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _grad_enabled.pop()


def is_grad_enabled() -> bool:
    return _grad_enabled[-1]


def is_inference_mode_enabled() -> bool:
    """Always False: inference_mode() is no_grad() here."""
    return False
