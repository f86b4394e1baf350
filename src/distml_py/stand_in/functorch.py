"""functorch, the earlier home of torch.func: its functions, and models as functions of their parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from ..func import functional_call as functional_call
from ..func import grad as grad
from ..func import grad_and_value as grad_and_value
from ..func import hessian as hessian
from ..func import jacfwd as jacfwd
from ..func import jacrev as jacrev
from ..func import jvp as jvp
from ..func import linearize as linearize
from ..func import stack_module_state as stack_module_state
from ..func import vjp as vjp
from ..func import vmap as vmap
from ..nn.module import Module
from ..tensor import Tensor, stack

Tensors = Sequence[Tensor]


def make_functional_with_buffers(model: Module, disable_autograd_tracking: bool = False) -> tuple[Callable[..., Any], Any, Any]:
    """(call(parameters, buffers, *inputs), parameters, buffers): a copy of the model as a function of its numbers."""
    known = copy.deepcopy(model)
    names, kept = ([name for name, _ in listed()] for listed in (known.named_parameters, known.named_buffers))

    def call(parameters: Tensors, buffers: Tensors, *inputs: Any, **named: Any) -> Any:
        given = dict(zip((*names, *kept), (*parameters, *buffers), strict=True))
        return functional_call(known, given, inputs, named)

    trained = not disable_autograd_tracking
    parameters = tuple(one.detach().clone().requires_grad_(trained and one.requires_grad) for one in known.parameters())
    return call, parameters, tuple(one.detach().clone() for one in known.buffers())


def make_functional(model: Module, disable_autograd_tracking: bool = False) -> tuple[Callable[..., Any], Any]:
    """(call(parameters, *inputs), parameters), for a model without buffers."""
    call, parameters, buffers = make_functional_with_buffers(model, disable_autograd_tracking)
    return lambda given, *inputs, **named: call(given, buffers, *inputs, **named), parameters


def combine_state_for_ensemble(models: Sequence[Module]) -> tuple[Callable[..., Any], Any, Any]:
    """make_functional_with_buffers() of models that are alike, with their numbers stacked for vmap()."""
    made = [make_functional_with_buffers(model) for model in models]
    parameters, buffers = (
        tuple(stack(list(alike)).detach().requires_grad_(part == 1) for alike in zip(*(one[part] for one in made), strict=True))
        for part in (1, 2)
    )
    return made[0][0], parameters, buffers
