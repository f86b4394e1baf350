"""PyTorch's torch.func: derivatives as functions of functions. Several tensors may stand in tuples, lists and dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .autograd import grad as _gradients
from .differentiation import order
from .errors import GradientError, ShapeError
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


def _outward(value: Any, known: Any) -> Any:
    """A result without the way back to the leaves made here: only what came from outside is differentiated further.

    Else w = w - grad(f)(w) in a loop would remember each step before.
    """
    own = {id(leaf._node) for leaf in _leaves(known)}
    passed = order(tensor._node for tensor in _leaves(value))
    outside = any(node.owner is not None and id(node) not in own for node in passed)
    return value if outside else _mapped(lambda tensor: tensor.detach(), value)


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
        return tuple(_outward(_pulled(out, known, given), known))

    said = _outward(out, known)
    return (said, pull, aux) if has_aux else (said, pull)


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
        return _outward(slopes[0] if isinstance(argnums, int) else slopes, known), _outward(found, known)

    return both


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradients of func, which gives one number, by the arguments argnums."""
    both = grad_and_value(func, argnums, has_aux)

    def slopes(*args: Any, **named: Any) -> Any:
        found, value = both(*args, **named)
        return (found, value[1]) if has_aux else found

    return slopes


def jacrev(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """A function that gives d(output) / d(input), of shape (*output, *input): one backward pass an output element.

    Several argnums give a tuple; groups of tensors, as outputs or arguments, give groups. chunk_size is taken and changes nothing.
    """

    def jacobian(*args: Any, **named: Any) -> Any:
        places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        if any(not -len(args) <= place < len(args) for place in places):
            raise ShapeError(f"jacrev: argnums={argnums} of a call with {len(args)} arguments")
        places = tuple(place % len(args) for place in places)
        with enable_grad():
            known = [_mapped(_leaf, arg) if n in places else arg for n, arg in enumerate(args)]
            found = func(*known, **named)
        out, aux = found if has_aux else (found, None)
        like = tuple(known[place] for place in places)
        slopes = _mapped_to_groups(lambda tensor: _rows(tensor, like, isinstance(argnums, int)), out)
        slopes = _outward(slopes, like)
        return (slopes, _outward(aux, like)) if has_aux else slopes

    return jacobian


def _rows(out: Tensor, like: tuple[Any, ...], one: bool) -> Any:
    """The derivatives of one output by each tensor of like."""
    inputs = _leaves(like)
    rows = [_gradients(part, inputs, create_graph=True, materialize_grads=True) for part in out.flatten().unbind(0)]
    slopes = [stack(list(part)).reshape(*out.shape, *x.shape) for part, x in zip(zip(*rows, strict=True), inputs, strict=True)]
    found = _refilled(like, slopes)
    return found[0] if one else found


def _mapped_to_groups(change: Callable[[Tensor], Any], value: Any) -> Any:
    """_mapped(), where a tensor may become a group of tensors."""
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped_to_groups(change, part) for part in value)
    return {key: _mapped_to_groups(change, part) for key, part in value.items()} if isinstance(value, dict) else change(value)


