"""Schedules: they set the option lr of an optimizer's groups between steps. PyTorch's torch.optim.lr_scheduler.

Most rules say what the next rate is by the one before it, as PyTorch's do: so several may act on one optimizer at once.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import Any, Protocol

from ..errors import ArgumentError, RecipeError
from ..missing import getter as _getter


class Optimizer(Protocol):
    """All that a schedule needs of one."""

    param_groups: Any


class LRScheduler:
    """last_epoch: calls of step() so far, less than one. Subclasses define get_lr(): the rates of the groups now.

    last_epoch=-1 starts anew; another number goes on from there, and needs groups with an initial_lr.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise RecipeError(f"{type(self).__name__}: last_epoch={last_epoch} needs initial_lr in group {number}")
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count, self._is_initial, self._get_lr_called_within_step = 0, False, False  # by PyTorch's names
        self._start()

    def _start(self) -> None:
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        raise NotImplementedError(f"{type(self).__name__} has no get_lr(); define the rates of the groups")

    def step(self, epoch: int | None = None) -> None:
        """After the optimizer's step, outside of a compiled one. epoch: the number to go to, instead of the next one."""
        self._step_count = getattr(self, "_step_count", 0) + 1
        if epoch is None:
            self.last_epoch += 1
            rates = self.get_lr()
        else:
            self.last_epoch = epoch
            closed = getattr(self, "_get_closed_form_lr", None)
            rates = closed() if closed is not None else self.get_lr()
        self._set(rates)

    def _set(self, rates: Iterable[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = float(rate)
        self._last_lr = self._now()

    def _now(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _times(self, factor: float) -> list[float]:
        return [rate * factor for rate in self._now()]

    def get_last_lr(self) -> list[float]:
        """The rates that this schedule set last; another one may have changed them since."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions that were given, by PyTorch's names; of callable objects what they hold."""
        left_out = ("optimizer", "lr_lambdas", "_scale_fn", "_schedulers")
        kept = {name: value for name, value in vars(self).items() if name not in left_out}
        return {**kept, **self._functions_hold()}  # functions themselves cannot be kept

    def _functions_hold(self) -> dict[str, Any]:
        given = getattr(self, "lr_lambdas", None)
        if given is None:
            return {}
        return {"lr_lambdas": [None if isinstance(f, FunctionType) else dict(getattr(f, "__dict__", {})) for f in given]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where the other one was, with its rates."""
        given = dict(state_dict)
        rates = given.get("_last_lr")
        for function, held in zip(getattr(self, "lr_lambdas", ()), given.pop("lr_lambdas", None) or (), strict=False):
            if held is not None:
                vars(function).update(held)
        vars(self).update(given)
        if rates is not None:
            self._set(rates)


_LRScheduler = LRScheduler


class LambdaLR(LRScheduler):
    """initial_lr * lr_lambda(last_epoch); one function, or one for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1):
        self.lr_lambdas = _functions(optimizer, lr_lambda, type(self).__name__)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(LRScheduler):
    """The rate before, times lr_lambda(last_epoch)."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1):
        self.lr_lambdas = _functions(optimizer, lr_lambda, type(self).__name__)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._now()
        return [rate * function(self.last_epoch) for rate, function in zip(self._now(), self.lr_lambdas, strict=True)]


def _functions(optimizer: Optimizer, given: Any, name: str) -> list[Callable[[int], float]]:
    count = len(optimizer.param_groups)
    for function in given if isinstance(given, (list, tuple)) else (given,):
        if not callable(function):
            raise ArgumentError(
                f"{name}: lr_lambda is a function of the epoch, or one for each group, got {type(function).__name__}"
            )
    if not isinstance(given, (list, tuple)):
        return [given] * count
    if len(given) != count:
        raise RecipeError(f"{name}: {len(given)} functions for {count} groups; give one, or one for each group")
    return list(given)


class StepLR(LRScheduler):
    """Times gamma every step_size calls."""

    def __init__(self, optimizer: Optimizer, step_size: float, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._times(self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else 1.0)

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Times gamma at each of the milestones; one that is named twice counts twice."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._times(self.gamma ** self.milestones[self.last_epoch] if self.last_epoch in self.milestones else 1.0)

    def _get_closed_form_lr(self) -> list[float]:
        passed = bisect.bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """Times factor for total_iters calls."""

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: float = 5, last_epoch: int = -1):
        if not 0 <= factor <= 1:
            raise RecipeError(f"ConstantLR: factor is in [0, 1], got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._times(self.factor)
        return self._times(1.0 / self.factor if self.last_epoch == self.total_iters else 1.0)

    def _get_closed_form_lr(self) -> list[float]:
        return [base * (self.factor if self.last_epoch < self.total_iters else 1.0) for base in self.base_lrs]


class LinearLR(LRScheduler):
    """Times a factor that goes from start_factor to end_factor in total_iters calls: a warm-up."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: float = 5,
        last_epoch: int = -1,
    ):
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise RecipeError(f"LinearLR: start_factor is in (0, 1], end_factor in [0, 1], got {start_factor} and {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * min(self.total_iters, epoch) / self.total_iters

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._times(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._now()
        return self._times(self._factor(self.last_epoch) / self._factor(self.last_epoch - 1))

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self._factor(self.last_epoch) for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Times gamma at each call."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._times(1.0 if self._is_initial else self.gamma)

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """To 0 in total_iters calls, along (1 - epoch / total_iters)^power."""

    def __init__(self, optimizer: Optimizer, total_iters: float = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def _left(self, epoch: int) -> float:
        return 1.0 - min(epoch, self.total_iters) / self.total_iters

    def get_lr(self) -> list[float]:
        if self._is_initial or self.last_epoch == 0 or self.last_epoch > self.total_iters:
            return self._now()
        return self._times((self._left(self.last_epoch) / self._left(self.last_epoch - 1)) ** self.power)

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self._left(self.last_epoch) ** self.power for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """From initial_lr to eta_min over T_max calls, along half a cosine, and back. Source: Loshchilov and Hutter 2017."""

    def __init__(self, optimizer: Optimizer, T_max: float, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        epoch, whole = self.last_epoch, self.T_max
        if self._is_initial or epoch == 0:
            return self._now()
        if (epoch - 1 - whole) % (2 * whole) == 0:  # the rate before is eta_min: nothing to multiply
            rise = (1 - math.cos(math.pi / whole)) / 2
            return [rate + (base - self.eta_min) * rise for base, rate in zip(self.base_lrs, self._now(), strict=True)]
        factor = (1 + math.cos(math.pi * epoch / whole)) / (1 + math.cos(math.pi * (epoch - 1) / whole))
        return [(rate - self.eta_min) * factor + self.eta_min for rate in self._now()]

    def _get_closed_form_lr(self) -> list[float]:
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """As CosineAnnealingLR, but from the top again after T_0 calls, then after T_0 * T_mult more, and so on."""

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        if T_0 < 1 or not isinstance(T_0, int) or T_mult < 1 or not isinstance(T_mult, int):
            raise RecipeError(f"CosineAnnealingWarmRestarts: T_0 and T_mult are ints of at least 1, got {T_0} and {T_mult}")
        self.T_0, self.T_i, self.T_mult, self.eta_min, self.T_cur = T_0, T_0, T_mult, eta_min, float(last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """epoch: may be a fraction, such as epoch + batch / batches."""
        now = self.last_epoch + 1 if epoch is None else epoch
        if now < 0:
            raise RecipeError(f"CosineAnnealingWarmRestarts: epoch is at least 0, got {now}")
        left, length = float(now), self.T_0
        while left >= length:
            left, length = left - length, length * self.T_mult
        self.T_cur, self.T_i, self.last_epoch = left, length, math.floor(now)
        self._set(self.get_lr())


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to max_lr, and down below where it began, in total_steps calls. Source: Smith, Topin 2018.

    The momentum, or Adam's first beta, goes the other way between its two limits, if cycle_momentum.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise RecipeError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps < 1 or not 0 <= pct_start <= 1 or anneal_strategy not in ("cos", "linear"):
            found = f"{total_steps}, {pct_start} and {anneal_strategy!r}"
            raise RecipeError(f"OneCycleLR: total_steps from 1, pct_start in [0, 1], 'cos' or 'linear' are needed, got {found}")
        self.total_steps = total_steps
        ups = [("initial_lr", "max_lr"), ("max_lr", "initial_lr"), ("initial_lr", "min_lr")]
        if three_phase:
            ends = [pct_start * total_steps - 1, 2 * pct_start * total_steps - 2, total_steps - 1]
        else:
            ends, ups = [pct_start * total_steps - 1, total_steps - 1], [ups[0], ("max_lr", "min_lr")]
        turns = {"max_lr": "base_momentum", "initial_lr": "max_momentum", "min_lr": "max_momentum"}
        self._schedule_phases = [
            {"end_step": float(end), "start_lr": a, "end_lr": b, "start_momentum": turns[a], "end_momentum": turns[b]}
            for end, (a, b) in zip(ends, ups, strict=True)
        ]
        self._anneal_func_type, self.cycle_momentum = anneal_strategy, cycle_momentum
        if cycle_momentum:
            self.use_beta1 = "betas" in optimizer.param_groups[0]
        groups = optimizer.param_groups
        if last_epoch == -1:
            for group, top, low, high in zip(
                groups, *(_each(value, len(groups)) for value in (max_lr, base_momentum, max_momentum)), strict=True
            ):
                group["initial_lr"], group["max_lr"] = top / div_factor, top
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    group["base_momentum"], group["max_momentum"] = low, high
                    _set_momentum(group, high)
        super().__init__(optimizer, last_epoch)

    def _between(self, first: float, last: float, share: float) -> float:
        if self._anneal_func_type == "linear":
            return (last - first) * share + first
        return last + (first - last) / 2.0 * (math.cos(math.pi * share) + 1)

    def get_lr(self) -> list[float]:
        number = self.last_epoch
        if number > self.total_steps:
            raise RecipeError(f"OneCycleLR: call {number} of step(), total_steps is {self.total_steps}")
        phases: list[dict[str, Any]] = self._schedule_phases
        place = next((n for n, phase in enumerate(phases) if number <= phase["end_step"]), len(phases) - 1)
        phase, begin = phases[place], phases[place - 1]["end_step"] if place else 0.0
        share = (number - begin) / (phase["end_step"] - begin)
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            _set_momentum(group, self._between(group[phase["start_momentum"]], group[phase["end_momentum"]], share))
        return [self._between(group[phase["start_lr"]], group[phase["end_lr"]], share) for group in self.optimizer.param_groups]


class CyclicLR(LRScheduler):
    """Up from base_lr to max_lr in step_size_up calls and down again, over and over; momentum goes the other way.

    mode: "triangular", "triangular2" (half as far each cycle), "exp_range" (gamma to the number of the call), or scale_fn of
    the cycle or the iteration. Source: Smith 2017.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: float = 2000,
        step_size_down: float | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ):
        down = step_size_up if step_size_down is None else step_size_down
        if mode not in ("triangular", "triangular2", "exp_range") or step_size_up + down <= 0:
            raise RecipeError(
                f"CyclicLR: mode is triangular, triangular2 or exp_range, steps above 0, got {mode!r}, {step_size_up}, {down}"
            )
        groups = optimizer.param_groups
        self.max_lrs = _each(max_lr, len(groups))
        if last_epoch == -1:
            for group, rate in zip(groups, _each(base_lr, len(groups)), strict=True):
                group["initial_lr"] = group["lr"] = rate
        self.total_size, self.step_ratio = float(step_size_up + down), step_size_up / (step_size_up + down)
        self.mode, self.gamma, self._scale_fn = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            if not all("momentum" in group or "betas" in group for group in groups):
                raise RecipeError("CyclicLR: cycle_momentum needs an optimizer with momentum or betas; use cycle_momentum=False")
            self.use_beta1 = "betas" in groups[0]
            self.base_momentums, self.max_momentums = _each(base_momentum, len(groups)), _each(max_momentum, len(groups))
            for group, high in zip(groups, self.max_momentums, strict=True):
                _set_momentum(group, high)
        super().__init__(optimizer, last_epoch)
        if last_epoch == -1:
            self.base_lrs = _each(base_lr, len(groups))

    def _scale(self, x: float) -> float:
        if self._scale_fn is not None:
            return self._scale_fn(x)
        return {"triangular": 1.0, "triangular2": 1 / 2.0 ** (x - 1)}.get(self.mode, self.gamma**x)

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self._scale(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True):
                _set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_scale_fn_custom": None}


def _each(value: Any, count: int) -> list[float]:
    return list(value) if isinstance(value, (list, tuple)) else [value] * count


def _set_momentum(group: Any, value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    elif "momentum" in group:
        group["momentum"] = value
    else:
        raise RecipeError("OneCycleLR: cycle_momentum needs an optimizer with momentum or betas; use cycle_momentum=False")


class SequentialLR(LRScheduler):
    """One schedule after another: the next one takes over at each milestone."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1):
        _together("SequentialLR", optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise RecipeError(
                f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} milestones, got {len(milestones)}"
            )
        self._schedulers, self._milestones, self.last_epoch = list(schedulers), list(milestones), last_epoch + 1
        self.optimizer = optimizer
        self._set([float(group["initial_lr"]) for group in optimizer.param_groups])  # as if none had begun
        for scheduler in self._schedulers:
            scheduler.last_epoch -= 1
        self._schedulers[0]._start()
        self._last_lr = self._schedulers[0].get_last_lr()

    def step(self, epoch: int | None = None) -> None:
        self.last_epoch += 1
        number = bisect.bisect_right(self._milestones, self.last_epoch)
        if number and self._milestones[number - 1] == self.last_epoch:
            self._schedulers[number].step(0)
        else:
            self._schedulers[number].step()
        self._last_lr = self._schedulers[number].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        _load_all(self, self._schedulers, state_dict)


class ChainedScheduler(LRScheduler):
    """Several schedules at once: each changes what the one before it left."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        if not schedulers:
            raise RecipeError("ChainedScheduler got no schedules; give at least one")
        self.optimizer = optimizer or schedulers[0].optimizer
        _together("ChainedScheduler", self.optimizer, schedulers)
        self._schedulers = list(schedulers)
        self._last_lr = self._now()

    def step(self, epoch: int | None = None) -> None:
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._now()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        _load_all(self, self._schedulers, state_dict)


def _together(name: str, optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
    if any(scheduler.optimizer is not optimizer for scheduler in schedulers):
        raise RecipeError(f"{name}: all schedules belong to one optimizer")


def _load_all(whole: LRScheduler, parts: Sequence[LRScheduler], state_dict: dict[str, Any]) -> None:
    given = dict(state_dict)
    for part, state in zip(parts, given.pop("_schedulers"), strict=True):
        part.load_state_dict(state)
    LRScheduler.load_state_dict(whole, given)


class ReduceLROnPlateau(LRScheduler):
    """Times factor when a measured number has not become better for more than `patience` calls of step(number).

    mode: "min" or "max". threshold: by how much it must be better; "rel": as a share of the best, "abs": as it is.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ):
        if factor >= 1.0 or mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            found = f"{factor}, {mode!r} and {threshold_mode!r}"
            raise RecipeError(f"ReduceLROnPlateau: factor below 1, 'min' or 'max', 'rel' or 'abs' are needed, got {found}")
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        self.min_lrs = _each(min_lr, len(optimizer.param_groups))
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self.default_min_lr = min_lr
        self.mode_worse = self.best
        self._last_lr = self._now()

    @property
    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0

    def is_better(self, a: float, best: float) -> bool:
        if self.threshold_mode == "rel":
            return a < best * (1 - self.threshold) if self.mode == "min" else a > best * (self.threshold + 1)
        return a < best - self.threshold if self.mode == "min" else a > best + self.threshold

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        better = self.is_better(current, self.best)
        self.best = current if better else self.best
        self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                new = max(float(group["lr"]) * self.factor, least)
                if float(group["lr"]) - new > self.eps:
                    group["lr"] = new
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._now()


__getattr__ = _getter("torch.optim.lr_scheduler", globals())
