"""What optimizers remember of their parameters: slots, as programs see them and as files hold them."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor

Options = dict[str, Any]


class States(MutableMapping[Any, Options]):
    """Slots by parameter or its number; a parameter that has none yet gets an empty dictionary, as in PyTorch."""

    def __init__(self, states: dict[Any, Options], numbers: dict[int, int]):
        self._states, self._numbers = states, numbers

    def _key(self, key: Any) -> Any:
        return self._numbers.get(id(key), key) if isinstance(key, Tensor) else key

    def __getitem__(self, key: Any) -> Options:
        return self._states.setdefault(self._key(key), {}) if isinstance(key, Tensor) else self._states[key]

    def __setitem__(self, key: Any, slots: Options) -> None:
        self._states[self._key(key)] = slots

    def __delitem__(self, key: Any) -> None:
        del self._states[self._key(key)]

    def __contains__(self, key: object) -> bool:
        return self._key(key) in self._states

    def __iter__(self) -> Iterator[Any]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def __repr__(self) -> str:
        return repr(self._states)


def signature(state: Options) -> Any:
    """Equal where update() may treat two parameters as one: the same slots, the same numbers in them."""
    return tuple((name, None if isinstance(value, Tensor) else value) for name, value in state.items())


def slot(name: str, value: Any, tensor: Tensor) -> Any:
    if isinstance(value, (int, float)):
        return value
    if name == "step":
        return int(value.item())
    found = value if isinstance(value, Tensor) else Tensor(np.asarray(value))
    if found.shape != tensor.shape:
        raise ShapeError(f"optimizer state {name} has shape {found.shape}, its parameter {tensor.shape}")
    return found
