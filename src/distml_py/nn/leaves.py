"""The tensors of a module: parameters, which are trained, and buffers, which are not; and how numbers get into them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, no_grad


class Parameter(Tensor):
    """A tensor that a Module trains."""

    __slots__ = ()

    def __init__(self, data: Any = (), requires_grad: bool = True):
        super().__init__(data, requires_grad=requires_grad)

    def _twin(self) -> Parameter:
        return Parameter(self.detach(), self.requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that becomes a module's buffer where it is set as an attribute. persistent: it is part of state_dict()."""

    __slots__ = ("persistent",)

    def __init__(self, data: Any = (), *, persistent: bool = True):
        super().__init__(data)
        self.persistent = persistent

    def _twin(self) -> Buffer:
        return Buffer(self.detach(), persistent=self.persistent)


def load(parameter: Tensor, array: np.ndarray) -> None:
    """Put a host array of the same shape into a parameter."""
    with no_grad():
        parameter.copy_(Tensor(np.asarray(array), parameter.dtype))
        parameter.realize()
    parameter._settle()
