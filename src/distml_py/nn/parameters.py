"""Lists and dictionaries of parameters. Containers of modules are in container.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from ..errors import IndexRangeError
from ..tensor import Tensor
from .module import Module, Parameter


def _trained(value: Any) -> Any:
    """Tensors become parameters."""
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _line(name: str, value: Any, kind: str = "") -> str:
    """PyTorch's text for one parameter among several."""
    if not isinstance(value, Tensor):
        return f"  ({name}): Object of type: {type(value).__name__}"
    sizes = "x".join(map(str, value.shape))
    return f"  ({name}): Parameter containing: [torch.{kind or value.dtype.name} of size {sizes}]"


class ParameterList(Module):
    """A list of parameters, named "0", "1"... Tensors become parameters."""

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__()
        self._size = 0
        self.extend(values or ())

    def append(self, value: Any) -> Self:
        setattr(self, str(self._size), _trained(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def _place(self, number: int) -> str:
        if not -self._size <= number < self._size:
            raise IndexRangeError(f"ParameterList of {self._size} has no parameter {number}")
        return str(number % self._size)

    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return ParameterList(list(self)[number])
        return getattr(self, self._place(number))

    def __setitem__(self, number: int, value: Any) -> None:
        setattr(self, self._place(number), _trained(value))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, str(number)) for number in range(self._size))

    def extra_repr(self) -> str:
        return "\n".join(_line(str(number), value) for number, value in enumerate(self))


class ParameterDict(Module):
    """Parameters by name: `weights["name"]`, or `weights.name`. Tensors become parameters."""

    def __init__(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None):
        super().__init__()
        self._keys: dict[str, None] = {}
        self.update(parameters or {})

    def update(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        for name, value in parameters.items() if isinstance(parameters, (Mapping, ParameterDict)) else parameters:
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        self._keys[name] = None
        setattr(self, name, _trained(value))

    def __getitem__(self, name: str) -> Any:
        if name not in self._keys:
            raise KeyError(name)
        return getattr(self, name)

    def __delitem__(self, name: str) -> None:
        del self._keys[name]
        delattr(self, name)

    def pop(self, key: str) -> Any:
        found = self[key]
        del self[key]
        return found

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self._keys else default

    def clear(self) -> None:
        for name in list(self._keys):
            del self[name]

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, name: object) -> bool:
        return name in self._keys

    def keys(self) -> Iterable[str]:
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        return [(name, self[name]) for name in self._keys]

    def values(self) -> Iterable[Any]:
        return [self[name] for name in self._keys]

    def extra_repr(self) -> str:
        return "\n".join(_line(name, value, "FloatTensor") for name, value in self.items())
