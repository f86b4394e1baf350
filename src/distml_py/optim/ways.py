"""PyTorch's arguments that say how an optimizer loops over its parameters: taken by every rule of ours, and without effect here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..errors import UnsupportedError

# foreach, fused: one loop or one kernel for all, which is what happens here anyway; capturable: steps counted on the device
WAYS = ("foreach", "fused", "capturable", "differentiable")


def taking_ways(function: Callable[..., None]) -> Callable[..., None]:
    """An optimizer's __init__ that also takes WAYS. Raises UnsupportedError for differentiable=True."""
    ways = [name for name in WAYS if name not in inspect.signature(function).parameters]

    @functools.wraps(function)
    def call(self: Any, *args: Any, **given: Any) -> None:
        for name in ways:
            if given.pop(name, None) and name == "differentiable":
                what = f"torch.optim.{type(self).__name__}(differentiable=True)"
                raise UnsupportedError(f"not implemented: {what}; nearest is a step of torch.autograd.grad(create_graph=True)")
        function(self, *args, **given)

    return call
