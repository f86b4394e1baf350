"""Limits on gradients, and parameters as one vector; computed on the device. PyTorch's torch.nn.utils."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

from ... import engine
from ...creation import zeros
from ...errors import NonFiniteError, ShapeError
from ...tensor import Tensor, cat, no_grad, stack


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scales all gradients so that their common norm is at most max_norm. Returns the norm before, shape ().

    error_if_nonfinite reads the norm, which waits for the device; raises NonFiniteError.
    """
    owners = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    grads = [grad for owner in owners if (grad := owner.grad) is not None]
    if not grads:
        return zeros(())
    with no_grad():
        total = _norm(grads, float(norm_type))
        engine.keep(total.node)
        if error_if_nonfinite and not math.isfinite(total.item()):
            raise NonFiniteError(f"clip_grad_norm_: the norm of the gradients is {total.item()}, so they cannot be clipped")
        factor = (max_norm / (total + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(factor)
    return total


def _norm(grads: list[Tensor], kind: float) -> Tensor:
    if kind == math.inf:
        return stack([grad.abs().amax() for grad in grads]).amax()
    if kind == 2.0:
        return stack([(grad * grad).sum() for grad in grads]).sum().sqrt()
    return (stack([(grad.abs() ** kind).sum() for grad in grads]).sum()) ** (1.0 / kind)


def clip_grads_with_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor) -> None:
    """clip_grad_norm_() for a norm that is known already."""
    with no_grad():
        factor = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)
        for owner in [parameters] if isinstance(parameters, Tensor) else list(parameters):
            grad = owner.grad
            if grad is not None:
                grad.mul_(factor)


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """clip_grad_norm_() under the name that it had before."""
    text = "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`."
    warnings.warn(text, FutureWarning, stacklevel=3)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limits each number of each gradient to [-clip_value, clip_value]."""
    with no_grad():
        for owner in [parameters] if isinstance(parameters, Tensor) else list(parameters):
            grad = owner.grad
            if grad is not None:
                grad.copy_(grad.clamp(-clip_value, clip_value))


def get_total_norm(tensors: Iterable[Tensor], norm_type: float = 2.0) -> Tensor:
    """The common norm of several tensors, shape ()."""
    given = list(tensors)
    return _norm(given, float(norm_type)) if given else zeros(())


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, flattened one after another."""
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """The numbers of vec, one parameter after another. Raises ShapeError when it holds too few."""
    given = list(parameters)
    need = sum(parameter.numel() for parameter in given)
    if vec.ndim != 1 or vec.numel() < need:
        raise ShapeError(f"vector_to_parameters: {need} numbers in one dimension are needed, got {vec.shape}")
    first = 0
    with no_grad():
        for parameter in given:
            parameter.copy_(vec.detach()[first : first + parameter.numel()].reshape(parameter.shape))
            first += parameter.numel()
