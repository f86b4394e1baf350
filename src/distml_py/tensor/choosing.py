"""Numbers chosen by a condition or a limit, and comparisons of whole tensors."""

from __future__ import annotations

import math

from .. import broadcast, graph, ops
from ..broadcast import Number
from ..errors import DtypeError, ShapeError
from ..graph import Node
from ..op import DTYPES, bool_
from ..ops.elementwise import cast
from .host_data import as_given
from .tensor import Tensor, binary, made, method


def where(condition: Tensor, input: Tensor | Number | None = None, other: Tensor | Number | None = None) -> Tensor:
    """input where condition holds, else other; all broadcast together. condition alone: its nonzero(as_tuple=True)."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if not isinstance(condition, Tensor) or input is None or other is None:
        raise DtypeError(f"where takes a bool tensor and two tensors or numbers, got {type(condition).__name__} as condition")
    if condition.dtype.name not in ("bool", "uint8"):
        raise DtypeError(f"where takes a bool condition, got {condition.dtype.name}; compare it, or use .bool()")
    values = [value._node if isinstance(value, Tensor) else value for value in (input, other)]
    nodes = [value for value in values if isinstance(value, Node)]
    dtype = broadcast.promoted(*values) if nodes else max(map(broadcast.kind_of, (input, other)), key=DTYPES.index)
    yes, no = broadcast.matched("where", *values, dtype=dtype)
    shape = broadcast.common_shape("where", condition.shape, yes.shape)
    nodes = [broadcast.to_shape(node, shape) for node in (cast(condition._node, bool_), yes, no)]
    return made(graph.apply(ops.WHERE, *nodes), condition, input, other)


def _where_method(input: Tensor, condition: Tensor, other: Tensor | Number) -> Tensor:
    return where(condition, input, other)


method(_where_method, "where")


@method
def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """value, a number, wherever mask holds; mask broadcasts to input's shape."""
    if not isinstance(mask, Tensor) or mask.dtype != bool_:
        found = mask.dtype.name if isinstance(mask, Tensor) else type(mask).__name__
        raise DtypeError(f"masked_fill takes a bool mask, got {found}; use mask.bool()")
    if isinstance(value, Tensor) and value.ndim:
        raise ShapeError(f"masked_fill takes one number, got shape {value.shape}; use where() or masked_scatter()")
    if not isinstance(value, Tensor) and not input.is_floating_point():
        if not math.isfinite(value):
            raise DtypeError(f"masked_fill: {input.dtype.name} holds no {value}; use .float()")
        value = bool(value) if input.dtype == bool_ else int(value)
    return where(mask, value.to(input.dtype) if isinstance(value, Tensor) else value, input)


@method
def maximum(input: Tensor, other: Tensor) -> Tensor:
    return binary(ops.MAXIMUM, input, other)


@method
def minimum(input: Tensor, other: Tensor) -> Tensor:
    return binary(ops.MINIMUM, input, other)


@method
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger one; a number where the other is NaN."""
    return where((input >= other) | other.isnan(), input, other)


@method
def fmin(input: Tensor, other: Tensor) -> Tensor:
    return where((input <= other) | other.isnan(), input, other)


@method
def clamp(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
    """Limited to [min, max]; the gradient is 1 inside and on the limits, 0 outside, as in PyTorch."""
    if min is None and max is None:
        raise DtypeError("clamp needs min, max or both")
    out = input
    if input.dtype.kind == "i":  # limits that no integer here reaches
        min, max = (_within(limit) for limit in (min, max))
    if min is not None:
        out = where(out < min, min, out)
    if max is not None:
        out = where(out > max, max, out)
    return out


def _within(limit: Tensor | Number | None) -> Tensor | Number | None:
    return max(min(limit, 2**31 - 1), -(2**31)) if type(limit) is int else limit


clip = method(clamp, "clip")


@method
def clamp_min(input: Tensor, min: Tensor | Number) -> Tensor:
    return clamp(input, min=min)


@method
def clamp_max(input: Tensor, max: Tensor | Number) -> Tensor:
    return clamp(input, max=max)


@method
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, values at 0."""
    if input.dtype != values.dtype:
        raise DtypeError(f"heaviside needs two equal dtypes, got {input.dtype.name} and {values.dtype.name}")
    return where(input == 0, values, (input > 0).to(input.dtype))


@method
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|input - other| <= atol + rtol |other|, or equal."""
    if input.dtype == bool_ and other.dtype == bool_:
        return input == other
    near = (input == other) | (((input - other).abs() <= other.abs() * rtol + atol) & other.isfinite())
    return near | (input.isnan() & other.isnan()) if equal_nan else near


@method
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Are all close? Reads the device."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


@method
def equal(input: Tensor, other: Tensor) -> bool:
    """The same shape and numbers? Reads the device."""
    return input.shape == other.shape and bool((input == other).all().item())


def is_floating_point(input: Tensor) -> bool:
    return input.is_floating_point()


def is_tensor(obj: object) -> bool:
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    return input.numel()


def is_nonzero(input: Tensor) -> bool:
    return bool(input)


def isin(elements: Tensor | Number, test_elements: Tensor | Number, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Which elements are among test_elements."""
    one, two = (value if isinstance(value, Tensor) else Tensor(*as_given(value)) for value in (elements, test_elements))
    found = (one.unsqueeze(-1) == two.flatten()).any(-1)
    return ~found if invert else found


@method
def is_same_size(input: Tensor, other: Tensor) -> bool:
    return input.shape == other.shape


def is_inference(input: Tensor) -> bool:
    """Always False: inference_mode() is no_grad() here."""
    return False


def detach(input: Tensor) -> Tensor:
    return input.detach()


def real(input: Tensor) -> Tensor:
    return input


def imag(input: Tensor) -> Tensor:
    """Raises DtypeError: nothing is complex."""
    raise DtypeError("imag is not implemented for tensors with non-complex dtypes; there are no complex numbers here")


def fill(input: Tensor, value: Tensor | Number) -> Tensor:
    """input's shape and dtype, with one number everywhere."""
    return input.detach().clone().fill_(value)


@method
def is_conj(input: Tensor) -> bool:
    """False: nothing is complex."""
    return False


is_neg = method(is_conj, "is_neg")
conj, conj_physical = method(real, "conj"), method(real, "conj_physical")
resolve_conj, resolve_neg = method(real, "resolve_conj"), method(real, "resolve_neg")
