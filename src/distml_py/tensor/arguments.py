"""What a public function takes: kinds of arguments and names of keywords, checked once for each combination of types. What it
does with them is not here.

A combination that was seen costs one look into a dictionary. What goes wrong inside a function with arguments of the right kind
is told in words of the call, too: nobody gets to see an AttributeError from deep inside.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from ..errors import ArgumentError, DistmlError, DtypeError
from . import kinds_taken, legacy, other_names
from .tensor import Tensor

Kinds = tuple[type, ...]
_OTHERS = re.compile(r"\w+(: argument| takes a tensor)|\w+\(")  # of a function that was called inside
_FOREIGN = (TypeError, AttributeError, LookupError, ValueError, AssertionError, ArithmeticError)
_INTEGERS: Kinds = (int, np.integer, Tensor)
_NUMBERS: Kinds = (int, float, np.number, np.bool_, Tensor)
_LISTS: Kinds = (list, tuple, range, np.ndarray)
_KINDS: dict[str, Kinds] = {
    "Tensor": (Tensor,),
    "int": _INTEGERS,
    "float": _NUMBERS,
    "Number": _NUMBERS,
    "bool": (bool, np.bool_, int),
    "bool_type": (bool, np.bool_, int),
    "str": (str,),
    "None": (type(None),),
    "Sequence[int]": _LISTS,
    "Sequence[Tensor]": _LISTS,
}
# what an argument that is annotated with Any takes, by its name
_NAMED: dict[str, str] = {
    "keepdim": "bool",
    "dim": "int | Sequence[int] | Tensor | None",
    **{name: "int | Sequence[int]" for name in ("size", "sizes", "shape", "dims")},
}
_OURS = frozenset({__name__.partition(".")[0], "numpy"})
NONE: frozenset[str] = frozenset()
MAKING = frozenset({"layout", "pin_memory", "memory_format"})  # what creation functions take and nothing here depends on


@dataclass(frozen=True)
class Plan:
    """What becomes of keywords that the function itself does not have."""

    renamed: Mapping[str, str]
    idle: tuple[str, ...]
    out: bool
    sized: str
    legacy: str  # the loss whose deprecated arguments are given
    place: int | None  # of its reduction among the arguments
    older: Any = None

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if self.older is not None:
            args, factors = self.older(args)
            named = named | factors
        given = {self.renamed.get(name, name): value for name, value in named.items() if name not in self.idle}
        out = given.pop("out") if self.out else None
        if self.legacy:
            args, given = self._reduced(args, given)
        found = function(*args, given.pop(self.sized), **given) if self.sized else function(*args, **given)
        return found if out is None else _stored(found, out)

    def _reduced(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args, found = legacy.taken_out(self.legacy, args)
        found = {word: named.pop(word, found.get(word)) for word in legacy.WORDS}
        if self.place is not None and self.place < len(args):
            meant = legacy.reduction_of(**found, reduction=args[self.place])
            return (*args[: self.place], meant, *args[self.place + 1 :]), named
        return args, {**named, "reduction": legacy.reduction_of(**found, reduction=named.get("reduction", "mean"))}


def _stored(found: Any, out: Any) -> Any:
    """The tensors of out= with the result, which also gives them its shape."""
    for target, value in zip(out, found, strict=True) if isinstance(out, (tuple, list)) else ((out, found),):
        if "bif".index(value.dtype.kind) > "bif".index(target.dtype.kind):
            raise DtypeError(f"out: a result of {value.dtype.name} cannot be cast to {target.dtype.name}, that of the tensor")
        if target.shape == value.shape:
            target.copy_(value)
        else:
            target.data = value
    return out


class Signature:
    """The names of a function's arguments and what each takes."""

    def __init__(self, name: str, function: Callable[..., Any], idle: frozenset[str], more: frozenset[str]):
        inner = inspect.unwrap(function)
        bare = [part.replace(annotation=inspect.Parameter.empty) for part in inspect.signature(inner).parameters.values()]
        self.owned = inner.__name__ == "__init__"
        self.name, self.text = name, f"{name}{inspect.Signature(bare[self.owned :])}"
        self.idle, self.more = idle, more
        code = inner.__code__
        count = code.co_argcount
        self.named = code.co_varnames[: count + code.co_kwonlyargcount]
        self.placed = code.co_varnames[:count]
        rest = len(self.named)
        self.rest = code.co_varnames[rest] if code.co_flags & inspect.CO_VARARGS else ""
        self.open = bool(code.co_flags & inspect.CO_VARKEYWORDS)
        self.only = code.co_posonlyargcount
        self.words = inner.__annotations__
        self.defaults = {part.name: part.default for part in bare}

    def plan(self, args: tuple[Any, ...], named: dict[str, Any]) -> Plan | None:
        """What to do with these keywords; None: they are the function's own. Raises DtypeError for a wrong kind of argument."""
        strange = [name for name in named if name not in self.named and name not in self.more] if not self.open else []
        older = other_names.older_form(self.name, args)
        if older is not None:
            args, factors = older(args)
            named = named | factors
        loss = self.name if legacy.is_used(self.name, args, strange) else ""
        renamed = {name: known for name in strange if (known := other_names.renamed(name, self.named, named)) is not None}
        idle = tuple(name for name in strange if name in self.idle or (name in other_names.IDLE and name not in renamed))
        sized = next((n for n in strange if n in other_names.SEVERAL), "") if self.rest and len(args) <= len(self.placed) else ""
        taken = {*renamed, *idle, "out", *(legacy.WORDS if loss else ()), sized}
        rest = [name for name in strange if name not in taken]
        if rest:
            raise ArgumentError(self._unknown(rest[0]))
        own = legacy.taken_out(self.name, args)[0] if loss else args
        self._check(own, {renamed.get(name, name): value for name, value in named.items() if name not in idle})
        if not strange and not loss and older is None:
            return None
        place = self.placed.index("reduction") if loss and "reduction" in self.placed else None
        return Plan(renamed, idle, "out" in strange, sized, loss, place, older)

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name, self.named, 1, 0.5)
        hint = f"did you mean {close[0]}=?" if close else "take it away."
        return f"{self.name} has no argument {name!r}; {hint} It is {self.text}"

    def _check(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        for number, value in enumerate(args):
            if number < len(self.placed):
                self._fit(self.placed[number], value)
            elif self.rest:
                self._fit(self.rest, value)
        for name, value in named.items():
            if name in self.words:
                self._fit(name, value)

    def _fit(self, name: str, value: Any) -> None:
        word = str(self.words.get(name, "Any"))
        word = _NAMED.get(name, word) if word == "Any" else word
        parts = word.split(" | ")
        if value is self.defaults.get(name, self):
            return
        if all(part in _KINDS for part in parts) and not any(_fits(value, part) for part in parts):
            asked = word.replace("bool_type", "bool").replace("Number", "number").replace("Sequence[", "sequence[")
            raise DtypeError(f"{self.name}: argument {name!r} is {asked}, got {kind_of(value)}; it is {self.text}")

    def told(self, error: Exception, args: tuple[Any, ...], named: dict[str, Any]) -> ArgumentError:
        """An error from inside, in words of the call."""
        shown = ", ".join(
            [*(kind_of(value) for value in args[self.owned :]), *(f"{name}={kind_of(value)}" for name, value in named.items())]
        )
        return ArgumentError(f"{self.name}({shown}) cannot be computed: {self._reason(error)}; it is {self.text}")

    def _reason(self, error: Exception) -> str:
        if not isinstance(error, TypeError):
            return f"{error} ({type(error).__name__})"
        return re.sub(r"^\w+(\.\w+)*\.__init__\(\)", self.name, str(error))


def _ours(error: Exception) -> bool:
    """Whether no code that a person wrote was running when it was raised."""
    trace = error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0]
        if module not in _OURS and module not in sys.stdlib_module_names:
            return False
        trace = trace.tb_next
    return True


