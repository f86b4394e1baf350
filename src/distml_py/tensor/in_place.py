"""Methods that change the tensor they are called on: the name moves to another node, the old one stays as it was."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .. import broadcast, graph, live
from ..broadcast import Number
from ..errors import GradientError, ShapeError
from ..ops.elementwise import cast
from . import arithmetic, assigning, choosing, counts, elementwise, gamma, moments, picking, products, scan, sharing
from .grad_mode import is_grad_enabled
from .tensor import Tensor, made, method

# every method here is also there with a _ at its end
ELEMENTWISE = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "clamp", "clamp_max", "clamp_min", "clip", "cos", "cosh"),
    *("deg2rad", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "floor", "frac", "log", "log10", "log1p", "log2", "logit"),
    *("nan_to_num", "neg", "negative", "rad2deg", "reciprocal", "relu", "round", "rsqrt", "sigmoid", "sign", "sin", "sinc", "sinh"),
    *("sqrt", "square", "tan", "tanh", "trunc", "add", "sub", "mul", "div", "pow", "remainder", "fmod", "floor_divide", "atan2"),
    *("addcmul", "addcdiv", "lerp", "hypot", "copysign", "xlogy", "masked_fill", "logical_not", "bitwise_and", "bitwise_or"),
    *("bitwise_xor", "bitwise_not", "multiply", "divide", "true_divide", "subtract", "eq", "ne", "lt", "le", "gt", "ge"),
    *(
        "arccos",
        "arccosh",
        "arcsin",
        "arcsinh",
        "arctan",
        "arctan2",
        "arctanh",
        "absolute",
        "fix",
        "sgn",
        "greater",
        "greater_equal",
    ),
    *("less", "less_equal", "not_equal", "logical_and", "logical_or", "logical_xor", "heaviside", "ldexp"),
    *("bitwise_left_shift", "bitwise_right_shift"),
)

BY_INDEX = (
    *("scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill", "index_put", "masked_scatter", "cumsum"),
    *("cumprod", "tril", "triu", "addmm", "addmv", "addr", "baddbmm", "addbmm"),
    *("index_reduce", "put", "gcd", "lcm", "renorm", "lgamma", "digamma", "polygamma", "mvlgamma"),
)


def before(input: Tensor) -> Tensor:
    """input as it is now, for an operation that changes it: what that saves of it is not what changed."""
    return input.clone() if input.requires_grad and is_grad_enabled() else input


def _in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def change(input: Tensor, *args: Any, **named: Any) -> Tensor:
        start = before(input)
        found = function(start, *args, **named)
        return input._move_to(found, fresh=found._node is not start._node)

    change.__doc__ = f"{function.__name__}(), and the tensor becomes the result."
    change.__wrapped__ = function  # type: ignore[attr-defined]  # whose arguments it takes
    return change


for _family in (arithmetic, choosing, elementwise, assigning, picking, products, scan, counts, gamma, moments):
    for _name in (*ELEMENTWISE, *BY_INDEX):
        if hasattr(_family, _name):
            method(_in_place(getattr(_family, _name)), f"{_name}_")
_OPERATORS: dict[str, Any] = {
    **{"add": arithmetic.add, "sub": arithmetic.sub, "mul": arithmetic.mul, "truediv": arithmetic.div, "pow": arithmetic.pow},
    **{"lshift": arithmetic.bitwise_left_shift, "rshift": arithmetic.bitwise_right_shift},
    **{"floordiv": arithmetic.floor_divide, "mod": arithmetic.remainder},
    **{"and": arithmetic.bitwise_and, "or": arithmetic.bitwise_or, "xor": arithmetic.bitwise_xor},
}
for _name, _function in _OPERATORS.items():
    method(_in_place(_function), f"__i{_name}__")


@method
def copy_(input: Tensor, src: Tensor | Number, non_blocking: bool = False) -> Tensor:
    """Take over src's numbers, broadcast to this shape. non_blocking: accepted; nothing here waits."""
    if not isinstance(src, Tensor):
        return input.fill_(src)
    if broadcast.common_shape("copy_", input.shape, src.shape) != input.shape:
        raise ShapeError(f"copy_: {src.shape} does not broadcast to {input.shape}")
    return input._move_to(made(broadcast.to_shape(cast(src._node, input._node.dtype), input.shape), src))


@method
def fill_(input: Tensor, value: Tensor | Number) -> Tensor:
    if isinstance(value, Tensor):
        return input.copy_(value)
    return input._move_to(Tensor(graph.full(value, input.shape, input._node.dtype)))


@method
def zero_(input: Tensor) -> Tensor:
    return input.fill_(0)


@method
def detach_(input: Tensor) -> Tensor:
    """This tensor, from now on outside the gradient's graph. Raises GradientError for a view."""
    if input._view is not None and input.requires_grad:
        raise GradientError("can't detach views in place; use detach() instead")
    outside = input.detach()
    sharing.leave(input)
    input._node, input._requires_grad, input._root = outside._node, False, outside._root
    if input._root is not None:
        input._root.numbers.roots.append(weakref.ref(input))
    return input


def _reshaped(name: str) -> None:
    def change(input: Tensor, *args: Any, **named: Any) -> Tensor:
        found = getattr(input, name)(*args, **named)
        if input.requires_grad and input.is_leaf and is_grad_enabled():
            raise GradientError("a leaf Variable that requires grad is being used in an in-place operation; use no_grad()")
        if found is input:
            return input
        if live.state.recorder is not None:
            live.state.recorder.moved(input)
        sharing.turn_into(input, found)
        return input

    change.__doc__ = f"{name}(), and the tensor becomes the result."
    method(change, f"{name}_")


for _name in ("squeeze", "unsqueeze", "transpose", "swapaxes", "swapdims", "t"):
    _reshaped(_name)
