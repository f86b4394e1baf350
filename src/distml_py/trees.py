"""Arguments and results of a step: nested tuples, lists and dicts as flat lists of tensors, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import engine
from .graph import LEAF, Node
from .tensor import Tensor


def flatten(value: Any, tensors: list[Tensor], plain: list[Any], array: type = Tensor) -> None:
    """Tensors and arrays go to tensors, all else to plain; the form is in plain, too. array: what plain says of an array."""
    if isinstance(value, Tensor):
        tensors.append(value)
        plain.append(Tensor)
    elif isinstance(value, np.ndarray):
        tensors.append(Tensor(value))
        plain.append(array)
    elif isinstance(value, (tuple, list)):
        plain += (type(value), len(value))
        for part in value:
            flatten(part, tensors, plain, array)
    elif isinstance(value, dict):
        plain += (dict, *value)
        for part in value.values():
            flatten(part, tensors, plain, array)
    else:
        plain.append(value)


def flat(value: Any) -> tuple[list[Tensor], list[Any]]:
    tensors: list[Tensor] = []
    plain: list[Any] = []
    flatten(value, tensors, plain, np.ndarray)
    return tensors, plain


def template_of(value: Any, numbers: Any) -> Any:
    """value, its tensors replaced by their number in the list of results."""
    if isinstance(value, (Tensor, np.ndarray)):
        return next(numbers)
    if isinstance(value, (tuple, list)):
        return (type(value), [template_of(part, numbers) for part in value])
    if isinstance(value, dict):
        return (dict, {name: template_of(part, numbers) for name, part in value.items()})
    return (None, value)


def filled(template: Any, outputs: list[Any]) -> Any:
    if isinstance(template, int):
        return outputs[template]
    kind, parts = template
    if kind is None:
        return parts
    if kind is dict:
        return {name: filled(part, outputs) for name, part in parts.items()}
    done = [filled(part, outputs) for part in parts]
    return kind(*done) if hasattr(kind, "_fields") else kind(done)


def replaced(value: Any, waiting: Any) -> Any:
    if isinstance(value, (Tensor, np.ndarray)):
        return next(waiting)
    if isinstance(value, (tuple, list)):
        done = [replaced(part, waiting) for part in value]
        return type(value)(*done) if hasattr(value, "_fields") else type(value)(done)
    if isinstance(value, dict):
        return {name: replaced(part, waiting) for name, part in value.items()}
    return value


def detached(value: Any) -> Any:
    """A result as a replay would give it: outside every graph."""
    if isinstance(value, Tensor):
        if not value._requires_grad or value.is_leaf:
            return value
        return value._aside() if value._node.inputs else named(value._node, value.dtype)
    if isinstance(value, (tuple, list)):
        done = [detached(part) for part in value]
        return type(value)(*done) if hasattr(value, "_fields") else type(value)(done)
    if isinstance(value, dict):
        return {name: detached(part) for name, part in value.items()}
    return value


def leaf(backend: Any, buffer: Any, shape: Any, dtype: Any) -> Node:
    node = Node(LEAF, (), (), shape, np.dtype(dtype))
    node.buffer = engine.Held(backend, buffer)
    return node


def named(node: Node, kind: Any = None) -> Tensor:
    """Tensor(node) of a dtype, without its questions."""
    tensor = Tensor.__new__(Tensor)
    tensor._kind = kind if kind is not None and kind.own else None
    tensor._node, tensor._grad, tensor._requires_grad = node, None, False
    tensor._view = tensor._root = None
    return tensor
