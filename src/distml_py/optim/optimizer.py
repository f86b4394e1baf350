"""Optimizer: groups of parameters, their state, and one step of all of them. Rules are in descent.py and adaptive.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import engine, live
from ..atlas import Atlas, groups
from ..creation import zeros_like
from ..errors import ArgumentError, RecipeError, ShapeError, UnsupportedError
from ..tensor import Tensor, enable_grad, no_grad
from .hooks import Hooked
from .hooks import register_optimizer_step_post_hook as register_optimizer_step_post_hook
from .hooks import register_optimizer_step_pre_hook as register_optimizer_step_pre_hook
from .states import Options, Shown, Slots, States, in_order, signature, slot

Numbers = tuple[int, ...]
required = object()  # the default of an option that must be given, for rules that people wrote long ago
FLAGS = frozenset({"foreach", "fused", "capturable", "differentiable"})
"""options that say how PyTorch computes a step: kept for the text and the state, nothing here depends on them"""


class Group(dict[str, Any]):
    """The options of some parameters. While a step is captured, an option that is read this way must stay as it is."""

    def __getitem__(self, name: str) -> Any:
        if live.state.recorder is not None and name != "params":
            live.state.recorder.option(self, name, False)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            return default
        return self[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if live.state.recorder is not None:
            live.state.recorder.refuse(f"it sets the option {name!r} of an optimizer; do that between two steps")
        super().__setitem__(name, value)

    def uses(self, name: str) -> bool:
        """Whether an option is not zero: all that a captured step must rely on when the number itself is live."""
        if live.state.recorder is not None:
            live.state.recorder.option(self, name, True)
        return bool(super().__getitem__(name))


class Optimizer(Hooked):
    """params: tensors, or groups {"params": tensors, option: value}. Subclasses define update().

    elementwise: update() treats each number by itself, so the parameters of a group, their gradients and slots are gathered in
    atlases and updated together, in as few draws as one parameter takes.
    """

    elementwise = False
    followed: tuple[str, ...] = ()  # the names of what follows() gives
    _own_state: Any = None

    def __init__(self, params: Iterable[Any], defaults: Options):
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise ArgumentError(
                f"{type(self).__name__} takes tensors or groups of them, got {type(params).__name__}; use [parameter]"
            )
        given = list(params)
        if not given:
            raise RecipeError(f"{type(self).__name__} got no parameters; pass model.parameters()")
        groups = given if isinstance(given[0], Mapping) else [{"params": given}]
        self.defaults = in_order(type(self).__name__, defaults)
        self.param_groups: list[Group] = []
        self._states: dict[int | Numbers, Options] = {}  # of one parameter by its number, of an atlas by those of all of it
        self._atlases: dict[Numbers, Atlas] = {}
        self._arranged: dict[Numbers, list[int | Numbers]] = {}
        self._shown: Shown = []
        for group in groups:
            self.add_param_group(group)
        self._settle_in()

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """{"params": a tensor, tensors, or (name, tensor) pairs; option: value}. Raises RecipeError."""
        given, name = param_group["params"], type(self).__name__
        listed = [given] if isinstance(given, Tensor) else list(given)
        tensors = [item[1] if isinstance(item, tuple) else item for item in listed]
        names = [item[0] for item in listed if isinstance(item, tuple)]
        if names and len(names) < len(tensors):
            raise RecipeError(f"{name}: of {len(tensors)} parameters {len(names)} have a name; name all of them, or none")
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise ArgumentError(f"{name} takes tensors, got {type(tensor).__name__}; pass model.parameters()")
            if not tensor.is_leaf:
                raise RecipeError(f"{name} takes leaf tensors, got {type(tensor).__name__}")
        if len({id(tensor) for tensor in (*self._tensors(), *tensors)}) < len(self._tensors()) + len(tensors):
            raise RecipeError(f"{name}: a parameter was given twice; each is in one group, once")
        named = {"param_names": names} if names else {}
        self.param_groups.append(Group({**self.defaults, **param_group, "params": tensors, **named}))

    def _tensors(self) -> list[Tensor]:
        return [tensor for group in self.param_groups for tensor in group["params"]]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for tensor in self._tensors():
            tensor.grad = None if set_to_none or tensor.grad is None else tensor.grad * 0

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in one realization; older graphs keep the old numbers.

        closure: computes the loss anew, and its gradients; step() calls it first and returns the loss.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._step()
        return loss

    def _step(self) -> None:
        self.take_back()
        tensors, recorder = self._tensors(), live.state.recorder
        changed: list[Tensor] = []
        atlases: list[Atlas] = []
        if recorder is not None:
            recorder.stepping(self)
        with no_grad():
            for group, first in self._numbered():
                ready = tuple(n for n, tensor in enumerate(group["params"], first) if tensor.grad is not None)
                for key in self._arrange(ready, tensors):
                    state = self._states.setdefault(key, {})
                    if recorder is not None:
                        recorder.updating(self, key, state)
                    if isinstance(key, tuple):
                        atlases.append(self._atlases[key])
                        changed.append(self._together(atlases[-1], state, group))
                    else:
                        changed.append(self._alone(tensors[key], state, group))
                    changed += [value for value in state.values() if isinstance(value, Tensor)]
                    if not state and recorder is None:
                        del self._states[key]
        engine.realize(tensor.node for tensor in changed)
        for tensor in changed:
            tensor._settle()
        for atlas in atlases:
            atlas.hand_out()

    def _alone(self, tensor: Tensor, state: Options, group: Group) -> Tensor:
        gradient = tensor.grad
        assert gradient is not None
        if live.state.recorder is not None:
            live.state.recorder.spent(tensor)
        return tensor.copy_(self.update(tensor._aside(), gradient._aside(), state, group))

    def _together(self, atlas: Atlas, state: Options, group: Group) -> Tensor:
        atlas.gather()
        gradients = [tensor.grad for tensor in atlas.tensors]
        if live.state.recorder is not None:
            for tensor in atlas.tensors:
                live.state.recorder.spent(tensor)
        gradient = Tensor(atlas.pack([gradient.node for gradient in gradients if gradient is not None]))
        return atlas.home.copy_(self.update(atlas.home._aside(), gradient, state, group))

    # ------------------------------------------------------------ which parameters are updated together

    def _numbered(self) -> Iterator[tuple[Group, int]]:
        """Each group and the number of its first parameter."""
        first = 0
        for group in self.param_groups:
            yield group, first
            first += len(group["params"])

    def _settle_in(self) -> None:
        """Parameters whose numbers are still on the host move into their atlases now, before a step has read them elsewhere.

        Not where some have no numbers yet: those of a lazy layer before its first input.
        """
        tensors = self._tensors()
        for group, first in self._numbered():
            ready = tuple(n for n, tensor in enumerate(group["params"], first) if tensor.requires_grad)
            nodes = [tensors[n].node for n in ready]
            if self.elementwise and all(isinstance(node.buffer, np.ndarray) and node.size for node in nodes):
                for key in self._arrange(ready, tensors):
                    if isinstance(key, tuple):
                        self._atlases[key].hand_out()

    def _arrange(self, ready: Numbers, tensors: list[Tensor]) -> list[int | Numbers]:
        """The parameters with these numbers, all of one group: those that are updated together, and those that are not."""
        known = self._arranged.get(ready)
        if known is not None:
            return known
        if not self.elementwise:
            return list(ready)
        self._take_apart(set(ready))
        alike: dict[Any, list[int]] = {}
        for number in ready:
            alike.setdefault(signature(self._states.get(number, {})), []).append(number)
        found: list[int | Numbers] = []
        for numbers in alike.values():
            keys = [tuple(numbers[n] for n in members) for members in groups([tensors[n] for n in numbers])]
            for key in keys:
                self._join(key, tensors)
            found += keys
            found += [number for number in numbers if not any(number in key for key in keys)]
        self._arranged[ready] = found
        return found

    def _join(self, key: Numbers, tensors: list[Tensor]) -> None:
        """Makes one state of those of several parameters, which are alike."""
        atlas = self._atlases.get(key)
        if atlas is None:
            atlas = self._atlases[key] = Atlas([tensors[n] for n in key])
        states = [self._states.pop(n, {}) for n in key]
        self._states[key] = {
            slot: Tensor(atlas.pack([state[slot].node for state in states])) if isinstance(value, Tensor) else value
            for slot, value in states[0].items()
        }

    def _take_apart(self, numbers: set[int]) -> None:
        """Parameters that are updated together with one of these have states of their own again."""
        for key in [key for key in self._states if isinstance(key, tuple) and numbers.intersection(key)]:
            self._states.update(self._parts(key, self._states.pop(key)))
        self._arranged = {ready: keys for ready, keys in self._arranged.items() if not numbers.intersection(ready)}

    def _parts(self, key: int | Numbers, state: Options) -> Iterator[tuple[int, Options]]:
        """The state of each parameter behind a key."""
        if isinstance(key, int):
            yield key, state
        elif state:
            atlas = self._atlases[key]
            for place, number in enumerate(key):
                parts = ((name, atlas.part(v, place) if isinstance(v, Tensor) else v) for name, v in state.items())
                yield number, dict(parts)

    @property
    def state(self) -> Any:
        """Per parameter, or its number, {slot: tensor or number}. What is changed there counts for the next step."""
        if self._own_state is not None:
            return self._own_state
        tensors = self._tensors()
        self._take_apart(set(range(len(tensors))))
        return States(self._states, {id(tensor): number for number, tensor in enumerate(tensors)}, self._as_shown)

    @state.setter
    def state(self, value: Any) -> None:
        """For rules that people wrote with a state of their own, which is no business of ours."""
        self._own_state = value

    def _as_shown(self, number: int, slots: Options) -> Any:
        """The slots of the parameter of this number, as programs see them: a rule of one's own has its own way."""
        if not self._is_known():
            return slots
        group = [group for group, first in self._numbered() if first <= number][-1]
        return Slots(slots, lambda state: self.follows(state, group), self._shown)

    def take_back(self) -> None:
        """Counts that a program changed in the tensors it was shown count from now on."""
        for slots, tensor, version in self._shown:
            if tensor._version != version:
                slots["step"] = int(tensor.item())
        self._shown.clear()

    def follows(self, state: Options, group: Group) -> Options:
        """The numbers that PyTorch keeps in a state and that are worked out from its step here."""
        return {}

    def update(self, parameter: Tensor, gradient: Tensor, state: Options, group: Group) -> Tensor:
        """The new parameter. state may be changed; it starts empty.

        Numbers that change from step to step go through live.number and live.count, or a captured step refuses them.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines += [""] * (number > 0) + [f"Parameter Group {number}"]
            lines += [f"    {name}: {dict.get(group, name)}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])

    def config(self) -> Options:
        """{"name", option: value}: enough for from_config() to make an equal optimizer. Raises RecipeError for groups."""
        if len(self.param_groups) != 1:
            raise RecipeError("a run shared by several workers takes one parameter group; give all parameters one lr")
        taken = inspect.signature(type(self).__init__).parameters.keys() - FLAGS
        options = {name: value for name, value in self.param_groups[0].items() if name in self.defaults and name in taken}
        return {"name": type(self).__name__, **options}

    def state_dict(self) -> Options:
        """PyTorch's layout: {"state": {number: slots}, "param_groups": [...]}."""
        self.take_back()
        for hook in self._asked("state_dict_pre"):
            hook(self)
        found: Options = self._changed("state_dict_post", self._saved())
        return found

    def _saved(self) -> Options:
        saved = []
        for group, first in self._numbered():
            numbers = list(range(first, first + len(group["params"])))
            saved.append({**{k: v for k, v in group.items() if k != "params"}, "params": numbers})
        states = sorted((part for entry in self._states.items() for part in self._parts(*entry)), key=lambda part: part[0])
        shown = {number: dict(self._as_shown(number, slots)) for number, slots in states if slots}
        return {"state": shown, "param_groups": saved}

    def _is_known(self) -> bool:
        """Whether the rule is one of PyTorch's, which count their steps in tensors; SparseAdam does not."""
        homes = [next(kind for kind in type(self).__mro__ if verb in vars(kind)) for verb in ("update", "step")]
        return all(home.__module__.startswith(f"{__package__}.") and home.__name__ != "SparseAdam" for home in homes)

    def load_state_dict(self, state_dict: Options) -> None:
        """Raises ShapeError when a slot does not have its parameter's shape."""
        self._load(self._changed("load_state_dict_pre", state_dict))
        for hook in self._asked("load_state_dict_post"):
            hook(self)

    def _load(self, state_dict: Options) -> None:
        tensors, saved_groups = self._tensors(), state_dict["param_groups"]
        if len(saved_groups) != len(self.param_groups):
            found = f"{len(saved_groups)}, not {len(self.param_groups)}"
            raise RecipeError(f"loaded state dict has a different number of parameter groups: {found}")
        sizes = [(len(group["params"]), len(saved["params"])) for group, saved in zip(self.param_groups, saved_groups, strict=True)]
        if any(mine != theirs for mine, theirs in sizes):
            found = "; ".join(f"{theirs} parameters, not {mine}" for mine, theirs in sizes if mine != theirs)
            raise RecipeError(
                f"loaded state dict contains a parameter group that doesn't match the size of optimizer's group: {found}"
            )
        state: dict[int, Options] = {}
        for key, slots in state_dict["state"].items():
            number = int(key)
            if not 0 <= number < len(tensors):
                raise ShapeError(f"optimizer state names parameter {number}, there are {len(tensors)}")
            own = {name: value for name, value in slots.items() if name not in self.followed}
            state[number] = {name: slot(name, value, tensors[number]) for name, value in own.items()}
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            group.update({name: value for name, value in saved.items() if name != "params"})
        self._states = dict(state.items())
        self._arranged.clear()
        self._shown.clear()


