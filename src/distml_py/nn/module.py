"""Module and Parameter: a tree of named tensors and the function they are for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import live
from ..errors import ShapeError
from ..tensor import Tensor, no_grad


class Parameter(Tensor):
    """A tensor that a Module trains."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(data, requires_grad=requires_grad)


class Module:
    """PyTorch's Module: attributes that are Parameters or Modules are found by name. Subclasses define forward()."""

    training: bool
    _parameters: dict[str, Parameter]
    _modules: dict[str, Module]

    def __init__(self) -> None:
        object.__setattr__(self, "_parameters", {})
        object.__setattr__(self, "_modules", {})
        object.__setattr__(self, "training", True)

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward(); define forward(self, input)")

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        if live.state.recorder is not None:
            live.state.recorder.called(self)
        return self.forward(*inputs, **named)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            raise ShapeError(f"{type(self).__name__}.__init__ must call super().__init__() before it sets {name}")
        self._parameters.pop(name, None)
        self._modules.pop(name, None)
        if isinstance(value, Parameter):
            self._parameters[name] = value
        elif isinstance(value, Module):
            self._modules[name] = value
        object.__setattr__(self, name, value)

    def children(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return iter(self._modules.items())

    def modules(self) -> Iterator[Module]:
        yield self
        for child in self.children():
            yield from child.modules()

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter); one that is used twice appears once."""
        seen: set[int] = set()
        for name, parameter in self._walk(prefix):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def _walk(self, prefix: str) -> Iterator[tuple[str, Parameter]]:
        dot = f"{prefix}." if prefix else ""
        for name, parameter in self._parameters.items():
            yield dot + name, parameter
        for name, child in self._modules.items():
            yield from child._walk(dot + name)

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def state_dict(self) -> OrderedDict[str, Tensor]:
        """Dotted names to detached tensors."""
        return OrderedDict((name, parameter.detach()) for name, parameter in self._walk(""))

    def load_state_dict(self, state_dict: Mapping[str, Tensor | np.ndarray], strict: bool = True) -> None:
        """Take over numbers by name. Raises ShapeError naming what is missing, unexpected or of another shape."""
        own = dict(self._walk(""))
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        if strict and (missing or unexpected):
            raise ShapeError(f"load_state_dict: missing {missing}, unexpected {unexpected}; strict=False skips them")
        for name, parameter in own.items():
            if name in state_dict and tuple(state_dict[name].shape) != parameter.shape:
                raise ShapeError(f"load_state_dict: {name} has shape {parameter.shape}, got {tuple(state_dict[name].shape)}")
        for name, parameter in own.items():
            if name in state_dict:
                value = state_dict[name]
                load(parameter, value.numpy() if isinstance(value, Tensor) else value)

    def train(self, mode: bool = True) -> Module:
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self) -> Module:
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self._modules.items()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        body = "\n  ".join(lines)
        return f"{type(self).__name__}(\n  {body}\n)"


def load(parameter: Tensor, array: np.ndarray) -> None:
    """Put a host array of the same shape into a parameter."""
    with no_grad():
        parameter.copy_(Tensor(np.asarray(array), parameter.dtype))
        parameter.realize()
    parameter._settle()
