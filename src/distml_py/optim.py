"""Optimizers: PyTorch's update rules. One step is one realization; what changes each step travels as a uniform."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from . import engine, live
from . import lr_scheduler as lr_scheduler
from .creation import zeros_like
from .errors import RecipeError, ShapeError
from .tensor import Tensor, no_grad

Options = dict[str, Any]


class Group(dict[str, Any]):
    """The options of some parameters. While a step is captured, an option that is read this way must stay as it is."""

    def __getitem__(self, name: str) -> Any:
        if live.state.recorder is not None and name != "params":
            live.state.recorder.option(self, name, False)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            return default
        return self[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if live.state.recorder is not None:
            live.state.recorder.refuse(f"it sets the option {name!r} of an optimizer; do that between two steps")
        super().__setitem__(name, value)

    def uses(self, name: str) -> bool:
        """Whether an option is not zero: all that a captured step must rely on when the number itself is live."""
        if live.state.recorder is not None:
            live.state.recorder.option(self, name, True)
        return bool(super().__getitem__(name))


class Optimizer:
    """params: tensors, or groups {"params": tensors, option: value}. Subclasses define update().

    state: per parameter number, {slot: tensor or number}.
    """

    slots: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Any], defaults: Options):
        given = list(params)
        if not given:
            raise RecipeError(f"{type(self).__name__} got no parameters; pass model.parameters()")
        groups = given if isinstance(given[0], Mapping) else [{"params": given}]
        self.defaults = defaults
        self.param_groups = [Group({**defaults, **group, "params": list(group["params"])}) for group in groups]
        self.state: dict[int, Options] = {}
        for tensor in self._tensors():
            if not isinstance(tensor, Tensor) or not tensor.is_leaf:
                raise RecipeError(f"{type(self).__name__} takes leaf tensors, got {type(tensor).__name__}")

    def _tensors(self) -> list[Tensor]:
        return [tensor for group in self.param_groups for tensor in group["params"]]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for tensor in self._tensors():
            tensor.grad = None if set_to_none or tensor.grad is None else tensor.grad * 0

    def step(self) -> None:
        """Update every parameter that has a gradient, in one realization; older graphs keep the old numbers."""
        changed: list[Tensor] = []
        number, recorder = 0, live.state.recorder
        if recorder is not None:
            recorder.stepping(self)
        with no_grad():
            for group in self.param_groups:
                for tensor in group["params"]:
                    if tensor.grad is not None:
                        state = self.state.setdefault(number, {})
                        if recorder is not None:
                            recorder.updating(self, number, state)
                            recorder.spent(tensor)
                        tensor.copy_(self.update(tensor.detach(), tensor.grad.detach(), state, group))
                        changed += [tensor, *(value for value in state.values() if isinstance(value, Tensor))]
                    number += 1
        engine.realize(tensor.node for tensor in changed)
        for tensor in changed:
            tensor._settle()

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        """The new parameter. state may be changed; it starts empty.

        Numbers that change from step to step go through live.number and live.count, or a captured step refuses them.
        """
        raise NotImplementedError

    def config(self) -> Options:
        """{"name", option: value}: enough for from_config() to make an equal optimizer. Raises RecipeError for groups."""
        if len(self.param_groups) != 1:
            raise RecipeError("a run shared by several workers takes one parameter group; give all parameters one lr")
        options = {name: value for name, value in self.param_groups[0].items() if name != "params"}
        return {"name": type(self).__name__, **options}

    def state_dict(self) -> Options:
        """PyTorch's layout: {"state": {number: slots}, "param_groups": [...]}."""
        groups, number = [], 0
        for group in self.param_groups:
            numbers = list(range(number, number + len(group["params"])))
            groups.append({**{k: v for k, v in group.items() if k != "params"}, "params": numbers})
            number += len(numbers)
        return {"state": {number: dict(slots) for number, slots in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: Options) -> None:
        """Raises ShapeError when a slot does not have its parameter's shape."""
        tensors = self._tensors()
        state: dict[int, Options] = {}
        for key, slots in state_dict["state"].items():
            number = int(key)
            if not 0 <= number < len(tensors):
                raise ShapeError(f"optimizer state names parameter {number}, there are {len(tensors)}")
            state[number] = {name: _slot(name, value, tensors[number]) for name, value in slots.items()}
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({name: value for name, value in saved.items() if name != "params"})
        self.state = state


def _slot(name: str, value: Any, tensor: Tensor) -> Any:
    if isinstance(value, (int, float)):
        return value
    if name == "step":
        return int(value.item())
    found = value if isinstance(value, Tensor) else Tensor(np.asarray(value))
    if found.shape != tensor.shape:
        raise ShapeError(f"optimizer state {name} has shape {found.shape}, its parameter {tensor.shape}")
    return found


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as in torch.optim.SGD."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        maximize: bool = False,
    ):
        _not_negative("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise RecipeError("SGD: nesterov needs momentum > 0 and dampening 0")
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize})

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        if group["maximize"]:
            gradient = -gradient
        if group.uses("weight_decay"):
            gradient = gradient + parameter * live.number(lambda: group["weight_decay"])
        if group["momentum"]:
            known = state.get("momentum_buffer")
            buffer = gradient if known is None else known * group["momentum"] + gradient * (1.0 - group["dampening"])
            state["momentum_buffer"] = buffer.detach()
            gradient = gradient + buffer * group["momentum"] if group["nesterov"] else buffer
        return parameter - gradient * live.number(lambda: group["lr"])


