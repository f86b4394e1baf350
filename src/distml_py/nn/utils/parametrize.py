"""Parameters that are computed by modules from others each time they are read. PyTorch's torch.nn.utils.parametrize."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import ShapeError
from ...missing import getter as _getter
from ...tensor import Tensor, no_grad
from ..container import ModuleDict, ModuleList
from ..module import Module, Parameter

__all__ = ["ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations"]
_kept: list[dict[tuple[int, str], Tensor]] = []  # inside cached(), one a level


class ParametrizationList(ModuleList):
    """The modules of one parameter, from the first to the last, and what the first one starts from: original, or original0, 1..."""

    def __init__(self, modules: list[Module], original: Tensor):
        super().__init__(modules)
        first: Any = original
        self.ntensors = 0
        for module in reversed(modules):
            inverse = getattr(module, "right_inverse", None)
            with no_grad():
                first = inverse(first) if inverse is not None else first
        self.is_tensor = isinstance(first, Tensor)
        if isinstance(first, Tensor):
            keep = first is original and isinstance(original, Parameter)
            self.original = original if keep else Parameter(first.detach(), original.requires_grad)
        else:
            self.ntensors = len(first)
            for number, part in enumerate(first):
                self.register_parameter(f"original{number}", Parameter(part.detach(), original.requires_grad))

    def forward(self) -> Tensor:
        modules = list(self)
        given = (self.original,) if self.is_tensor else tuple(getattr(self, f"original{n}") for n in range(self.ntensors))
        value: Any = modules[0](*given)
        for module in modules[1:]:
            value = module(value)
        found: Tensor = value
        return found

    def put(self, value: Tensor) -> None:
        """Sets the originals so that forward() gives value, by right_inverse()."""
        first: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise ShapeError(f"{type(module).__name__} has no right_inverse(), so its parameter cannot be assigned")
                first = module.right_inverse(first)
            parts = (first,) if self.is_tensor else first
            names = ("original",) if self.is_tensor else tuple(f"original{n}" for n in range(self.ntensors))
            for name, part in zip(names, parts, strict=True):
                getattr(self, name).copy_(part)


def register_parametrization(module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> Module:
    """module.tensor_name is parametrization(original) from now on; several act in the order they were registered.

    Raises ShapeError where the shape would change, unless unsafe.
    """
    if is_parametrized(module, tensor_name):
        _held(module)[tensor_name].append(parametrization)
        return module
    original: Tensor | None = module._parameters.get(tensor_name)
    original = module._buffers.get(tensor_name) if original is None else original
    if original is None:
        raise ShapeError(f"register_parametrization: {type(module).__name__} has no parameter or buffer {tensor_name!r}")
    held = ParametrizationList([parametrization], original)
    shape = held().shape
    if shape != original.shape and not unsafe:
        raise ShapeError(f"register_parametrization: {tensor_name} {original.shape} would become {shape}; unsafe=True allows that")
    delattr(module, tensor_name)
    if "parametrizations" not in module._modules:
        module.__class__ = type(f"Parametrized{type(module).__name__}", (type(module),), {"__module__": type(module).__module__})
        module.add_module("parametrizations", ModuleDict())
    setattr(type(module), tensor_name, _computed(tensor_name))
    _held(module)[tensor_name] = held
    return module


def _held(module: Module) -> Any:
    """The ParametrizationList of each computed parameter."""
    return module._modules["parametrizations"]


def _computed(name: str) -> property:
    def read(module: Module) -> Tensor:
        key = (id(module), name)
        for level in _kept[-1:]:
            if key not in level:
                level[key] = _held(module)[name]()
            return level[key]
        found: Tensor = _held(module)[name]()
        return found

    def write(module: Module, value: Tensor) -> None:
        _held(module)[name].put(value)

    return property(read, write)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a parameter of this name, or any, is computed."""
    held = module._modules.get("parametrizations")
    return held is not None and (tensor_name is None or tensor_name in held._modules)


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """The parameter is a plain one again: as it is now, or the original with leave_parametrized=False."""
    if not is_parametrized(module, tensor_name):
        raise ShapeError(f"remove_parametrizations: {tensor_name!r} of {type(module).__name__} is not parametrized")
    held = _held(module)[tensor_name]
    if not leave_parametrized and not held.is_tensor:
        raise ShapeError("remove_parametrizations: leave_parametrized=False needs an original of one tensor; this one has several")
    value = held().detach() if leave_parametrized else held.original.detach()
    plain = held.original if held.is_tensor else Parameter(value)
    plain.data = value
    del _held(module)[tensor_name]
    delattr(type(module), tensor_name)
    if not len(_held(module)):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__mro__[1]
    module.register_parameter(tensor_name, plain)  # the same one: an optimizer that has it goes on with it
    return module


@contextmanager
def cached() -> Iterator[None]:
    """Inside, each computed parameter is computed once."""
    _kept.append({})
    try:
        yield
    finally:
        _kept.pop()


__getattr__ = _getter("torch.nn.utils.parametrize", globals())
