"""PyTorch's torch.autograd: gradients as values, functions with a derivative of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import graph, ops
from .differentiation import gradients_of
from .errors import GradientError
from .graph import LEAF, Link, Node
from .missing import getter as _getter
from .op import float32
from .tensor import Tensor, enable_grad, is_grad_enabled, no_grad
from .tensor.gradient import seed_of
from .tensor.tensor import in_dtype

Tensors = Tensor | Sequence[Tensor]


def _listed(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, Tensor) or tensors is None else list(tensors)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """d(sum of outputs . grad_outputs) / d(inputs): one tensor an input; no .grad is touched.

    create_graph: the results can be differentiated again. allow_unused: None for an input that no output depends on,
    else that is a GradientError; materialize_grads: zeros for it. Graphs stay, whatever retain_graph says.
    """
    if is_grads_batched:
        raise GradientError("not implemented: torch.autograd.grad(is_grads_batched=True); nearest is a loop over grad_outputs")
    ends, wanted = _listed(outputs), _listed(inputs)
    given = _listed(grad_outputs) if grad_outputs is not None else [None] * len(ends)
    if len(given) != len(ends):
        raise GradientError(f"grad: {len(ends)} outputs need as many grad_outputs, got {len(given)}")
    for tensor in wanted:
        if not tensor.requires_grad:
            raise GradientError("grad: one of the inputs does not require grad; call requires_grad_() on it before it is used")
    seeds = [seed_of(end, value) for end, value in zip(ends, given, strict=True)]
    found: list[Tensor | None] = []
    for tensor, node in zip(wanted, gradients_of([end._node for end in ends], seeds, [t._node for t in wanted]), strict=True):
        if node is None and not (allow_unused or materialize_grads):
            raise GradientError("grad: one of the inputs was not used for the outputs; set allow_unused=True if that is meant")
        if node is None:
            found.append(tensor._named(graph.full(0, tensor.shape, tensor._node.dtype)) if materialize_grads else None)
            continue
        if tensor._kind is not None:
            node, _ = in_dtype(node, tensor._kind)
        found.append(tensor._named(node if create_graph else graph.apply(ops.DETACH, node)))
        if create_graph:
            found[-1]._requires_grad = True  # type: ignore[union-attr]
    return tuple(found)


def backward(
    tensors: Tensors,
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | None = None,
) -> None:
    """Tensor.backward() of each."""
    ends = _listed(tensors)
    given = _listed(grad_tensors) if grad_tensors is not None else [None] * len(ends)
    for end, value in zip(ends, given, strict=True):
        end.backward(value, retain_graph, create_graph, inputs)


class Context:
    """What forward() hands on to backward(). needs_input_grad: one bool an argument of forward()."""

    def __init__(self, needs_input_grad: tuple[bool, ...]):
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Tensor | None, ...] = ()
        self._outputs: dict[int, int] = {}
        self._now: dict[int, Tensor] = {}
        self._flat: set[int] = set()
        self._zeros = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What save_for_backward() took; an output among it is the output as the graph knows it."""
        return tuple(self._now.get(self._outputs.get(id(tensor), -1), tensor) for tensor in self._saved)

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        self._flat |= {id(tensor) for tensor in tensors}

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Accepted: what is changed in place here is another node."""

    def set_materialize_grads(self, value: bool) -> None:
        """False: backward() gets None, not zeros, for an output that no gradient reaches."""
        self._zeros = value


class Function:
    """A function with a derivative of its own: static forward(ctx, *args) and backward(ctx, *gradients of the outputs).

    backward returns one gradient an argument of forward, None where there is none. Call it with apply(*args).
    """

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        raise NotImplementedError("a Function needs a static forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError("a Function needs a static backward(ctx, *grad_outputs)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """forward(ctx, *args), whose outputs pass gradients on as backward() says."""
        needs = tuple(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        ctx = Context(needs)
        with no_grad():
            if "setup_context" in vars(cls):
                found = cls.forward(*args)
                cls.setup_context(ctx, args, found)  # type: ignore[attr-defined]
            else:
                found = cls.forward(ctx, *args)
        if not (any(needs) and is_grad_enabled()):
            return found
        outputs = list(found) if isinstance(found, (tuple, list)) else [found]
        joint = Node(LEAF, (), (), (), float32)
        parents = tuple(arg._node for arg in args if isinstance(arg, Tensor))
        places = [isinstance(arg, Tensor) for arg in args]
        joint.link = Link(parents, _Backward(cls, ctx, outputs, places))
        made = []
        for number, out in enumerate(outputs):
            if isinstance(out, Tensor) and out.is_floating_point() and id(out) not in ctx._flat:
                ctx._outputs[id(out)] = number
                node = graph.apply(ops.DETACH, out._node)
                node.link = Link((joint,), None, number)
                out = out._named(node)
                out._requires_grad = True
            made.append(out)
        return tuple(made) if isinstance(found, (tuple, list)) else made[0]


class _Backward:
    """Link.backward of a Function."""

    def __init__(self, cls: type[Function], ctx: Context, outputs: list[Any], places: list[bool]):
        self.cls, self.ctx, self.places = cls, ctx, places
        self.like = [(out.shape, out.dtype) if isinstance(out, Tensor) else None for out in outputs]

    def __call__(self, arrived: dict[int, tuple[Node, Node]]) -> list[Node | None]:
        ctx = self.ctx
        given: list[Tensor | None] = []
        for number, like in enumerate(self.like):
            if number in arrived:
                ctx._now[number] = _inside(arrived[number][0])
                given.append(_inside(arrived[number][1]))
            elif like is not None and ctx._zeros:
                given.append(Tensor(graph.full(0, like[0], np.dtype(like[1] if like[1].kind == "f" else float32))))
            else:
                given.append(None)
        try:
            with enable_grad():
                found = self.cls.backward(ctx, *given)
        finally:
            ctx._now = {}
        parts = list(found) if isinstance(found, (tuple, list)) else [found]
        if len(parts) < len(self.places):
            count = len(self.places)
            raise GradientError(f"{self.cls.__name__}.backward returned {len(parts)} gradients for {count} arguments of forward")
        parts = [part for part, place in zip(parts, self.places, strict=False) if place]
        return [None if part is None else part._node for part in parts]


def _inside(node: Node) -> Tensor:
    tensor = Tensor(node)
    tensor._requires_grad = True
    return tensor


__getattr__ = _getter("torch.autograd", globals())
