"""The autotuner without a GPU: what it takes for a win on a clock that drifts, stalls and lies, what it remembers, and that every
variant computes the same numbers."""

import gc
import itertools
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import distml_py as dm
from distml_py import engine, live, nn, tuning
from distml_py.backends import choices as choosing
from distml_py.backends import tuner as tuning_rules
from distml_py.backends.choices import Choices, bounded, read, written
from distml_py.backends.problems import alone, multiplications, name_of, problems, shrunk
from distml_py.backends.tuner import Finding, Tuner
from distml_py.errors import BackendError, CaptureError, GpuLostError
from distml_py.graph import CONST, LEAF
from distml_py.kernel import Product, WeightGradient
from distml_py.layout import layout_of
from distml_py.schedule import schedule
from distml_py.steps import Graph, graph_of, linearize
from distml_py.variant import DEFAULT, Variant
from numpy_kernels import KernelBackend

FAST = replace(DEFAULT, layers=4)
Cost = Callable[[Variant], float]


class Device:
    """A draw takes cost(variant) seconds of a clock that noise(now, seconds) bends. wrong: other numbers, by variant."""

    def __init__(self, cost: Cost, noise: Callable[[float, float], float] = lambda now, seconds: seconds):
        self.layers = 8
        self.cost, self.noise = cost, noise
        self.now = 0.0
        self.true_s = 0.0
        self.runs: list[tuple[Variant, int]] = []
        self.wrong: dict[Variant, Any] = {}
        self.fails: dict[Variant, Exception] = {}
        self.collecting: set[bool] = set()
        self.problems: list[Graph] = []

    def drawn(self, problem: Graph, variant: Variant) -> object:
        return variant

    def trial(self, problem: Graph, variant: Variant) -> "Drawing":
        self.problems.append(problem)
        if variant in self.fails:
            raise self.fails[variant]
        return Drawing(self, variant)

    def clock(self) -> float:
        return self.now


class Drawing:
    def __init__(self, device: Device, variant: Variant):
        self.device, self.variant = device, variant

    def run(self, times: int) -> None:
        device = self.device
        seconds = device.cost(self.variant) * times
        device.runs.append((self.variant, times))
        device.collecting.add(gc.isenabled())
        device.true_s += seconds
        device.now += device.noise(device.now, seconds)

    def numbers(self) -> np.ndarray:
        found = self.device.wrong.get(self.variant, [1.0, 2.0, 3.0])
        return np.array(found, np.float32)


def graph(*tensors: dm.Tensor) -> Graph:
    key, _, _ = linearize([tensor.node for tensor in tensors], lambda node: layout_of(node.shape))
    return graph_of(key)


def data(*shape: int) -> dm.Tensor:
    return dm.tensor(np.random.default_rng(sum(shape)).uniform(-1, 1, shape).astype(np.float32))


def problem(one: Graph) -> Graph:
    """Its first contraction, alone."""
    return alone(one, problems(one)[0])


PROBLEM = problem(graph(data(8, 8) @ data(8, 8)))


def tuned(device: Device, budget_s: float = 1e9) -> Finding | None:
    return Tuner(device, device.clock, budget_s).tune("a product", PROBLEM)


def faster(best: Variant, gain: float) -> Cost:
    return lambda variant: 1e-3 / gain if variant == best else 1e-3


@pytest.mark.parametrize("best", [FAST, replace(DEFAULT, enough=1024), replace(DEFAULT, fetch=True)])
def test_a_variant_that_is_clearly_faster_is_chosen(best: Variant) -> None:
    found = tuned(Device(faster(best, 1.5)))
    assert found is not None and found.variant == best
    assert found.gain == pytest.approx(1.5)


def test_one_change_is_built_upon_the_other() -> None:
    both = replace(FAST, fetch=True)
    found = tuned(Device(lambda variant: 1e-3 * (0.5 if variant.layers == 4 else 1) * (0.5 if variant.fetch else 1)))
    assert found is not None and found.variant == both and found.gain == pytest.approx(4)


@pytest.mark.parametrize("gain", [1.0, 1.02, 1.04, 0.9, 0.2])
def test_the_default_stays_on_a_tie_and_when_it_is_hardly_beaten(gain: float) -> None:
    found = tuned(Device(faster(FAST, gain)))
    assert found is not None and found.variant == DEFAULT and found.gain == 1


