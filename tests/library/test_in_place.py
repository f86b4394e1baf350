"""Methods that change the tensor they are called on, judged by PyTorch."""

import weakref

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.tensor.in_place import ELEMENTWISE

WORDS = sorted([*(f"{name}_" for name in ELEMENTWISE), "copy_", "fill_", "zero_", "requires_grad_", "detach_"])
ARGUMENTS = {
    **{name: ("other",) for name in ("add_", "sub_", "mul_", "div_", "pow_", "remainder_", "fmod_", "floor_divide_", "atan2_")},
    **{
        name: ("other",) for name in ("hypot_", "copysign_", "xlogy_", "multiply_", "divide_", "true_divide_", "subtract_", "copy_")
    },
    **{name: ("other",) for name in ("eq_", "ne_", "lt_", "le_", "gt_", "ge_", "clamp_max_", "clamp_min_")},
    **{f"{name}_": ("other",) for name in ("greater", "greater_equal", "less", "less_equal", "not_equal", "arctan2")},
    **{f"{name}_": ("other",) for name in ("logical_and", "logical_or", "logical_xor", "heaviside", "ldexp")},
    **{"addcmul_": ("other", "other"), "addcdiv_": ("other", "other"), "lerp_": ("other", 0.3), "masked_fill_": ("mask", 2.5)},
    **{"clamp_": (0.3, 0.5), "clip_": (0.3, 0.5), "fill_": (3,), "logit_": (0.1,), "requires_grad_": (False,)},
    **{"bitwise_left_shift_": ("other",), "bitwise_right_shift_": ("other",)},
}
ON_INTEGERS = ("bitwise_and_", "bitwise_or_", "bitwise_xor_", "bitwise_not_", "bitwise_left_shift_", "bitwise_right_shift_")


@pytest.mark.parametrize("word", WORDS)
def test_a_method_with_a_dash_becomes_what_pytorchs_becomes(word: str) -> None:
    found = []
    for lib in (dm, torch):
        kind = np.int32 if word in ON_INTEGERS else np.float32
        known = {
            "other": lib.tensor((np.array([0.4, 0.2, 0.7]) * (10 if kind == np.int32 else 1)).astype(kind)),
            "mask": lib.tensor([True, False, True]),
        }
        given = ("other",) if word in ON_INTEGERS and word != "bitwise_not_" else ARGUMENTS.get(word, ())
        x = lib.tensor((np.array([0.3, 0.5, 0.9]) + (1 if "cosh" in word else 0)) * (10 if kind == np.int32 else 1)).to(
            lib.int32 if kind == np.int32 else lib.float32
        )
        before = x
        assert getattr(x, word)(*(known.get(value, value) if isinstance(value, str) else value for value in given)) is x
        assert before is x
        found.append(x.numpy())
    assert found[0].dtype == found[1].dtype
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_operators_change_the_tensor() -> None:
    for lib in (dm, torch):
        x = same = lib.tensor([7.0, -3.0])
        x **= 2
        x //= 4
        x %= 5
        n = lib.tensor([6, 3])
        n &= 3
        n |= 8
        n ^= 1
        n <<= 3
        n >>= 2
        assert x is same and x.tolist() == [2, 2] and n.tolist() == [22, 20]


CALLS = {
    "scatter_": lambda lib, x, n, y: x.scatter_(0, n, y),
    "scatter_ of a number": lambda lib, x, n, y: x.scatter_(1, n, 5.0),
    "scatter_add_": lambda lib, x, n, y: x.scatter_add_(0, n, y),
    "scatter_reduce_": lambda lib, x, n, y: x.scatter_reduce_(0, n, y, "sum"),
    "index_add_": lambda lib, x, n, y: x.index_add_(0, n[0, :2], y, alpha=2),
    "index_copy_": lambda lib, x, n, y: x.index_copy_(0, n[0, :2], y),
    "index_fill_": lambda lib, x, n, y: x.index_fill_(1, n[0], 7),
    "index_put_": lambda lib, x, n, y: x.index_put_((n[0, :2],), y),
    "masked_scatter_": lambda lib, x, n, y: x.masked_scatter_(x > 0, y.reshape(-1).repeat(3)),
    "cumsum_": lambda lib, x, n, y: x.cumsum_(0),
    "cumprod_": lambda lib, x, n, y: x.cumprod_(1),
    "tril_": lambda lib, x, n, y: x.tril_(),
    "triu_": lambda lib, x, n, y: x.triu_(1),
    "addmm_": lambda lib, x, n, y: x.addmm_(x.clone(), x.clone()),
    "addmv_": lambda lib, x, n, y: x[0].clone().addmv_(x, x[0]),
    "addr_": lambda lib, x, n, y: x.addr_(x[0].clone(), x[1].clone()),
    "baddbmm_": lambda lib, x, n, y: x[None].clone().baddbmm_(x[None].clone(), x[None].clone()),
    "addbmm_": lambda lib, x, n, y: x.addbmm_(x[None].clone(), x[None].clone()),
    "fill_diagonal_": lambda lib, x, n, y: x.fill_diagonal_(9),
    "unsqueeze_": lambda lib, x, n, y: x.unsqueeze_(0),
    "squeeze_": lambda lib, x, n, y: x.unsqueeze_(0).squeeze_(0),
    "transpose_": lambda lib, x, n, y: x.transpose_(0, 1),
    "swapaxes_": lambda lib, x, n, y: x.swapaxes_(0, 1),
    "t_": lambda lib, x, n, y: x.t_(),
}


