"""Other ways in which PyTorch lets a call be written: argument names of another form of the function, NumPy's names, and the older
order of arguments with a factor in front. What they mean here is said in our own names; nothing is computed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .tensor import Tensor

_INPUT = ("input", "A", "B")
OF: dict[str, tuple[str, ...]] = {
    **{"axis": ("dim",), "keepdims": ("keepdim",), "x": ("input",), "a": ("input",), "x1": ("input",), "x2": ("other",)},  # NumPy
    **{"input": _INPUT, "tensor": ("input",), "self": _INPUT, "A": ("input",), "other": ("tensor",), "tensor2": ("tensor",)},
    **{"split_size": ("split_size_or_sections",), "split_sizes": ("split_size_or_sections",), "input2": ("L",)},
    **{
        "sections": ("indices_or_sections",),
        "indices": ("indices_or_sections",),
        "tensor_indices_or_sections": ("indices_or_sections",),
    },
    **{
        "axis0": ("dim0",),
        "axis1": ("dim1",),
        "train": ("training",),
        "from": ("a", "low"),
        "to": ("b", "high"),
        "rcond": ("rtol",),
    },
}
SEVERAL = frozenset({"size", "sizes", "shape", "dims", "repeats"})  # what may also be written one by one: x.permute(1, 0)
IDLE = frozenset({"sparse_grad"})

_Form = Callable[[tuple[Any, ...]], tuple[tuple[Any, ...], dict[str, Any]]]
_FACTOR = {"add": "alpha", "sub": "alpha", "addcmul": "value", "addcdiv": "value"}
_FACTORS = frozenset({"addmm", "addmv", "addr", "addbmm", "baddbmm"})


def renamed(name: str, own: tuple[str, ...], given: Any) -> str | None:
    """Which of a function's own names a strange one means, None where it means nothing."""
    return next((known for known in OF.get(name, ()) if known in own and known not in given), None)


def older_form(name: str, args: tuple[Any, ...]) -> _Form | None:
    """For a call in the older order, x.add_(2, y) or torch.addmm(beta, x, alpha, a, b): (args, named) in today's order."""
    word = name.rstrip("_")
    pattern = "".join("T" if isinstance(arg, Tensor) else "n" if isinstance(arg, (int, float)) else "?" for arg in args)
    if word in _FACTOR and pattern in ("TnT", "TnTT") and len(pattern) == (3 if word in ("add", "sub") else 4):
        return lambda args: _told(name, (args[0], *args[2:]), {_FACTOR[word]: args[1]})
    if word in _FACTORS and pattern in ("nTTT", "nTnTT", "TnTT", "TnnTT"):
        return lambda args: _told(name, *_products(args))
    return None


def _products(args: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    factors = [arg for arg in args if not isinstance(arg, Tensor)]
    return tuple(arg for arg in args if isinstance(arg, Tensor)), dict(zip(("beta", "alpha"), factors, strict=False))


def _told(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if name not in _said:
        _said.add(name)
        shown = ", ".join(f"{word}={value}" for word, value in named.items())
        warnings.warn(f"This overload of {name} is deprecated: write {name}(..., {shown})", stacklevel=5)
    return args, named


_said: set[str] = set()  # what may change here: each is said once