@pytest.mark.parametrize("slope", [-0.2, -0.05, 0.05, 0.5, 5.0])
def test_a_clock_that_drifts_favours_nobody(slope: float) -> None:
    """A device that gets hot, or cools down, while it is measured."""

    def drifting(now: float, seconds: float) -> float:
        return seconds * max(0.2, 1 + slope * now)

    tie = tuned(Device(faster(FAST, 1.0), drifting))
    assert tie is not None and tie.variant == DEFAULT
    win = tuned(Device(faster(FAST, 1.3), drifting))
    assert win is not None and win.variant == FAST


@given(st.integers(0, 10_000), st.floats(0, 0.25))
@settings(deadline=None, max_examples=60)
def test_stalls_neither_make_a_winner_nor_unmake_one(seed: int, share: float) -> None:
    """One sample in a few takes up to a hundred times as long; the others differ by 1 %."""
    chance = random.Random(seed)

    def noisy(now: float, seconds: float) -> float:
        stall = chance.uniform(2, 100) if chance.random() < share / 2 else 1
        return seconds * stall * chance.uniform(0.99, 1.01)

    tie = tuned(Device(faster(FAST, 1.0), noisy))
    assert tie is not None and tie.variant == DEFAULT
    slow = tuned(Device(lambda variant: 1e-3 if variant == DEFAULT else 1.5e-3, noisy))
    assert slow is not None and slow.variant == DEFAULT


@pytest.mark.parametrize("answer", [0.0, -1.0, math.nan, math.inf])
def test_a_clock_that_says_nothing_changes_nothing(answer: float) -> None:
    device = Device(faster(FAST, 10))
    ticks = itertools.count()
    tuner = Tuner(device, device.clock, 1e9)
    tuner.clock = lambda: answer if next(ticks) % 2 else 0.0
    found = tuner.tune("a product", PROBLEM)
    assert found is None or found.variant == DEFAULT


def test_samples_are_long_enough_for_a_clock_of_a_browser() -> None:
    device = Device(faster(FAST, 1.5))
    device.cost = lambda variant: 1e-5
    tuned(device)
    longest = max(times for _, times in device.runs)
    assert longest * 1e-5 >= tuning_rules.SAMPLE_S and longest <= tuning_rules.MOST_TIMES


def test_everyone_is_warm_and_turns_alternate() -> None:
    device = Device(faster(FAST, 1.0))
    tuned(device)
    size = max(times for _, times in device.runs)
    until = next(n for n, (variant, _) in enumerate(device.runs) if variant.prologue != DEFAULT.prologue)  # the next stage
    of_two = [variant for variant, times in device.runs[:until] if times == size and (variant.fetch or variant == DEFAULT)]
    first = next(n for n, variant in enumerate(of_two) if variant.fetch)
    race = of_two[first - 1 :]  # both warm up, then take turns
    assert race[:2] == [DEFAULT, replace(DEFAULT, fetch=True)]
    turns = [tuple(race[n : n + 2]) for n in range(2, len(race), 2)]
    assert all(set(turn) == set(race[:2]) for turn in turns)
    assert len(turns) >= tuning_rules.LEAST_TURNS and len(set(turns)) == 2


def test_the_garbage_collector_waits_and_is_back_afterwards() -> None:
    device = Device(faster(FAST, 1.0))
    assert gc.isenabled()
    tuned(device)
    assert device.collecting == {False} and gc.isenabled()


def test_a_hopeless_variant_is_not_measured_to_the_end() -> None:
    device = Device(lambda variant: 1e-2 if variant.layers == 1 else 1e-3)
    tuned(device)
    counts = {
        variant.layers: sum(1 for v, _ in device.runs if v == replace(DEFAULT, layers=variant.layers)) for variant, _ in device.runs
    }
    assert counts[1] < counts[4]


@pytest.mark.parametrize("numbers", [[1.0, 2.0, 3.1], [1.0, 2.0, math.nan], [1.0, 2.0], [math.inf, 2.0, 3.0]])
def test_wrong_numbers_put_a_variant_out_however_fast_it_is(numbers: list[float]) -> None:
    device = Device(faster(FAST, 100))
    device.wrong[FAST] = numbers
    found = tuned(device)
    assert found is not None and found.variant == DEFAULT
    assert "numbers differ" in found.out[FAST] and FAST not in found.tried


