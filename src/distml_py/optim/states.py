"""What optimizers remember of their parameters: slots, as programs see them and as files hold them."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
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
    "SparseAdam": "lr betas eps maximize",
    "LBFGS": "lr max_iter max_eval tolerance_grad tolerance_change history_size line_search_fn",
}


class States(MutableMapping[Any, Options]):
    """Slots by parameter or its number; a parameter that has none yet gets an empty dictionary, as in PyTorch."""

    def __init__(self, states: dict[Any, Options], numbers: dict[int, int]):
        self._states, self._numbers = states, numbers

    def _key(self, key: Any) -> Any:
        return self._numbers.get(id(key), key) if isinstance(key, Tensor) else key

    def __getitem__(self, key: Any) -> Options:
        return self._states.setdefault(self._key(key), {}) if isinstance(key, Tensor) else self._states[key]

    def __setitem__(self, key: Any, slots: Options) -> None:
        self._states[self._key(key)] = slots

    def __delitem__(self, key: Any) -> None:
        del self._states[self._key(key)]

    def __contains__(self, key: object) -> bool:
        return self._key(key) in self._states

    def __iter__(self) -> Iterator[Any]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def __repr__(self) -> str:
        return repr(self._states)


def signature(state: Options) -> Any:
    """Equal where update() may treat two parameters as one: the same slots, the same numbers in them."""
    return tuple((name, None if isinstance(value, Tensor) else value) for name, value in state.items())


def slot(name: str, value: Any, tensor: Tensor) -> Any:
    if isinstance(value, (int, float)):
        return value
    if name == "step":
        return int(value.item())
    found = value if isinstance(value, Tensor) else Tensor(np.asarray(value))
    if found.shape != tensor.shape:
        raise ShapeError(f"optimizer state {name} has shape {found.shape}, its parameter {tensor.shape}")
    return found


def in_order(name: str, options: Options) -> Options:
    """A rule's options as PyTorch lists them, others behind."""
    known = [option for option in ORDERS.get(name, "").split() if option in options]
    return {option: options[option] for option in (*known, *options)}
