"""size_average= and reduce=, which losses took before reduction=. Nothing is computed here."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any


def reduction_of(size_average: bool | None, reduce: bool | None) -> str:
    """PyTorch's torch.nn._reduction: both default to True."""
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def with_legacy(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function with reduction=, that takes size_average= and reduce= by name as well, with PyTorch's warning."""

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        if "size_average" in named or "reduce" in named:
            old = named.pop("size_average", None), named.pop("reduce", None)
            if old != (None, None):
                named["reduction"] = reduction_of(*old)
                text = f"size_average and reduce args will be deprecated, please use reduction='{named['reduction']}' instead."
                warnings.warn(text, stacklevel=2)
        return function(*args, **named)

    return call


def legacy(namespace: dict[str, Any]) -> None:
    """Every function and every layer of a namespace that has reduction= takes the old words, too."""
    for name, value in list(namespace.items()):
        start = value.__init__ if inspect.isclass(value) else value
        if name.startswith("_") or not inspect.isfunction(start) or "reduction" not in inspect.signature(start).parameters:
            continue
        if inspect.isclass(value):
            if "__init__" in vars(value):
                value.__init__ = with_legacy(start)  # type: ignore[method-assign]
        else:
            namespace[name] = with_legacy(start)
