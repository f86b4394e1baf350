"""SGD, Adam and AdamW. What changes each step travels as a uniform."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import live
from ..creation import zeros_like
from ..errors import RecipeError
from ..tensor import Tensor
from .optimizer import Group, Optimizer, Options, check_betas, flags, moments, not_negative


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as in torch.optim.SGD."""

    elementwise = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        not_negative("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise RecipeError("SGD: nesterov needs momentum > 0 and dampening 0")
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        how = flags(self, differentiable, foreach=foreach, fused=fused)
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize, **how})

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        if group["maximize"]:
            gradient = -gradient
        if group.uses("weight_decay"):
            gradient = gradient + parameter * live.number(lambda: group["weight_decay"])
        if group["momentum"]:
            known = state.get("momentum_buffer")
            buffer = gradient if known is None else known * group["momentum"] + gradient * (1.0 - group["dampening"])
            state["momentum_buffer"] = buffer._aside()
            gradient = gradient + buffer * group["momentum"] if group["nesterov"] else buffer
        return parameter - gradient * live.number(lambda: group["lr"])


class Adam(Optimizer):
    """Adam with exact bias correction. Source: Kingma and Ba 2015, algorithm 1, in the form of torch.optim.Adam."""

    elementwise = True
    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        not_negative(type(self).__name__, lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(type(self).__name__, betas)
        options = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay}
        options |= {"amsgrad": amsgrad, "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, {**options, **flags(self, differentiable, foreach=foreach, capturable=capturable, fused=fused)})

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        first, second = group["betas"]
        gradient = -gradient if group["maximize"] else gradient
        if group.uses("weight_decay") and (self.decoupled or group.get("decoupled_weight_decay", False)):
            parameter = parameter * live.number(lambda: 1.0 - group["lr"] * group["weight_decay"])
        elif group.uses("weight_decay"):
            gradient = gradient + parameter * live.number(lambda: group["weight_decay"])
        mean, square = moments(gradient, state, group)
        if group["amsgrad"]:
            largest = state.get("max_exp_avg_sq")
            square = state["max_exp_avg_sq"] = (zeros_like(square) if largest is None else largest).maximum(square)
        rate = live.number(lambda: group["lr"] / (1.0 - first ** state["step"]))
        root = live.number(lambda: float(np.sqrt(1.0 - second ** state["step"])))
        return parameter - mean * rate / (square.sqrt() / root + group["eps"])


class AdamW(Adam):
    """Adam with decoupled weight decay. Source: Loshchilov and Hutter 2019, algorithm 2."""

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        how = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        more: dict[str, Any] = {"maximize": maximize, "decoupled_weight_decay": True, **how}
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **more)
