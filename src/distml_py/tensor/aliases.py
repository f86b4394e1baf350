"""NumPy's names of arguments, which PyTorch's functions take, too: axis is dim, keepdims is keepdim, x is input, x2 is other."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .tensor import Tensor

ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}


def aliased(namespace: ModuleType) -> None:
    """Gives its functions the other names of their arguments. Whoever calls by PyTorch's names pays one look at the names."""
    for name, function in list(vars(namespace).items()):
        if not inspect.isfunction(function) or name.startswith("__"):
            continue
        known = inspect.signature(function).parameters
        other = {alias: word for alias, word in ALIASES.items() if word in known and alias not in known}
        if other.keys() & {"axis", "keepdims"}:
            names = vars(namespace)
            names[name] = both = _taking(function, other)
            if vars(Tensor).get(name) is function:
                setattr(Tensor, name, both)


def _taking(function: Callable[..., Any], other: dict[str, str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        if given and not other.keys().isdisjoint(given):
            for alias in other.keys() & given.keys():
                if other[alias] in given:
                    raise TypeError(f"{function.__name__}() got {alias} and {other[alias]}, which are one argument")
                given[other[alias]] = given.pop(alias)
        return function(*args, **given)

    return call
