"""PyTorch's words for nodes: a Tensor, and its families of functions, which are its methods, too."""

from collections.abc import Callable
from functools import cache
from inspect import isfunction
from typing import Any

from . import (
    arguments,
    arithmetic,
    assigning,
    bessel,
    by_hand,
    choosing,
    conversion,
    counting,
    counts,
    elementwise,
    gamma,
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
    strided,
)
from . import grad_fn as _grad_fn
from .grad_mode import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .host_data import host_data
from .tensor import Later, Tensor, apply, made

FAMILIES = (
    arithmetic,
    assigning,
    bessel,
    by_hand,
    choosing,
    conversion,
    counting,
    counts,
    elementwise,
    gamma,
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
    strided,
)

for _family in FAMILIES:
    _grad_fn.named(_family)
    if _family is not gradient:  # what hooks and Functions raise there is the person's own
        arguments.guard(vars(_family))
arguments.guard_methods(("backward", "register_hook"))
cat, matmul, stack, where = joining.cat, products.matmul, joining.stack, choosing.where  # as they are now
maximum, minimum = choosing.maximum, choosing.minimum


@cache  # asked for once a name of PyTorch's while the library is imported
def functions() -> dict[str, Callable[..., Any]]:
    """Every function of the families under its names, those that are methods only in PyTorch included."""
    return {
        name: value
        for family in FAMILIES
        for name, value in vars(family).items()
        if isfunction(value) and value.__module__ == family.__name__ and not name.startswith("_")
    }