def test_another_order_of_summation_is_not_wrong() -> None:
    device = Device(faster(FAST, 2))
    device.wrong[FAST] = [1.00001, 2.0, 3.0]
    found = tuned(device)
    assert found is not None and found.variant == FAST


def test_a_variant_that_does_not_compile_is_out_and_says_why() -> None:
    device = Device(faster(FAST, 100))
    device.fails[FAST] = BackendError("WebGL2: shader failed")
    found = tuned(device)
    assert found is not None and found.variant == DEFAULT
    assert found.out[FAST] == "WebGL2: shader failed"


def test_where_the_default_fails_nothing_is_tuned() -> None:
    device = Device(faster(FAST, 100))
    device.fails[DEFAULT] = BackendError("WebGL2: out of memory")
    assert tuned(device) is None


def test_a_lost_gpu_is_no_fault_of_a_variant() -> None:
    device = Device(faster(FAST, 100))
    device.fails[FAST] = GpuLostError("WebGL2: context lost")
    with pytest.raises(GpuLostError):
        tuned(device)
    assert gc.isenabled()


def test_the_budget_is_kept_and_a_problem_without_evidence_is_left() -> None:
    device = Device(lambda variant: 0.1)
    assert tuned(device, budget_s=0.5) is None  # before the last candidate is prepared
    assert device.now < 0.65, "a sample more than the budget, at most"
    found = tuned(Device(faster(FAST, 2)), budget_s=60)
    assert found is not None and found.variant == FAST


def test_what_takes_long_is_measured_in_fewer_turns() -> None:
    short, long = Device(faster(FAST, 1.5)), Device(lambda variant: 0.4 if variant == FAST else 0.6)
    for device in (short, long):
        found = tuned(device)
        assert found is not None and found.variant == FAST
    assert len(long.runs) < len(short.runs) / 2
    assert sum(variant == FAST for variant, _ in long.runs) >= tuning_rules.LONG_LEAST_TURNS


def test_a_convolution_that_takes_long_is_measured_on_fewer_pictures() -> None:
    images = problem(graph(nn.functional.conv2d(data(32, 2, 8, 8), data(4, 2, 3, 3))))
    device = Device(lambda variant: 1.0)
    Tuner(device, device.clock, 1e9).tune("a convolution", images)
    assert [one.steps[0].shape[0] for one in device.problems] == [32, *[2] * (len(device.problems) - 1)]
    quick = Device(lambda variant: 1e-3)
    Tuner(quick, quick.clock, 1e9).tune("a convolution", images)
    assert {one.steps[0].shape[0] for one in quick.problems} == {32}


@pytest.mark.parametrize(("layers", "default"), [(1, 1), (2, 2), (4, 4), (5, 4), (6, 4), (7, 4), (8, 8), (16, 8)])
def test_no_variant_has_more_layers_than_the_device(layers: int, default: int) -> None:
    assert bounded(DEFAULT, layers).layers == default
    device = Device(lambda variant: 1e-3)
    device.layers = layers
    tuned(device)
    assert {variant.layers for variant, _ in device.runs} == {n for n in choosing.LAYERS if n <= layers}


# ---------------------------------------------------------------- problems


def some_graphs() -> dict[str, Graph]:
    """Products and convolutions of odd sizes with all their gradients."""
    a, b = data(17, 130).requires_grad_(), data(130, 5).requires_grad_()
    (a @ b).backward(data(17, 5))
    x, w = data(3, 4, 9, 7).requires_grad_(), data(6, 2, 3, 3).requires_grad_()
    out = nn.functional.conv2d(x, w, stride=(2, 1), padding=1, groups=2)
    out.backward(data(*out.shape))
    assert a.grad is not None and b.grad is not None and x.grad is not None and w.grad is not None
    return {
        "product": graph(a @ b), "left": graph(a.grad), "right": graph(b.grad), "long": graph(data(2, 1024) @ data(1024, 3)),
        "convolution": graph(out), "image": graph(x.grad), "weight": graph(w.grad),
        "a chain before": graph((data(17, 30) * data(30) + 0.5).relu().T @ (data(17, 5) * 2.0)),
        "a chain before an image": graph(nn.functional.conv2d((data(2, 4, 9, 7) + data(4, 1, 1)).exp(), data(6, 4, 3, 3))),
        "a sum": graph((data(3, 5, 1000) * data(5, 1)).relu().sum((0, 2))), "a maximum": graph(data(3, 2000).amax(1)),
        "statistics": graph((data(7, 700) * 0.5).softmax(1)),
    }  # fmt: skip


