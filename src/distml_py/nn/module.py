"""Module and Parameter: a tree of named tensors and the function they are for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from ..errors import ShapeError
from ..op import float32, float64
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
    _buffers: dict[str, Tensor | None]
    _transient: set[str]
    _modules: dict[str, Module]

    def __init__(self) -> None:
        object.__setattr__(self, "_parameters", {})
        object.__setattr__(self, "_buffers", {})
        object.__setattr__(self, "_transient", set())
        object.__setattr__(self, "_modules", {})
        object.__setattr__(self, "training", True)

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward(); define forward(self, input)")

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self.forward(*inputs, **named)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            raise ShapeError(f"{type(self).__name__}.__init__ must call super().__init__() before it sets {name}")
        self._parameters.pop(name, None)
        self._modules.pop(name, None)
        if name in self._buffers:
            if value is not None and not isinstance(value, Tensor):
                raise ShapeError(f"{type(self).__name__}.{name} is a buffer: it takes a tensor or None, got {type(value).__name__}")
            self._buffers[name] = value
        elif isinstance(value, Parameter):
            self._parameters[name] = value
        elif isinstance(value, Module):
            self._modules[name] = value
        object.__setattr__(self, name, value)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """A tensor that is part of the module's state and is not trained; persistent: also of its state_dict()."""
        if name not in self._buffers and hasattr(self, name):
            raise ShapeError(f"register_buffer: {type(self).__name__} has an attribute {name!r} already; choose another name")
        self._buffers[name] = None
        self._transient.discard(name)
        if not persistent:
            self._transient.add(name)
        setattr(self, name, tensor)

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
        return _once((name, tensor) for name, tensor in self._walk(prefix) if isinstance(tensor, Parameter))

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer); one that is used twice appears once."""
        return _once((name, tensor) for name, tensor in self._walk(prefix) if not isinstance(tensor, Parameter))

    def _walk(self, prefix: str, persistent: bool = False) -> Iterator[tuple[str, Tensor]]:
        """Every parameter and buffer by its dotted name. persistent: without the buffers that state_dict() leaves out."""
        dot = f"{prefix}." if prefix else ""
        for name, parameter in self._parameters.items():
            yield dot + name, parameter
        for name, buffer in self._buffers.items():
            if buffer is not None and not (persistent and name in self._transient):
                yield dot + name, buffer
        for name, child in self._modules.items():
            yield from child._walk(dot + name, persistent)

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def buffers(self) -> Iterator[Tensor]:
        return (buffer for _, buffer in self.named_buffers())

    def state_dict(self) -> OrderedDict[str, Tensor]:
        """Dotted names to detached tensors: parameters and persistent buffers."""
        return OrderedDict((name, tensor.detach()) for name, tensor in self._walk("", persistent=True))

    def load_state_dict(self, state_dict: Mapping[str, Tensor | np.ndarray], strict: bool = True) -> None:
        """Take over numbers by name. Raises ShapeError naming what is missing, unexpected or of another shape."""
        own = dict(self._walk("", persistent=True))
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

    def apply(self, fn: Callable[[Module], object]) -> Module:
        """fn on every module inside, then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self, dtype: np.dtype[Any]) -> Module:
        """Floating-point parameters and buffers in another dtype."""
        for _, tensor in self._walk(""):
            if tensor.is_floating_point():
                tensor._convert(np.dtype(dtype))
        return self

    def float(self) -> Module:
        return self.to(float32)

    def double(self) -> Module:
        return self.to(float64)

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


T = TypeVar("T", bound=Tensor)


def _once(named: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    seen: set[int] = set()
    for name, tensor in named:
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield name, tensor


def load(parameter: Tensor, array: np.ndarray) -> None:
    """Put a host array of the same shape into a parameter."""
    with no_grad():
        parameter.copy_(Tensor(np.asarray(array), parameter.dtype))
        parameter.realize()
    parameter._settle()
