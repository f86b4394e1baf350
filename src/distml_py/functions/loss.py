"""Losses between numbers; those between classes are in nn/functional.py. PyTorch's torch.nn.functional."""

from __future__ import annotations

from .. import creation
from ..errors import ShapeError
from ..tensor import Tensor


def reduced(values: Tensor, reduction: str) -> Tensor:
    match reduction:
        case "mean":
            return values.mean()
        case "sum":
            return values.sum()
        case "none":
            return values
        case _:
            raise ShapeError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    if input.shape != target.shape:
        raise ShapeError(f"mse_loss: input {input.shape} and target {target.shape} must have one shape")
    return reduced((input - target).square(), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    if input.shape != target.shape:
        raise ShapeError(f"l1_loss: input {input.shape} and target {target.shape} must have one shape")
    return reduced((input - target).abs(), reduction)


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """max(x, 0) - x * target + log(1 + exp(-|x|)): no overflow for any x. At 0 maximum's slope is 1/2, as the sigmoid's value."""
    if input.shape != target.shape:
        raise ShapeError(f"binary_cross_entropy_with_logits: {input.shape} and {target.shape} must be equal")
    return reduced(input.maximum(creation.zeros_like(input)) - input * target + ((-input.abs()).exp() + 1).log(), reduction)
