"""Tensor.backward() and who is told of gradients on the way."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from .. import engine, graph, live, ops
from ..differentiation import gradients_of, order
from ..errors import DtypeError, GradientError, ShapeError
from ..graph import Node
from .tensor import Tensor, in_dtype, method

Hook = Callable[[Tensor], Tensor | None]
_numbers = itertools.count()


def seed_of(output: Tensor, gradient: Tensor | None) -> Node:
    """The gradient that arrives at an output: gradient, or 1 where it has one element. Raises GradientError, ShapeError."""
    if not output.requires_grad:
        raise GradientError("backward() of a tensor that no leaf with requires_grad=True leads to")
    if gradient is None and output.numel() != 1:
        raise GradientError(f"backward() without a gradient needs one element, got shape {output.shape}; sum it first")
    if gradient is not None and not isinstance(gradient, Tensor):
        raise DtypeError(f"backward: gradient is a tensor or None, got {type(gradient).__name__}")
    if gradient is not None and gradient.shape != output.shape:
        raise ShapeError(f"the gradient has shape {gradient.shape}, the tensor {output.shape}")
    return graph.full(1, output.shape, output._node.dtype) if gradient is None else gradient._node


@method
def backward(
    input: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | None = None,
) -> None:
    """Add d(input)/d(leaf) to .grad of every leaf that requires it, or of `inputs` alone.

    gradient: of input's shape; 1 for a tensor with one element. retain_graph: the graph may be gone through again (it stays in
    any case as long as somebody holds it). create_graph: the gradients can be differentiated again. Raises GradientError.
    """
    seed = seed_of(input, gradient)
    leaves = [node for node in order([input._node]) if node.owner is not None]
    owners = [node.owner() for node in leaves if node.owner is not None]
    if inputs is not None:
        owners = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        leaves = [owner._node for owner in owners if owner is not None]
    keep = create_graph if retain_graph is None else retain_graph
    for leaf, found in zip(owners, gradients_of([input._node], [seed], leaves, keep), strict=True):
        if leaf is not None and found is not None:
            known = leaf.grad
            if known is not None and known._used_up:  # what is added to it cannot be told either, and asking for it says so
                if live.state.recorder is not None:
                    live.state.recorder.spent(leaf)
            else:
                total = found if known is None else known._node + found
                if leaf._kind is not None:
                    total, _ = in_dtype(total, leaf._kind)
                grad = leaf._named(total if create_graph else graph.apply(ops.DETACH, total))
                grad._requires_grad = create_graph
                leaf.grad = grad
            if leaf._after is not None:
                for hook in list(leaf._after.values()):
                    hook(leaf)
    engine.keep(input._node)


class RemovableHandle:
    """What registering a hook returns: remove() takes it away again; so does leaving a `with` block."""

    def __init__(self, hooks: dict[int, Any], number: int):
        self._hooks, self.id = hooks, number

    @classmethod
    def of(cls, hooks: OrderedDict[int, Any], hook: Any, first: bool = False) -> RemovableHandle:
        """hook among hooks, as the last or the first one."""
        number = next(_numbers)
        hooks[number] = hook
        if first:
            hooks.move_to_end(number, last=False)
        return cls(hooks, number)

    def remove(self) -> None:
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


@method
def register_hook(input: Tensor, hook: Hook) -> RemovableHandle:
    """hook(gradient) is called when a gradient of this tensor is known; what it returns, if anything, takes its place.

    Raises GradientError when the tensor has no gradient.
    """
    if not input.requires_grad:
        raise GradientError("cannot register a hook on a tensor that doesn't require gradient")

    def asked(g: Node) -> Node:
        known = Tensor(g)
        known._requires_grad = True
        found = hook(known)
        return g if found is None else found._node

    if input._node.hooks is None:
        input._node.hooks = {}
    number = next(_numbers)
    input._node.hooks[number] = asked
    return RemovableHandle(input._node.hooks, number)


@method
def register_post_accumulate_grad_hook(input: Tensor, hook: Callable[[Tensor], None]) -> RemovableHandle:
    """hook(input) is called by backward() after it has left the gradient of this leaf in .grad."""
    if not input.requires_grad or not input.is_leaf:
        raise GradientError("post accumulate grad hooks cannot be registered on non-leaf tensors, nor without requires_grad")
    if input._after is None:
        input._after = OrderedDict()
    return RemovableHandle.of(input._after, hook)


@method
def retain_grad(input: Tensor) -> None:
    """backward() leaves the gradient of this computed tensor in .grad, too."""
    if not input.requires_grad:
        raise GradientError(
            "retain_grad() of a tensor that takes part in no gradients; ask for requires_grad_() where it comes from"
        )
    if input.is_leaf:
        return
    own = weakref.ref(input)

    def keep(g: Tensor) -> None:
        tensor = own()
        if tensor is not None:
            known = tensor.grad
            tensor.grad = Tensor(graph.apply(ops.DETACH, g._node if known is None else known._node + g._node))

    input._after = OrderedDict() if input._after is None else input._after
    input.register_hook(keep)
