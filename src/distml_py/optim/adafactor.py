"""Adafactor: Adam's second moment of a matrix, kept as its rows' and its columns' means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import live
from ..creation import zeros, zeros_like
from ..errors import RecipeError
from ..tensor import Tensor
from .optimizer import Group, Optimizer, Options, not_negative


class Adafactor(Optimizer):
    """Steps relative to the size of the weights, the second moment of the last two dimensions factored. As PyTorch's, by step.

    eps: (added to the moment; None is the dtype's own, the least size of weights). d: updates are at most so large, in root mean
    square. Source: Shazeer and Stern 2018.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: Sequence[float | None] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ):
        not_negative("Adafactor", lr=lr, weight_decay=weight_decay, eps=eps[1] or 0.0)
        if beta2_decay > 0 or d < 1:
            raise RecipeError(f"Adafactor: beta2_decay is at most 0 and d at least 1, got {beta2_decay} and {d}")
        options = {"lr": lr, "beta2_decay": beta2_decay, "eps": tuple(eps), "d": d, "weight_decay": weight_decay}
        super().__init__(params, {**options, "foreach": foreach, "maximize": maximize})

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        gradient = -gradient if group["maximize"] else gradient
        least, size = group["eps"]
        least = float(np.finfo(np.float32).eps) if least is None else least
        if not state:
            state.update(step=0, **_empty(gradient))
        live.count(state, "step")
        new = live.number(lambda: float(state["step"]) ** group["beta2_decay"])
        rate = live.number(lambda: min(float(group["lr"]), 1 / float(state["step"]) ** 0.5))
        rate = rate * parameter.square().mean().sqrt().clamp(min=size)
        shrunk = parameter * live.number(lambda: 1 - group["lr"] * group["weight_decay"]) if group["weight_decay"] else parameter
        squares = gradient.square()
        if gradient.ndim > 1:
            state["row_var"] = row = _moved(state["row_var"], squares.mean(-1, keepdim=True), new)
            state["col_var"] = column = _moved(state["col_var"], squares.mean(-2, keepdim=True), new)
            moment = row * column / row.mean(-2, keepdim=True).clamp(min=least)
        else:
            state["variance"] = moment = _moved(state["variance"], squares, new)
        step = moment.clamp(min=least * least).rsqrt() * gradient
        return shrunk - step * (rate / (step.square().mean().sqrt() / group["d"]).clamp(min=1.0))


def _empty(gradient: Tensor) -> Options:
    shape = gradient.shape
    if len(shape) < 2:
        return {"variance": zeros_like(gradient)}
    row, column = (*shape[:-1], 1), (*shape[:-2], 1, shape[-1])
    return {"row_var": zeros(*row, dtype=gradient.dtype), "col_var": zeros(*column, dtype=gradient.dtype)}


def _moved(mean: Tensor, found: Tensor, new: Any) -> Tensor:
    return mean + (found - mean) * new
