"""PyTorch's torch.Size: a shape, as Tensor.shape gives it to people. Inside, and in errors, shapes are plain tuples."""

from __future__ import annotations

import math
import re
from typing import Any, SupportsIndex, overload


class Size(tuple[int, ...]):
    """A tuple of ints that is shown as torch.Size([2, 3]); parts and sums of it are Sizes, too."""

    __slots__ = ()

    def numel(self) -> int:
        return math.prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> Size: ...
    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found

    def __add__(self, other: tuple[Any, ...]) -> Size:
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: tuple[Any, ...]) -> Size:
        return Size((*other, *self))

    def __mul__(self, count: SupportsIndex) -> Size:
        return Size(tuple.__mul__(self, count))

    __rmul__ = __mul__


_SHOWN = re.compile(r"torch\.Size\(\[([\d, ]*)\]\)")


def as_tuples(text: str) -> str:
    """A text in which shapes are written as tuples."""
    return _SHOWN.sub(lambda match: f"({match[1]}{',' if match[1].isdigit() else ''})", text)
