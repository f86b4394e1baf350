"""inplace=True of activations and dropout: the input becomes the result, and all that share its numbers. Nothing is computed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec

from ..tensor import Tensor
from ..tensor.in_place import before

P = ParamSpec("P")


def with_inplace(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """The function, which changes its first argument where inplace is true."""
    place = list(inspect.signature(function).parameters).index("inplace")

    @functools.wraps(function)
    def call(*args: P.args, **named: P.kwargs) -> Tensor:
        if not (args[place] if len(args) > place else named.get("inplace", False)):
            return function(*args, **named)
        rest: Any = args[1:]
        input: Any = args[0] if args else named.pop("input")
        free: Any = function
        found = free(before(input), *rest, **named)
        return input._move_to(found, fresh=found._node is not input._node)

    return call


def changed(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """PyTorch's function with a dash at its end: always in place."""

    def change(input: Tensor, *args: Any, **named: Any) -> Tensor:
        return function(input, *args, **named, inplace=True)

    change.__doc__ = f"{function.__name__}(), and the tensor becomes the result."
    change.__wrapped__ = function  # type: ignore[attr-defined]  # whose arguments it takes
    change.__name__ = change.__qualname__ = f"{function.__name__}_"
    return change