class Adam(Optimizer):
    """Adam with exact bias correction. Source: Kingma and Ba 2015, algorithm 1, in the form of torch.optim.Adam."""

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        maximize: bool = False,
    ):
        _not_negative(type(self).__name__, lr=lr, eps=eps, weight_decay=weight_decay)
        if not all(0 <= beta < 1 for beta in betas):
            raise RecipeError(f"{type(self).__name__}: betas are in [0, 1), got {tuple(betas)}")
        options = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**options, "amsgrad": amsgrad, "maximize": maximize})

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        first, second = group["betas"]
        gradient = -gradient if group["maximize"] else gradient
        if group.uses("weight_decay") and self.decoupled:
            parameter = parameter * live.number(lambda: 1.0 - group["lr"] * group["weight_decay"])
        elif group.uses("weight_decay"):
            gradient = gradient + parameter * live.number(lambda: group["weight_decay"])
        if not state:
            state.update(step=0, exp_avg=zeros_like(gradient), exp_avg_sq=zeros_like(gradient))
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = zeros_like(gradient)
        live.count(state, "step")
        state["exp_avg"] = state["exp_avg"] * first + gradient * (1.0 - first)
        state["exp_avg_sq"] = state["exp_avg_sq"] * second + gradient * gradient * (1.0 - second)
        square = state["exp_avg_sq"]
        if group["amsgrad"]:
            square = state["max_exp_avg_sq"] = state["max_exp_avg_sq"].maximum(square)
        rate = live.number(lambda: group["lr"] / (1.0 - first ** state["step"]))
        root = live.number(lambda: float(np.sqrt(1.0 - second ** state["step"])))
        return parameter - state["exp_avg"] * rate / (square.sqrt() / root + group["eps"])


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
        maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize)


BY_NAME: dict[str, type[Optimizer]] = {"SGD": SGD, "Adam": Adam, "AdamW": AdamW}


def from_config(config: Options, params: Iterable[Any]) -> Optimizer:
    """The optimizer that config() described. Raises RecipeError for an unknown name or option."""
    options = dict(config)
    name = options.pop("name", None)
    if name not in BY_NAME:
        raise RecipeError(f"unknown optimizer {name!r}; known: {', '.join(BY_NAME)}")
    try:
        return BY_NAME[name](params, **options)
    except TypeError as error:
        raise RecipeError(f"optimizer {name} does not take these options: {error}") from None


def _not_negative(name: str, **options: float) -> None:
    for option, value in options.items():
        if not value >= 0:
            raise RecipeError(f"{name}: {option} must be at least 0, got {value}")
