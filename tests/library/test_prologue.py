"""Maps that a contraction makes of its operand at each read: which ones, that nothing is stored, and that edges stay zeros."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import distml_py as dm
from distml_py import Tensor, engine, nn
from distml_py.kernel import Convolution, Product, WeightGradient
from distml_py.layout import layout_of
from distml_py.prologue import reads
from distml_py.schedule import Schedule, schedule
from distml_py.steps import Graph, graph_of, linearize
from distml_py.variant import DEFAULT, Variant
from numpy_kernels import KernelBackend
from op_examples import numbers

F = nn.functional
ALWAYS = dataclasses.replace(DEFAULT, prologue=1 << 20)


def data(*shape: int, seed: int = 0) -> Tensor:
    return dm.tensor(numbers(*shape, seed=seed))


class Forced(KernelBackend):
    """Kernels in NumPy, every contraction in one variant."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant

    def plan(self, graph: Graph) -> Schedule:
        self.schedules.append(schedule(graph, lambda graph, number: self.variant, self.side))
        return self.schedules[-1]


@pytest.fixture(autouse=True)
def reference_afterwards() -> Iterator[None]:
    yield
    engine.use_backend("reference")


def planned(variant: Variant, *tensors: Tensor) -> Schedule:
    key, _, _ = linearize([tensor.node for tensor in tensors], lambda node: layout_of(node.shape))
    return schedule(graph_of(key), lambda graph, number: variant)


def kinds(plan: Schedule) -> list[str]:
    """Kernels, with how many of their operands each makes itself."""
    return [type(one.kernel).__name__ + "+" * len(getattr(one.kernel, "before", ())) for one in plan.launches]


