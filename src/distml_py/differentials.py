"""PyTorch's torch.autograd.functional: Jacobians, Hessians and their products with vectors, of functions of whole tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .errors import GradientError, ShapeError
from .gradients import grad
from .graph import full
from .tensor import Tensor, stack

Tensors = Tensor | Sequence[Tensor]
Function = Callable[..., Any]


def jacobian(
    func: Function,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """d func / d inputs: of shape (*output, *input); a tuple over outputs, inputs, or both, where there is one of them."""
    given, one_in = _leaves(inputs)
    ends, one_out = _listed(func(*given), "func")
    rows = tuple(_jacobian(end, given, create_graph, strict) for end in ends)
    found = tuple(row[0] for row in rows) if one_in else rows
    return found[0] if one_out else found


def hessian(
    func: Function,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """d2 func / d inputs2 of one number: of shape (*input, *input); tuples of tuples over inputs."""
    return jacobian(lambda *given: _gradient(func, given, isinstance(inputs, Tensor)), inputs, create_graph, strict)


def vjp(func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(func(inputs), v times the Jacobian). v: like the outputs; may be left out for one number."""
    given, one = _leaves(inputs)
    result = func(*given)
    ends, _ = _listed(result, "func")
    return _out(result, create_graph), _packed(_pulled(ends, given, _vectors(v, ends, "v"), create_graph, strict), one)


def jvp(func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(func(inputs), the Jacobian times v). v: like the inputs; may be left out for one number. By two backward passes."""
    given, one = _leaves(inputs)
    result = func(*given)
    ends, one_out = _listed(result, "func")
    vectors = _vectors(v, given, "v")
    dummies = [_zeros(end).requires_grad_() for end in ends]
    pulled = _pulled(ends, given, dummies, True, strict)
    found = _pulled(pulled, dummies, vectors, create_graph, False)
    return _out(result, create_graph), _packed(found, one_out)


def vhp(func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(func(inputs), v times the Hessian) of one number."""
    given, one = _leaves(inputs)
    result = func(*given)
    ends, _ = _listed(result, "func")
    first = _pulled(ends, given, _vectors(None, ends, "func"), True, strict)
    return _out(result, create_graph), _packed(_pulled(first, given, _vectors(v, given, "v"), create_graph, False), one)


def hvp(func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(func(inputs), the Hessian times v): the same as vhp, since a Hessian is symmetric."""
    return vhp(func, inputs, v, create_graph, strict)


def _gradient(func: Function, given: Sequence[Tensor], one: bool) -> Any:
    ends, _ = _listed(func(*given), "func")
    if len(ends) != 1 or ends[0].numel() != 1:
        raise ShapeError(f"hessian takes a func that returns one number, got {', '.join(str(end.shape) for end in ends)}")
    return _packed(_pulled(ends, given, [_zeros(ends[0]) + 1], True, False), one)


def _leaves(inputs: Tensors) -> tuple[list[Tensor], bool]:
    """The inputs as leaves of a graph of their own, and whether there is one. Whoever differentiates the result still sees them."""
    given, one = _listed(inputs, "inputs")
    return [tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_() for tensor in given], one


def _listed(value: Any, name: str) -> tuple[list[Tensor], bool]:
    found = [value] if isinstance(value, Tensor) else list(value)
    for tensor in found:
        if not isinstance(tensor, Tensor):
            raise GradientError(f"{name} is a tensor or a tuple of tensors, found {type(tensor).__name__} in it")
    return found, isinstance(value, Tensor)


def _packed(found: Sequence[Tensor], one: bool) -> Any:
    return found[0] if one else tuple(found)


def _out(result: Any, create_graph: bool) -> Any:
    if create_graph:
        return result
    return result.detach() if isinstance(result, Tensor) else tuple(tensor.detach() for tensor in result)


def _zeros(like: Tensor) -> Tensor:
    return Tensor(full(0, like.shape, like._node.dtype)).to(like.dtype)


def _vectors(v: Tensors | None, like: Sequence[Tensor], name: str) -> list[Tensor]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise ShapeError(f"{name}: without a vector there must be one number, got {', '.join(str(t.shape) for t in like)}")
        return [_zeros(like[0]) + 1]
    found, _ = _listed(v, name)
    if [tensor.shape for tensor in found] != [tensor.shape for tensor in like]:
        shapes = [", ".join(str(tensor.shape) for tensor in each) for each in (found, like)]
        raise ShapeError(f"{name} has the shapes {shapes[0]}, what it is multiplied with has {shapes[1]}")
    return found


def _pulled(
    ends: Sequence[Tensor], given: Sequence[Tensor], by: Sequence[Tensor], create_graph: bool, strict: bool
) -> list[Tensor]:
    """by times d ends / d given; zeros where nothing depends, which strict refuses."""
    pairs = [(end, vector) for end, vector in zip(ends, by, strict=True) if end.requires_grad]
    if strict and len(pairs) < len(ends):
        raise GradientError("strict: an output does not depend on the inputs; its derivative would be zeros")
    if not pairs:
        return [_zeros(tensor) for tensor in given]
    found = grad([end for end, _ in pairs], given, [v for _, v in pairs], True, create_graph, allow_unused=True)
    if strict and None in [None if one is None else 0 for one in found]:
        raise GradientError("strict: an input is not used by the outputs; its derivative would be zeros")
    return [_zeros(tensor) if one is None else one for one, tensor in zip(found, given, strict=True)]


def _jacobian(end: Tensor, given: Sequence[Tensor], create_graph: bool, strict: bool) -> tuple[Tensor, ...]:
    flat = end.reshape(-1)
    rows = []
    for place in range(flat.numel()):
        rows.append(_pulled([flat[place]], given, [_zeros(flat[place]) + 1], create_graph, strict))
    if not rows:
        return tuple(_zeros(tensor).reshape(1, -1)[:0].reshape(*end.shape, *tensor.shape) for tensor in given)
    return tuple(stack([row[n] for row in rows]).reshape(*end.shape, *tensor.shape) for n, tensor in enumerate(given))
