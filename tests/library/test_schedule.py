"""What becomes a kernel: every example through the scheduler, and how many draws things take."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import distml_py as dm
from distml_py import Tensor, engine, nn
from distml_py import schedule as scheduling
from distml_py.kernel import Convolution, Fold, Map, Product, Schedule
from distml_py.schedule import graph_of, linearize, schedule
from numpy_kernels import KernelBackend
from op_examples import EXAMPLES, Example, evaluate, numbers

# the limits as they are, then so small that everything is cut into stages
LIMITS: dict[str, dict[str, int]] = {
    "the usual limits": {},
    "tight limits": {"MAX_INPUTS": 3, "MAX_WORK": 4, "CHEAP_WORK": 0, "COLUMN_LIMIT": 0, "FOLD_LENGTH": 3},
}


@pytest.fixture
def kernels() -> Iterator[KernelBackend]:
    """Everything in the test is computed kernel by kernel."""
    backend = KernelBackend()
    engine.use_backend(backend)
    yield backend
    engine.use_backend("reference")


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_kernels_of_an_example_compute_what_its_rows_mean(
    example: Example, limits: str, kernels: KernelBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in LIMITS[limits].items():
        monkeypatch.setattr(scheduling, name, value)
    found, gradients = evaluate(dm, example, example.inputs)
    engine.use_backend("reference")
    wanted, other = evaluate(dm, example, example.inputs)
    for mine, meant in zip([*found, *gradients], [*wanted, *other], strict=True):
        assert (mine is None) == (meant is None)
        if mine is not None:
            largest = float(np.abs(meant[np.isfinite(meant)]).max(initial=1))
            np.testing.assert_allclose(mine, meant, rtol=1e-5, atol=1e-6 * largest)


def kernels_of(*tensors: Tensor) -> Schedule:
    key, _, _ = linearize([tensor.node for tensor in tensors])
    return schedule(graph_of(key))


def kinds(*tensors: Tensor) -> list[str]:
    return [type(launch.kernel).__name__ for launch in kernels_of(*tensors).launches]


def data(*shape: int) -> Tensor:
    return dm.tensor(numbers(*shape))


DRAWS: dict[str, tuple[Callable[[], Tensor], list[str]]] = {
    "a chain": (lambda: ((data(4, 5) * 2 + data(5)).exp() - 1).tanh(), ["Map"]),
    "a chain over views": (lambda: (data(4, 5).t()[::2] + data(4)).relu().unsqueeze(0).flip(2), ["Map"]),
    "a sum of a chain": (lambda: (data(4, 5) * 2).exp().sum(1), ["Fold"]),
    "a move alone": (lambda: data(4, 5).t(), ["Map"]),
    "a sum of a move": (lambda: data(4, 5).t().flip(0).sum(0), ["Fold"]),
    "a product of turned matrices": (lambda: data(4, 5).t() @ data(4, 3), ["Product"]),
    "a bias and an activation": (lambda: (data(4, 5) @ data(5, 3) + data(3)).relu(), ["Product", "Map"]),
    "what two readers share": (lambda: (s := data(4, 5).exp()) * s.sum(), ["Map", "Fold", "Map"]),
    "a constant": (lambda: dm.full((3,), 2.0) * 3, ["Map"]),
    "a softmax": (lambda: data(4, 5).softmax(1), ["Fold", "Fold", "Map"]),
    "a gather of labels": (lambda: data(4, 5)[dm.arange(4), dm.tensor([0, 1, 2, 3])], ["Map"]),
    "a cat": (lambda: dm.cat([data(2, 3), data(4, 3) * 2]), ["Map"]),
    "random numbers": (lambda: dm.rand(50) < 0.5, ["Map"]),
}


@pytest.mark.parametrize("name", DRAWS)
def test_this_takes_these_draws(name: str) -> None:
    make, wanted = DRAWS[name]
    assert kinds(make()) == wanted


def test_a_scalar_is_a_uniform_and_not_part_of_the_kernel() -> None:
    one, two = (kernels_of(data(3) * factor + 1).launches[0].kernel for factor in (2.0, 3.0))
    assert one == two and hash(one) == hash(two)


def test_a_sum_of_many_is_folded_in_stages_of_at_most_256() -> None:
    launches = kernels_of(data(70_000).sum()).launches
    assert [(type(launch.kernel), launch.size) for launch in launches] == [(Fold, 274), (Fold, 2), (Fold, 1)]
    for launch in launches:
        assert isinstance(launch.kernel, Fold)
        assert -(-launch.kernel.length // launch.kernel.chunks) <= scheduling.FOLD_LENGTH


@pytest.mark.parametrize("size", [255, 256, 257, 512, 513, 65_537])
def test_a_staged_sum_misses_no_number(size: int, kernels: KernelBackend) -> None:
    x = dm.tensor(np.arange(size, dtype=np.int32) % 7)
    assert x.sum().item() == int((np.arange(size) % 7).sum())
    assert dm.tensor(np.eye(1, size, size - 1, dtype=np.float32)).amax(1).item() == 1


def test_a_kernel_reads_a_bounded_number_of_inputs() -> None:
    many = [data(3) * (n + 1) for n in range(40)]
    for launch in kernels_of(sum(many[1:], many[0])).launches:
        assert len(launch.inputs) <= scheduling.MAX_INPUTS


def test_a_long_chain_is_cut_into_kernels_of_bounded_work() -> None:
    x = data(3)
    for _ in range(500):
        x = x.sin() + 0.1
    launches = kernels_of(x).launches
    assert 1000 / scheduling.MAX_WORK - 1 <= len(launches) <= 1000 / scheduling.MAX_WORK * 2
    assert all(isinstance(launch.kernel, Map) and launch.kernel.body.work <= scheduling.MAX_WORK + 1 for launch in launches)


def test_a_convolution_is_a_product_of_columns_until_they_grow_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    def convolved() -> Tensor:
        return nn.functional.conv2d(data(2, 3, 6, 6), data(4, 3, 3, 3))

    assert any(isinstance(launch.kernel, Product) for launch in kernels_of(convolved()).launches)
    monkeypatch.setattr(scheduling, "COLUMN_LIMIT", 1)
    assert [type(launch.kernel) for launch in kernels_of(convolved()).launches] == [Convolution]


def test_equal_subgraphs_are_computed_once() -> None:
    x = data(4, 5)
    assert len(kernels_of(x.exp(), x.exp()).launches) == 1


def mlp_step(batch: int) -> Callable[[int], None]:
    dm.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = dm.optim.Adam(model.parameters(), lr=0.01)

    def step(number: int) -> None:
        x, labels = dm.tensor(numbers(batch, 1, 8, 8, seed=number)), dm.tensor(np.full(batch, number % 10, np.int32))
        optimizer.zero_grad()
        with dm.random.training_step(0, number):
            nn.functional.cross_entropy(nn.functional.dropout(model(x), 0.1), labels).backward()
        optimizer.step()

    return step


def test_a_training_step_is_planned_once_though_its_scalars_change(kernels: KernelBackend) -> None:
    step = mlp_step(8)
    step(0)
    step(1)
    planned = engine.counters().plans
    for number in range(2, 8):
        step(number)  # Adam's bias correction and dropout's key differ in each
    assert engine.counters().plans == planned
    mlp_step(9)(0)
    assert engine.counters().plans > planned, "another batch size is another plan"


def test_an_mlp_step_takes_few_draws(kernels: KernelBackend) -> None:
    step = mlp_step(64)
    step(0)
    step(1)
    draws = [len(plan.launches) for plan in kernels.schedules]
    assert max(draws) <= 36, "measured: 34; a rise means that something is no longer fused"


def test_a_slot_is_written_before_it_is_read(kernels: KernelBackend) -> None:
    mlp_step(8)(0)
    for plan in kernels.schedules:
        known = set(range(plan.leaves))
        for launch in plan.launches:
            assert set(launch.inputs) <= known
            known.add(launch.output)
        assert set(plan.outputs) <= known


def test_nothing_is_drawn_for_arrays_without_elements(kernels: KernelBackend) -> None:
    x: Any = dm.zeros(0, 3)
    assert (x + 1).numpy().shape == (0, 3)
    assert (x.t() @ x).tolist() == np.zeros((3, 3)).tolist()