GRAPHS = some_graphs()
VARIANTS = [Variant(n, enough, False, reads) for n in choosing.LAYERS for enough in (0, 1 << 8, 1 << 20) for reads in (0, 1 << 20)]
VARIANTS += [Variant(fold=length) for length in choosing.FOLDS]


def numbers_of(one: Graph, variant: Variant) -> np.ndarray:
    leaves = [step.shape for step in one.steps if step.op is LEAF]
    found = [np.random.default_rng(n).uniform(-1, 1, math.prod(shape)).astype(np.float32) for n, shape in enumerate(leaves)]
    backend = KernelBackend()
    constants = [0.5] * sum(step.op is CONST for step in one.steps)
    (result,) = backend.run(schedule(one, lambda graph, number: variant), found, constants)
    return result[: math.prod(one.steps[-1].shape)]


@pytest.mark.parametrize("name", GRAPHS)
def test_every_variant_computes_the_same_numbers(name: str) -> None:
    (number,) = problems(GRAPHS[name])
    one = alone(GRAPHS[name], number)
    wanted = numbers_of(one, DEFAULT)
    drawn = {schedule(one, lambda graph, number, variant=variant: variant).launches for variant in VARIANTS}
    assert len(drawn) >= 3, "the variants are not drawn differently"
    for variant in VARIANTS:
        np.testing.assert_allclose(numbers_of(one, variant), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_problem_alone_is_the_problem_in_its_graph(name: str) -> None:
    (number,) = problems(GRAPHS[name])
    one = alone(GRAPHS[name], number)
    assert problems(one) == [len(one.steps) - 1]
    assert name_of(one, len(one.steps) - 1) == name_of(GRAPHS[name], number)
    assert multiplications(one, len(one.steps) - 1) == multiplications(GRAPHS[name], number) > 0


def placed(one: Graph) -> list[tuple[bool, bool]]:
    """Of every product whether its operands' texels run along the first of their last two axes."""
    kernels = [launch.kernel for launch in schedule(one).launches]
    return [(k.left.axes[1][-1][1] == 1, k.right.axes[1][-1][1] == 1) for k in kernels if isinstance(k, Product)]


@pytest.mark.parametrize("name", ["long", "weight"])
def test_sums_are_cut_up_when_there_are_fewer_fragments_than_enough(name: str) -> None:
    one = problem(GRAPHS[name])
    parts = []
    for enough in (0, 8, 1 << 20):
        launches = schedule(one, lambda graph, number, enough=enough: Variant(enough=enough)).launches
        parts += [launch.kernel.splits for launch in launches if isinstance(launch.kernel, (Product, WeightGradient))]
    assert parts == {"long": [1, 8, 16], "weight": [1, 1, 3]}[name]


@pytest.mark.parametrize("turns", [(False, False), (True, False), (False, True)])
def test_a_shrunk_product_has_fewer_rows_and_lies_as_before(turns: tuple[bool, bool]) -> None:
    left, right = data(512, 16) if turns[0] else data(16, 512), data(24, 512) if turns[1] else data(512, 24)
    wide = data(400, 512) if not turns[0] else data(512, 400)
    for a, rows in ((left, 16), (wide, 80)):
        whole = problem(graph((a.T if turns[0] else a) @ (right.T if turns[1] else right)))
        one = shrunk(whole, 0.2)
        assert one.steps[-1].shape == (1, rows, 24)
        assert [placed(each) for each in (whole, one)] == [[turns]] * 2
        np.testing.assert_allclose(numbers_of(one, FAST), numbers_of(one, DEFAULT), rtol=1e-4, atol=1e-4)
    batched = shrunk(problem(graph(data(10, 8, 16) @ data(10, 16, 4))), 0.5)
    assert batched.steps[-1].shape == (5, 8, 4)


@pytest.mark.parametrize("name", ["convolution", "image", "weight"])
def test_a_shrunk_convolution_is_the_same_one_of_fewer_pictures(name: str) -> None:
    whole = problem(GRAPHS[name])
    one = shrunk(whole, 0.5)
    assert multiplications(one, 2) * 3 == multiplications(whole, len(whole.steps) - 1)
    step = one.steps[2]
    assert step.op.infer(one.steps[:2], step.attrs) == (step.shape, step.dtype)  # type: ignore[attr-defined]
    np.testing.assert_allclose(numbers_of(one, FAST), numbers_of(one, DEFAULT), rtol=1e-4, atol=1e-4)
    assert shrunk(PROBLEM, 0.1) == PROBLEM


def test_names_tell_problems_apart() -> None:
    names = [name_of(one, problems(one)[0]) for one in GRAPHS.values()]
    assert len(set(names)) == len(names)
    turned = graph(data(8, 4).T @ data(8, 4)), graph(data(4, 8) @ data(8, 4))
    assert len({name_of(one, problems(one)[0]) for one in turned}) == 2


def test_multiplications_are_counted() -> None:
    (number,) = problems(GRAPHS["product"])
    assert multiplications(GRAPHS["product"], number) == 17 * 130 * 5
    taps = 3 * 6 * 5 * 7 * 2 * 9  # pictures, channels, size of the output, channels of a group, kernel
    for name in ("convolution", "image", "weight"):
        (number,) = problems(GRAPHS[name])
        assert multiplications(GRAPHS[name], number) == taps


def test_a_row_of_a_large_table_is_measured_without_the_table() -> None:
    one = graph(data(4096, 16)[:8] @ data(16, 4))
    small = alone(one, problems(one)[0])
    assert max(math.prod(step.shape) for step in small.steps) < 4096


def test_integers_and_empty_products_are_no_problems() -> None:
    whole = dm.tensor(np.ones((4, 4), np.int32))
    assert problems(graph(whole @ whole)) == []
    assert problems(graph(data(4, 0) @ data(0, 4))) == []


# ---------------------------------------------------------------- choices and their record

variants = st.builds(Variant, st.sampled_from(choosing.LAYERS), st.integers(0, 1 << 20), st.booleans(), st.integers(0, 1 << 20))


@given(st.dictionaries(st.text(max_size=30), variants, max_size=8))
def test_a_record_is_read_as_it_was_written(found: dict[str, Variant]) -> None:
    text = written(Choices(8, found), "WebGL2: a GPU", "1.0")
    assert read(text, "WebGL2: a GPU", "1.0") == found
    assert read(text, "WebGL2: another GPU", "1.0") is None
    assert read(text, "WebGL2: a GPU", "1.1") is None


@given(
    st.text(max_size=80)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner)
    ).map(json.dumps)
)
def test_what_is_no_record_is_ignored(text: str) -> None:
    assert read(text, "WebGL2: a GPU", "1.0") is None


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 1}, {"variants": []}, {"variants": {"x": None}}, {"variants": {"x": {}, "y": {"color": 1}}},
        {"variants": {"x": {"layers": 3}}}, {"variants": {"x": {"layers": True}}}, {"variants": {"x": {"enough": -1}}},
        {"variants": {"x": {"enough": 1e9}}}, {"variants": {"x": {"fetch": 1}}}, {"variants": {"x": {"prologue": True}}},
        {"variants": {"x": {"prologue": -1}}},
    ],
)  # fmt: skip
def test_a_damaged_record_is_ignored(damage: dict[str, Any]) -> None:
    record = json.loads(written(Choices(8, {"x": FAST}), "a GPU", "1"))
    assert read(json.dumps(record), "a GPU", "1") == {"x": FAST}
    assert read(json.dumps(record | damage), "a GPU", "1") is None


