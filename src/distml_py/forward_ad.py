"""PyTorch's torch.autograd.forward_ad: tensors that carry a direction, and the derivative along it of what is made of them.

It is found by going back twice (Christianson 1992), so it costs two backward passes; whatever can be differentiated twice has it.
"""

from __future__ import annotations

from typing import NamedTuple

from .autograd import grad
from .errors import GradientError, ShapeError
from .tensor import Tensor, enable_grad


class UnpackedDualTensor(NamedTuple):
    """tangent: the derivative along the directions given to make_dual(), None where the tensor does not depend on one."""

    primal: Tensor
    tangent: Tensor | None


class _Dual(NamedTuple):
    tensor: Tensor
    primal: Tensor
    tangent: Tensor


_open: list[list[_Dual]] = []  # the duals of the level that is open, if one is: what may change here


def enter_dual_level() -> int:
    """Opens the level that make_dual() needs. Raises GradientError inside another one."""
    if _open:
        raise GradientError("forward_ad: a level is open already; leave it first, torch.func.jvp can be nested")
    _open.append([])
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Closes it: what was made inside has no tangent any more."""
    if not _open:
        raise GradientError("forward_ad: no level is open; call enter_dual_level() first")
    _open.pop()


class dual_level:
    """with dual_level(): a level inside the block."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: object) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """The same numbers, with a direction of the same shape. Raises GradientError outside a level."""
    if not _open:
        raise GradientError("make_dual() needs a level; write it inside `with torch.autograd.forward_ad.dual_level():`")
    if tangent.shape != tensor.shape:
        raise ShapeError(f"make_dual: the tangent {tangent.shape} must have the tensor's shape {tensor.shape}")
    with enable_grad():
        dual = tensor.clone() if tensor.requires_grad else tensor.detach().requires_grad_()
    _open[-1].append(_Dual(dual, tensor, tangent))
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """(primal, tangent) of a tensor: what make_dual() took, or what it came to."""
    if not _open:
        return UnpackedDualTensor(tensor, None)
    for dual in _open[-1]:
        if dual.tensor is tensor:
            return UnpackedDualTensor(dual.primal, dual.tangent)
    tangent = _along(tensor, _open[-1])
    asked = any(dual.primal.requires_grad or dual.tangent.requires_grad for dual in _open[-1])
    if tangent is None or asked:
        return UnpackedDualTensor(tensor, tangent)
    return UnpackedDualTensor(tensor.detach(), tangent.detach())


def _along(tensor: Tensor, duals: list[_Dual]) -> Tensor | None:
    if not (duals and tensor.requires_grad):
        return None
    with enable_grad():
        seed = (tensor * 0).detach().requires_grad_()
        pulled = grad([tensor], [dual.tensor for dual in duals], [seed], create_graph=True, allow_unused=True)
        parts = [(g * dual.tangent).sum() for g, dual in zip(pulled, duals, strict=True) if g is not None]
        if not parts:
            return None
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return grad([total], [seed], create_graph=True, materialize_grads=True)[0]
