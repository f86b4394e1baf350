"""Where a module keeps what is set as its attribute: parameters, buffers and modules each in a dictionary of their own, by name.

Programs change these dictionaries, too (module._modules["act"] = ...), so an attribute is looked up there and stands nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, DtypeError, ShapeError, UnreadyModuleError
from ..missing import OF_MODULE, without
from ..tensor import Tensor
from ..tensor.conversion import typename
from .hooks import Hooks
from .leaves import Buffer, Parameter

OWN = ("_parameters", "_buffers", "_modules")


class Slots:
    """The attributes of a module."""

    training: bool
    _parameters: dict[str, Any]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Any]
    _hooks: Hooks

    def __init__(self) -> None:
        kept = {"_parameters": {}, "_buffers": {}, "_non_persistent_buffers_set": set(), "_modules": {}, "_hooks": Hooks()}
        self.__dict__.update(kept, training=True)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What is no plain attribute: a parameter, a buffer, a module, or an AttributeError."""
            own = self.__dict__
            for slot in OWN:
                if slot in own and name in own[slot]:
                    return own[slot][name]
            raise without(self, name, OF_MODULE, "torch.nn.Module", "state_dict(), load_state_dict() and forward hooks")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        slot = next((slot for slot, kind in KINDS if isinstance(value, kind)), "")
        if not slot and ("_parameters" not in own or not any(name in own[known] for known in OWN)):
            object.__setattr__(self, name, value)
            return
        if "_parameters" not in own:
            raise UnreadyModuleError(f"{type(self).__name__}.__init__ must call super().__init__() before it sets {name}")
        if slot == "_buffers":
            for known in ("_parameters", "_modules"):
                if name in own[known]:
                    self._check(name, known, value)
        if slot:
            self._leave(name, slot)
            if slot == "_parameters" and name not in own[slot] and hasattr(type(self), name):
                raise ShapeError(f"{type(self).__name__} has an attribute {name!r} already, a parameter would be hidden by it")
            own[slot][name] = value
            if isinstance(value, Buffer) and not value.persistent:
                self._non_persistent_buffers_set.add(name)
        else:
            known = next(known for known in OWN if name in own[known])
            self._check(name, known, value)
            own[known][name] = value

    def _check(self, name: str, slot: str, value: Any) -> None:
        """Raises where a parameter, buffer or module would be replaced by something else. None keeps the name its place."""
        if value is None or (slot == "_buffers" and isinstance(value, Tensor)):
            return
        if slot == "_buffers":
            raise DtypeError(f"{type(self).__name__}.{name} is a buffer: it takes a tensor or None, got {type(value).__name__}")
        what, kind = ("parameter", "Parameter") if slot == "_parameters" else ("child module", "Module")
        raise DtypeError(
            f"cannot assign {typename(value)!r} as {what} {name!r} (torch.nn.{kind} or None expected); del {name} first"
        )

    def __delattr__(self, name: str) -> None:
        for slot in OWN:
            if name in self.__dict__.get(slot, ()):
                del self.__dict__[slot][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for slot in OWN for name in self.__dict__.get(slot, ()))})

    def _leave(self, name: str, slot: str) -> None:
        """The name is free for this slot."""
        own = self.__dict__
        own.pop(name, None)
        for known in OWN:
            if known != slot:
                own[known].pop(name, None)
        own["_non_persistent_buffers_set"].discard(name)

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        """Everything that is set, by name."""
        own = self.__dict__
        for names in (own, *(own[slot] for slot in OWN)):
            yield from names.items()

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """A tensor that is part of the module's state and is not trained; persistent: also of its state_dict()."""
        self._fresh("register_buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise ShapeError(f"{type(self).__name__}.{name} is a buffer: it takes a tensor or None, got {type(tensor).__name__}")
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """A parameter, or None to reserve its name."""
        self._fresh("register_parameter", name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise ArgumentError(f"register_parameter: {name!r} takes a Parameter or None, got {type(param).__name__}")
        self._parameters[name] = param

    def add_module(self, name: str, module: Any) -> None:
        """A module, or None to reserve its name."""
        self._fresh("add_module", name, self._modules)
        if module is not None and not isinstance(module, Slots):
            raise ArgumentError(f"add_module: {name!r} takes a Module or None, got {type(module).__name__}")
        self._modules[name] = module

    register_module = add_module

    def _fresh(self, asked: str, name: str, names: Mapping[str, Any]) -> None:
        """Raises ShapeError for a name that cannot be a new attribute."""
        if not name or "." in name:
            raise ShapeError(f"{asked}: a name has at least one letter and no dot, got {name!r}")
        if name not in names and hasattr(self, name):
            raise ShapeError(f"{asked}: {type(self).__name__} has an attribute {name!r} already; choose another name")


KINDS = (("_parameters", Parameter), ("_buffers", Buffer), ("_modules", Slots))  # what is kept where, whatever stood there before
