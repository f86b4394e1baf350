"""When does a captured step still hold? All that its recording saw is held against how it is now. Nothing is replayed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from . import engine
from .atlas import Home, is_part
from .ops import PART
from .recording import Found, Recording
from .scope import Scope, brief, same
from .spent import SPENT
from .tensor import Tensor, is_grad_enabled


class Guards:
    """Made before the step runs; watch() when it has. changed() then says why a call cannot be replayed."""

    def __init__(self, fn: Callable[..., Any], inputs: list[Tensor], plain: list[Any], shapes: list[Any]):
        self.plain, self.shapes = list(plain), list(shapes)
        self.backend = engine.backend()
        self.choices = self.backend.choices
        self.grad_enabled = is_grad_enabled()
        self.scope = Scope(fn)
        self.aliases = _aliases(inputs)

    def watch(self, recording: Recording, found: Found) -> None:
        """What the recording saw, as it is now."""
        self.modules = [(m, _ids(m), dict(m._attributes())) for m in recording.modules.values()]
        self.hooks = [(module, module._hooks.numbers) for module in recording.modules.values()]
        self.options = list(recording.options.values())
        self.steppers = [
            (o, o.step_hooks(), [(group, list(dict.__getitem__(group, "params"))) for group in o.param_groups])
            for o in recording.steppers.values()
        ]
        self.states = [(o, n, state, tuple(entry)) for o, n, state, entry in recording.entry_slots.values()]
        ends = (*(t for t, _ in found.moved), *(t for t, *_ in found.housed), *found.spent, *(t for t, _ in found.graded))
        held = {id(t): t for t in (*found.tensors, *ends)}
        givens = {id(tensor) for tensor in recording.inputs}
        self.flags = [(t, t._requires_grad) for t in held.values() if id(t) not in givens]
        read_first = [g for g in recording.gradients.values() if g.read_first and id(g.tensor) in held]
        self.grads = [(g.tensor, _gradient(g.entry)) for g in read_first if id(g.tensor) not in givens]
        for module in recording.modules.values():
            self.scope.add(type(module).forward)
        homes = {id(t._node): t for t in found.tensors}
        lodgers = [t for home in found.tensors if isinstance(home, Home) for t in home.lodgers if _is_part_of(t, homes)]
        named = [*self.scope.values(), *(t for m in recording.modules.values() for t in m._parameters.values())]
        # anew at each replay
        read = {id(t) for t in (*found.tensors, *(t for t, _ in found.moved), *(t for t, *_ in found.housed))}
        seen = {id(t): t for t in (*lodgers, *found.lodgers, *named) if isinstance(t, Tensor) and t is not SPENT}
        still = [t for t in seen.values() if id(t) not in read]
        self.parts = [(t, homes[id(t._node.inputs[0])], t._node.attrs) for t in still if _is_part_of(t, homes)]
        self.still = [(t, t._node) for t in still if not _is_part_of(t, homes)]
        self.questions = recording.questions
        self.housed = [(t, home, was) for t, home, was in found.housed if id(t) not in givens]

    @property
    def stale(self) -> bool:
        """Were kernels tuned since? Its plans would only hold on to scratch textures."""
        return bool(self.backend.choices != self.choices)

    def changed(self, inputs: list[Tensor], plain: list[Any], shapes: list[Any]) -> str:
        """What is not as it was when captured; empty when all is."""
        if shapes != self.shapes:
            return f"the inputs are {_shown(shapes)}, they were {_shown(self.shapes)}"
        for now, then in zip(plain, self.plain, strict=False):
            if not same(now, then):
                return f"an argument is {brief(now)}, it was {brief(then)}"
        if len(plain) != len(self.plain):
            return "the arguments have another form"
        if engine.backend() is not self.backend:
            return f"the backend is {engine.backend().name}, it was {self.backend.name}"
        if self.stale:
            return "kernels were tuned since"
        if is_grad_enabled() is not self.grad_enabled:
            return "gradients were switched on or off around it (no_grad)"
        return self.scope.changed() or self._model_changed() or self._state_changed() or self._inputs_changed(inputs)

    def _model_changed(self) -> str:
        for module, ids, values in self.modules:
            if _ids(module) != ids:
                now = dict(module._attributes())
                if now.keys() != values.keys():
                    return f"{type(module).__name__} has other attributes than it had"
                for name, value in now.items():
                    if not same(value, values[name]):
                        return f"{type(module).__name__}.{name} is {brief(value)}, it was {brief(values[name])}"
        for module, numbers in self.hooks:
            if module._hooks.numbers != numbers:
                return f"{type(module).__name__} has other forward hooks than it had"
        for group, name, truth, value in self.options:
            now_value = dict.get(group, name)
            if (bool(now_value) is not value) if truth else not same(now_value, value):
                return f"the optimizer's option {name} is {now_value}, it was {value}"
        for optimizer, hooks, groups in self.steppers:
            now_groups = optimizer.param_groups
            if optimizer.step_hooks() != hooks:
                return f"{type(optimizer).__name__} has other hooks around its step than it had"
            if len(now_groups) != len(groups):
                return f"{type(optimizer).__name__} has {len(now_groups)} parameter groups, it had {len(groups)}"
            for group, (then, params) in zip(now_groups, groups, strict=True):
                now_params = dict.__getitem__(group, "params")
                if group is not then or len(now_params) != len(params) or any(map(_differ, now_params, params)):
                    return f"{type(optimizer).__name__} has other parameters than it had"
        return ""

    def _state_changed(self) -> str:
        for optimizer, number, state, names in self.states:
            optimizer.take_back()
            if optimizer._states.get(number) is not state or tuple(state) != names:
                return f"the state of {type(optimizer).__name__} has another form or was loaded anew"
        for tensor, flag in self.flags:
            if tensor._requires_grad is not flag:
                return f"requires_grad of a tensor of shape {tensor.shape} is {not flag}, it was {flag}"
        for tensor, home, was in self.housed:
            if is_part(tensor, home) is not was:
                return f"the numbers of a parameter of shape {tensor.shape} were {'set' if was else 'not set'} since the last step"
        for tensor, home, attrs in self.parts:
            if not is_part(tensor, home) or tensor._node.attrs != attrs:
                return f"a parameter of shape {tensor.shape} was set to other numbers"
        for tensor, node in self.still:
            if tensor._node is not node:
                return f"a tensor of shape {tensor.shape} was changed in place"
        for tensor, then in self.grads:
            if (now := _gradient(tensor._grad)) != then:
                return f"a tensor of shape {tensor.shape} has {now} already, it had {then}"
        return ""

    def _inputs_changed(self, inputs: list[Tensor]) -> str:
        if len(inputs) > 1 and _aliases(inputs) != self.aliases:
            return "two inputs are one tensor, or no longer are"
        for number, question, answer in self.questions:
            if engine.ask_host(inputs[number]._node, question) != answer:
                return f"input {number} is of another kind (labels to ignore, or numbers that the host does not know)"
        return ""


def _gradient(grad: Tensor | None) -> str:
    return "no gradient" if grad is None else "a gradient that is used up" if grad is SPENT else "a gradient"


def _is_part_of(tensor: Tensor, homes: dict[int, Tensor]) -> bool:
    node = tensor._node
    return node.op is PART and id(node.inputs[0]) in homes


def _differ(one: Any, other: Any) -> bool:
    return one is not other


def _aliases(inputs: Sequence[Tensor]) -> list[int]:
    """For each input the first one with the same node."""
    nodes = [id(tensor._node) for tensor in inputs]
    return [nodes.index(node) for node in nodes]


def _shown(shapes: list[Any]) -> str:
    return ", ".join(f"{dtype.name}{list(shape)}{' with grad' * flag}" for shape, dtype, flag in shapes) or "none"


def _ids(module: Any) -> tuple[int, ...]:
    """What a module's attributes are."""
    own = vars(module)
    return tuple(map(id, chain(own.values(), *(own[slot].values() for slot in ("_parameters", "_buffers", "_modules")))))
