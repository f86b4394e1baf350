"""state_dicts as text and arrays: any nesting of dictionaries, lists, tuples, numbers and text, its tensors taken out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import FormatError
from ..tensor import Tensor


def taken(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    """value as JSON can hold it; its tensors go into arrays, under names that begin with place."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"float": repr(value)}
        case Tensor():
            arrays[place] = value.detach().numpy()
            return {"tensor": place}
        case np.bool_() | np.number():
            return taken(value.item(), place, arrays)
        case list() | tuple():
            items = [taken(item, f"{place}/{number}", arrays) for number, item in enumerate(value)]
            return items if isinstance(value, list) else {"tuple": items}
        case dict():
            pairs = [[taken(key, place, arrays), taken(item, f"{place}/{key}", arrays)] for key, item in value.items()]
            return {"counts" if isinstance(value, Counter) else "pairs": pairs}
        case _:
            raise FormatError(f"{place} is a {type(value).__name__}; a bundle keeps tensors, numbers, text and groups of them")


def given(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """What taken() was given. Raises FormatError for what it never makes."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [given(item, arrays) for item in value]
        case {"float": "inf" | "-inf" | "nan" as text}:
            return float(text)
        case {"tensor": str() as name} if name in arrays:
            return Tensor(arrays[name])
        case {"tuple": list() as items}:
            return tuple(given(item, arrays) for item in items)
        case {"pairs": list() as pairs}:
            return {given(key, arrays): given(item, arrays) for key, item in pairs}
        case {"counts": list() as pairs}:
            return Counter({given(key, arrays): given(item, arrays) for key, item in pairs})
        case _:
            raise FormatError("the bundle's description does not hold together: it is damaged, or of another program")