# what is computed; its draws with prologues wherever they can be, and without
CASES: dict[str, tuple[Callable[[], Tensor], list[str], list[str]]] = {
    "a chain on the left": (
        lambda: (data(8, 8) * 2 + data(8)).relu() @ data(8, 12),
        ["Product+", "Map"],
        ["Map", "Product", "Map"],
    ),
    "chains on both sides": (
        lambda: (data(8, 8) * 2) @ (data(8, 12, seed=1) * data(12, seed=2) - 3),
        ["Product++", "Map"],
        ["Map", "Map", "Product", "Map"],
    ),
    "odd sizes, turned": (lambda: (data(5, 7) + 1).T @ data(5, 3).exp(), ["Product++", "Map"], ["Map", "Map", "Product", "Map"]),
    "both sides read one array": (
        lambda: (x := data(8, 8)).exp() @ (x + 1),
        ["Product++", "Map"],
        ["Map", "Map", "Product", "Map"],
    ),
    "a chain whose array is read as it is, too": (
        lambda: (x := data(8, 8)).exp() @ x,
        ["Product+", "Map"],
        ["Map", "Product", "Map"],
    ),
    "a batch": (lambda: (data(3, 8, 8) * data(3, 1, 1)) @ data(3, 8, 4), ["Product+", "Map"], ["Map", "Product", "Map"]),
    "a sum in parts": (lambda: data(2, 512).sin() @ data(512, 4), ["Product+", "Fold"], ["Map", "Product", "Fold"]),
    "a chain after it as well": (
        lambda: (((data(8, 8) * 2) @ data(8, 12)) * 3 + 1).relu() @ data(12, 8),
        ["Product+", "Product", "Map"],
        ["Map", "Product", "Product", "Map"],
    ),
    "a normalised row": (
        lambda: F.layer_norm(data(8, 8), (8,), data(8), data(8)) @ data(8, 12),
        ["Joint", "Product+", "Map"],
        ["Joint", "Map", "Product", "Map"],
    ),
    "an image, edges included": (
        lambda: F.conv2d((data(2, 4, 9, 7) * 0.5 + 3).exp(), data(8, 4, 3, 3), padding=2),
        ["Map", "Convolution+", "Map"],
        ["Map", "Map", "Convolution", "Map"],
    ),
    "groups, stride and dilation": (
        lambda: F.conv2d(data(2, 4, 9, 8) + data(4, 1, 1), data(8, 2, 3, 3), data(8), (2, 1), 1, (1, 2), 2),
        ["Map", "Convolution+", "Map"],
        ["Map", "Map", "Convolution", "Map"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_chain_before_a_contraction_is_made_where_it_is_read(name: str) -> None:
    make, with_them, without = CASES[name]
    assert kinds(planned(ALWAYS, make())) == with_them
    assert kinds(planned(dataclasses.replace(DEFAULT, prologue=0), make())) == without


@pytest.mark.parametrize("layers", [1, 4, 8])
@pytest.mark.parametrize("name", CASES)
def test_what_is_made_at_each_read_is_what_would_be_stored(name: str, layers: int) -> None:
    make, _, _ = CASES[name]
    wanted = make().numpy()
    engine.use_backend(Forced(dataclasses.replace(ALWAYS, layers=layers)))
    np.testing.assert_allclose(make().numpy(), wanted, rtol=2e-5, atol=2e-5 * float(np.abs(wanted).max()))


def test_all_gradients_of_chains_are_right_when_they_are_made_at_each_read() -> None:
    def gradients() -> list[np.ndarray]:
        x, w, a, b = (dm.tensor(numbers(*s), requires_grad=True) for s in ((2, 4, 6, 6), (8, 4, 3, 3), (4, 1, 1), (8, 5)))
        hidden = F.conv2d((x * a + 1).relu(), w, stride=2, padding=1).tanh().mean((2, 3))
        ((hidden * 2 - hidden.detach()).sin() @ (b * b)).sum().backward()
        return [leaf.grad.numpy() for leaf in (x, w, a, b) if leaf.grad is not None]

    wanted = gradients()
    backend = Forced(ALWAYS)
    engine.use_backend(backend)
    for mine, meant in zip(gradients(), wanted, strict=True):
        np.testing.assert_allclose(mine, meant, rtol=1e-4, atol=1e-5)
    made = {type(one.kernel) for plan in backend.schedules for one in plan.launches if getattr(one.kernel, "before", ())}
    assert made == {Product, Convolution, WeightGradient}


NOT_MADE: dict[str, Callable[[], list[Tensor]]] = {
    "a value that is asked for": lambda: [x := data(8, 8) * 2, x @ data(8, 12)],
    "a value that a sum reads, too": lambda: [(x := data(8, 8).exp().sin().cos()) @ data(8, 12), x.sum()],
    "random numbers": lambda: [dm.rand(8, 8) @ data(8, 12)],
    "a packing without arithmetic": lambda: [data(8, 5) @ data(5, 3)],
    "more work than is worth it": lambda: [data(8, 8).sin().sin().sin().sin().sin().sin().sin().sin().sin() @ data(8, 12)],
}


@pytest.mark.parametrize("name", NOT_MADE)
def test_these_are_stored_as_before(name: str) -> None:
    assert not any("+" in kind for kind in kinds(planned(ALWAYS, *NOT_MADE[name]())))


def test_by_default_a_chain_is_made_again_where_each_number_is_read_a_few_times() -> None:
    few, many = ((data(64, 64) * 2 + 1).relu() @ data(64, n) for n in (4 * DEFAULT.prologue, 4 * DEFAULT.prologue + 1))
    assert "Product+" in kinds(planned(DEFAULT, few)) and "Product+" not in kinds(planned(DEFAULT, many))
    for launch in planned(DEFAULT, few).launches:
        if isinstance(launch.kernel, Product):
            assert reads(launch.kernel, "left") == DEFAULT.prologue and reads(launch.kernel, "right") == 64 // launch.kernel.block
    depthwise = F.conv2d(data(2, 8, 9, 9) * 2, data(8, 1, 3, 3), groups=8)
    assert "Convolution+" not in kinds(planned(DEFAULT, depthwise)), "each number is read nine times"
