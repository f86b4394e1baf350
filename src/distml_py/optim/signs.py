"""Optimizers that go by the signs of gradients, or by averages of where they have been."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .. import live
from ..creation import full, zeros_like
from ..errors import RecipeError
from ..tensor import Tensor, where
from .optimizer import Group, Optimizer, Options, flags, not_negative


class Rprop(Optimizer):
    """A step size for each number, which grows while its gradient keeps its sign. Source: Riedmiller and Braun 1993."""

    elementwise = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: Sequence[float] = (0.5, 1.2),
        step_sizes: Sequence[float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        not_negative("Rprop", lr=lr)
        if len(etas) != 2 or not 0 < etas[0] < 1 < etas[1]:
            raise RecipeError(f"Rprop: etas are a number in (0, 1) and one above 1, got {tuple(etas)}")
        options = {"lr": lr, "etas": tuple(etas), "step_sizes": tuple(step_sizes)}
        super().__init__(
            params, {**options, "maximize": maximize, **flags(self, differentiable, capturable=capturable, foreach=foreach)}
        )

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        gradient = -gradient if group["maximize"] else gradient
        if not state:
            state.update(
                step=0, prev=zeros_like(gradient), step_size=full(gradient.shape, float(group["lr"]), dtype=gradient.dtype)
            )
        live.count(state, "step")
        (less, more), (least, most) = group["etas"], group["step_sizes"]
        turn = gradient * state["prev"]
        size = state["step_size"] * where(turn > 0, more, where(turn < 0, less, 1.0))
        state["step_size"] = size = size.clamp(least, most)
        state["prev"] = gradient = where(turn < 0, 0.0, gradient)
        return parameter - gradient.sign() * size


class ASGD(Optimizer):
    """SGD whose rate falls, beside the mean of where it has been, ax. Source: Polyak and Juditsky 1992.

    eta and mu of a step are functions of its number; they are shown in the state for PyTorch's sake.
    """

    elementwise = True
    followed = ("eta", "mu")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        not_negative("ASGD", lr=lr, weight_decay=weight_decay)
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        super().__init__(
            params, {**options, "maximize": maximize, **flags(self, differentiable, capturable=capturable, foreach=foreach)}
        )

    def follows(self, state: Options, group: Group) -> Options:
        return {"eta": _rate(int(state["step"]), group), "mu": 1.0 / max(1.0, state["step"] - group["t0"])}

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        gradient = -gradient if group["maximize"] else gradient
        if group.uses("weight_decay"):
            gradient = gradient + parameter * live.number(lambda: group["weight_decay"])
        if not state:
            state.update(step=0, ax=zeros_like(gradient))
        rate = live.number(lambda: _rate(state["step"], group))
        shrink = live.number(lambda: 1.0 - group["lambd"] * _rate(state["step"], group))
        share = live.number(lambda: 1.0 / max(1.0, state["step"] - group["t0"]))
        live.count(state, "step")
        found = parameter * shrink - gradient * rate
        state["ax"] = state["ax"] + (found - state["ax"]) * share
        return found


def _rate(step: int, group: Group) -> float:
    """The rate after so many steps."""
    rate = float(group["lr"])
    return rate / (1.0 + float(group["lambd"]) * rate * step) ** float(group["alpha"]) if step else rate
