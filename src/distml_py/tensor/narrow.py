"""Composed functions of float16 and bfloat16: computed in float32 and rounded once, as PyTorch's kernels are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

from ..dtypes import BFLOAT16, FLOAT16
from .tensor import Tensor

P = ParamSpec("P")


def rounded_once(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """The function, for tensors of one narrow dtype: each step of its composition would round otherwise."""

    @functools.wraps(function)
    def call(*args: P.args, **named: P.kwargs) -> Tensor:
        kinds = {value.dtype.name: value.dtype for value in (*args, *named.values()) if isinstance(value, Tensor)}
        kind = next(iter(kinds.values())) if len(kinds) == 1 else None
        if kind is not FLOAT16 and kind is not BFLOAT16:
            return function(*args, **named)
        free: Any = function
        found: Tensor = free(*map(_widened, args), **{name: _widened(value) for name, value in named.items()})
        return found.to(kind)

    return call


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) else value
