"""PyTorch's torch.func: derivatives as functions of functions. Several tensors may stand in tuples, lists and dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .autograd import grad as _gradients
from .errors import GradientError
from .missing import getter as _getter
from .tensor import Tensor, enable_grad, stack


def _leaf(tensor: Tensor) -> Tensor:
    """The same numbers; gradients of it are asked, and go on to where it came from."""
    return tensor.clone() if tensor.requires_grad else tensor.detach().requires_grad_()


def _mapped(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(change, part) for part in value)
    return {key: _mapped(change, part) for key, part in value.items()} if isinstance(value, dict) else value


def _leaves(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for part in parts for tensor in _leaves(part)]


def _refilled(value: Any, tensors: list[Tensor]) -> Any:
    return _mapped(lambda _: tensors.pop(0), value)


def _pulled(out: Tensor, like: Any, cotangent: Any) -> Any:
    inputs = _leaves(like)
    outputs, seeds = _leaves(out), _leaves(cotangent)
    found = _gradients(outputs, inputs, seeds or None, create_graph=True, materialize_grads=True)
    return _refilled(like, [tensor for tensor in found if tensor is not None])


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(func(*primals), pull): pull(cotangents of the outputs) gives one gradient a primal. has_aux: func returns (outputs, aux)."""
    with enable_grad():
        known = tuple(_mapped(_leaf, primal) for primal in primals)
        found = func(*known)
    out, aux = found if has_aux else (found, None)

    def pull(*cotangents: Any) -> tuple[Any, ...]:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        return tuple(_pulled(out, known, given))

    return (out, pull, aux) if has_aux else (out, pull)


def grad_and_value(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives (gradients by the arguments argnums, func's value), of a func that gives one number."""

    def both(*args: Any, **named: Any) -> Any:
        places = (argnums,) if isinstance(argnums, int) else argnums
        with enable_grad():
            known = [_mapped(_leaf, arg) if n in places else arg for n, arg in enumerate(args)]
            found = func(*known, **named)
        value = found[0] if has_aux else found
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise GradientError("grad: the function gives a tensor with one element; use vjp() or jacrev() for others")
        slopes = tuple(_pulled(value, tuple(known[n] for n in places), Tensor(1.0).to(value.dtype).expand(*value.shape)))
        return (slopes[0] if isinstance(argnums, int) else slopes), found

    return both


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradients of func, which gives one number, by the arguments argnums."""
    both = grad_and_value(func, argnums, has_aux)

    def slopes(*args: Any, **named: Any) -> Any:
        found, value = both(*args, **named)
        return (found, value[1]) if has_aux else found

    return slopes


def jacrev(func: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """A function that gives d(output) / d(input), of shape (*output, *input): one backward pass an output element."""

    def jacobian(*args: Any) -> Tensor:
        with enable_grad():
            x = _leaf(args[argnums])
            out = func(*args[:argnums], x, *args[argnums + 1 :])
        rows = [_gradients(part, x, create_graph=True, materialize_grads=True)[0] for part in out.flatten().unbind(0)]
        return stack([row for row in rows if row is not None]).reshape(*out.shape, *x.shape)

    return jacobian


__getattr__ = _getter("torch.func", globals())