def test_choices_are_equal_when_they_make_equal_plans() -> None:
    assert Choices(8) == Choices(8, {"measured": DEFAULT}) and hash(Choices(8)) == hash(Choices(8, {"measured": DEFAULT}))
    assert Choices(8) != Choices(4) and Choices(8) != Choices(8, {"x": FAST}) and Choices(8) != 8


def test_a_choice_reaches_the_kernels_of_its_problem_and_no_other() -> None:
    one = graph(data(64, 64) @ data(64, 64), data(64, 32) @ data(32, 64))
    chosen = Choices(8, {name_of(one, problems(one)[0]): replace(FAST, fetch=True)})
    kernels = [launch.kernel for launch in schedule(one, chosen.of).launches if isinstance(launch.kernel, Product)]
    assert [(kernel.block, kernel.fetch) for kernel in kernels] == [(4, True), (8, False)]


class Choosing(KernelBackend):
    """Kernels in NumPy that follow choices, and count plans."""

    def __init__(self) -> None:
        super().__init__()
        self.choices: Any = Choices(8)

    def plan(self, graph: Graph) -> Any:
        self.schedules.append(schedule(graph, self.choices.of))
        return self.schedules[-1]


@pytest.fixture
def device() -> Iterator[Choosing]:
    backend = Choosing()
    engine.use_backend(backend)
    yield backend
    engine.use_backend("reference")


