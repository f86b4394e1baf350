"""Named tuples that functions give, written as PyTorch writes them. What they hold is their functions' matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Tuple = TypeVar("Tuple", bound=type)


def shown(found: Any, name: str) -> str:
    fields = ",\n".join(f"{field}={value!r}" for field, value in zip(found._fields, found, strict=True))
    return f"torch.return_types.{name}(\n{fields})"


def returned(name: str) -> Callable[[Tuple], Tuple]:
    """For a class of named tuples: the name under which PyTorch shows them."""

    def told(kind: Tuple) -> Tuple:
        kind.__repr__ = lambda self: shown(self, name)  # type: ignore[assignment, misc]
        return kind

    return told