@pytest.mark.parametrize("name", CALLS)
def test_changes_by_index_and_of_shape_are_pytorchs(name: str) -> None:
    found = []
    for lib in (dm, torch):
        x = lib.tensor(np.arange(9, dtype=np.float32).reshape(3, 3) - 4)
        n = lib.tensor([[2, 0, 1], [1, 2, 0]])
        y = lib.tensor(np.arange(6, dtype=np.float32).reshape(2, 3) / 10)
        found.append(CALLS[name](lib, x, n, y).numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_an_assignment_changes_the_tensor_and_keeps_its_gradient() -> None:
    found = []
    for lib in (dm, torch):
        w = lib.tensor([1.0, 2.0, 3.0], requires_grad=True)
        x = lib.zeros(2, 3)
        same = x
        x[1] = w * 2
        x[:, 0] += w[1]
        x[x > 5] = 0
        (x * x).sum().backward()
        assert same is x
        found.append((x.tolist(), w.grad.tolist()))
        with pytest.raises(RuntimeError):
            w[0] = 5
        with lib.no_grad():
            w[0] = 5
        assert w.tolist() == [5, 2, 3] and w.requires_grad
    assert found[0] == found[1]


def test_an_assignment_to_what_a_gradient_needs_is_an_error() -> None:
    for lib in (dm, torch):
        w = lib.tensor([1.0, 2.0], requires_grad=True)
        h = w * 3
        y = h.exp() * h
        h[0] = 0
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


VIEWS = {
    "data": lambda lib, x: x.data.mul_(2),
    "data of a parameter": lambda lib, x: x.requires_grad_().data.add_(1),
    "data by index": lambda lib, x: x.requires_grad_().data.__setitem__(1, 7),
    "detach": lambda lib, x: x.detach().sub_(3),
    "a row": lambda lib, x: x[1].zero_(),
    "a row of a row": lambda lib, x: x[1][2].fill_(9),
    "columns": lambda lib, x: x[:, 1:].mul_(-1),
    "every other": lambda lib, x: x[..., ::2].add_(10),
    "a row, in an expression": lambda lib, x: x.__setitem__(0, x[0].__iadd__(1)),
    "a row copied": lambda lib, x: x[2].copy_(x[0]),
    "a row of data": lambda lib, x: x.requires_grad_().data[0].fill_(4),
    "rows one by one": lambda lib, x: [row.add_(n) for n, row in enumerate(x)],
    "not what numbers picked": lambda lib, x: x[[0, 1]].zero_(),
    "not a clone": lambda lib, x: x[0].clone().zero_(),
}


@pytest.mark.parametrize("name", VIEWS)
def test_what_is_changed_through_a_part_is_changed_in_the_whole(name: str) -> None:
    found = []
    for lib in (dm, torch):
        x = lib.tensor(np.arange(9, dtype=np.float32).reshape(3, 3) - 4)
        VIEWS[name](lib, x)
        found.append(x.detach().numpy())
    np.testing.assert_array_equal(found[0], found[1])


def test_the_update_by_hand_through_data() -> None:
    found = []
    for lib in (dm, torch):
        w = lib.tensor([1.0, -2.0], requires_grad=True)
        for _ in range(3):
            (w * w).sum().backward()
            w.data.add_(w.grad.data, alpha=-0.1)
            w.grad.data.zero_()
        assert w.is_leaf and w.requires_grad
        found.append(w.tolist())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_a_part_keeps_nothing_alive() -> None:
    x = dm.ones(3)
    kept = x.detach()
    gone = weakref.ref(x)
    del x
    assert gone() is None and kept.add_(1).tolist() == [2, 2, 2]


INPLACE: dict[str, tuple[object, ...]] = {
    **{name: () for name in ("relu", "elu", "celu", "selu", "silu", "mish", "relu6", "hardsigmoid", "hardswish", "leaky_relu")},
    **{"hardtanh": (-0.5, 0.7), "threshold": (0.1, 7.0), "dropout": (0.0,), "rrelu": ()},
}
LAYERS = ("ReLU", "ELU", "CELU", "SELU", "SiLU", "Mish", "ReLU6", "Hardsigmoid", "Hardswish", "LeakyReLU", "Hardtanh", "RReLU")


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_of_a_function_changes_its_input(name: str) -> None:
    found = []
    for lib in (dm, torch):
        w = lib.tensor([-2.0, -0.3, 0.2, 4.0], requires_grad=True)
        x = w * 1
        y = x.view(2, 2)
        assert getattr(lib.nn.functional, name)(x, *INPLACE[name], inplace=True) is x
        (y * y).sum().backward()
        found.append((x.detach().numpy(), y.detach().numpy(), w.grad.numpy()))
        if name in ("relu", "elu", "selu", "celu", "leaky_relu", "hardtanh", "threshold"):
            z = lib.tensor([-1.0, 1.0])
            assert getattr(lib.nn.functional, f"{name}_")(z, *INPLACE[name]) is z
            found[-1] += (z.numpy(),)
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", LAYERS)
def test_inplace_of_a_layer_changes_its_input(name: str) -> None:
    found = []
    for lib in (dm, torch):
        x = lib.tensor([-2.0, -0.3, 0.2, 4.0])
        assert getattr(lib.nn, name)(inplace=True).eval()(x) is x
        found.append(x.numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
