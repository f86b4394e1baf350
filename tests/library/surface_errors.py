"""What the surface raises, with its messages: rows for test_errors.py."""

from collections.abc import Callable
from typing import Any

import distml_py as dm
from distml_py.errors import DtypeError, GradientError, ShapeError

Row = tuple[Callable[[], Any], type[Exception], str]


def full(*shape: int) -> dm.Tensor:
    return dm.ones(*shape)


def leaf(*shape: int) -> dm.Tensor:
    return dm.ones(*shape, requires_grad=True)


class Short(dm.autograd.Function):
    """backward returns one gradient too few."""

    @staticmethod
    def forward(ctx: Any, x: dm.Tensor, y: dm.Tensor) -> dm.Tensor:
        return x + y

    @staticmethod
    def backward(ctx: Any, g: dm.Tensor) -> Any:
        return g


class Empty(dm.autograd.Function):
    pass


class Forward(dm.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: dm.Tensor) -> dm.Tensor:
        return x * 2


def changed() -> None:
    x = leaf(2)
    y = x * x
    with dm.no_grad():
        x.add_(1)
    y.sum().backward()


ELEMENTWISE: list[Row] = [
    (lambda: dm.div(full(2), 2, rounding_mode="up"), DtypeError, "div: rounding_mode is None, 'floor' or 'trunc', got 'up'"),
    (
        lambda: full(2) & True,
        DtypeError,
        "bitwise_and takes integers or bool, got floating-point numbers; use .int() or logical_and and its like",
    ),
    (lambda: ~full(2), DtypeError, "bitwise_not takes integers or bool, got float32; use .int()"),
    (lambda: dm.exp(2.0), DtypeError, "exp takes a tensor, got float; wrap it in tensor(...)"),
    (
        lambda: dm.where(True, 1, 2),
        DtypeError,
        "where takes a bool tensor and two tensors or numbers, got bool as condition",
    ),
    (lambda: full(2).masked_fill(full(2), 1), DtypeError, "masked_fill takes a bool mask, got float32; use mask.bool()"),
    (
        lambda: full(2).masked_fill(full(2) > 0, full(2)),
        ShapeError,
        "masked_fill takes one number, got shape (2,); use where() or masked_scatter()",
    ),
    (
        lambda: dm.heaviside(full(2), full(2).int()),
        DtypeError,
        "heaviside needs two equal dtypes, got float32 and int32",
    ),
]
AUTOGRAD: list[Row] = [
    (
        changed,
        GradientError,
        "one of the variables needed for gradient computation has been modified by an inplace operation: mul of shape (2,) saved "
        "a tensor of shape (2,) that was changed since; change a .clone() of it",
    ),
    (lambda: full(2).register_hook(print), GradientError, "cannot register a hook on a tensor that doesn't require gradient"),
    (
        lambda: dm.autograd.grad(leaf(1), leaf(1), is_grads_batched=True),
        GradientError,
        "not implemented: torch.autograd.grad(is_grads_batched=True); nearest is a loop over grad_outputs",
    ),
    (
        lambda: dm.autograd.grad([leaf(1), leaf(1)], leaf(1), [full(1)]),
        GradientError,
        "grad: 2 outputs need as many grad_outputs, got 1",
    ),
    (
        lambda: dm.autograd.grad(leaf(1) * 2, full(1)),
        GradientError,
        "grad: one of the inputs does not require grad; call requires_grad_() on it before it is used",
    ),
    (
        lambda: dm.autograd.grad(leaf(1) * 2, leaf(1)),
        GradientError,
        "grad: one of the inputs was not used for the outputs; set allow_unused=True if that is meant",
    ),
    (lambda: Empty.apply(leaf(1)), NotImplementedError, "a Function needs a static forward(ctx, *args)"),
    (lambda: Forward.apply(leaf(1)).backward(), NotImplementedError, "a Function needs a static backward(ctx, *grad_outputs)"),
    (
        lambda: Short.apply(leaf(1), leaf(1)).backward(),
        GradientError,
        "Short.backward returned 1 gradients for 2 arguments of forward",
    ),
]
ROWS: list[Row] = [*ELEMENTWISE, *AUTOGRAD]
