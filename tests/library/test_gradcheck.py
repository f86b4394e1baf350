"""gradcheck and gradgradcheck: right derivatives pass, wrong ones are said as PyTorch says them."""

from typing import Any

import pytest
import torch

import distml_py as dm
from distml_py.errors import GradcheckError


def swish(lib: Any, factor: float = 1.0) -> Any:
    class Swish(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * lib.sigmoid(x)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            s = lib.sigmoid(x)
            return factor * grad * s * (1 + x * (1 - s))

    return Swish.apply


@pytest.mark.parametrize("lib", [dm, torch], ids=["ours", "pytorch"])
def test_right_derivatives_pass_and_wrong_ones_do_not(lib: Any) -> None:
    x = lib.randn(5, dtype=lib.float64, requires_grad=True)
    w = lib.randn(3, 5, dtype=lib.float64, requires_grad=True)
    assert lib.autograd.gradcheck(swish(lib), (x,))
    assert lib.autograd.gradcheck(lambda x, w: (w @ x.exp(), x.sum()), (x, w), eps=1e-6, atol=1e-4)
    assert lib.autograd.gradgradcheck(lambda x, w: (w @ x.exp()).tanh(), (x, w))
    assert not lib.autograd.gradcheck(swish(lib, 1.01), (x,), raise_exception=False)
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"):
        lib.autograd.gradcheck(swish(lib, 1.01), x)


def test_what_cannot_be_checked_is_said() -> None:
    with pytest.raises(ValueError, match="at least one input tensor to require gradient; call requires_grad_"):
        dm.autograd.gradcheck(dm.exp, dm.ones(2))
    with pytest.warns(UserWarning, match="input 0 is not of double precision"), pytest.raises(GradcheckError):
        dm.autograd.gradcheck(lambda x: x.exp(), dm.ones(2, requires_grad=True), eps=1e-9)