def test_plans_of_other_choices_are_not_used(device: Choosing) -> None:
    a, b = data(16, 16), data(16, 16)
    first = (a @ b).numpy()
    (a @ b).numpy()
    assert len(device.schedules) == 1
    (one,) = engine.planned()
    device.choices = device.choices.with_({name_of(one, problems(one)[0]): FAST})
    assert engine.planned() == []
    np.testing.assert_allclose((a @ b).numpy(), first, rtol=1e-5)
    assert len(engine._state.plans) == 2
    engine.drop_stale_plans()
    assert len(engine._state.plans) == 1
    assert len(device.schedules) == 2 and device.schedules[1].launches[0].kernel.block == 4  # type: ignore[union-attr]


def test_a_compiled_step_is_captured_anew_when_choices_changed(device: Choosing) -> None:
    weight = data(16, 16).requires_grad_()
    optimizer = dm.optim.SGD([weight], lr=0.1)

    @dm.compile
    def step(x: dm.Tensor) -> dm.Tensor:
        optimizer.zero_grad()
        loss = (x @ weight).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    def steps() -> tuple[int, int]:
        for _ in range(4):
            step(data(8, 16))
        return step.recordings, step.replays

    assert steps() == (2, 2)
    (one,) = {name_of(g, n): (g, n) for g in engine.planned() for n in problems(g)[:1]}.values()
    device.choices = device.choices.with_({name_of(*one): FAST})
    assert steps() == (4, 4) and len(step._programs) == 1, "the old one is given up with its textures"
    device.choices = device.choices.with_({"a problem that was measured": DEFAULT})
    assert steps() == (4, 8)


def test_a_captured_replay_is_the_eager_step_of_the_same_choices(device: Choosing) -> None:
    def trained(compiled: bool) -> bytes:
        dm.manual_seed(0)
        model = nn.Linear(40, 7)
        optimizer = dm.optim.Adam(model.parameters())

        def step(x: dm.Tensor) -> None:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

        run = dm.compile(step) if compiled else step
        for number in range(8):
            if number == 4:
                device.choices = Choices(8, {name_of(g, n): FAST for g in engine.planned() for n in problems(g)})
            run(data(16, 40))
        device.choices = Choices(8)
        return b"".join(value.numpy().tobytes() for value in model.state_dict().values())

    assert trained(True) == trained(False)


# ---------------------------------------------------------------- the public words


def test_on_numpy_there_is_nothing_to_choose() -> None:
    calls = []
    report = dm.tune(lambda x, times: calls.append((x, times)), 3, times=2)
    assert calls == [(3, 2)] and report.findings == [] and "0 tuned, 0 known, 0 left" in str(report)
    assert dm.save_tuning() == "" and dm.load_tuning("{}") is False


def test_inside_a_compiled_step_it_says_where_to_call_it() -> None:
    @dm.compile
    def step(x: dm.Tensor) -> dm.Tensor:
        dm.tune()
        return x + 1

    with pytest.raises(CaptureError, match="tune.. was called inside a compiled step; call it outside"):
        step(data(3))
    assert live.state.recorder is None


def test_the_heaviest_problem_comes_first_and_the_lightest_not_at_all() -> None:
    small, middle, large = (graph(data(n, n) @ data(n, n)) for n in (4, 32, 64))
    found = tuning._heaviest([small, middle, large, middle])
    assert [problem.steps[-1].shape for _, problem in found] == [(1, 64, 64), (1, 32, 32)]


def test_a_finding_says_what_was_gained() -> None:
    assert str(Finding("a product", FAST, 1.5)) == f" 1.50 x  {'layers 4':<43} a product"
    assert "default" in str(Finding("a product"))
