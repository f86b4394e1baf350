"""What PyTorch's users expect of a tensor: gradients, in-place changes, dtypes, conversions. Numbers are judged elsewhere."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import Tensor, float32, float64, int32, int64, no_grad
from distml_py.errors import GradientError, ShapeError


def leaf(*numbers: float) -> Tensor:
    return dm.tensor(list(numbers), dtype=float32, requires_grad=True)


# ---------------------------------------------------------------- gradients


def test_gradients_add_up_until_they_are_cleared() -> None:
    x = leaf(1, 2)
    (x * 3).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [5, 7]
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_a_graph_can_be_walked_twice() -> None:
    x = leaf(1, 2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8]


def test_backward_takes_a_gradient_of_the_same_shape() -> None:
    x = leaf(1, 2)
    (x * 2).backward(dm.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2, 20]


def test_backward_of_a_leaf_is_one() -> None:
    x = leaf(5)
    x.backward()
    assert x.grad.tolist() == [1]


def test_what_does_not_lead_to_the_output_gets_no_gradient() -> None:
    x, y = leaf(1), leaf(2)
    (x * 2).backward()
    assert y.grad is None


@pytest.mark.parametrize("given", [([1, 2],), ([[0, 0], [0, 1]],), ((True, False),), ([],), (), ([1.5, 2],)])
def test_the_constructor_makes_floats_of_lists_as_in_pytorch_and_tensor_keeps_whole_numbers(given: tuple[Any, ...]) -> None:
    found, wanted = Tensor(*given), torch.Tensor(*given)
    assert str(found.dtype) == str(wanted.dtype) and found.tolist() == wanted.tolist() and found.shape == tuple(wanted.shape)
    if given:
        found, wanted = dm.tensor(*given), torch.tensor(*given)
        assert str(found.dtype) == str(wanted.dtype) and found.tolist() == wanted.tolist()


@pytest.mark.parametrize("sizes", [(2, 3), (4, 0), (2, 3, 0), (1, 2, 3, 4), (torch.Size([3, 2]),)])
def test_the_constructor_takes_sizes_as_in_pytorch(sizes: tuple[Any, ...]) -> None:
    ours = tuple(dm.Size(size) if isinstance(size, torch.Size) else size for size in sizes)
    found, wanted = Tensor(*ours), torch.Tensor(*sizes)
    assert found.shape == tuple(wanted.shape) and found.dtype == float32 and not found.requires_grad


def test_no_grad_makes_tensors_outside_the_graph_and_ends() -> None:
    x = leaf(1, 2)
    with no_grad():
        assert not dm.is_grad_enabled()
        y = x * 2
        assert not y.requires_grad and y.is_leaf
    assert dm.is_grad_enabled()
    (y * x).sum().backward()
    assert x.grad.tolist() == [2, 4], "y counts as a constant"


def test_no_grad_is_a_decorator_and_survives_an_error() -> None:
    @no_grad()
    def double(x: Tensor) -> Tensor:
        return x * 2

    assert not double(leaf(1)).requires_grad
    with pytest.raises(ShapeError), no_grad():
        leaf(1, 2) + leaf(1, 2, 3)
    assert dm.is_grad_enabled()


def test_detach_stops_the_gradient() -> None:
    x = leaf(3)
    (x * x.detach()).backward()
    assert x.grad.tolist() == [3]
    assert not x.detach().requires_grad
    assert not Tensor(x).requires_grad


def test_a_copy_made_by_tensor_is_a_constant() -> None:
    x, y = leaf(3), leaf(2)
    (Tensor(x) * y).backward()
    assert x.grad is None and y.grad.tolist() == [3]


def test_requires_grad_passes_on_and_only_to_numbers_with_a_slope() -> None:
    x = leaf(1.5, 2)
    assert (x + 1).requires_grad and not (x + 1).is_leaf
    assert x.is_leaf and dm.ones(2).is_leaf
    assert not (x > 1).requires_grad and not x.int().requires_grad and not x.argmax().requires_grad
    assert not dm.ones(2).requires_grad
    assert dm.ones(2, requires_grad=True).requires_grad


def test_requires_grad_can_be_set_as_an_attribute() -> None:
    x = dm.ones(2)
    x.requires_grad = True
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2]
    x.requires_grad = False
    assert not (x * 2).requires_grad


def test_asking_twice_for_a_gradient_does_not_cut_the_graph() -> None:
    x = leaf(2)
    y = (x * 3).requires_grad_()
    y.backward()
    assert x.grad.tolist() == [3]


def test_a_leaf_made_from_a_pending_computation_is_a_leaf() -> None:
    x = (dm.ones(2) * 3).requires_grad_()
    assert x.is_leaf
    (x * x).sum().backward()
    assert x.grad.tolist() == [6, 6]


def test_ties_of_max_along_a_dimension_go_to_the_first_and_of_amax_are_shared() -> None:
    values = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
    x = dm.tensor(values, requires_grad=True)
    best, places = x.max(1)
    assert places.tolist() == [1, 0]
    best.sum().backward()
    assert x.grad.tolist() == [[0, 1, 0], [1, 0, 0]]
    x.grad = None
    x.amax(1).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0, 0.5, 0.5], [1 / 3] * 3], rtol=1e-6)


def test_a_gradient_has_the_dtype_of_its_leaf() -> None:
    narrow, wide = leaf(1, 2), dm.tensor(np.array([3.0, 4.0]), requires_grad=True)
    product = narrow * wide
    assert product.dtype == float64
    product.sum().backward()
    assert (narrow.grad.dtype, narrow.grad.tolist()) == (float32, [3, 4])
    assert (wide.grad.dtype, wide.grad.tolist()) == (float64, [1, 2])


def test_long_graphs_need_no_recursion() -> None:
    x = leaf(1)
    y = x
    for _ in range(3000):
        y = y + 1
    y.backward()
    assert (x.grad.item(), y.item()) == (1, 3001)


# ---------------------------------------------------------------- in place


def test_the_update_that_everybody_writes_by_hand_changes_the_parameter() -> None:
    model = dm.nn.Linear(1, 1, bias=False)
    before = model.weight.item()
    model(dm.ones(1, 1)).sum().backward()
    with no_grad():
        for parameter in model.parameters():
            parameter -= 0.5 * parameter.grad
    assert model.weight.item() == pytest.approx(before - 0.5)
    assert model.weight.requires_grad and model.weight.is_leaf
    model.zero_grad()
    model(dm.ones(1, 1)).sum().backward()
    assert model.weight.grad.item() == 1


def test_in_place_methods_change_the_tensor_and_return_it() -> None:
    x = dm.tensor([1.0, 2.0])
    assert x.add_(1) is x and x.tolist() == [2, 3]
    assert x.add_(x, alpha=2).tolist() == [6, 9]
    assert x.sub_(dm.ones(2), alpha=3).tolist() == [3, 6]
    assert x.mul_(2).div_(3).tolist() == [2, 4]
    assert x.copy_(dm.tensor([7])).tolist() == [7, 7]
    assert x.copy_(3).tolist() == [3, 3]
    assert x.fill_(4).zero_().tolist() == [0, 0]
    same = x
    x += 1
    x *= 6
    x -= 2
    x /= 2
    assert x is same and x.tolist() == [2, 2]


def test_in_place_keeps_the_dtype() -> None:
    x = dm.tensor(np.ones(2, np.float32))
    x.copy_(dm.tensor(np.full(2, 2.0)))
    x += dm.tensor([1, 1])
    assert x.dtype == float32 and x.tolist() == [3, 3]


def test_in_place_on_a_computed_tensor_joins_the_graph() -> None:
    x = leaf(2)
    y = x * 3
    y += x * x
    y.backward()
    assert x.grad.tolist() == [7]
    total = dm.zeros(1)
    for _ in range(3):
        total += x
    assert total.requires_grad
    x.grad = None
    total.backward()
    assert x.grad.tolist() == [3]


def test_copying_a_parameter_leaves_the_parameter_as_it_was() -> None:
    x, kept = leaf(1, 2), dm.zeros(2)
    with no_grad():
        kept.copy_(x)
    x_before = x.tolist()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2], "x is still a leaf with a gradient"
    with no_grad():
        x += 1
    assert kept.tolist() == x_before


def test_a_value_read_from_a_graph_made_before_a_change_is_the_old_one() -> None:
    x = leaf(2)
    y = x + 1
    with no_grad():
        x.fill_(100)
    assert y.item() == 3
    y.backward()
    assert x.grad.tolist() == [1], "a sum needs no numbers of what it adds"


def test_a_gradient_that_needs_numbers_changed_in_place_is_an_error_as_in_pytorch() -> None:
    x = leaf(2)
    for compute in (lambda x: x * x, lambda x: x.log(), lambda x: (x[None] @ x[:, None]).sum()):
        y = compute(x)
        with no_grad():
            x.add_(0)
        with pytest.raises(GradientError, match="modified by an inplace operation"):
            y.sum().backward()
    h = (x * 3).exp()
    h += 1
    with pytest.raises(GradientError, match="exp of shape .1,. saved a tensor"):
        h.sum().backward()
    h = x * 3
    h += h * h
    with pytest.raises(GradientError, match="modified by an inplace operation"):
        h.sum().backward()


def test_data_is_the_numbers_outside_the_graph_and_can_be_set() -> None:
    x = leaf(1, 2)
    assert not x.data.requires_grad
    x.data = x.data * 3
    assert x.tolist() == [3, 6] and x.requires_grad and x.is_leaf


# ---------------------------------------------------------------- dtypes

PROMOTED = [
    (True, 1, "int64"),
    (1, 1.5, "float32"),
    (True, 1.5, "float32"),
    (np.float64(1), np.float32(1), "float64"),
    (np.float64(1), 1, "float64"),
    (np.float32(1), 1, "float32"),
]


@pytest.mark.parametrize(("one", "two", "name"), PROMOTED)
def test_dtypes_meet_in_the_wider_one(one: object, two: object, name: str) -> None:
    left, right = (dm.tensor(np.asarray(value) if isinstance(value, np.generic) else value) for value in (one, two))
    assert (left + right).dtype.name == (right + left).dtype.name == name


def test_a_number_lifts_the_kind_and_never_the_width() -> None:
    assert (dm.arange(2) + 1).dtype == int64
    assert (dm.arange(2) + 1.0).dtype == float32
    assert (dm.arange(2) / 2).dtype == float32
    assert (dm.ones(2) + 1).dtype == float32
    assert (dm.ones(2, dtype=float64) + 1.5).dtype == float64
    assert (dm.ones(2) * np.float64(2)).dtype == (np.float64(2) * dm.ones(2)).dtype == float32
    assert ((dm.ones(2) > 0) + 1).dtype == int64


def test_data_keeps_its_kind() -> None:
    found = [dm.tensor(value).dtype.name for value in (True, 1, 1.5, [1, 2.5], [True, False])]
    assert found == ["bool", "int64", "float32", "float32", "bool"]
    assert dm.tensor(np.ones(1)).dtype == float64 and dm.tensor(np.ones(1, np.int64)).dtype == int64
    assert dm.tensor(np.ones(1, np.float16)).dtype == dm.float16
    assert dm.tensor([1, 2], dtype=float32).dtype == float32
    assert dm.tensor([], dtype=int32).shape == (0,)


def test_conversions_cut_towards_zero_and_keep_the_gradient_between_floats() -> None:
    x = dm.tensor([-1.7, 0.0, 1.7], requires_grad=True)
    assert x.int().tolist() == [-1, 0, 1] and x.long().dtype == int64
    assert x.bool().tolist() == [True, False, True]
    assert x.float() is x and x.to(float32) is x
    (x.double() * 2).sum().backward()
    assert (x.double().dtype, x.grad.dtype, x.grad.tolist()) == (float64, float32, [2, 2, 2])


def test_a_tensor_is_a_copy_of_its_data() -> None:
    array = np.ones(2, np.float32)
    for made in (dm.tensor(array), dm.from_numpy(array)):
        array[0] = 5
        assert made.tolist() == [1, 1]
        array[0] = 1
        made.numpy()[0] = 7
        assert made.tolist() == [1, 1]


# ---------------------------------------------------------------- conversions


def test_item_tolist_and_bool() -> None:
    x = dm.tensor([[1.5]])
    assert (x.item(), x.tolist(), float(x), int(x), bool(x)) == (1.5, [[1.5]], 1.5, 1, True)
    assert isinstance(dm.tensor(3).item(), int) and dm.tensor(True).item() is True
    assert dm.tensor(2.5).tolist() == 2.5
    assert f"{dm.tensor(3.14159):.2f}" == "3.14"


def test_repr_is_readable() -> None:
    assert repr(dm.tensor([1.0, 2.5])) == "tensor([1.0000, 2.5000])"
    assert repr(dm.arange(3)) == "tensor([0, 1, 2])"
    assert repr(dm.ones(1, requires_grad=True)) == "tensor([1.], requires_grad=True)"
    assert repr(dm.tensor([True])) == "tensor([True])"


def test_shape_and_its_relatives() -> None:
    x = dm.zeros(2, 3, 4)
    assert (x.shape, x.size(), x.size(-1), x.dim(), x.ndim, x.numel(), len(x)) == ((2, 3, 4), (2, 3, 4), 4, 3, 3, 24, 2)


def test_numpy_understands_a_tensor() -> None:
    x = dm.tensor([1.0, 2.0])
    assert np.asarray(x).tolist() == [1, 2] and np.asarray(x, dtype=np.float64).dtype == np.float64
    assert isinstance(np.float32(3) * x, Tensor)
    assert dm.tensor([dm.tensor(1.0), dm.tensor(2.0)]).tolist() == [1, 2]


def test_comparing_with_something_else_is_false() -> None:
    assert (dm.ones(2) == None) is False  # noqa: E711
    assert (dm.ones(2) != None) is True  # noqa: E711
    assert len({dm.ones(1), dm.ones(1)}) == 2


def test_unpacking_iterates_over_the_first_dimension() -> None:
    one, two = dm.arange(4).reshape(2, 2)
    assert (one.tolist(), two.tolist()) == ([0, 1], [2, 3])


# ---------------------------------------------------------------- made from nothing

MADE = {
    "zeros(2, 3)": lambda lib: lib.zeros(2, 3),
    "ones((2, 3))": lambda lib: lib.ones((2, 3)),
    "zeros(())": lambda lib: lib.zeros(()),
    "zeros(0)": lambda lib: lib.zeros(0),
    "full ints": lambda lib: lib.full((2, 2), 7),
    "full floats": lambda lib: lib.full((2, 2), 7.5),
    "full bools": lambda lib: lib.full((2,), True),
    "zeros_like": lambda lib: lib.zeros_like(lib.arange(3)),
    "ones_like": lambda lib: lib.ones_like(lib.zeros(2, 2)),
    "arange(5)": lambda lib: lib.arange(5),
    "arange(2, 9, 3)": lambda lib: lib.arange(2, 9, 3),
    "arange(5, 0, -2)": lambda lib: lib.arange(5, 0, -2),
    "arange(0, 1, 0.1)": lambda lib: lib.arange(0, 1, 0.1),
    "arange(0)": lambda lib: lib.arange(0),
    "eye(3)": lambda lib: lib.eye(3),
    "eye(2, 4)": lambda lib: lib.eye(2, 4),
}


@pytest.mark.parametrize("name", MADE)
def test_creation_is_pytorchs(name: str) -> None:
    found, wanted = MADE[name](dm), MADE[name](torch)
    assert found.shape == tuple(wanted.shape)
    assert found.dtype.name == str(wanted.dtype).removeprefix("torch.")
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)


def test_an_index_computed_on_the_way_is_checked_when_it_is_read() -> None:
    labels = dm.tensor([0, 4]) + 0
    with pytest.raises(IndexError):
        dm.arange(12).reshape(3, 4)[dm.arange(2), labels].numpy()


def test_an_integer_tensor_is_an_index() -> None:
    assert [10, 20, 30][dm.tensor(1)] == 20 and list(range(dm.tensor(2))) == [0, 1]
    assert dm.arange(5)[dm.tensor(1) : dm.tensor(3)].tolist() == [1, 2]
    with pytest.raises(TypeError, match="only integer tensors of a single element can be converted to an index, got float32"):
        _ = [1][dm.tensor(0.0)]
