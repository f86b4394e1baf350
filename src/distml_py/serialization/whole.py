"""Whole modules <-> plain values, for torch.save(model, file): a class by its name, and a module's attributes.

Nothing is imported and no code of the file is run: the class must be there already, and its __init__ is not called.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

from .. import nn
from ..errors import FormatError
from ..nn.hooks import Hooks
from .pickles import Call, Name

LIBRARY = __name__.partition(".")[0]
MODULE, NAMED = Name(LIBRARY, "Module"), Name(LIBRARY, "named")


def written(module: nn.Module) -> Call:
    """Raises FormatError for a class that could not be found again, and for hooks."""
    kind = type(module)
    _checked(kind)
    if module._hooks or any(module._hooks.of_state.values()):
        raise FormatError(f"torch.save: the {kind.__name__} has hooks, which are code; remove them, or save its state_dict()")
    attributes = {name: value for name, value in vars(module).items() if name != "_hooks"}
    return Call(MODULE, (kind.__module__, kind.__qualname__, attributes))


def named(value: Any) -> Call | None:
    """What is written for a class of modules, or a function of this library, that is an attribute; None for all else."""
    if not _allowed(value):
        return None
    _checked(value)
    return Call(NAMED, (value.__module__, value.__qualname__))


def _checked(value: Any) -> None:
    if _plain(_found(value.__module__, value.__qualname__)) is not _plain(value):
        raise FormatError(
            f"torch.save: {value.__qualname__} of {value.__module__} is not found under that name; define it at the top of a file, "
            "or save the model's state_dict()"
        )


def _found(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _plain(value: Any) -> Any:
    """A function without what checks its arguments."""
    return inspect.unwrap(value) if inspect.isfunction(value) else value


def _allowed(value: Any) -> bool:
    if isinstance(value, type):
        return issubclass(value, nn.Module)
    return inspect.isfunction(value) and value.__module__.partition(".")[0] == LIBRARY


def made(module: Any, name: Any, attributes: Any) -> nn.Module:
    """The module of a file. Raises FormatError where its class is not there."""
    kind = read_name(module, name)
    groups = [attributes.get(group) for group in ("_parameters", "_buffers", "_modules")] if isinstance(attributes, dict) else []
    if not isinstance(kind, type) or not groups or not all(isinstance(group, dict) for group in groups):
        raise FormatError(f"the file's {name} has no parameters, buffers and modules: it is damaged")
    found: nn.Module = object.__new__(kind)
    for attribute, value in attributes.items():
        object.__setattr__(found, str(attribute), value)
    object.__setattr__(found, "_hooks", Hooks())
    return found


def read_name(module: Any, name: Any) -> Any:
    """The class or function that a file says, if it is there and may be said."""
    found = _found(str(module), str(name))
    if found is None or not _allowed(found):
        raise FormatError(
            f"the file needs {name} of {module}, which is not here: define or import it before torch.load, or load a state_dict()"
        )
    return found


def refused(module: Any, name: Any, *attributes: Any) -> Any:
    """Raises FormatError: weights alone were asked for."""
    raise FormatError(
        f"the file holds whole modules ({name} is one), not weights alone: torch.load(file, weights_only=False) reads them where "
        "their classes are defined; a file of model.state_dict() is read anywhere"
    )
