"""How programs reach into modules: dictionaries behind attributes, what is set before super().__init__(), dynamic attributes."""

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import nn
from distml_py.errors import DtypeError, ShapeError

BOTH = pytest.mark.parametrize("library", [dm, torch], ids=["ours", "theirs"])


def block(library: Any) -> Any:
    class Block(library.nn.Module):
        def __init__(self) -> None:
            self.width = 3  # a plain attribute needs no super().__init__() before it
            super().__init__()
            self.fc, self.act = library.nn.Linear(3, 3), library.nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.act(self.fc(x))

    return Block()


@BOTH
def test_what_is_put_into_the_dictionaries_is_the_attribute(library: Any) -> None:
    net = block(library)
    for name, child in net.named_children():
        if isinstance(child, library.nn.ReLU):
            net._modules[name] = library.nn.Tanh()
    assert net.width == 3 and type(net.act) is library.nn.Tanh and net._modules["act"] is net.act
    assert "weight" not in vars(net.fc) and list(net.fc._parameters) == ["weight", "bias"]
    raw = net.fc._parameters.pop("weight")
    net.fc.register_parameter("weight_raw", library.nn.Parameter(raw.data))
    net.fc.weight = net.fc.weight_raw * 2  # a plain tensor, computed anew each time
    net.fc._parameters["bias"] = library.nn.Parameter(library.ones(3))
    net.fc._buffers["extra"] = library.zeros(2)
    assert net(library.zeros(1, 3)).shape == (1, 3) and net.fc.bias.sum().item() == 3
    assert [name for name, _ in net.named_parameters()] == ["fc.bias", "fc.weight_raw"]
    assert [name for name, _ in net.named_buffers()] == ["fc.extra"] and net.fc.extra.shape == (2,)
    del net.fc.weight
    assert not hasattr(net.fc, "weight") and "bias" in dir(net.fc)
    assert copy.copy(net).fc is net.fc and copy.deepcopy(net).fc is not net.fc


@BOTH
def test_hooks_are_seen_and_cleared_by_their_names(library: Any) -> None:
    net, seen = block(library), []
    net.register_forward_pre_hook(lambda module, args: seen.append("before"))
    net.register_forward_hook(lambda module, args, named, out: seen.append(named), with_kwargs=True)
    net(library.zeros(1, 3))
    assert [len(hooks) for hooks in (net._forward_pre_hooks, net._forward_hooks, net._backward_hooks)] == [1, 1, 0]
    assert all(callable(hook) for hook in net._forward_hooks.values())
    net._forward_pre_hooks.clear()
    net._forward_hooks = OrderedDict()
    net(library.zeros(1, 3))
    assert seen == ["before", {}]


@BOTH
def test_a_module_may_answer_for_another_and_convert_what_else_it_keeps(library: Any) -> None:
    class Around(library.nn.Module):
        def __init__(self, module: Any) -> None:
            super().__init__()
            self.module = module
            self.table = library.ones(2)

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.module, name)

        def _apply(self, fn: Any, recurse: bool = True) -> Any:
            super()._apply(fn)
            self.table = fn(self.table)
            return self

    around = Around(block(library))
    assert around.width == 3 and around.fc is around.module.fc
    around.double()
    assert around.table.dtype == library.float64 and around.fc.weight.dtype == library.float64


def test_parameters_modules_and_buffers_keep_their_kind() -> None:
    net: Any = block(dm)
    with pytest.raises(DtypeError, match=r"cannot assign 'torch.FloatTensor' as parameter 'weight' \(torch.nn.Parameter or None"):
        net.fc.weight = dm.ones(3, 3)
    with pytest.raises(TypeError, match="cannot assign .* as child module 'act'"):
        net.act = 3
    net.act = None
    assert net.act is None and list(net._modules) == ["fc", "act"]
    net.fc = dm.nn.Parameter(dm.ones(2))
    assert list(net._modules) == ["act"] and [name for name, _ in net.named_parameters()] == ["fc"]
    with pytest.raises(ShapeError, match="Block has an attribute 'forward' already, a parameter would be hidden by it"):
        net.forward = dm.nn.Parameter(dm.ones(2))
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'absent'"):
        _ = net.absent


def test_a_captured_step_sees_that_a_module_was_exchanged() -> None:
    net: Any = block(dm)
    x = dm.tensor(np.full((1, 3), -0.5, np.float32))
    step = dm.compile(lambda value: net(value).sum())
    first = [step(x).item() for _ in range(4)]
    net._modules["act"] = nn.Tanh()
    assert step(x).item() != first[-1]
    net.fc._parameters["bias"] = dm.nn.Parameter(dm.full((3,), 9.0))
    assert step(x).item() == pytest.approx(net(x).sum().item()) and step(x).item() > 2.9


@BOTH
def test_tensors_carry_marks_and_functions_of_ones_own_their_name(library: Any) -> None:
    weight = library.nn.Parameter(library.ones(2))
    weight._no_weight_decay = True
    assert weight._no_weight_decay and not hasattr(weight * 1, "_no_weight_decay")

    class Square(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    assert type(Square.apply(weight).grad_fn).__name__ == "SquareBackward"


@BOTH
def test_a_model_made_for_its_shapes_alone_takes_a_state_and_has_shapes(library: Any) -> None:
    state = block(library).state_dict()
    with library.device("meta"):
        net = block(library)
    assert net(library.zeros(2, 3, device="meta")).shape == (2, 3)
    net.load_state_dict(state, assign=True)
    assert library.equal(net.fc.weight, state["fc.weight"]) and net.fc.weight.requires_grad
    copied = copy.deepcopy(net).to("meta")
    assert library.func.functional_call(copied, dict(net.named_parameters()), (library.ones(1, 3),)).shape == (1, 3)
