"""PyTorch's gradcheck and gradgradcheck: a function's derivative against central differences of its numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import DtypeError, GradcheckError
from .gradients import grad
from .op import float64
from .sampling import randn_like
from .tensor import Tensor


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Are the derivatives of func at inputs those of its numbers? Each number of each input that requires grad is moved by eps.

    Made for float64, which only the reference backend has; with fewer bits it warns, as PyTorch does. Raises GradcheckError with
    both matrices where they differ by more than atol + rtol * |numeric|, or returns False where raise_exception is not set.
    What is asked of batched and forward derivatives is not looked at.
    """
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    wanted = [number for number, value in enumerate(given) if isinstance(value, Tensor) and value.requires_grad]
    if not wanted:
        raise ValueError("gradcheck expects at least one input tensor to require gradient; call requires_grad_() on one")
    for number in wanted:
        if not given[number].dtype.is_floating_point:
            raise DtypeError(f"gradcheck: input {number} is of {given[number].dtype}; derivatives are for floating point")
        if given[number].dtype != float64:
            warnings.warn(f"gradcheck: input {number} is not of double precision: the check will likely fail", stacklevel=2)
    try:
        for number in wanted:
            _check(func, given, number, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    gen_non_contig_grad_outputs: bool = False,
    **options: Any,
) -> bool:
    """gradcheck of the gradient itself, for inputs and grad_outputs (random ones by default). options: gradcheck's."""
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    ends = _listed(func(*given))
    seeds = [randn_like(end) for end in ends] if grad_outputs is None else _listed(grad_outputs)
    seeds = [seed.detach().requires_grad_() for seed in seeds]
    wanted = [number for number, value in enumerate(given) if isinstance(value, Tensor) and value.requires_grad]

    def gradient(*values: Any) -> tuple[Any, ...]:
        inputs, seeds = values[: len(given)], list(values[len(given) :])
        outputs = [end for end in _listed(func(*inputs)) if end.requires_grad]
        return grad(outputs, [inputs[n] for n in wanted], seeds[: len(outputs)], create_graph=True, materialize_grads=True)

    return gradcheck(gradient, [*given, *seeds], **options)


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, Tensor) else [one for one in value if isinstance(one, Tensor)]


def _check(func: Callable[..., Any], given: list[Any], number: int, eps: float, atol: float, rtol: float) -> None:
    ends = _listed(func(*given))
    numeric = _numeric(func, given, number, eps)
    for place, end in enumerate(ends):
        analytic = np.zeros((given[number].numel(), end.numel()))
        for column in range(end.numel() if end.requires_grad else 0):
            seed = np.zeros(end.shape)
            seed.reshape(-1)[column] = 1
            (found,) = grad([end], [given[number]], [Tensor(seed).to(end.dtype)], retain_graph=True, allow_unused=True)
            if found is not None:
                analytic[:, column] = found.detach().numpy().reshape(-1)
        if not np.allclose(analytic, numeric[place], rtol, atol, equal_nan=True):
            raise GradcheckError(
                f"Jacobian mismatch for output {place} with respect to input {number},\n"
                f"numerical:{numeric[place]}\nanalytical:{analytic}"
            )


def _numeric(func: Callable[..., Any], given: list[Any], number: int, eps: float) -> list[np.ndarray]:
    """For each output its change a change of each number of the input, by central differences."""
    start = given[number].detach().numpy()
    rows: list[list[np.ndarray]] = []
    for place in range(start.size):
        both = []
        for sign in (1, -1):
            moved = start.copy()
            moved.reshape(-1)[place] += sign * eps
            value = Tensor(moved).to(given[number].dtype).requires_grad_()
            found = _listed(func(*given[:number], value, *given[number + 1 :]))
            both.append([end.detach().numpy().reshape(-1).astype(np.float64) for end in found])
        rows.append([(after - before) / (2 * eps) for after, before in zip(*both, strict=True)])
    outputs = len(_listed(func(*given)))
    return [np.array([row[place] for row in rows]).reshape(start.size, -1) for place in range(outputs)]
