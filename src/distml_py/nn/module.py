"""Module: a tree of named tensors and the function they are for. What of it is saved: states.py."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, TypeVar

import numpy as np

from .. import live
from ..dtypes import BFLOAT16, FLOAT16, DType, dtype_of
from ..errors import AbsentDeviceError, ArgumentError, DtypeError, UnsupportedError
from ..op import float32, float64
from ..tensor import Tensor
from ..tensor import device as devices
from ..tensor.arguments import guarded
from ..tensor.gradient import RemovableHandle
from .leaves import Parameter as Parameter
from .leaves import load as load
from .slots import Slots
from .states import Stateful


def _kept(when: str) -> Any:
    """The hooks of one kind by number, under the name by which programs look at them and clear them."""
    return property(lambda module: getattr(module._hooks, when), lambda module, hooks: setattr(module._hooks, when, hooks))


class Module(Slots, Stateful):
    """PyTorch's Module: attributes that are Parameters or Modules are found by name. Subclasses define forward()."""

    _modules: dict[str, Module | None]

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if cls.__module__.startswith(__name__.rpartition(".")[0]) and not cls.__name__.startswith("_"):
            cls.__init__ = _checked(cls.__name__, cls.__init__)  # type: ignore[method-assign]

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward(); define forward(self, input)")

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        if live.state.recorder is not None:
            live.state.recorder.called(self)
        if not self._hooks:
            return self.forward(*inputs, **named)
        return self._hooks.around(self, inputs, named)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A module of its own, with parameters and buffers of its own that start with the same numbers."""
        for _, tensor in self._walk(""):
            memo.setdefault(id(tensor), tensor._twin())
        found = type(self).__new__(type(self))
        memo[id(self)] = found
        for name, value in self.__dict__.items():
            found.__dict__[name] = copy.deepcopy(value, memo)
        return found

    # ------------------------------------------------------------ the tree

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module), each module once."""
        return _once((name, module) for name, module in self._modules.items() if module is not None)

    def children(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def named_modules(self, memo: set[int] | None = None, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(dotted name, module): this one, then those inside; each once. memo: the ids of modules to leave out."""
        seen = set() if memo is None else memo
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(seen, f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter); one that is used twice appears once."""
        found = ((n, tensor) for n, tensor in self._walk(prefix, recurse=recurse) if isinstance(tensor, Parameter))
        return _once(found) if remove_duplicate else found

    def named_buffers(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer); one that is used twice appears once."""
        found = ((n, tensor) for n, tensor in self._walk(prefix, recurse=recurse) if not isinstance(tensor, Parameter))
        return _once(found) if remove_duplicate else found

    def _walk(self, prefix: str, recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Every parameter and buffer by its dotted name."""
        dot = f"{prefix}." if prefix else ""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                yield dot + name, parameter
        for name, buffer in self._buffers.items():
            if buffer is not None:
                yield dot + name, buffer
        for name, child in self._modules.items():
            if recurse and child is not None:
                yield from child._walk(dot + name)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name; "" is this one. Raises AttributeError."""
        module = self
        for name in target.split(".") if target else ():
            found = module._modules.get(name)
            if found is None:
                raise AttributeError(f"{type(module).__name__} has no module {name!r}, which {target!r} asks for")
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name. Raises AttributeError."""
        return self._named("parameter", target, lambda module: module._parameters)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name. Raises AttributeError."""
        return self._named("buffer", target, lambda module: module._buffers)

    def _named(self, kind: str, target: str, names: Callable[[Module], dict[str, Any]]) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = names(module).get(name)
        if found is None:
            raise AttributeError(f"{type(module).__name__} has no {kind} {name!r}; it has {', '.join(names(module)) or 'none'}")
        return found

    # ------------------------------------------------------------ modes and dtypes

    _version, dump_patches = 1, False  # what copies of PyTorch's modules ask of themselves

    def train(self, mode: bool = True) -> Self:
        if not isinstance(mode, bool):
            raise ArgumentError(f"training mode is expected to be boolean, got {mode!r}")
        self.__dict__["training"] = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """fn on every module inside, then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(
        self, *target: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False, memory_format: Any = None
    ) -> Self:
        """Floating-point parameters and buffers in another dtype. Devices are checked; all stays on the current backend."""
        for value in target:
            if isinstance(value, Tensor):
                dtype = value.dtype
            elif isinstance(value, (DType, np.dtype, type)):
                dtype = value
            elif not isinstance(value, bool):
                device = value
        devices.check(device)
        if dtype is None:
            return self._apply(lambda tensor: tensor)
        kind = dtype_of(dtype)
        if not kind.is_floating_point:
            raise DtypeError(f"Module.to takes a floating-point dtype, got {kind}; use .to() of a tensor")
        return self._apply(lambda tensor: tensor.to(kind) if tensor.is_floating_point() else tensor)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """fn on every parameter and buffer, which become what it gives: what to(), float() and the like ask, of classes that
        keep more tensors, too."""
        for child in self.children() if recurse else ():
            child._apply(fn)
        for _, tensor in self._walk("", recurse=False):
            found = fn(tensor)
            if found.dtype is not tensor.dtype:
                tensor._convert(found.dtype)
            elif found is not tensor:
                tensor.data = found
        return self

    def float(self) -> Self:
        return self.to(float32)

    def double(self) -> Self:
        return self.to(float64)

    def half(self) -> Self:
        return self.to(FLOAT16)

    def bfloat16(self) -> Self:
        return self.to(BFLOAT16)

    def type(self, dst_type: Any) -> Self:
        return self.to(dst_type)

    def cpu(self) -> Self:
        return self

    def cuda(self, device: Any = None) -> Self:
        """Raises BackendError: there is no CUDA here."""
        raise AbsentDeviceError("there is no CUDA here; leave .cuda() away or use .to('webgl'), torch.cuda.is_available() is False")

    def to_empty(self, *, device: Any = None, recurse: bool = True) -> Self:
        """The module itself: its numbers may stay."""
        devices.check(device)
        return self

    def share_memory(self) -> Self:
        """The module itself: workers are other tabs."""
        return self

    def compile(self, *args: Any, **options: Any) -> None:
        """Nothing: distml_py.compile captures a whole step."""

    def set_submodule(self, target: str, module: Module) -> None:
        """Another module under a dotted name that is there."""
        path, _, name = target.rpartition(".")
        self.get_submodule(target)
        setattr(self.get_submodule(path), name, module)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self.parameters():
            grad = parameter.grad
            parameter.grad = None if set_to_none or grad is None else grad * 0

    # ------------------------------------------------------------ hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """hook(module, inputs) before forward(); what it returns, if not None, are the inputs."""
        return self._hooks.add("before", hook, with_kwargs, prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """hook(module, inputs, output) after forward(); what it returns, if not None, is the output."""
        if always_call:
            raise UnsupportedError("not implemented: register_forward_hook(always_call=True); nearest is always_call=False")
        return self._hooks.add("after", hook, with_kwargs, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """hook(module, grad_input, grad_output) once the gradients of the inputs are there; what it returns, if not None, are they.

        Both are tuples, one entry an input or output, None where it has no gradient.
        """
        return self._hooks.add("inputs", hook, False, prepend)

    register_backward_hook = register_full_backward_hook

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """hook(module, grad_output) before the module's own gradients; what it returns, if not None, is used instead."""
        return self._hooks.add("outputs", hook, False, prepend)

    _forward_pre_hooks, _forward_hooks, _backward_hooks = (_kept(when) for when in ("before", "after", "inputs"))

    # ------------------------------------------------------------ text

    def extra_repr(self) -> str:
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self._modules.items()]
        if not children and "\n" not in extra:
            return f"{self._get_name()}({extra})"
        body = "\n  ".join([*(extra.split("\n") if extra else ()), *children])
        return f"{self._get_name()}(\n  {body}\n)"


T = TypeVar("T")


_PLACE = frozenset({"device", "dtype"})


def _checked(name: str, begin: Callable[..., None]) -> Callable[..., None]:
    """An __init__, the class's own or inherited, that checks its arguments and tells of them in the name of this class."""
    if begin is Slots.__init__:
        return begin
    return guarded(name, begin.__wrapped__ if hasattr(begin, "__guarded__") else _placed(begin), more=_PLACE)  # type: ignore[attr-defined]


def _placed(make: Callable[..., None]) -> Callable[..., None]:
    """A layer's __init__ that takes PyTorch's device (checked) and dtype (of its parameters), too: by name, or after all others."""
    kinds = [parameter.kind for parameter in inspect.signature(make).parameters.values()]
    own = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD) - 1  # without self

    @functools.wraps(make)
    def init(self: Module, *args: Any, device: Any = None, dtype: Any = None, **named: Any) -> None:
        place = args[own:]
        if 0 < len(place) <= 2 and inspect.Parameter.VAR_POSITIONAL not in kinds and not any(isinstance(one, int) for one in place):
            device, dtype = (place[0], place[1] if len(place) == 2 else dtype)
            args = args[:own]
        make(self, *args, **named)
        _begun_otherwise(self)
        if device is not None or dtype is not None:
            self.to(device=device, dtype=dtype)

    return init


def _begun_otherwise(layer: Module) -> None:
    """A class derived from a layer that says itself how its numbers begin is asked, as PyTorch's layers ask when they are made."""
    reset: Any = getattr(type(layer), "reset_parameters", None)
    if reset is not None and reset.__module__.partition(".")[0] != __name__.partition(".")[0]:
        reset(layer)


def _once(named: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    seen: set[int] = set()
    for name, value in named:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
