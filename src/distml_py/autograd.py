"""PyTorch's torch.autograd: gradients as values, functions with a derivative of their own."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import differentials, ops, saved
from . import graph as nodes
from .anomaly import detect_anomaly as detect_anomaly
from .anomaly import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from .anomaly import is_anomaly_enabled as is_anomaly_enabled
from .anomaly import set_anomaly_enabled as set_anomaly_enabled
from .anomaly import set_detect_anomaly as set_detect_anomaly
from .errors import GradientError
from .gradcheck import gradcheck as gradcheck
from .gradcheck import gradgradcheck as gradgradcheck
from .gradients import Tensors, listed
from .gradients import grad as grad
from .graph import LEAF, Link, Node
from .missing import getter as _getter
from .op import float32
from .tensor import Tensor, enable_grad, is_grad_enabled, no_grad
from .tensor import inference_mode as inference_mode
from .tensor import set_grad_enabled as set_grad_enabled

functional, graph = differentials, saved  # as PyTorch calls them


def backward(
    tensors: Tensors,
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | None = None,
) -> None:
    """Tensor.backward() of each."""
    ends = listed(tensors)
    given = listed(grad_tensors) if grad_tensors is not None else [None] * len(ends)
    for number, (end, value) in enumerate(zip(ends, given, strict=True)):
        end.backward(value, retain_graph if number == len(ends) - 1 else True, create_graph, inputs)


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


FunctionCtx = Context


def once_differentiable(fn: Any) -> Any:
    """A backward() whose result has no derivative of its own."""

    @functools.wraps(fn)
    def once(ctx: Any, *grad_outputs: Any) -> Any:
        with no_grad():
            found = fn(ctx, *grad_outputs)
        parts = found if isinstance(found, (tuple, list)) else (found,)
        detached = tuple(part.detach() if isinstance(part, Tensor) else part for part in parts)
        return detached if isinstance(found, (tuple, list)) else detached[0]

    return once


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
        joint.word = f"{cls.__name__}Backward"
        for tell in nodes.watching:
            tell(joint)
        parents = tuple(arg._node for arg in args if isinstance(arg, Tensor))
        places = [isinstance(arg, Tensor) for arg in args]
        joint.link = Link(parents, _Backward(cls, ctx, outputs, places, joint))
        made = []
        for number, out in enumerate(outputs):
            if isinstance(out, Tensor) and out.is_floating_point() and id(out) not in ctx._flat:
                ctx._outputs[id(out)] = number
                node = nodes.apply(ops.DETACH, out._node)
                node.link, node.word = Link((joint,), None, number), f"{cls.__name__}Backward"
                out = out._named(node)
                out._requires_grad = True
            made.append(out)
        return tuple(made) if isinstance(found, (tuple, list)) else made[0]


class _Backward:
    """Link.backward of a Function."""

    def __init__(self, cls: type[Function], ctx: Context, outputs: list[Any], places: list[bool], joint: Node):
        self.joint = weakref.ref(joint)  # which holds this
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
                given.append(Tensor(nodes.full(0, like[0], np.dtype(like[1] if like[1].kind == "f" else float32))))
            else:
                given.append(None)
        self._know_saved(ctx)
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

    def _know_saved(self, ctx: Context) -> None:
        """Outputs that were saved and that no gradient reaches are outputs to backward(), too: it may be differentiated again."""
        joint = self.joint()
        for tensor in ctx._saved:
            number = ctx._outputs.get(id(tensor))
            if number is not None and number not in ctx._now and tensor is not None and joint is not None:
                node = nodes.apply(ops.DETACH, tensor._node)
                node.link = Link((joint,), None, number)
                ctx._now[number] = _inside(node)


def _inside(node: Node) -> Tensor:
    tensor = Tensor(node)
    tensor._requires_grad = True
    return tensor


class _AnyTensor(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor)


class Variable(metaclass=_AnyTensor):
    """What programs wrote before tensors kept gradients themselves: Variable(tensor) is the tensor, outside its graph."""

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Any:
        return data.detach().requires_grad_(requires_grad)


class set_multithreading_enabled:
    """Nothing: derivatives are one graph. A context, too."""

    def __init__(self, mode: bool):
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


__getattr__ = _getter("torch.autograd", globals())
