"""What optimizers remember of their parameters: slots, as programs see them and as files hold them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor

Options = dict[str, Any]
# the options of a group in PyTorch's order, which a state_dict shows
ORDERS = {
    "SGD": "lr momentum dampening weight_decay nesterov maximize foreach differentiable fused",
    "Adam": "lr betas eps weight_decay amsgrad maximize foreach capturable differentiable fused decoupled_weight_decay",
    "AdamW": "lr betas eps weight_decay amsgrad maximize foreach capturable differentiable fused decoupled_weight_decay",
    "RMSprop": "lr momentum alpha eps centered weight_decay capturable foreach maximize differentiable",
    "Adagrad": "lr lr_decay eps weight_decay initial_accumulator_value foreach maximize differentiable fused",
    "Adadelta": "lr rho eps weight_decay maximize capturable foreach differentiable",
    "Adamax": "lr betas eps weight_decay foreach maximize differentiable capturable",
    "NAdam": "lr betas eps weight_decay momentum_decay decoupled_weight_decay maximize foreach capturable differentiable",
    "RAdam": "lr betas eps weight_decay maximize foreach capturable decoupled_weight_decay differentiable",
    "ASGD": "lr lambd alpha t0 weight_decay foreach maximize differentiable capturable",
    "Rprop": "lr etas step_sizes foreach maximize differentiable capturable",
    "Adafactor": "lr beta2_decay eps d weight_decay foreach maximize",
    "SparseAdam": "lr betas eps maximize",
    "LBFGS": "lr max_iter max_eval tolerance_grad tolerance_change history_size line_search_fn",
}


FACTORS = {"row_var": -1, "col_var": -2}  # Adafactor's slots, and the dimension that they are means over

Shown = list[tuple[Options, Tensor, int]]  # the slots whose step was shown, as what, and that tensor's version then


class Slots(MutableMapping[str, Any]):
    """The slots of one parameter as PyTorch shows them: its step is a tensor, and beside it stands what follows from the step.

    slots: as rules keep them, the step a whole number. What is set here, or changed in a tensor, counts for the next step.
    follows: what PyTorch keeps and a rule here works out. shown: where the optimizer looks for changed steps.
    """

    def __init__(self, slots: Options, follows: Callable[[Options], Options], shown: Shown):
        self._slots, self._follows, self._shown = slots, follows, shown

    def _told(self) -> Options:
        """All slots in PyTorch's order; the step as it is kept."""
        first = {"step": self._slots["step"], **self._follows(self._slots)} if "step" in self._slots else {}
        return {**{name: Tensor(value) if isinstance(value, float) else value for name, value in first.items()}, **self._slots}

    def __getitem__(self, name: str) -> Any:
        value = self._told()[name]
        if name != "step" or isinstance(value, Tensor):
            return value
        for slots, tensor, version in self._shown:
            if slots is self._slots and tensor._version == version and tensor.item() == value:
                return tensor
        found = Tensor(float(value))
        self._shown.append((self._slots, found, found._version))
        return found

    def __setitem__(self, name: str, value: Any) -> None:
        self._slots[name] = int(value.item()) if name == "step" and isinstance(value, Tensor) else value

    def __delitem__(self, name: str) -> None:
        del self._slots[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._told())

    def __len__(self) -> int:
        return len(self._told())

    def copy(self) -> Options:
        return dict(self)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Options:
        return copy.deepcopy(dict(self), memo)

    def __repr__(self) -> str:
        return repr(dict(self))


class States(MutableMapping[Any, Any]):
    """Slots by parameter or its number; a parameter that has none yet gets an empty dictionary, as in PyTorch.

    show: how the slots of a parameter of this number are shown.
    """

    def __init__(self, states: dict[Any, Options], numbers: dict[int, int], show: Callable[[int, Options], Any]):
        self._states, self._numbers, self._show = states, numbers, show

    def _key(self, key: Any) -> Any:
        return self._numbers.get(id(key), key) if isinstance(key, Tensor) else key

    def __getitem__(self, key: Any) -> Any:
        number = self._key(key)
        return self._show(number, self._states.setdefault(number, {}) if isinstance(key, Tensor) else self._states[number])

    def __setitem__(self, key: Any, slots: Any) -> None:
        number = self._key(key)
        shown = self._show(number, {})
        self._states[number] = shown._slots if isinstance(shown, Slots) else slots
        shown.update(slots)

    def __delitem__(self, key: Any) -> None:
        del self._states[self._key(key)]

    def __contains__(self, key: object) -> bool:
        return self._key(key) in self._states

    def __iter__(self) -> Iterator[Any]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def __repr__(self) -> str:
        return repr(dict(self))


def signature(state: Options) -> Any:
    """Equal where update() may treat two parameters as one: the same slots, the same numbers in them."""
    return tuple((name, None if isinstance(value, Tensor) else value) for name, value in state.items())


def slot(name: str, value: Any, tensor: Tensor) -> Any:
    if isinstance(value, (int, float)):
        return value
    if name == "step":
        return int(value.item())
    found = value if isinstance(value, Tensor) else Tensor(np.asarray(value))
    wanted = list(tensor.shape)
    if name in FACTORS and len(wanted) > 1:
        wanted[FACTORS[name]] = 1
    if found.shape != tuple(wanted):
        factored = f" needs {tuple(wanted)}" if name in FACTORS else ""
        raise ShapeError(f"optimizer state {name} has shape {found.shape}, its parameter {tensor.shape}{factored}")
    return found


def in_order(name: str, options: Options) -> Options:
    """A rule's options as PyTorch lists them, others behind."""
    known = [option for option in ORDERS.get(name, "").split() if option in options]
    return {option: options[option] for option in (*known, *options)}