def flags(rule: Optimizer, differentiable: bool, **others: bool | None) -> Options:
    """The options of FLAGS that a rule takes. Raises UnsupportedError, ArgumentError."""
    name = type(rule).__name__
    if differentiable:
        raise UnsupportedError(
            f"not implemented: {name}(differentiable=True); nearest is torch.func.functional_call with parameters of your own"
        )
    if others.get("fused") and others.get("foreach"):
        raise ArgumentError(f"{name}: `fused` and `foreach` cannot be `True` together; nothing here depends on either")
    before = {option: value for option, value in others.items() if option != "fused"}
    return {**before, "differentiable": False, **({"fused": others["fused"]} if "fused" in others else {})}


def not_negative(name: str, **options: float) -> None:
    for option, value in options.items():
        if not value >= 0:
            raise RecipeError(f"{name}: {option} must be at least 0, got {value}")


def check_betas(name: str, betas: Sequence[float]) -> None:
    if len(betas) != 2:
        raise RecipeError(f"{name}: betas are two numbers, got {tuple(betas)}")
    if not all(0 <= beta < 1 for beta in betas):
        raise RecipeError(f"{name}: betas are in [0, 1), got {tuple(betas)}")


def moments(gradient: Tensor, state: Options, group: Group) -> tuple[Tensor, Tensor]:
    """The running means of the gradient and of its square, one step further."""
    first, second = group["betas"]
    if not state:
        state.update(step=0, exp_avg=zeros_like(gradient), exp_avg_sq=zeros_like(gradient))
    live.count(state, "step")
    state["exp_avg"] = state["exp_avg"] * first + gradient * (1.0 - first)
    state["exp_avg_sq"] = state["exp_avg_sq"] * second + gradient * gradient * (1.0 - second)
    return state["exp_avg"], state["exp_avg_sq"]
