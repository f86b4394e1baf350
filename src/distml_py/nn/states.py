"""What of a module is saved and loaded, by dotted names, and who is asked about it. Files are serialization's."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..size import Size
from ..tensor import Tensor
from ..tensor.gradient import RemovableHandle
from .leaves import load

EXTRA = "_extra_state"
Hook = Callable[..., Any]
Entries = OrderedDict[str, Any]


class IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What load_state_dict() did not find, and what it found too much: two lists of names."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"_{super().__repr__()}" if any(self) else "<All keys matched successfully>"


class Stateful:
    """A module's state: parameters, persistent buffers, and what get_extra_state() gives, where a class defines it."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Any]
    _hooks: Any

    def state_dict(self, *, destination: Entries | None = None, prefix: str = "", keep_vars: bool = False) -> Entries:
        """Dotted names to detached tensors: parameters and persistent buffers. keep_vars: to the tensors themselves."""
        found: Entries = OrderedDict() if destination is None else destination
        for hook in self._asked("before_saving"):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(found, prefix, keep_vars)
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._asked("after_saving"):
            changed = hook(self, found, prefix, {})
            found = found if changed is None else changed
        return found

    def _save_to_state_dict(self, destination: Entries, prefix: str, keep_vars: bool) -> None:
        """The module's own entries."""
        for name, tensor in self._own():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if hasattr(type(self), "get_extra_state"):
            destination[prefix + EXTRA] = self.get_extra_state()  # type: ignore[attr-defined]

    def _own(self) -> Iterator[tuple[str, Tensor]]:
        yield from ((name, tensor) for name, tensor in self._parameters.items() if tensor is not None)
        kept = ((name, tensor) for name, tensor in self._buffers.items() if name not in self._non_persistent_buffers_set)
        yield from ((name, tensor) for name, tensor in kept if tensor is not None)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> IncompatibleKeys:
        """Take over numbers by name; assign: with their dtypes. Raises ShapeError naming what is missing, unexpected or of
        another shape; then nothing has been loaded, unless hooks after loading are asked first.

        strict=False skips what is missing or unexpected, and returns it.
        """
        given = OrderedDict(state_dict)
        found = IncompatibleKeys([], [])
        wrong: list[str] = []
        modules = list(_modules(self, ""))
        for prefix, module in modules:
            module._load_from_state_dict(given, prefix, {}, strict, found.missing_keys, found.unexpected_keys, wrong)
        own = {prefix + name: tensor for prefix, module in modules for name, tensor in module._own()}
        extra = {prefix + EXTRA: module for prefix, module in modules if hasattr(type(module), "set_extra_state")}
        # files from before PyTorch counted batches have no such count: it stays as it is
        found.missing_keys.extend(n for n in (*own, *extra) if n not in given and not n.endswith("num_batches_tracked"))
        found.unexpected_keys.extend(name for name in given if name not in own and name not in extra)
        wrong += _mismatches(given, own)
        told = [(module, hook) for _, module in reversed(modules) for hook in module._asked("after_loading")]
        _check(self, found, strict and not told, wrong)
        for name, tensor in own.items():
            if name in given:
                _taken(tensor, given[name], assign)
        for name, owner in extra.items():
            if name in given:
                owner.set_extra_state(given[name])
        for module, hook in told:  # they may take names from the lists, as in PyTorch
            hook(module, found)
        _check(self, found, strict, [])
        return found

    def _load_from_state_dict(
        self,
        state_dict: Entries,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Asks who wants to change the entries before they are loaded, all at once."""
        for hook in self._asked("before_loading"):
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    def _asked(self, when: str) -> list[Hook]:
        return list(self._hooks.of_state.get(when, {}).values())

    def _ask(self, when: str, hook: Hook) -> RemovableHandle:
        return RemovableHandle.of(self._hooks.of_state.setdefault(when, OrderedDict()), hook)

    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """hook(module, prefix, keep_vars) before the module's state_dict()."""
        return self._ask("before_saving", hook)

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """hook(module, state_dict, prefix, local_metadata) after it; what it returns, if not None, is the state."""
        return self._ask("after_saving", hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs) before loading."""
        return self._ask("before_loading", hook)

    def _register_load_state_dict_pre_hook(self, hook: Hook, with_module: bool = False) -> RemovableHandle:
        """The same; without with_module the hook does not get the module."""
        return self._ask("before_loading", hook if with_module else lambda module, *rest: hook(*rest))

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """hook(module, incompatible_keys) after loading, whose lists it may change."""
        return self._ask("after_loading", hook)


def _modules(module: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """(prefix of its names, module), each module before those in it."""
    yield prefix, module
    for name, child in module._modules.items():
        if child is not None:
            yield from _modules(child, f"{prefix}{name}.")


def _check(module: Any, found: IncompatibleKeys, strict: bool, wrong: list[str]) -> None:
    """Raises ShapeError with all that is wrong, in PyTorch's words, which programs print and look into."""
    told = list(wrong)
    if strict:
        for what, names in (("Unexpected", found.unexpected_keys), ("Missing", found.missing_keys)):
            if names:
                told.insert(0, f"{what} key(s) in state_dict: {_quoted(names)}. ")
    if told:
        error = ShapeError()
        error.args = ("\n\t".join([f"Error(s) in loading state_dict for {type(module).__name__}:", *told]),)  # with torch.Size
        raise error


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _mismatches(given: Mapping[str, Any], own: Mapping[str, Tensor]) -> list[str]:
    pairs = ((name, tuple(given[name].shape), tuple(tensor.shape)) for name, tensor in own.items() if name in given)
    return [
        f"size mismatch for {name}: copying a param with shape {Size(theirs)!r} from checkpoint, "
        f"the shape in current model is {Size(mine)!r}."
        for name, theirs, mine in pairs
        if theirs != mine
    ]


def _taken(tensor: Tensor, value: Any, assign: bool) -> None:
    if assign and isinstance(value, Tensor) and value.dtype is not tensor.dtype:
        tensor._convert(value.dtype)
    load(tensor, value._array() if isinstance(value, Tensor) else np.asarray(value))
