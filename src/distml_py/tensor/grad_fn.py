"""What Tensor.grad_fn answers: PyTorch's name for the step that made a tensor, and for those before it. For reading alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..graph import Node
from .reduction import Best
from .tensor import Tensor

# where PyTorch's name is not the op's own, with capitals
NAMES = {"matmul": "Mm", "reshape": "View", "max": "Amax", "cast": "ToCopy", "detach": "Alias", "pad": "ConstantPadNd"}

# functions made of several ops, or of one that has another name
WORDS = {
    **{name: "View" for name in ("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as")},
    **{"mean": "Mean", "sum": "Sum", "var": "Var", "std": "Std", "prod": "Prod", "norm": "LinalgVectorNorm", "max": "Max"},
    **{"min": "Min", "squeeze": "Squeeze", "unsqueeze": "Unsqueeze", "transpose": "Transpose", "t": "T", "permute": "Permute"},
    **{"clone": "Clone", "cat": "Cat", "stack": "Stack", "cumsum": "Cumsum", "masked_fill": "MaskedFill", "clamp": "Clamp"},
    **{
        "matmul": "Mm",
        "linear": "Addmm",
        "pow": "Pow",
        "__pow__": "Pow",
        "__rtruediv__": "Mul",
        "__getitem__": "Slice",
        "softmax": "Softmax",
    },
    **{"sort": "Sort", "topk": "Topk", "median": "Median", "kthvalue": "Kthvalue", "cummax": "Cummax", "cummin": "Cummin"},
    **{"mode": "Mode", "nanmedian": "Nanmedian"},
    **{"index_select": "IndexSelect", "expand": "Expand", "repeat": "Repeat", "logsumexp": "Logsumexp", "square": "Pow"},
    **{"cross_entropy": "NllLoss", "nll_loss": "NllLoss", "mse_loss": "MseLoss", "l1_loss": "Mean", "kl_div": "KlDiv"},
    **{"smooth_l1_loss": "SmoothL1Loss", "huber_loss": "HuberLoss", "binary_cross_entropy": "BinaryCrossEntropy"},
    "binary_cross_entropy_with_logits": "BinaryCrossEntropyWithLogits",
    **{"conv1d": "Convolution", "conv2d": "Convolution", "conv_transpose2d": "Convolution", "embedding": "Embedding"},
    **{"layer_norm": "NativeLayerNorm", "batch_norm": "NativeBatchNorm", "group_norm": "NativeGroupNorm", "dropout": "Mul"},
    **{"gelu": "Gelu", "silu": "Silu", "elu": "Elu", "leaky_relu": "LeakyRelu", "softplus": "Softplus", "hardtanh": "Hardtanh"},
    **{"max_pool2d": "MaxPool2DWithIndices", "avg_pool2d": "AvgPool2D", "adaptive_avg_pool2d": "AdaptiveAvgPool2D"},
}


def named(namespace: ModuleType | dict[str, Any]) -> None:
    """The functions of a namespace that are among WORDS tell their results how PyTorch calls them."""
    names = namespace if isinstance(namespace, dict) else vars(namespace)
    for name in WORDS.keys() & names.keys():
        function = names[name]
        names[name] = told = _telling(name, function, WORDS[name])
        if vars(Tensor).get(name) is function:
            setattr(Tensor, name, told)


_PAIRS = ("max", "min", "sort", "topk", "median", "nanmedian", "mode", "kthvalue", "cummax", "cummin")
_RETURNED: dict[str, type[Best]] = {name: type(name, (Best,), {"__slots__": ()}) for name in _PAIRS}


def _telling(name: str, function: Callable[..., Any], word: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        found = function(*args, **given)
        if type(found) is Tensor:
            if found._requires_grad and found._node.owner is None and (not args or found is not args[0]):
                found._node.word = _word(name, word, args, given)
        elif type(found) is Best and name in _RETURNED:
            found = _RETURNED[name](*found)
            if found.values._requires_grad:
                found.values._node.word = word
        return found

    return call


def _word(name: str, word: str, args: tuple[Any, ...], given: dict[str, Any]) -> str:
    """PyTorch numbers the forms of a function: with a dimension, or without."""
    dimmed = len(args) > 1 or bool(given)
    match name:
        case "linear":
            flat = args[0].ndim == 2
            return word if flat and len(args) > 2 and args[2] is not None else "Mm" if flat else "View"
        case "matmul":
            ranks = args[0].ndim, args[1].ndim if len(args) > 1 else 2
            return {(2, 2): "Mm", (1, 1): "Dot", (2, 1): "Mv", (3, 3): "Bmm"}.get(ranks, "UnsafeView")
        case "__getitem__":
            key = args[1][0] if isinstance(args[1], tuple) and args[1] else args[1]
            return "Select" if isinstance(key, int) else word if key is None or isinstance(key, slice) or key is ... else "Index"
        case "sum" | "mean" | "prod" if dimmed:
            return f"{word}Backward1"
        case "max" | "min" if not dimmed:
            return f"{word}Backward1"
        case "clamp":
            return f"{word}Backward1"
    return word


_MOVES = ("reshape", "permute", "expand")


class GradFn:
    """name(): "AddBackward0"; next_functions: those of its inputs, and AccumulateGrad for leaves."""

    __slots__ = ("_node",)
    _node: Node

    def __new__(cls, node: Node) -> GradFn:
        """One of a class of PyTorch's name, which programs print: type(loss.grad_fn).__name__."""
        found = object.__new__(cls)
        found._node = node
        name = found.name().rpartition("::")[2]
        kind = _CLASSES.get(name)
        if kind is None:
            kind = _CLASSES[name] = type(name, (GradFn,), {"__slots__": ()})
        return found if cls is kind else kind(node)

    def name(self) -> str:
        node = self._node
        if node.owner is not None:
            return "torch::autograd::AccumulateGrad"
        word = node.word or NAMES.get(node.op.name) or "".join(part.capitalize() for part in node.op.name.split("_"))
        return word if "Backward" in word else f"{word}Backward0"

    @property
    def next_functions(self) -> tuple[tuple[GradFn | None, int], ...]:
        before = self._node.link.parents if self._node.link is not None else self._node.inputs
        own = self._node.word.partition("Backward")[0].lower()
        while len(before) == 1 and before[0].inputs and not before[0].word and before[0].op.name in (*_MOVES, own):
            before = before[0].inputs  # what the function did within itself
        return tuple((GradFn(node) if node.inputs or node.owner is not None else None, 0) for node in before)

    @property
    def variable(self) -> object:
        """The leaf whose gradient is gathered here."""
        return self._node.owner() if self._node.owner is not None else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GradFn) and other._node is self._node

    def __hash__(self) -> int:
        return hash(self._node)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self._node):#x}>"


_CLASSES: dict[str, type[GradFn]] = {}  # by PyTorch's name; what may change in this module


def _grad_fn(input: Tensor) -> GradFn | None:
    """The step that made it, where gradients pass; None for leaves."""
    return None if input.is_leaf else GradFn(input._node)


Tensor.grad_fn = property(_grad_fn)  # type: ignore[method-assign, assignment]


for _name in ("__pow__", "__rtruediv__"):
    setattr(Tensor, _name, _telling(_name, vars(Tensor)[_name], WORDS[_name]))
