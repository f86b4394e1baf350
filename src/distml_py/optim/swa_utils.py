"""Averages of a model's weights: PyTorch's torch.optim.swa_utils. Stochastic weight averaging, and exponential moving averages."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import RecipeError
from ..missing import getter as _getter
from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from ..tensor import Tensor, no_grad
from ..tensor.arguments import guard_classes as _guard_classes
from .lr_scheduler import LRScheduler, Optimizer

Average = Callable[[Tensor, Tensor, Any], Tensor]
Averages = Callable[[list[Tensor], list[Tensor], Any], None]

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_swa_avg_fn() -> Average:
    """The mean of all that came so far. Source: Izmailov et al. 2018."""

    def average(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        return averaged + (current - averaged) / (num_averaged + 1)

    return average


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """decay times what was, and the rest of what is."""
    _check(decay)

    def average(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return ema_param * decay + current_param * (1 - decay)

    return average


def _check(decay: float) -> None:
    if not 0 <= decay <= 1:
        raise RecipeError(f"an exponential average's decay is in [0, 1], got {decay}")


def _each(average: Average) -> Averages:
    def averages(averaged: list[Tensor], current: list[Tensor], num_averaged: Any) -> None:
        with no_grad():
            for tensor, value in zip(averaged, current, strict=True):
                if tensor.is_floating_point():
                    tensor.copy_(average(tensor, value, num_averaged))
                else:
                    tensor.copy_(value)

    return averages


def get_swa_multi_avg_fn() -> Averages:
    return _each(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    return _each(get_ema_avg_fn(decay))


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's; module: the copy. Buffers are copied, or averaged with
    use_buffers. The first update_parameters() takes the numbers as they are."""

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise RecipeError("AveragedModel takes avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", Tensor(0))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers
        self._averages = multi_avg_fn or _each(avg_fn or get_swa_avg_fn())
        self._count = 0

    n_averaged: Tensor

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """One more model for the averages."""
        own, other = (_numbers(one, self.use_buffers) for one in (self.module, model))
        self._count = int(self.n_averaged)
        with no_grad():
            if self._count:
                self._averages(own, other, self._count)
            else:
                for tensor, value in zip(own, other, strict=True):
                    tensor.copy_(value)
            if not self.use_buffers:
                for tensor, value in zip(self.module.buffers(), model.buffers(), strict=True):
                    tensor.copy_(value)
            self.n_averaged.copy_(Tensor(self._count + 1))


def _numbers(model: Module, buffers: bool) -> list[Tensor]:
    return [tensor.detach() for tensor in (*model.parameters(), *(model.buffers() if buffers else ()))]


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """The running statistics of batch norms anew: plain means over all batches of a loader, in training mode."""
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]
    if not layers:
        return
    before, training = [layer.momentum for layer in layers], model.training
    for layer in layers:
        for name, start in (("running_mean", 0.0), ("running_var", 1.0)):
            getattr(layer, name).fill_(start)
        layer.num_batches_tracked, layer.momentum = Tensor(0), None
    model.train()
    with no_grad():
        for batch in loader:
            model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for layer, momentum in zip(layers, before, strict=True):
        layer.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """From the rate of each group to swa_lr within anneal_epochs calls, then constant. anneal_strategy: "cos" or "linear"."""

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        groups = optimizer.param_groups
        rates = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else [swa_lr] * len(groups)
        if len(rates) != len(groups) or anneal_epochs < 0 or anneal_strategy not in ("cos", "linear"):
            found = f"{len(rates)} for {len(groups)}, {anneal_epochs} and {anneal_strategy!r}"
            raise RecipeError(f"SWALR: a rate a group, anneal_epochs from 0, 'cos' or 'linear' are needed, got {found}")
        for group, rate in zip(groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the rate is swa_lr after so many calls."""
        t = min(1.0, max(0.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        step = self.last_epoch if self.anneal_epochs else max(1, self.last_epoch)
        before, now = self._share(max(0, step - 1)), self._share(max(0, step))
        found = []
        for group in self.optimizer.param_groups:
            first = group["swa_lr"] if before == 1 else (group["lr"] - before * group["swa_lr"]) / (1 - before)
            found.append(group["swa_lr"] * now + first * (1 - now))
        return found


_guard_classes([SWALR])
__getattr__ = _getter("torch.optim.swa_utils", globals())