def jacfwd(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """jacrev(): the way there is backwards, too."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """A function that gives the second derivatives of func by its arguments argnums, (*output, *input, *input)."""
    return jacrev(jacrev(func, argnums), argnums)


def jvp(func: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...], *, has_aux: bool = False) -> Any:
    """(func(*primals), its derivative along tangents): the derivative, by the cotangent, of what vjp() gives for it."""
    out, pull, *aux = vjp(func, *primals, has_aux=has_aux)
    seeds = _mapped(lambda tensor: (tensor * 0).detach().requires_grad_(), out)
    with enable_grad():
        pulled = pull(seeds)
        along = [(g * t).sum() for g, t in zip(_leaves(pulled), _leaves(tangents), strict=True)]
        total = along[0]
        for part in along[1:]:
            total = total + part
    found = _gradients([total], _leaves(seeds), create_graph=True, materialize_grads=True)
    slopes = [tensor for tensor in found if tensor is not None]
    if not any(tensor.requires_grad for tensor in (*_leaves(out), *_leaves(primals), *_leaves(tangents))):
        slopes = [tensor.detach() for tensor in slopes]  # only the seeds asked for gradients
    return (out, _refilled(seeds, slopes), *aux)


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable[..., Any]:
    """A function that calls func for each slice along in_dims and stacks what it gives along out_dims.

    It calls func as often as there are slices: the same numbers as PyTorch's, without its speed.
    """

    def mapped(*args: Any, **named: Any) -> Any:
        dims = tuple(in_dims) if isinstance(in_dims, (tuple, list)) else (in_dims,) * len(args)
        if len(dims) != len(args):
            raise ShapeError(f"vmap: in_dims {in_dims} do not fit {len(args)} arguments")
        pairs = [pair for arg, dim in zip(args, dims, strict=True) for pair in _along(arg, dim)]
        sizes = {tensor.shape[dim] for tensor, dim in pairs if dim is not None}
        if len(sizes) != 1 or 0 in sizes:
            raise ShapeError(f"vmap needs one size of at least 1 along in_dims, got {sorted(sizes)}")
        found = []
        for n in range(sizes.pop()):

            def row(tensor: Tensor, dim: Any, n: int = n) -> Tensor:
                return tensor if dim is None else tensor.select(dim, n)

            found.append(func(*(_mapped_by(arg, dim, row) for arg, dim in zip(args, dims, strict=True)), **named))
        return _stacked(found, out_dims)

    return mapped


def _along(value: Any, dim: Any) -> list[tuple[Tensor, Any]]:
    pairs: list[tuple[Tensor, Any]] = []

    def seen(tensor: Tensor, dim: Any) -> Tensor:
        pairs.append((tensor, dim))
        return tensor

    _mapped_by(value, dim, seen)
    return pairs


def _mapped_by(value: Any, dim: Any, change: Callable[[Tensor, Any], Tensor]) -> Any:
    """A group of tensors changed, each with its dimension: one for all, or a group of the same form."""
    if isinstance(value, Tensor):
        return change(value, dim)
    each = isinstance(dim, (list, tuple, dict))
    if isinstance(value, dict):
        return {key: _mapped_by(part, dim[key] if each else dim, change) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        dims = dim if each else [dim] * len(value)
        return type(value)(_mapped_by(part, d, change) for part, d in zip(value, dims, strict=True))
    return value


def _stacked(found: list[Any], dims: Any) -> Any:
    first = found[0]
    if isinstance(first, Tensor):
        return stack(found, dims)
    if isinstance(first, dict):
        return {key: _stacked([one[key] for one in found], dims) for key in first}
    each = dims if isinstance(dims, (list, tuple)) else [dims] * len(first)
    return type(first)(_stacked(list(parts), dim) for parts, dim in zip(zip(*found, strict=True), each, strict=True))


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with these tensors in place of its own parameters and buffers, by their names."""
    given: dict[str, Tensor] = {}
    for part in [parameter_and_buffer_dicts] if isinstance(parameter_and_buffer_dicts, dict) else parameter_and_buffer_dicts:
        given |= part
    own = {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers(remove_duplicate=False))}
    if (odd := given.keys() - own.keys()) or (strict and own.keys() - given.keys()):
        missing = sorted(own.keys() - given.keys()) if strict else []
        raise GradientError(f"functional_call: names that the module has not: {sorted(odd)}; names that are missing: {missing}")
    if tie_weights:  # one tensor under two names is replaced under both
        ties = {id(own[name]): tensor for name, tensor in given.items()}
        given = {name: ties[id(tensor)] for name, tensor in own.items() if id(tensor) in ties}
    kept: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for name, tensor in given.items():
            path, _, last = name.rpartition(".")
            home = module.get_submodule(path)
            slots = home._parameters if last in home._parameters else home._buffers
            kept.append((slots, last, slots[last]))
            slots[last] = tensor
        inputs = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*inputs, **(kwargs or {}))
    finally:
        for slots, last, tensor in reversed(kept):
            slots[last] = tensor


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(func(*primals), push): push(*tangents) gives the derivative along them, as jvp() does."""
    out = func(*primals)

    def push(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return out, push


def stack_module_state(models: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters, buffers) of modules of one kind, stacked along a new first dimension: what vmap(functional_call) runs over."""
    given = list(models)
    if not given:
        raise ShapeError("stack_module_state: at least one module is needed")
    if len({type(model) for model in given}) > 1:
        raise GradientError("stack_module_state: the modules must be of one class")
    if len({model.training for model in given}) > 1:
        raise GradientError("stack_module_state: all modules must be in train() mode, or all in eval() mode")

    def joined(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {
            name: stack([state[name] for state in states]).detach().requires_grad_(first.requires_grad)
            for name, first in states[0].items()
        }

    return joined([dict(model.named_parameters()) for model in given]), joined([dict(model.named_buffers()) for model in given])


__getattr__ = _getter("torch.func", globals())
