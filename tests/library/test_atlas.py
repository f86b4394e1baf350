"""Parameters in atlases: where they lie, how many draws an optimizer's step takes, whose numbers count when they are set."""

import gc
import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import assume, example, given

import distml_py as dm
from distml_py import engine, graph, nn, ops, optim
from distml_py.atlas import arrange, groups
from distml_py.ops.atlas import sizes
from numpy_kernels import KernelBackend
from op_examples import numbers

SHAPES = st.lists(st.lists(st.integers(1, 40), max_size=4).map(tuple), min_size=1, max_size=12)


@given(SHAPES)
@example([(23, 30, 9, 16), (24, 29, 9, 16), (24, 29, 9, 16), (28, 36, 8, 15), (28, 36, 8, 15)])  # too high in the narrowest
def test_cells_fill_the_atlas_and_hold_their_arrays(shapes: list[tuple[int, ...]]) -> None:
    assume(sum(map(math.prod, shapes)) < 4_000_000)  # an atlas holds 16 million numbers, and promises half
    (rows, columns), spots = arrange(shapes)
    taken = np.zeros((rows, columns // 4), int)
    for shape, spot in zip(shapes, spots, strict=True):
        high, length = sizes(shape, spot)
        assert high <= spot.rows and length <= spot.columns and spot.columns % 4 == spot.column % 4 == 0
        assert high * length == math.prod(shape)
        taken[spot.row : spot.row + spot.rows, spot.column // 4 : (spot.column + spot.columns) // 4] += 1
    assert (taken == 1).all()


def test_little_is_wasted() -> None:
    for model in (dm.models.resnet18(stem="cifar"), dm.models.GPT(96, 64, 2, 4, 128)):
        shapes = [tuple(p.shape) for p in model.parameters()]
        tensors = [dm.zeros(*shape) for shape in shapes]
        area = sum(math.prod(arrange([shapes[n] for n in numbers])[0]) for numbers in groups(tensors))
        assert area < 1.25 * sum(map(math.prod, shapes))


def test_an_array_that_fits_into_no_row_stays_alone() -> None:
    assert groups([dm.zeros(3), dm.zeros(5000), dm.zeros(2, 3)]) == [[0, 2]]
    with pytest.raises(ValueError, match=r"\(5000,\) fits into no atlas"):
        arrange([(3,), (5000,)])
    ours, theirs = ([lib.ones(n, requires_grad=True) for n in (3, 5000, 7)] for lib in (dm, torch))
    for lib, given_ in ((dm, ours), (torch, theirs)):
        optimizer = lib.optim.SGD(given_, lr=0.5, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            sum((p * p).sum() for p in given_).backward()  # type: ignore[union-attr]
            optimizer.step()
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-6)


class Deep(nn.Module):
    """`depth` linear layers."""

    def __init__(self, depth: int):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(depth)])

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x).tanh()
        return x


def draws_of_step(depth: int, make: Any) -> int:
    """The draws that the optimizer adds to those that bring the gradients themselves."""
    backend = KernelBackend()
    engine.use_backend(backend)
    counts = []
    for stepping in (True, False):
        dm.manual_seed(1)
        model = Deep(depth)
        optimizer = make(model.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            model(dm.tensor(numbers(8, 8))).square().sum().backward()
            if stepping:
                optimizer.step()
            else:
                engine.realize([p.grad.node for p in model.parameters()])
        counts.append(len(backend.schedules[-1].launches))
    return counts[0] - counts[1]


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda params: optim.SGD(params, lr=0.1), 0),
        (lambda params: optim.SGD(params, lr=0.1, momentum=0.9), 2),
        (lambda params: optim.AdamW(params, lr=0.1), 3),
    ],
    ids=["SGD", "momentum", "AdamW"],
)
def test_draws_do_not_grow_with_the_number_of_parameters(make: Any, most: int) -> None:
    few, many = (draws_of_step(depth, make) for depth in (2, 12))
    assert many <= few <= most + 1, "one more where a cell is wider than its bias"


OPTIONS: list[dict[str, Any]] = [
    {},
    {"weight_decay": 0.1},
    {"momentum": 0.9, "weight_decay": 0.01, "maximize": True},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.5, "dampening": 0.3},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_an_update_that_is_made_where_gradients_are_packed_is_the_one_of_the_whole(options: dict[str, Any]) -> None:
    found = []
    for backend in (KernelBackend(), "reference"):  # the momentum itself is an array of its own
        engine.use_backend(backend)
        dm.manual_seed(3)
        model = Deep(3)
        train(model, optim.SGD(model.parameters(), lr=0.01, **options), 4)
        found.append([parameter.detach().numpy() for parameter in model.parameters()])
        if isinstance(backend, KernelBackend):
            plan = backend.schedules[-1]
            whole = {launch.region.whole for launch in plan.launches if launch.region}
            assert whole and sum(launch.layout in whole for launch in plan.launches) == (2 if "momentum" in options else 0)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


