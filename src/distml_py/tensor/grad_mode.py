"""Whether new tensors take part in gradients: PyTorch's no_grad and enable_grad."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any

_grad_enabled = [True]  # what may change in this module, in one place


class _Mode:
    """Inside `with`, or in a function that it decorates, with () or without, new tensors take part in gradients, or do not."""

    mode = True

    def __new__(cls, function: Any = None) -> Any:
        made = super().__new__(cls)
        return made(function) if inspect.isroutine(function) else made

    def __enter__(self) -> None:
        _grad_enabled.append(self.mode)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _grad_enabled.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            _grad_enabled.append(self.mode)
            try:
                return function(*args, **named)
            finally:
                _grad_enabled.pop()

        return call


class no_grad(_Mode):
    """Tensors made inside take no part in gradients."""

    mode = False


class enable_grad(_Mode):
    """Tensors made inside take part in gradients again."""


class inference_mode(_Mode):
    """no_grad(), or nothing with mode=False. What is made inside may be used in gradients later, other than in PyTorch."""

    off = True

    def __init__(self, mode: Any = True):
        self.off = bool(mode)

    def __enter__(self) -> None:
        _grad_enabled.append(not self.off and _grad_enabled[-1])

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            with inference_mode(self.off):
                return function(*args, **named)

        return call


class set_grad_enabled:
    """From now on, or inside `with`, new tensors take part in gradients, or do not."""

    def __init__(self, mode: bool):
        self.mode = mode
        self._before = _grad_enabled[-1]
        _grad_enabled[-1] = mode

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _grad_enabled[-1] = self._before
        return (enable_grad if self.mode else no_grad)()(function)

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
