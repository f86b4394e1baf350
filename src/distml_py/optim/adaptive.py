"""Optimizers whose step is sized for each number by what its gradients were. Adam is in descent.py."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .. import live
from ..creation import full, zeros_like
from ..errors import RecipeError
from ..tensor import Tensor
from .optimizer import Group, Optimizer, Options, check_betas, flags, moments, not_negative


def _decayed(parameter: Tensor, gradient: Tensor, group: Group) -> Tensor:
    """The gradient to follow: turned round to maximize, and with weight decay in it."""
    gradient = -gradient if group["maximize"] else gradient
    if group.uses("weight_decay") and not group.get("decoupled_weight_decay", False):
        gradient = gradient + parameter * live.number(lambda: group["weight_decay"])
    return gradient


def _shrunk(parameter: Tensor, group: Group) -> Tensor:
    """The parameter after decoupled weight decay."""
    if group.uses("weight_decay") and group["decoupled_weight_decay"]:
        return parameter * live.number(lambda: 1.0 - group["lr"] * group["weight_decay"])
    return parameter


class RMSprop(Optimizer):
    """The gradient over the root of its running mean square. Source: Tieleman and Hinton 2012; centered: Graves 2013."""

    elementwise = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        not_negative("RMSprop", lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
        options = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered}
        how = flags(self, differentiable, capturable=capturable, foreach=foreach)
        super().__init__(params, {**options, "weight_decay": weight_decay, "maximize": maximize, **how})

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        gradient, alpha = _decayed(parameter, gradient, group), group["alpha"]
        if not state:
            state.update(step=0, square_avg=zeros_like(gradient))
            if group["momentum"]:
                state["momentum_buffer"] = zeros_like(gradient)
            if group["centered"]:
                state["grad_avg"] = zeros_like(gradient)
        live.count(state, "step")
        mean = state["square_avg"] = state["square_avg"] * alpha + gradient * gradient * (1.0 - alpha)
        if group["centered"]:
            state["grad_avg"] = state["grad_avg"] * alpha + gradient * (1.0 - alpha)
            mean = mean - state["grad_avg"] * state["grad_avg"]
        move = gradient / (mean.sqrt() + group["eps"])
        if group["momentum"]:
            move = state["momentum_buffer"] = state["momentum_buffer"] * group["momentum"] + move
        return parameter - move * live.number(lambda: group["lr"])


class Adagrad(Optimizer):
    """The gradient over the root of the sum of its squares. Source: Duchi et al. 2011."""

    elementwise = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        start = initial_accumulator_value
        not_negative("Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=start, eps=eps)
        options = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        how = flags(self, differentiable, foreach=foreach, fused=fused)
        super().__init__(params, {**options, "initial_accumulator_value": start, "maximize": maximize, **how})

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        gradient = _decayed(parameter, gradient, group)
        if not state:
            state.update(step=0, sum=full(gradient.shape, float(group["initial_accumulator_value"]), dtype=gradient.dtype))
        live.count(state, "step")
        state["sum"] = state["sum"] + gradient * gradient
        rate = live.number(lambda: group["lr"] / (1.0 + (state["step"] - 1) * group["lr_decay"]))
        return parameter - gradient / (state["sum"].sqrt() + group["eps"]) * rate


class Adadelta(Optimizer):
    """Steps as large as earlier ones, in units of the gradient. Source: Zeiler 2012."""

    elementwise = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        not_negative("Adadelta", lr=lr, eps=eps, weight_decay=weight_decay)
        if not 0 <= rho <= 1:
            raise RecipeError(f"Adadelta: rho is in [0, 1], got {rho}")
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, {**options, **flags(self, differentiable, capturable=capturable, foreach=foreach)})

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        gradient, rho, eps = _decayed(parameter, gradient, group), group["rho"], group["eps"]
        if not state:
            state.update(step=0, square_avg=zeros_like(gradient), acc_delta=zeros_like(gradient))
        live.count(state, "step")
        state["square_avg"] = state["square_avg"] * rho + gradient * gradient * (1.0 - rho)
        move = (state["acc_delta"] + eps).sqrt() / (state["square_avg"] + eps).sqrt() * gradient
        state["acc_delta"] = state["acc_delta"] * rho + move * move * (1.0 - rho)
        return parameter - move * live.number(lambda: group["lr"])


class Adamax(Optimizer):
    """Adam with the largest gradient in place of the mean square. Source: Kingma and Ba 2015, algorithm 2."""

    elementwise = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        not_negative("Adamax", lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas("Adamax", betas)
        options = {"lr": lr, "betas": tuple(betas), "eps": eps}
        how = flags(self, differentiable, capturable=capturable, foreach=foreach)
        super().__init__(params, {**options, "weight_decay": weight_decay, "maximize": maximize, **how})

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        gradient, (first, second) = _decayed(parameter, gradient, group), group["betas"]
        if not state:
            state.update(step=0, exp_avg=zeros_like(gradient), exp_inf=zeros_like(gradient))
        live.count(state, "step")
        state["exp_avg"] = state["exp_avg"] * first + gradient * (1.0 - first)
        state["exp_inf"] = (state["exp_inf"] * second).maximum(gradient.abs() + group["eps"])
        rate = live.number(lambda: group["lr"] / (1.0 - first ** state["step"]))
        return parameter - state["exp_avg"] / state["exp_inf"] * rate


class NAdam(Optimizer):
    """Adam with Nesterov's momentum. Source: Dozat 2016."""

    elementwise = True
    followed = ("mu_product",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        not_negative("NAdam", lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        check_betas("NAdam", betas)
        options = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay}
        options |= {"decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize}
        super().__init__(params, {**options, **flags(self, differentiable, capturable=capturable, foreach=foreach)})
        self._products: dict[tuple[float, float], list[float]] = {}

    def _product(self, step: int, first: float, decay: float) -> float:
        """mu(1) * ... * mu(step)."""
        known = self._products.setdefault((first, decay), [1.0])
        while len(known) <= step:
            known.append(known[-1] * _mu(len(known), first, decay))
        return known[step]

    def follows(self, state: Options, group: Group) -> Options:
        return {"mu_product": self._product(int(state["step"]), group["betas"][0], group["momentum_decay"])}

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        gradient = _decayed(parameter, gradient, group)
        parameter = _shrunk(parameter, group)
        (first, second), decay = group["betas"], group["momentum_decay"]
        mean, square = moments(gradient, state, group)
        root = live.number(lambda: math.sqrt(1.0 - second ** state["step"]))
        scale = square.sqrt() / root + group["eps"]

        def now() -> float:
            step = state["step"]
            return group["lr"] * (1.0 - _mu(step, first, decay)) / (1.0 - self._product(step, first, decay))

        def ahead() -> float:
            step = state["step"] + 1
            return group["lr"] * _mu(step, first, decay) / (1.0 - self._product(step, first, decay))

        return parameter - gradient / scale * live.number(now) - mean / scale * live.number(ahead)


def _mu(step: int, first: float, decay: float) -> float:
    return first * (1.0 - 0.5 * 0.96 ** (step * decay))


class RAdam(Optimizer):
    """Adam that trusts its second moment only when it rests on enough gradients. Source: Liu et al. 2020."""

    elementwise = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        not_negative("RAdam", lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas("RAdam", betas)
        options = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay}
        options |= {"decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize}
        super().__init__(params, {**options, **flags(self, differentiable, capturable=capturable, foreach=foreach)})

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        gradient = _decayed(parameter, gradient, group)
        parameter = _shrunk(parameter, group)
        first, second = group["betas"]
        mean, square = moments(gradient, state, group)
        rate = live.number(lambda: group["lr"] / (1.0 - first ** state["step"]))
        plain = live.number(lambda: float(_rectified(state["step"], second) == 0.0))
        sized = live.number(lambda: _rectified(state["step"], second) * math.sqrt(1.0 - second ** state["step"]))
        return parameter - mean * rate * (sized / (square.sqrt() + group["eps"]) + plain)


def _rectified(step: int, second: float) -> float:
    """The factor of the adaptive step; 0 while too few gradients were seen."""
    most = 2.0 / (1.0 - second) - 1.0
    now = most - 2.0 * step * second**step / (1.0 - second**step)
    return math.sqrt((now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now)) if now > 5 else 0.0
