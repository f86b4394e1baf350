"""Optimizers and schedules. PyTorch's torch.optim."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import RecipeError
from ..missing import getter as _getter
from ..tensor.arguments import guard_classes as _guard_classes
from . import lr_scheduler
from .adafactor import Adafactor
from .adaptive import Adadelta, Adagrad, Adamax, NAdam, RAdam, RMSprop
from .descent import SGD, Adam, AdamW
from .optimizer import Group, Optimizer, Options
from .quasi_newton import LBFGS
from .signs import ASGD, Rprop

BY_NAME: dict[str, type[Optimizer]] = {
    rule.__name__: rule for rule in (SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, Adamax, NAdam, RAdam, Rprop, ASGD)
}


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


_guard_classes((*BY_NAME.values(), LBFGS, Adafactor))
_guard_classes(value for value in vars(lr_scheduler).values() if isinstance(value, type))
__getattr__ = _getter("torch.optim", globals())