WHOLE, SPOTS = arrange([(8, 8), (8,)])
OTHERS: dict[str, Any] = {
    "a leaf": lambda: dm.tensor(numbers(*WHOLE)),
    "what the same step computes": lambda: dm.tensor(numbers(*WHOLE, 3)).sum(2),
    "a leaf upside down": lambda: dm.tensor(numbers(*WHOLE)).flip(0),
    "a column of each": lambda: dm.tensor(numbers(WHOLE[0], 1)),
    "a leaf that lies otherwise": lambda: dm.tensor(numbers(math.prod(WHOLE))).reshape(WHOLE),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_map_over_a_packed_atlas_is_moved_only_where_all_it_reads_are_leaves_that_lie_alike(other: str) -> None:
    found = []
    for backend in (KernelBackend(), "reference"):
        engine.use_backend(backend)
        arrays = [dm.tensor(numbers(8, 8)).exp().node, dm.tensor(numbers(8)).exp().node]
        packed = dm.Tensor(graph.apply(ops.PACK, *arrays, attrs=(WHOLE, SPOTS)))
        found.append((OTHERS[other]() - packed * 0.5).numpy())
        if isinstance(backend, KernelBackend):
            moved = not any(launch.region is None and launch.size == math.prod(WHOLE) for launch in backend.schedules[-1].launches)
            assert moved == (other == "a leaf")
    np.testing.assert_allclose(*found, rtol=1e-6)


def train(model: nn.Module, optimizer: Any, steps: int) -> None:
    for number in range(steps):
        optimizer.zero_grad()
        model(dm.tensor(numbers(8, 8, seed=number % 5))).square().sum().backward()
        optimizer.step()


def same(one: nn.Module, other: nn.Module) -> None:
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()


def pair(**options: Any) -> list[Any]:
    """Twice the same model and optimizer, in two atlases: (model, optimizer)."""
    found = []
    for _ in range(2):
        dm.manual_seed(3)
        model = Deep(3)
        found.append((model, optim.Adam(model.parameters(), lr=0.01, **options)))
    return found


def test_numbers_that_are_set_between_steps_count() -> None:
    (one, adam), (other, twin) = pair()
    train(one, adam, 2)
    kept = {name: value.numpy() for name, value in one.state_dict().items()}
    other.load_state_dict({name: dm.tensor(value) for name, value in kept.items()})
    twin.load_state_dict(adam.state_dict())
    train(one, adam, 2)
    train(other, twin, 2)
    same(one, other)
    with dm.no_grad():
        for model in (one, other):
            next(iter(model.parameters())).mul_(0.5)
    train(one, adam, 2)
    train(other, twin, 2)
    same(one, other)


def test_state_that_is_changed_counts() -> None:
    (one, adam), (other, twin) = pair()
    train(one, adam, 2)
    train(other, twin, 2)
    adam.state[1]["exp_avg"].mul_(0)
    train(one, adam, 1)
    state = twin.state_dict()
    state["state"][1]["exp_avg"] = dm.zeros_like(state["state"][1]["exp_avg"])
    twin.load_state_dict(state)
    train(other, twin, 1)
    same(one, other)


def test_parameters_that_get_gradients_at_times_keep_their_own_counts() -> None:
    ours, theirs = ([lib.ones(3, requires_grad=True) for _ in range(3)] for lib in (dm, torch))
    for lib, given_ in ((dm, ours), (torch, theirs)):
        optimizer = lib.optim.Adam(given_, lr=0.1)
        for number in range(7):
            optimizer.zero_grad()
            used = given_ if number % 3 == 0 else given_[: 1 + number % 2]
            sum((p * (p + n)).sum() for n, p in enumerate(used)).backward()  # type: ignore[union-attr]
            optimizer.step()
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-5)


def test_an_optimizer_that_looks_at_whole_tensors_gets_them_one_by_one() -> None:
    seen = []

    class Lars(optim.Optimizer):
        def update(self, parameter: Any, gradient: Any, state: Any, group: Any) -> Any:
            seen.append(parameter.shape)
            return parameter - gradient / (gradient * gradient).sum().sqrt()

    model = Deep(1)
    train(model, Lars(model.parameters(), {}), 1)
    assert seen == [(8, 8), (8,)]


def test_reading_all_parameters_reads_their_atlas_once() -> None:
    (model, adam), _ = pair()
    train(model, adam, 1)
    reads = []
    backend = engine.backend()
    download = backend.download
    backend.download = lambda *args: reads.append(1) or download(*args)  # type: ignore[method-assign, func-returns-value]
    try:
        found = [parameter.detach().numpy() for parameter in model.parameters()]
        assert len(reads) == 1 and all(p.node.op is ops.PART and p.node.buffer is None for p in model.parameters())
        found[0][:] = 0
        assert next(iter(model.parameters())).detach().numpy().any(), "what is read is a copy"
    finally:
        backend.download = download  # type: ignore[method-assign]
    train(model, adam, 1)
    assert not np.array_equal(found[1], list(model.parameters())[1].detach().numpy()), "a step ends what was read"


def test_a_captured_step_sees_numbers_that_are_set_between_steps() -> None:
    (one, adam), (other, twin) = pair()
    batches = [numbers(8, 8, seed=number) for number in range(12)]

    def step(model: nn.Module, optimizer: Any) -> Any:
        def call(x: Any) -> Any:
            optimizer.zero_grad()
            loss = model(x).square().sum()
            loss.backward()
            optimizer.step()
            return loss

        return call

    compiled, eager = dm.compile(step(one, adam)), step(other, twin)
    outlook = dm.compile(lambda x: one(x).sum())
    for number, batch in enumerate(batches):
        if number == 6:
            for model in (one, other):
                with dm.no_grad():
                    list(model.parameters())[2].fill_(0.25)
        assert compiled(batch).item() == eager(dm.tensor(batch)).item()
        assert outlook(batch).item() == other(dm.tensor(batch)).sum().item(), "an evaluation sees the weights of now"
    same(one, other)
    assert compiled.replays >= 8 and outlook.replays >= 8


def test_atlases_end_with_their_model() -> None:
    (model, adam), _ = pair()
    train(model, adam, 2)
    homes = [id(atlas.home) for atlas in adam._atlases.values()]
    assert homes
    del model, adam, _
    assert not [found for found in gc.get_objects() if type(found) is dm.Tensor and id(found) in homes]
