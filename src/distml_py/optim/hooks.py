"""Who is asked before and after an optimizer's step and around its state, in order. No step is made here."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import ArgumentError
from ..tensor.gradient import RemovableHandle

Hook = Callable[..., Any]
_everywhere: dict[str, OrderedDict[int, Hook]] = {"step_pre": OrderedDict(), "step_post": OrderedDict()}  # what may change here


class Hooked:
    """An optimizer's hooks. A step that is called by another one's step has none."""

    _hooks: dict[str, OrderedDict[int, Hook]]

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if "step" in vars(cls):
            cls.step = _hooked(cls.step)  # type: ignore[attr-defined]

    def _add(self, when: str, hook: Hook, first: bool = False) -> RemovableHandle:
        known = self.__dict__.setdefault("_hooks", {})  # rules that people wrote may not have called __init__
        return RemovableHandle.of(known.setdefault(when, OrderedDict()), hook, first)

    def _asked(self, when: str) -> Iterator[Hook]:
        return iter(list(self.__dict__.get("_hooks", {}).get(when, {}).values()))

    def step_hooks(self) -> tuple[int, ...]:
        """The numbers of what is asked around a step: what a compiled step compares."""
        own = self.__dict__.get("_hooks", {})
        return tuple(n for when in ("step_pre", "step_post") for known in (own, _everywhere) for n in known.get(when, ()))

    def _changed(self, when: str, state: Any) -> Any:
        """A state as the hooks leave it."""
        for hook in self._asked(when):
            found = hook(self, state)
            state = state if found is None else found
        return state

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """hook(optimizer, args, kwargs) before step(), args with the optimizer; what it returns, if not None, is used instead."""
        return self._add("step_pre", hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """hook(optimizer, args, kwargs) after step()."""
        return self._add("step_post", hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer) before state_dict()."""
        return self._add("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer, state_dict); what it returns, if not None, is the state."""
        return self._add("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer, state_dict); what it returns, if not None, is loaded."""
        return self._add("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer) after load_state_dict()."""
        return self._add("load_state_dict_post", hook, prepend)


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def call(self: Any, *args: Any, **named: Any) -> Any:
        if getattr(type(self), "step", None) is not call:
            return step(self, *args, **named)
        whole: tuple[Any, ...] = (self, *args)  # as PyTorch hands them on
        for hook in (*_everywhere["step_pre"].values(), *self._asked("step_pre")):
            changed = hook(self, whole, named)
            if changed is None:
                continue
            if not isinstance(changed, tuple) or len(changed) != 2:
                raise ArgumentError(f"a hook before step() returns None or ((optimizer, *args), kwargs), got {changed!r}")
            whole, named = changed
        found = step(*whole, **named)
        for hook in (*self._asked("step_post"), *_everywhere["step_post"].values()):
            hook(self, whole, named)
        return found

    return call


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """hook(optimizer, args, kwargs) before the steps of all optimizers."""
    return RemovableHandle.of(_everywhere["step_pre"], hook)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """hook(optimizer, args, kwargs) after the steps of all optimizers."""
    return RemovableHandle.of(_everywhere["step_post"], hook)
