"""The same call in PyTorch's other words: argument names of other overloads, sequences by name, factors in front."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import ArgumentError, ShapeError

CALLS = [
    "t.flip(x, dims=(0,))",
    "t.permute(x, dims=(1, 0))",
    "x.permute(dims=(1, 0))",
    "x.reshape(shape=(6,))",
    "t.reshape(x, shape=(3, 2))",
    "x.view(size=(6,))",
    "x.expand(size=(2, 2, 3))",
    "x.repeat(repeats=(2, 1))",
    "t.tile(x, dims=(2,))",
    "x.new_zeros(size=(2,))",
    "x.broadcast_to(size=(2, 2, 3))",
    "x.split(split_size=1)[1]",
    "x.split(split_size=[1, 2], dim=1)[1]",
    "t.split(tensor=x, split_size_or_sections=2)[0]",
    "t.swapaxes(x, axis0=0, axis1=1)",
    "t.gather(x, dim=1, index=i, sparse_grad=False)",
    "x.hsplit(sections=3)[2]",
    "t.vdot(x[0], other=x[1])",
    "t.det(input=x @ x.T)",
    "t.dropout(x, 0.5, train=False)",
    "t.arange(end=4)",
    "t.randint(high=1, size=(2,))",
    "t.nn.functional.scaled_dot_product_attention(q, k, k, enable_gqa=True)",
    "x.add(2, x)",
    "t.sub(x, 2, x)",
    "x.clone().add_(0.5, x)",
    "x.clone().addcmul_(0.5, x, x)",
    "t.addcdiv(x, 2, x, x + 9)",
    "t.addmm(2, x @ x.T, 3, x, x.T)",
    "(x @ x.T).addmm_(1, -2, x, x.T)",
    "(x @ x.T).addmm(2, x, x.T)",
]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_in_other_words_is_the_same_call(call: str) -> None:
    def value(library: Any) -> np.ndarray:
        x = library.tensor([[0.1, 0.5, -0.3], [1.0, 0.2, 0.7]])
        heads = library.arange(24.0).reshape(1, 4, 2, 3) / 24
        names = {"t": library, "x": x, "i": library.tensor([[0, 1, 2], [2, 1, 0]]), "q": heads, "k": heads[:, :2] + 1}
        found: np.ndarray = eval(call, names).numpy()
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(value(dm), value(torch), rtol=1e-6, atol=1e-7)


def test_what_means_nothing_is_still_refused_and_the_older_order_is_told() -> None:
    x = dm.ones(2, 3)
    with pytest.raises(ArgumentError, match="flip has no argument 'dimensions'"):
        dm.flip(x, dimensions=(0,))
    with pytest.raises(ArgumentError, match="arange needs an end"):
        dm.arange()
    with pytest.raises(
        ShapeError, match=r"enable_gqa: the heads of query \(1, 3, 2, 2\) must be a multiple of those of \(1, 2, 2, 2\)"
    ):
        dm.nn.functional.scaled_dot_product_attention(
            dm.ones(1, 3, 2, 2), dm.ones(1, 2, 2, 2), dm.ones(1, 2, 2, 2), enable_gqa=True
        )
    with pytest.warns(UserWarning, match=r"This overload of addcdiv_ is deprecated: write addcdiv_\(..., value=0.5\)"):
        x.addcdiv_(0.5, x, x)


def test_what_repeat_gives_is_a_tensor_of_its_own() -> None:
    for library in (dm, torch):
        whole = library.arange(3).view(1, 1, 3).repeat([2, 2, 1])
        whole[whole > 1] = 9
        assert whole.tolist() == [[[0, 1, 9]] * 2] * 2


def test_a_stream_of_samples_has_no_length_and_can_still_be_listed() -> None:
    class Counting(dm.utils.data.IterableDataset):
        def __iter__(self) -> Any:
            return iter(range(5))

    assert [batch.tolist() for batch in list(dm.utils.data.DataLoader(Counting(), batch_size=2))] == [[0, 1], [2, 3], [4]]
    with pytest.raises(TypeError, match="has no len"):
        len(dm.utils.data.DataLoader(Counting(), batch_size=2))


def test_the_step_that_made_a_tensor_is_of_a_class_that_has_its_name() -> None:
    for library in (dm, torch):
        x = library.ones(2, requires_grad=True)
        assert [type(y.grad_fn).__name__ for y in (x + 1, (x * 2).sum(), x.exp())] == [
            "AddBackward0",
            "SumBackward0",
            "ExpBackward0",
        ]
        assert type((x + 1).grad_fn.next_functions[0][0]).__name__ == "AccumulateGrad"
