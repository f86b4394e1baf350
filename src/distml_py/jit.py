"""PyTorch's torch.jit, for scripts that decorate with it: functions and modules stay Python, which computes the same.

What is captured and replayed here is a whole step: distml_py.compile.
"""

from __future__ import annotations

from typing import Any
from typing import Final as Final
from typing import List as List  # noqa: UP035

from .errors import UnsupportedError


class ScriptModule:
    """No module is one: they stay Python."""


class ScriptFunction:
    """No function is one: they stay Python."""


def script(obj: Any = None, *args: Any, **named: Any) -> Any:
    """obj itself."""
    return obj


def trace(func: Any, example_inputs: Any = None, *args: Any, **named: Any) -> Any:
    """func itself: it is called anew each time, whatever its inputs are."""
    return func


def annotate(the_type: Any, the_value: Any) -> Any:
    """the_value: Python needs no types."""
    return the_value


def ignore(drop: Any = False, **named: Any) -> Any:
    """The function itself."""
    return drop if callable(drop) else lambda function: function


def unused(fn: Any) -> Any:
    return fn


export = script_method = interface = unused


def is_scripting() -> bool:
    return False


is_tracing = is_scripting


def save(m: Any, f: Any, **named: Any) -> None:
    """Raises UnsupportedError."""
    raise UnsupportedError("not implemented: torch.jit.save; nearest is torch.save(module.state_dict(), file)")


def load(f: Any, **named: Any) -> Any:
    """Raises UnsupportedError."""
    raise UnsupportedError("not implemented: torch.jit.load; nearest is the module's class and load_state_dict(torch.load(file))")


def freeze(mod: Any, **named: Any) -> Any:
    """mod itself."""
    return mod
