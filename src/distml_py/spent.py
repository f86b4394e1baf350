"""What stands where the gradient of a parameter was that an optimizer has used inside a compiled step."""

from __future__ import annotations

from typing import Any

from .errors import CaptureError
from .graph import Node
from .tensor import Tensor


class _Spent(Tensor):
    """The gradient of a parameter that an optimizer has used inside a compiled step: it is not kept."""

    __slots__ = ()
    _used_up = True

    def __init__(self) -> None:
        self._kind = None

    @property
    def _node(self) -> Node:  # type: ignore[override]
        raise CaptureError(
            "this gradient was used up inside a compiled step and is not kept; "
            "call optimizer.zero_grad() before backward(), or return .grad from the step to see it"
        )

    def __getattr__(self, name: str) -> Any:
        """What else a tensor keeps: it has none of it."""
        return self._node


SPENT = _Spent()
