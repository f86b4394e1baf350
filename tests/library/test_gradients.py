"""Derivatives judged by central differences in float64: first order for every smooth example, second along one line."""

import numpy as np
import pytest

import distml_py as dm
import op_examples
from distml_py import differentiation, graph, ops
from distml_py.op import TABLE, float64
from op_examples import EXAMPLES, Example, listed, loss_of

STEP = 1e-5
PLACES = 100  # measured in each input, at most
SMOOTH = [e for e in EXAMPLES if e.smooth and e.differentiable and any(a.dtype == np.float32 and a.size for a in e.inputs)]
# rows whose derivative finite differences in float64 cannot judge; PyTorch does
NOT_SMOOTH = {"half": "a staircase", "bfloat": "a staircase", "cast": "its derivative is seen between float32 and float64 alone"}


def leaves(example: Example, inputs: list[np.ndarray]) -> list[dm.Tensor]:
    return [dm.Tensor(array, requires_grad=array.dtype == float64) for array in inputs]


def in_float64(example: Example) -> list[np.ndarray]:
    return [array.astype(np.float64) if array.dtype == np.float32 else array for array in example.inputs]


def loss(example: Example, inputs: list[np.ndarray]) -> float:
    found = loss_of(dm, listed(example.call(dm, *leaves(example, inputs))))
    return float(found.item())


def gradient(example: Example, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """One array for every float64 input."""
    tensors = leaves(example, inputs)
    loss_of(dm, listed(example.call(dm, *tensors))).backward()
    wanted = [tensor for tensor in tensors if tensor.requires_grad]
    return [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in wanted]


def moved(inputs: list[np.ndarray], directions: list[np.ndarray], by: float) -> list[np.ndarray]:
    todo = iter(directions)
    return [array + by * next(todo) if array.dtype == float64 else array for array in inputs]


def has_loss(example: Example) -> bool:
    return loss_of(dm, listed(example.call(dm, *leaves(example, in_float64(example))))) is not None


@pytest.mark.parametrize("example", SMOOTH, ids=lambda example: example.name)
def test_a_gradient_is_the_slope_that_central_differences_measure(example: Example) -> None:
    inputs = in_float64(example)
    if not has_loss(example):
        return  # integers only
    found = gradient(example, inputs)
    floats = [array for array in inputs if array.dtype == float64]
    for number, array in enumerate(floats):
        for place in list(np.ndindex(array.shape))[:: 1 + array.size // PLACES]:
            direction = [np.zeros(other.shape) for other in floats]
            direction[number][place] = 1
            ahead, behind = (loss(example, moved(inputs, direction, by)) for by in (STEP, -STEP))
            wanted = (ahead - behind) / (2 * STEP)
            np.testing.assert_allclose(found[number][place], wanted, rtol=1e-6, atol=1e-8, err_msg=f"input {number} at {place}")


def slope_of_gradient(example: Example, inputs: list[np.ndarray], directions: list[np.ndarray]) -> list[np.ndarray]:
    """d(gradient) / d(inputs along directions), from the graph of the gradient."""
    tensors = leaves(example, inputs)
    total = loss_of(dm, listed(example.call(dm, *tensors))).node
    wanted = [tensor.node for tensor in tensors if tensor.requires_grad]
    first = differentiation.gradients(total, graph.full(1, (), float64), wanted)
    along = graph.full(0, (), float64)
    for node, direction in zip(first, directions, strict=True):
        if node is not None:
            product = dm.Tensor(graph.apply(ops.MUL, node, graph.leaf(direction, direction.shape, float64))).sum()
            along = along + product.node
    second = differentiation.gradients(along, graph.full(1, (), float64), wanted)
    return [np.zeros(w.shape) if s is None else dm.Tensor(s).numpy() for w, s in zip(wanted, second, strict=True)]


@pytest.mark.parametrize("example", SMOOTH, ids=lambda example: example.name)
def test_a_gradient_can_be_differentiated_again(example: Example) -> None:
    inputs = in_float64(example)
    if not has_loss(example):
        return  # integers only
    floats = [array for array in inputs if array.dtype == float64]
    directions = [op_examples.numbers(*array.shape, low=-1, high=1, seed=3).astype(np.float64) for array in floats]
    found = slope_of_gradient(example, inputs, directions)
    ahead, behind = (gradient(example, moved(inputs, directions, by)) for by in (STEP, -STEP))
    for mine, after, before in zip(found, ahead, behind, strict=True):
        np.testing.assert_allclose(mine, (after - before) / (2 * STEP), rtol=1e-6, atol=1e-7)


def rows_between(outputs: list[dm.Tensor], inputs: list[dm.Tensor]) -> tuple[set[str], set[str]]:
    """(every row used, the rows that a gradient passes through)."""
    used: set[str] = set()
    passed: set[str] = set()
    leads = {id(tensor.node) for tensor in inputs if tensor.requires_grad}
    for node in differentiation.order([out.node for out in outputs]):
        used.add(node.op.name)
        if id(node) not in leads and any(id(parent) in leads for parent in node.inputs) and node.op.name != "detach":
            leads.add(id(node))
            passed.add(node.op.name)
    return used, passed


def test_every_row_has_an_example_and_every_derivative_a_judged_one() -> None:
    """A new row goes red here until it has an example call."""
    used: set[str] = set()
    judged: set[str] = set()
    for example in EXAMPLES:
        tensors = leaves(example, in_float64(example))
        now_used, now_passed = rows_between(listed(example.call(dm, *tensors)), tensors)
        used |= now_used
        judged |= now_passed if example in SMOOTH else set()
    used.add("uniform")  # test_random.py judges it
    without_example = sorted(TABLE.keys() - used - {"leaf", "const"})
    assert without_example == []
    with_derivative = {name for name, op in TABLE.items() if op.vjp is not None}
    without_judge = sorted(with_derivative - judged - NOT_SMOOTH.keys())
    assert without_judge == []
