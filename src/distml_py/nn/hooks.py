"""What is called before and after a module's forward(), and when gradients pass it, in the order it was registered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..tensor import is_grad_enabled
from ..tensor.gradient import RemovableHandle
from .backward_hooks import Passage

Known = OrderedDict[int, Callable[..., Any]]


class Hooks:
    """The hooks of one module, by number."""

    def __init__(self) -> None:
        self.before: Known = OrderedDict()
        self.after: Known = OrderedDict()
        self.outputs: Known = OrderedDict()  # of gradients, as they come in
        self.inputs: Known = OrderedDict()  # and as they go on
        self.named: set[int] = set()  # those that take keyword arguments, too
        self.of_state: dict[str, Known] = {}  # around state_dict() and load_state_dict()

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which hooks there are, in the order they are called: what a compiled step compares."""
        return (*self.before, -1, *self.after, -1, *self.outputs, -1, *self.inputs)

    def __bool__(self) -> bool:
        return bool(self.before or self.after or self.outputs or self.inputs)

    def add(self, when: str, hook: Callable[..., Any], named: bool, first: bool) -> RemovableHandle:
        handle = RemovableHandle.of(getattr(self, when), hook, first)
        if named:
            self.named.add(handle.id)
        return handle

    def around(self, module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """module.forward(*inputs, **named), with the hooks' say before and after it."""
        for number, hook in list(self.before.items()):
            takes_named = number in self.named
            changed = hook(module, inputs, named) if takes_named else hook(module, inputs)
            if changed is None:
                continue
            if takes_named:
                inputs, named = changed
            else:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        passage = None
        if (self.outputs or self.inputs) and is_grad_enabled():
            passage = Passage(module, list(self.outputs.values()), list(self.inputs.values()))
            inputs = passage.enter(inputs)
        output = module.forward(*inputs, **named)
        for number, hook in list(self.after.items()):
            changed = hook(module, inputs, named, output) if number in self.named else hook(module, inputs, output)
            output = output if changed is None else changed
        return output if passage is None else passage.leave(output)
