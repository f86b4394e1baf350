"""What a function can see when it is captured: names, attributes and numbers that must be as they were."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np

from .tensor import Tensor

PLAIN = (bool, int, float, str, bytes, type(None))


class Scope:
    """The names around a function, of functions it calls as well, and what they stood for when it was captured."""

    def __init__(self, fn: Any):
        self.cells: list[tuple[Any, Any, Any]] = []
        self.globals: list[tuple[dict[str, Any], str, Any, Any]] = []
        self.attributes: list[tuple[Any, str, Any, Any]] = []
        self._seen: set[int] = set()
        self.add(fn)

    def add(self, fn: Any) -> None:
        todo = [fn]
        while todo:
            todo += self._look(todo.pop())

    def _look(self, one: Any) -> list[Any]:
        """Notes the names of one function. Returns what else it may call."""
        if isinstance(one, functools.partial):
            return [one.func, *one.args, *one.keywords.values()]
        code = getattr(getattr(one, "__func__", one), "__code__", None)
        if not inspect.iscode(code) or id(code) in self._seen or str(one.__module__).split(".")[0] in ("distml_py", "numpy"):
            return []
        self._seen.add(id(code))
        names = _code_names(code)
        space = getattr(one, "__func__", one)
        cells = [cell for cell in space.__closure__ or () if not _empty(cell)]
        found = [space.__globals__[name] for name in names if name in space.__globals__]
        self.globals += [(space.__globals__, n, v, _copy(v)) for n in names if (v := space.__globals__.get(n)) is not None]
        self.cells += [(cell, cell.cell_contents, _copy(cell.cell_contents)) for cell in cells]
        found += [cell.cell_contents for cell in cells]
        for holder in [*found, *([one.__self__] if inspect.ismethod(one) else [])]:
            found += self._attributes(holder, names)
        return found

    def _attributes(self, holder: Any, names: list[str]) -> list[Any]:
        """Notes what the function may name of an object, and of the objects it finds there. Returns these."""
        found: list[Any] = []
        todo = [holder]
        for one in todo:  # grows on the way
            ours = str(getattr(one, "__name__", type(one).__module__)).split(".")[0] in ("distml_py", "numpy")
            if ours or isinstance(one, (Tensor, np.ndarray, *PLAIN)) or id(one) in self._seen:
                continue
            self._seen.add(id(one))
            for name in names:
                value = inspect.getattr_static(one, name, None)
                if isinstance(value, PLAIN) and value is not None or _has(one, name):
                    value = getattr(one, name)
                    self.attributes.append((one, name, value, _copy(value)))
                    todo.append(value)
        found += todo[1:]
        return found

    def values(self) -> list[Any]:
        return [entry[-2] for entry in (*self.cells, *self.globals, *self.attributes)]

    def changed(self) -> str:
        for cell, value, copy in self.cells:
            now = cell.cell_contents
            if now is not value and not same(now, value) or copy is not None and not _holds(now, copy):
                return f"a variable around the step is {brief(now)}, it was {brief(value if copy is None else copy)}"
        for namespace, name, value, copy in self.globals:
            now = namespace.get(name)
            if now is not value and not same(now, value) or copy is not None and not _holds(now, copy):
                return f"{name} is {brief(now)}, it was {brief(value if copy is None else copy)}"
        for holder, name, value, copy in self.attributes:
            now = getattr(holder, name, None)
            if now is not value and not same(now, value) or copy is not None and not _holds(now, copy):
                return f"{type(holder).__name__}.{name} is {brief(now)}, it was {brief(value)}"
        return ""


def _empty(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


def _copy(value: Any) -> Any:
    """What a list or dictionary holds now, a level deep; None for all else."""
    return dict(value) if type(value) is dict else list(value) if type(value) is list else None


def _holds(now: Any, copy: Any) -> bool:
    if isinstance(copy, dict):
        return now.keys() == copy.keys() and all(same(now[name], value) for name, value in copy.items())
    return len(now) == len(copy) and all(map(same, now, copy))


def _code_names(code: Any) -> list[str]:
    inner = [name for const in code.co_consts if inspect.iscode(const) for name in _code_names(const)]
    return list(dict.fromkeys([*code.co_names, *inner]))


def same(now: Any, then: Any) -> bool:
    if now is then:
        return True
    if type(now) is not type(then):
        return False
    if isinstance(now, tuple):
        return len(now) == len(then) and all(map(same, now, then))
    return isinstance(now, PLAIN) and bool(now == then)


def brief(value: Any) -> str:
    if isinstance(value, (Tensor, np.ndarray)) or not isinstance(value, (*PLAIN, tuple)):
        return f"another {type(value).__name__}"
    return repr(value)[:60]


def _has(one: Any, name: str) -> bool:
    """Whether an attribute was set on this very object; a module keeps some in dictionaries of their own."""
    own = getattr(one, "__dict__", {})
    return name in own or any(name in own.get(slot, ()) for slot in ("_parameters", "_buffers", "_modules"))