def kind_of(value: Any) -> str:
    """A value in an error's words: dtype and shape of a tensor, a short number or text itself, else its type."""
    if isinstance(value, Tensor):
        return f"a {value.dtype.name} tensor {tuple(value.shape)}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__} of {len(value)}" if len(repr(value)) > 40 or any(map(_is_tensor, value)) else repr(value)
    return f"{type(value).__name__} {value!r}" if isinstance(value, (bool, int, float, str)) else type(value).__name__


def _fits(value: Any, word: str) -> bool:
    return isinstance(value, _KINDS[word]) and (word == "Tensor" or not isinstance(value, Tensor) or value.numel() == 1)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _said(function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> DistmlError | None:
    """What a function itself says of wrong arguments, where it says something."""
    try:
        function(*args, **named)
    except DistmlError as error:
        return error
    except _FOREIGN:
        pass
    return None


def guarded(
    name: str, function: Callable[..., Any], idle: frozenset[str] = NONE, more: frozenset[str] = NONE
) -> Callable[..., Any]:
    """The function with its arguments checked. idle: keywords that are dropped; more: those taken beside its own."""
    plans: dict[tuple[Any, ...], Plan | None] = {}
    limited = kinds_taken.limited(name)
    signature: list[Signature] = []  # read when it is first needed

    def asked() -> Signature:
        if not signature:
            signature.append(Signature(name, function, idle, more))
        return signature[0]

    def planned(kinds: tuple[Any, ...], args: tuple[Any, ...], named: dict[str, Any]) -> Plan | None:
        try:
            plans[kinds] = asked().plan(args, named)
        except DtypeError as wrong:
            own = _said(function, args, named)
            raise own if own is not None and not _OTHERS.match(str(own).removeprefix(name)) else wrong from None
        return plans[kinds]

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        kinds = (*map(type, args), *named, *map(type, named.values())) if named else tuple(map(type, args))
        try:
            plan = plans[kinds] if kinds in plans else planned(kinds, args, named)
            if limited:
                kinds_taken.check(name, dict(zip(asked().placed, args, strict=False)) | named)
            return function(*args, **named) if plan is None else plan.call(function, args, named)
        except DistmlError:
            raise
        except _FOREIGN as error:
            if isinstance(error, Warning) or not _ours(error):
                raise
            raise asked().told(error, args, named) from error

    call.__guarded__ = True  # type: ignore[attr-defined]
    return call


def guard(namespace: dict[str, Any], names: Iterable[str] | None = None, idle: frozenset[str] = NONE) -> None:
    """The public functions of a module (or those of these names), and the methods they are, check their arguments."""
    module = namespace["__name__"]
    checked: dict[Any, Any] = {}
    for name in list(namespace if names is None else names):
        function = namespace[name]
        if not inspect.isfunction(function) or name.startswith("_") or hasattr(function, "__guarded__"):
            continue
        if function.__module__.split(".")[0] != module.split(".")[0] or (names is None and function.__module__ != module):
            continue
        namespace[name] = checked[function] = guarded(name, function, idle)
    for word, value in list(vars(Tensor).items()):
        if type(value) is FunctionType and value in checked:
            setattr(Tensor, word, checked[value])


def guard_methods(free: Iterable[str]) -> None:
    """The methods that are no functions of a module, too. free: those that run what a person wrote."""
    for name, value in list(vars(Tensor).items()):
        if not inspect.isfunction(value) or name.startswith("_") or hasattr(value, "__guarded__") or name in free:
            continue
        if value.__code__.co_argcount > 1 or value.__code__.co_flags & inspect.CO_VARARGS:
            setattr(Tensor, name, guarded(name, value))


def guard_classes(classes: Iterable[type], idle: frozenset[str] = NONE) -> None:
    """Classes check what they are made of."""
    for kind in classes:
        if "__init__" in vars(kind):
            setattr(kind, "__init__", guarded(kind.__name__, vars(kind)["__init__"], idle))  # noqa: B010
