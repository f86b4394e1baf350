"""torch._foreach_add_ and its kin, which optimizers of others use: one operation for each tensor of a list, or each pair of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ShapeError
from ..tensor import Tensor

START = "_foreach_"
OTHER = {"clamp_min": "clamp", "clamp_max": "clamp", "zero": "zero_", "copy": "copy_"}
_BOUNDS = {"clamp_min": "min", "clamp_max": "max"}


def named(name: str) -> Callable[..., Any] | None:
    """The function of a name that begins with _foreach_; None where tensors have no such method."""
    word = name.removeprefix(START)
    bare = word.rstrip("_")
    if word == name or not hasattr(Tensor, OTHER.get(bare, bare)):
        return None

    def each(tensors: Sequence[Tensor], *others: Any, **options: Any) -> Any:
        for other in others:
            if isinstance(other, (list, tuple)) and len(other) != len(tensors):
                raise ShapeError(f"{name}: {len(tensors)} tensors and {len(other)} others; lists must be equally long")
        found = [
            _one(tensor, bare, [other[place] if isinstance(other, (list, tuple)) else other for other in others], options)
            for place, tensor in enumerate(tensors)
        ]
        if not word.endswith("_"):
            return tuple(found)
        for tensor, value in zip(tensors, found, strict=True):
            tensor.copy_(value)
        return None

    return each


def _one(tensor: Tensor, word: str, others: list[Any], options: dict[str, Any]) -> Tensor:
    if word in _BOUNDS:
        return tensor.clamp(**{_BOUNDS[word]: others[0]})
    if word in ("maximum", "minimum") and not isinstance(others[0], Tensor):
        return tensor.clamp(**{"min" if word == "maximum" else "max": others[0]})
    if word == "copy":
        return others[0].to(tensor.dtype)
    if word == "zero":
        return tensor * 0
    if word in ("addcmul", "addcdiv") and len(others) == 3:
        options, others = {"value": others[2]}, others[:2]
    if word in ("add", "sub") and "alpha" not in options and len(others) == 2:
        options, others = {"alpha": others[1]}, others[:1]
    found: Tensor = getattr(tensor, word)(*others, **options)
    return found
