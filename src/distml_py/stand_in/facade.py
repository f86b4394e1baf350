"""What `import torch` finds: distml_py's names, and those that mean something else to PyTorch's programs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from ..dtypes import FLOAT32
from ..kinds import Kind
from ..missing import missing
from ..tensor import Tensor as _Tensor
from . import foreach

library = import_module(__name__.partition(".")[0])
__version__ = "2.13.0+distml"


class _AnyKind(Kind):
    """torch.Tensor: made as FloatTensor is; every tensor is an instance, and its methods are found here."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, _Tensor)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, _Tensor) or super().__subclasscheck__(kind)

    def __getattr__(cls, name: str) -> Any:
        return getattr(_Tensor, name)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is _Tensor

    def __hash__(cls) -> int:
        return hash(_Tensor)


class Tensor(metaclass=_AnyKind):
    dtype = FLOAT32


def compile(model: Any = None, **options: Any) -> Any:
    """The module or function itself: what it prints or appends must happen at each call, which a captured step leaves out.

    PyTorch's options are taken. distml_py.compile captures a whole step.
    """
    return model if model is not None else lambda given: given


def _into(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes out= as PyTorch's do: a tensor that gets the result, and is returned."""

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        if "out" not in named:
            return function(*args, **named)
        out = named.pop("out")
        found = function(*args, **named)
        for target, value in zip(out, found, strict=True) if isinstance(out, (tuple, list)) else ((out, found),):
            if target.shape == value.shape:
                target.copy_(value)
            else:
                target.data = value  # PyTorch gives it the result's shape, too
        return out

    return call


__config__ = SimpleNamespace(
    show=lambda: "distml_py, without libraries of PyTorch's", parallel_info=lambda: "one thread; the GPU's own"
)


def is_autocast_cpu_enabled() -> bool:
    """False: numbers stay what they are."""
    return False


def get_autocast_dtype(device_type: str = "cpu") -> Any:
    return FLOAT32


get_autocast_cpu_dtype = get_autocast_gpu_dtype = get_autocast_dtype


def __getattr__(name: str) -> Any:
    if name.startswith(foreach.START) and (each := foreach.named(name)) is not None:
        return each
    found = getattr(library, name)
    if name == "ops":  # the table of this library's own rows
        raise missing("torch", name, ())
    own = inspect.isfunction(found) and ".tensor." in found.__module__ and "out" not in inspect.signature(found).parameters
    return _into(found) if own else found


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(library)})


__all__ = [name for name in dir(library) if not name.startswith("_")]
