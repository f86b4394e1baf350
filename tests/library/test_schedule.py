"""What becomes a kernel: every example through the scheduler, and how many draws things take."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import example as hypothesis_example
from hypothesis import strategies as st

import distml_py as dm
import programs
from distml_py import Tensor, engine, folding, lowering, nn
from distml_py import schedule as scheduling
from distml_py.kernel import Apply, Convolution, Fold, Joint, Map, Product, Schedule
from distml_py.layout import layout_of
from distml_py.schedule import schedule
from distml_py.steps import graph_of, linearize
from distml_py.variant import DEFAULT, Variant
from numpy_kernels import KernelBackend
from op_examples import EXAMPLES, Example, evaluate, numbers

# the limits as they are; so small that everything is cut into stages and parts; so large that nothing is
LIMITS: dict[str, dict[str, int | Variant]] = {
    "the usual limits": {},
    "tight limits": {
        **{"MAX_INPUTS": 3, "MAX_WORK": 4, "CHEAP_WORK": 0, "LIGHT_WORK": 0, "MOST_COPIES": 0},
        **{"DEFAULT": Variant(layers=4, enough=1 << 20, fold=3), "SHORTEST": 1, "FEW_PARTS": 1},
    },
    "wide limits": {
        **{"MAX_INPUTS": 16, "MAX_WORK": 500, "CHEAP_WORK": 500, "LIGHT_WORK": 500, "MOST_COPIES": 500},
        **{"DEFAULT": Variant(enough=1 << 20, prologue=1 << 20, fold=1 << 20), "SHORTEST": 4, "FEW_PARTS": 64},
    },
}


def limit(monkeypatch: pytest.MonkeyPatch, limits: str) -> None:
    for name, value in LIMITS[limits].items():
        for module in (scheduling, folding, lowering):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)


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
    limit(monkeypatch, limits)
    found, gradients = evaluate(dm, example, example.inputs)
    engine.use_backend("reference")
    wanted, other = evaluate(dm, example, example.inputs)
    for mine, meant in zip([*found, *gradients], [*wanted, *other], strict=True):
        assert (mine is None) == (meant is None)
        if mine is not None:
            largest = float(np.abs(meant[np.isfinite(meant)]).max(initial=1))
            np.testing.assert_allclose(mine, meant, rtol=1e-5, atol=1e-6 * largest)


@pytest.mark.parametrize("limits", LIMITS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 719), min_size=4, max_size=40))
@hypothesis_example([0, 0, 0, 0, 0, 0, 0, 0, 0, 240, 0, 0, 240])  # sums whose arrays are layers of one
@hypothesis_example([0, 0, 0, 0, 0, 0, 0, 0, 0, 240, 0, 0, 0, 0, 0, 240, 0, 1])
def test_the_kernels_of_a_random_program_compute_what_its_rows_mean(
    limits: str, monkeypatch: pytest.MonkeyPatch, choices: list[int]
) -> None:
    """Up to 40 choices: about ten steps."""
    with monkeypatch.context() as within:
        limit(within, limits)
        engine.use_backend(KernelBackend())
        try:
            found = programs.run(choices)
        finally:
            engine.use_backend("reference")
    for mine, meant in zip(found, programs.run(choices), strict=True):
        np.testing.assert_allclose(mine, meant, rtol=1e-4, atol=1e-5)


def kernels_of(*tensors: Tensor) -> Schedule:
    key, _, _ = linearize([tensor.node for tensor in tensors], lambda node: layout_of(node.shape))
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
    "a product of turned matrices": (lambda: data(4, 8).t() @ data(4, 12), ["Product", "Map"]),
    "a product of odd matrices": (lambda: data(4, 5) @ data(5, 3), ["Map", "Map", "Product", "Map"]),
    "a product of one row": (lambda: data(1, 8) @ data(8, 12), ["Product"]),
    "a bias and an activation": (lambda: (data(8, 8) @ data(8, 12) + data(12)).relu(), ["Product", "Map"]),
    "a product in parts": (lambda: (data(2, 1024) @ data(1024, 4)).relu(), ["Product", "Fold"]),
    "a product in few parts": (lambda: (data(4, 256) @ data(256, 4)).relu(), ["Product", "Map"]),
    "a convolution": (lambda: nn.functional.conv2d(data(2, 3, 8, 8), data(4, 3, 3, 3)).relu(), ["Map", "Convolution", "Map"]),
    "a cheap value with two readers": (lambda: (s := data(4, 5).exp()) * s.sum(), ["Fold", "Map"]),
    "a dear value with two readers": (lambda: (s := data(4, 5).exp().sin().cos()) * s.sum(), ["Map", "Fold", "Map"]),
    "a constant": (lambda: dm.full((3,), 2.0) * 3, ["Map"]),
    "a softmax": (lambda: data(4, 5).softmax(1), ["Joint", "Map"]),
    "a long softmax": (lambda: data(4, 500).softmax(1), ["Joint", "Joint", "Map"]),
    "a layer norm": (lambda: nn.functional.layer_norm(data(4, 8), (8,), data(8), data(8)).relu(), ["Joint", "Map"]),
    "a batch norm": (
        lambda: nn.functional.batch_norm(data(4, 8, 3, 3), None, None, data(8), data(8), True).relu(),
        ["Joint", "Map"],
    ),
    "a cross entropy": (lambda: nn.functional.cross_entropy(data(8, 5), dm.tensor([0, 4, 1, 2, 2, 0, 3, 3])), ["Joint", "Fold"]),
    "a mean": (lambda: data(4, 5).mean(1), ["Fold"]),
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
    assert [(type(launch.kernel), launch.size) for launch in launches] == [(Fold, 350), (Fold, 2), (Fold, 1)]
    for launch in launches:
        assert isinstance(launch.kernel, Fold)
        assert -(-launch.kernel.length // launch.kernel.chunks) <= DEFAULT.fold


@pytest.mark.parametrize("size", [255, 256, 257, 512, 513, 65_537])
def test_a_staged_sum_misses_no_number(size: int, kernels: KernelBackend) -> None:
    x = dm.tensor(np.arange(size, dtype=np.int32) % 7)
    assert x.sum().item() == int((np.arange(size) % 7).sum())
    assert dm.tensor(np.eye(1, size, size - 1, dtype=np.float32)).amax(1).item() == 1


def test_a_kernel_reads_a_bounded_number_of_inputs() -> None:
    many = [data(3) * (n + 1) for n in range(40)]
    for launch in kernels_of(sum(many[1:], many[0])).launches:
        assert len(launch.inputs) <= scheduling.MAX_INPUTS


JOINED: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "cat": lambda parts: dm.cat(parts),
    "cat along another axis": lambda parts: dm.cat(parts, 1),
    "stack of scaled ones": lambda parts: dm.stack([part * (n + 0.5) for n, part in enumerate(parts)], 1),
    "a sum": lambda parts: sum(parts[1:], parts[0]),
    "a sum that each joins twice": lambda parts: sum((part * part for part in parts), parts[0]),
}


@pytest.mark.parametrize("name", JOINED)
def test_forty_arrays_are_joined_forwards_and_backwards(name: str, kernels: KernelBackend) -> None:
    found = []
    for backend in (kernels, "reference"):
        engine.use_backend(backend)
        parts = [dm.tensor(numbers(3, 5, seed=n), requires_grad=True) for n in range(40)]
        (JOINED[name](parts) ** 2).sum().backward()
        found.append(
            [JOINED[name](parts).detach().numpy(), *(part.grad.detach().numpy() for part in parts if part.grad is not None)]
        )
    assert len(found[0]) == 41
    for mine, meant in zip(*found, strict=True):
        np.testing.assert_allclose(mine, meant, rtol=1e-5, atol=1e-5)
    assert max(len(launch.inputs) for plan in kernels.schedules for launch in plan.launches) <= scheduling.MAX_INPUTS


def test_a_row_of_more_arrays_than_a_kernel_may_read_is_a_fault_and_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "MAX_INPUTS", 2)
    with pytest.raises(AssertionError, match="a row of 3 arrays does not fit into a kernel of 2"):
        kernels_of(dm.where(data(3) < 0, numbered(1), numbered(2)))


def numbered(seed: int) -> Tensor:
    return dm.tensor(numbers(3, seed=seed))


def test_a_long_chain_is_cut_into_kernels_of_bounded_work() -> None:
    x = data(3)
    for _ in range(500):
        x = x.sin() + 0.1
    launches = kernels_of(x).launches
    assert 1000 / scheduling.MAX_WORK - 1 <= len(launches) <= 1000 / scheduling.MAX_WORK * 2
    assert all(isinstance(launch.kernel, Map) and launch.kernel.body.work <= scheduling.MAX_WORK + 1 for launch in launches)


def test_a_joined_fold_finishes_what_it_found() -> None:
    (launch,) = kernels_of(data(4, 5).sum(1).exp() * data(4)).launches
    assert isinstance(launch.kernel, Fold) and launch.kernel.after is not None
    assert len(launch.inputs) == 2


def test_a_fold_that_is_read_at_another_place_or_twice_is_not_joined() -> None:
    assert kinds(data(4, 5).sum(1).flip(0) * 2) == ["Fold", "Map"]
    found = data(4, 5).sum(1)
    assert kinds(found * 2, found + 1) == ["Fold", "Map", "Map"]
    assert kinds(found, found + 1) == ["Fold", "Map"]


FOLLOWED: dict[str, tuple[Callable[[], Tensor], list[str]]] = {
    "a bias and an activation": (lambda: (data(8, 8) @ data(8, 12) + data(12)).relu().sum(1), ["Product", "Fold"]),
    "a residual": (lambda: (x := data(8, 12)) @ data(12, 12) + x, ["Product", "Map"]),
    "layers": (
        lambda: ((data(8, 8) @ data(8, 12) + data(12)).relu() @ data(12, 16) * 0.5) @ data(16, 8),
        ["Product", "Product", "Product", "Map"],
    ),
    "a mask": (
        lambda: dm.where(data(8, 8) > 0, data(3, 8, 4) @ data(3, 4, 8), -1.0) @ data(3, 8, 4),
        ["Product", "Product", "Map"],
    ),
    "a convolution's": (
        lambda: nn.functional.conv2d(
            nn.functional.conv2d(data(2, 3, 8, 8), data(8, 3, 3, 3), data(8), padding=1).relu(), data(4, 8, 3, 3)
        ),
        ["Map", "Convolution", "Map", "Convolution", "Map"],
    ),
    "heads": (
        lambda: (q := (data(16, 24) + 1).reshape(2, 8, 6, 4).permute(0, 2, 1, 3)) @ q.mT.sin() @ q,
        ["Map", "Product", "Product", "Map"],
    ),
    "a sum at another place": (lambda: ((data(8, 8) @ data(8, 12)).flip(0) + 1).sum(1), ["Product", "Fold"]),
    "a chain that somebody else reads before its end": (
        lambda: ((y := data(8, 8) @ data(8, 12)) + 1).exp().sin().sum(1) + y.sum(1),
        ["Product", "Fold", "Fold"],
    ),
    "numbers at two places": (
        lambda: ((y := data(8, 8) @ data(8, 12)) + y.flip(0)) @ data(12, 4),
        ["Product", "Map", "Product", "Map"],
    ),
    "too much work": (
        lambda: functools.reduce(lambda x, _: x.sin() * 2, range(6), data(8, 8) @ data(8, 12)) @ data(12, 4),
        ["Product", "Map", "Product", "Map"],
    ),
    "another dtype": (
        lambda: (positive := (data(8, 8) @ data(8, 12)).sin().exp().sin() > 0.5).any(1).sum() + positive.any(0).sum(),
        ["Product", "Map", "Fold", "Fold", "Fold", "Fold"],
    ),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_contraction_computes_the_chain_that_follows_it_and_its_readers_find_it_there(name: str) -> None:
    make, wanted = FOLLOWED[name]
    found, plan = make(), kernels_of(make())
    assert [type(launch.kernel).__name__ for launch in plan.launches] == wanted
    engine.use_backend(KernelBackend())
    try:
        mine = make().numpy()
    finally:
        engine.use_backend("reference")
    np.testing.assert_allclose(mine, found.numpy(), rtol=1e-5, atol=1e-5)


def test_a_left_operand_is_read_across_its_layers_by_few_columns_only() -> None:
    assert kinds((data(16, 8) @ data(8, 8)).t() @ data(16, 64)) == ["Product", "Product", "Map"]
    assert kinds((data(16, 8) @ data(8, 8)).t() @ data(16, 68)) == ["Product", "Map", "Product", "Map"]
    assert kinds((data(16, 8) @ data(8, 8) + 1).t() @ data(16, 68)) == ["Product", "Map", "Product", "Map"]


def test_sums_over_the_same_places_are_found_in_one_draw() -> None:
    x, y = data(6, 40), data(6, 1)
    a, b, c = x.sum(1, keepdim=True), (x * x).sum(1, keepdim=True), (x * y).sum(1, keepdim=True)
    (fold, end) = kernels_of((x - a * b.exp()) * (c + a)).launches
    assert isinstance(fold.kernel, Fold) and len(fold.kernel.more) == 2 and fold.layout.layers == 3
    assert isinstance(end.kernel, Map) and end.inputs.count(fold.output) == 3
    # another length, nothing shared, the first one is part of the second: two draws each
    assert kinds(x * (x.sum(1, keepdim=True) + x.sum(0))) == ["Fold", "Fold", "Map"]
    assert kinds(x * (a + (data(6, 40).exp()).sum(1, keepdim=True))) == ["Fold", "Fold", "Map"]
    assert kinds(x * ((x - a).square().sum(1, keepdim=True) + a)) == ["Fold", "Fold", "Map"]


def test_the_sums_that_layer_norm_sends_back_are_found_together() -> None:
    x, weight = data(8, 16).requires_grad_(), data(16).requires_grad_()
    (nn.functional.layer_norm(x, 16, weight) * data(8, 16)).sum().backward()
    assert x.grad is not None
    plan = kernels_of(x.grad)
    found = [launch.kernel for launch in plan.launches if isinstance(launch.kernel, Fold)]
    assert [len(kernel.more) for kernel in found] == [1], "both means of the gradient"
    x.grad = None
    (nn.functional.layer_norm(x, 16) * data(8, 16)).sum().backward()
    assert kinds(x.grad) == ["Joint", "Fold", "Map"], "the moments, both means, the gradient"


def test_what_a_normalisation_sends_to_its_weights_is_found_in_one_draw() -> None:
    x, weight, bias = data(32, 16).requires_grad_(), data(16).requires_grad_(), data(16).requires_grad_()
    (nn.functional.layer_norm(x, 16, weight, bias) * data(32, 16)).sum().backward()
    assert weight.grad is not None and bias.grad is not None
    plan = kernels_of(weight.grad, bias.grad)
    assert [type(launch.kernel) for launch in plan.launches if launch.size > 16] == [Joint]
    assert sum(isinstance(launch.kernel, Fold) for launch in plan.launches) == 2, "asked for, each is an array of its own"


def test_a_normalised_value_is_stored_for_nobody() -> None:
    """Activation and affine part included, one map makes it; the way back makes it again from what that map has read."""
    x, weight, bias = data(4, 8, 4, 4).requires_grad_(), data(8).requires_grad_(), data(8).requires_grad_()
    out = nn.functional.batch_norm(x, None, None, weight, bias, True).relu()
    (out * data(4, 8, 4, 4)).sum().backward()
    assert x.grad is not None and weight.grad is not None and bias.grad is not None
    bodies = [launch.kernel.body for launch in kernels_of(out, x.grad, weight.grad, bias.grad).launches]
    assert not any(isinstance(body, Apply) and body.op.name == "normalize" for body in bodies)


def test_a_loss_of_classes_is_found_in_two_draws_and_sent_back_in_one() -> None:
    x, labels = data(8, 5).requires_grad_(), dm.tensor([0, 4, 1, 2, 2, 0, 3, 3])
    loss = nn.functional.cross_entropy(x, labels)
    loss.backward()
    assert x.grad is not None
    assert [type(launch.kernel) for launch in kernels_of(loss).launches] == [Joint, Fold]
    assert [type(launch.kernel) for launch in kernels_of(loss, x.grad).launches] == [Joint, Fold, Map]


def test_a_block_of_rows_or_channels_has_a_layer_each() -> None:
    for size, layers in ((1, 1), (2, 4), (4, 4), (5, 8), (9, 8)):
        for found in (data(size, 4) @ data(4, 4), nn.functional.conv2d(data(1, 1, 4, 4), data(size, 1, 1, 1))):
            (launch,) = (one for one in kernels_of(found).launches if isinstance(one.kernel, (Product, Convolution)))
            assert launch.layout.layers == layers


def test_no_array_is_read_as_an_image_unless_zeros_follow_its_rows(kernels: KernelBackend) -> None:
    """The backend of this test asserts it: see numpy_kernels.image_of."""
    image, weight = data(1, 2, 8, 8), data(2, 2, 3, 3)
    first = nn.functional.conv2d(image[..., :5], weight, padding=1)  # rows of the cut image go on
    assert first.shape == (1, 2, 8, 5)
    second = nn.functional.conv2d(first, weight, padding=1)  # a convolution writes more than its last columns
    assert np.isfinite(second.numpy()).all()
    row = data(1, 1, 1, 5).exp().realize()  # a texel may hold anything after the end of an array
    assert np.isfinite(nn.functional.conv2d(row, data(1, 1, 1, 3), padding=(0, 1)).numpy()).all()


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
        known = {*range(plan.leaves), *plan.parts}
        for launch in plan.launches:
            assert set(launch.inputs) <= known
            known.add(launch.output)
        assert set(plan.outputs) <= known


def test_nothing_is_drawn_for_arrays_without_elements(kernels: KernelBackend) -> None:
    x: Any = dm.zeros(0, 3)
    assert (x + 1).numpy().shape == (0, 3)
    assert (x.t() @ x).tolist() == np.zeros((3, 3)).tolist()


@pytest.mark.parametrize("images", [31, 32, 33])
def test_a_sum_finds_what_a_contraction_keeps_in_layers_also_where_both_orders_cancel_out(images: int) -> None:
    """Of 32 images of 64 pixels in 8 channels each layer holds one channel, as the sum for a bias reads them."""
    found = []
    for backend in ("reference", KernelBackend()):
        engine.use_backend(backend)
        try:
            dm.manual_seed(0)
            model = dm.nn.Sequential(dm.nn.Conv2d(1, 8, 3, padding=1), dm.nn.ReLU(), dm.nn.Conv2d(8, 16, 3, padding=1))
            (model(dm.tensor(numbers(images, 1, 8, 8))) ** 2).sum().backward()
            grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
            engine.realize(grad.node for grad in grads)
            found.append(grads[1].numpy())
        finally:
            engine.use_backend("reference")
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
