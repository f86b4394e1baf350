"""PyTorch's words for nodes: a Tensor, and its families of functions, which are its methods, too."""

from collections.abc import Callable
from functools import cache
from inspect import isfunction
from typing import Any

from . import aliases as _aliases
from . import (
    arithmetic,
    assigning,
    choosing,
    conversion,
    counting,
    elementwise,
    gradient,
    in_place,
    joining,
    moments,
    ordering,
    picking,
    products,
    reduction,
    scan,
    shape,
)
from . import grad_fn as _grad_fn
from .choosing import maximum, minimum, where
from .grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .host_data import host_data
from .joining import broadcast_dtypes
from .tensor import Later, Tensor, apply, made

FAMILIES = (
    arithmetic,
    assigning,
    choosing,
    conversion,
    counting,
    elementwise,
    gradient,
    in_place,
    joining,
    moments,
    ordering,
    picking,
    products,
    reduction,
    scan,
    shape,
)

for _family in FAMILIES:
    _aliases.aliased(_family)
    _grad_fn.named(_family)
cat, matmul, stack = joining.cat, products.matmul, joining.stack  # those that say who made their results


@cache  # asked for once a name of PyTorch's while the library is imported
def functions() -> dict[str, Callable[..., Any]]:
    """Every function of the families under its names, those that are methods only in PyTorch included."""
    return {
        name: value
        for family in FAMILIES
        for name, value in vars(family).items()
        if isfunction(value) and value.__module__ == family.__name__ and not name.startswith("_")
    }
