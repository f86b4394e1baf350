"""A worker's half of the protocol, driven by frames and a clock that only moves when told."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from distml_py import io, wire
from distml_py.blame import words_of
from distml_py.errors import FormatError, GpuLostError, NonFiniteError
from distml_py.recipe import Coming, Training, load_recipe
from distml_py.tab import Tab, is_software

CODE = '''"""Small."""
import numpy as np
from distml_py import Recipe, nn, optim
from distml_py.data import Splits, TensorDataset


class Small(Recipe):
    batch_size = 8
    shards = 2
    steps = 6
    evaluate_every = 2
    checkpoint_every = 3

    def data(self):
        x = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
        parts = [TensorDataset(x[i : i + 20], (x[i : i + 20, 0] > 0).astype(np.int32)) for i in (0, 20, 40)]
        return Splits(*parts)

    def model(self):
        return nn.Linear(3, 2)

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.1)
'''
KEYS = {
    "state", "step", "loss", "val_loss", "accuracy", "train_accuracy",
    "test_accuracy", "weights_version", "weights_sha256", "cpu_ops",
    "evaluations", "step_ms", "python_ms", "draws", "texture_bytes", "error",
}  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run_of(start: wire.Start, **changes: Any) -> wire.Run:
    fields = {name: getattr(start, name) for name in start.__dataclass_fields__}
    digest = hashlib.sha256(start.code.encode()).hexdigest()
    return wire.Run(**{"run": "a", "code_sha256": digest, "deterministic": False} | fields | changes)


class Bench:
    """A tab that has joined a run, and what it sends."""

    def __init__(self, script: str = CODE, /, **changes: Any) -> None:
        self.clock = Clock()
        self.tab = Tab("reference", "d", "p", self.clock)
        frame = wire.decode(self.tab.prepare("small", script, 5))
        assert isinstance(frame.message, wire.Start)
        self.start, self.weights = frame.message, {n.removeprefix("weights/"): a for n, a in frame.tensors.items()}
        self.state = dict(frame.tensors)
        self.give(run_of(self.start, **changes))

    def give(self, message: wire.FromCoordinator, tensors: wire.Tensors | None = None) -> None:
        assert self.tab.receive(wire.encode(message, tensors)) == []

    def turn(self) -> list[wire.Frame]:
        return [wire.decode(frame) for frame in self.tab.advance()]

    def all(self, most: int = 100) -> list[wire.Frame]:
        """Works until there is nothing to do."""
        frames: list[wire.Frame] = []
        for _ in range(most):
            if not self.tab.busy:
                return frames
            frames += self.turn()
        raise AssertionError("it never rests")

    def give_weights(self, version: int, weights: Mapping[str, np.ndarray] | None = None) -> None:
        given = weights or self.weights
        self.give(wire.Weights("a", version, io.weights_sha256(given)), given)

    def give_buffered(self, version: int) -> None:
        """The first weights, with their buffers."""
        self.give(wire.Weights("a", version, io.weights_sha256(io.split(self.weights)[0])), self.weights)

    def reference(self) -> Training:
        return Training(load_recipe("small", CODE), 5)


def lease(step: int, shard: int = 0) -> wire.Lease:
    return wire.Lease("a", step, step, f"w.{step}.{shard}", shard, shard * 4, 4, 5.0)


def kinds(frames: list[wire.Frame]) -> list[str]:
    return [type(frame.message).__name__ for frame in frames]


def test_a_start_tells_all_of_the_recipe_and_its_first_weights() -> None:
    bench = Bench()
    recipe = bench.reference()
    assert (bench.start.recipe, bench.start.code, bench.start.seed, bench.start.steps) == ("small", CODE, 5, 6)
    assert (bench.start.batch_size, bench.start.shards, bench.start.train_size) == (8, 2, 20)
    assert bench.start.parameters == list(recipe.parameters) == list(bench.weights)
    assert bench.start.optimizer["name"] == "Adam" and bench.start.optimizer["lr"] == 0.1
    assert io.weights_sha256(bench.weights) == io.weights_sha256(recipe.weights())
    frame = wire.decode(bench.tab.prepare("small", CODE, 5, 99))
    assert isinstance(frame.message, wire.Start) and frame.message.steps == 99


def test_it_joins_and_answers_leases_with_the_gradients_of_their_samples() -> None:
    bench = Bench()
    assert [frame.message for frame in bench.all()] == [wire.Join("a", "reference", "d", "p")]
    bench.give_weights(0)
    bench.give(lease(0, 0))
    bench.give(lease(0, 1))
    frames = bench.all()
    reference = bench.reference()
    for shard, frame in enumerate(frames):
        loss, gradient = reference.gradient(0, shard * 4, 4)
        answer = frame.message
        assert isinstance(answer, wire.Gradient)
        assert (answer.shard, answer.samples, answer.lease, answer.version) == (shard, 4, f"w.0.{shard}", 0)
        assert answer.loss == loss
        assert list(frame.tensors) == list(gradient)
        assert all(np.array_equal(frame.tensors[name], gradient[name]) for name in gradient)


def test_each_shard_begins_with_the_rounds_buffers_and_shard_0_sends_its_own() -> None:
    """Whoever computes which shard, in whatever order, and whether it evaluates in between."""
    script = CODE.replace("nn.Linear(3, 2)", "nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))")
    sent, evaluated = [], []
    for shards in ((0,), (1, 0), (0, 1, 0)):
        bench = Bench(script)
        bench.all()
        bench.give_buffered(0)
        for shard in shards:
            bench.give(lease(0, shard))
        frames = bench.all()
        for frame in frames:
            assert isinstance(frame.message, wire.Gradient)
            assert bool(io.split(frame.tensors)[1]) == (frame.message.shard == 0)
        first = next(frame for frame in reversed(frames) if frame.message.shard == 0)  # type: ignore[union-attr]
        sent.append({name: array.tobytes() for name, array in io.split(first.tensors)[1].items()})
        bench.give(wire.Evaluate("a", 1, 0, "e", "validation"))
        (found,) = bench.all()
        assert isinstance(found.message, wire.Evaluation)
        evaluated.append(found.message.loss)
    assert sent[0] == sent[1] == sent[2] and evaluated[0] == evaluated[1] == evaluated[2]
    assert np.frombuffer(sent[0]["buffers/0.num_batches_tracked"], np.int64).tolist() == [1]


def test_a_lease_is_computed_at_its_own_weights() -> None:
    bench = Bench()
    bench.all()
    moved = {name: array + 1 for name, array in bench.weights.items()}
    bench.give_weights(1, moved)
    bench.give(lease(1))
    (frame,) = bench.all()
    reference = bench.reference()
    reference.load_weights(moved)
    assert isinstance(frame.message, wire.Gradient) and frame.message.loss == reference.gradient(1, 0, 4)[0]


def test_weights_that_went_back_under_their_version_are_loaded_again() -> None:
    bench = Bench()
    bench.all()
    bench.give_weights(1)
    bench.give(lease(1))
    bench.all()
    back = {name: array + 1 for name, array in bench.weights.items()}
    bench.give_weights(1, back)
    bench.give(dataclasses.replace(lease(1), lease="again"))
    (frame,) = bench.all()
    reference = bench.reference()
    reference.load_weights(back)
    _, gradient = reference.gradient(1, 0, 4)
    name = next(iter(gradient))
    np.testing.assert_array_equal(frame.tensors[name], gradient[name])


def test_after_a_new_connection_the_newest_weights_are_the_coordinators_which_may_have_gone_back() -> None:
    """One that was killed goes on from what it had stored, and in async mode says of no work at which weights it is to be done."""
    run = {"exchange": {"mode": "async", "codec": "fp16"}}
    bench = Bench(**run)
    bench.all()
    bench.give_weights(5)
    bench.give(run_of(bench.start, **run))
    (join,) = bench.all()
    assert isinstance(join.message, wire.Join) and join.message.version == -1
    bench.give_weights(3)
    bench.give(wire.Lease("a", 3, 3, "l", 0, 0, 4, 5.0, 1, True))
    (answer,) = bench.all()
    assert isinstance(answer.message, wire.Gradient) and answer.message.version == 3


def test_work_whose_weights_never_came_is_left_to_others() -> None:
    bench = Bench()
    bench.all()
    bench.give(lease(0))
    bench.give(wire.Evaluate("a", 0, 0, "e", "validation"))
    bench.give(wire.Lease("a", 0, 0, "l", 0, 0, 4, 5.0, 1, True))
    assert bench.all() == []
    bench.give_weights(3)
    bench.give(wire.Lease("a", 0, 0, "l", 0, 0, 4, 5.0, 1, True))
    (frame,) = bench.all()
    assert isinstance(frame.message, wire.Gradient) and frame.message.version == 3  # the newest at hand


def test_newer_weights_drop_the_leases_on_older_ones_but_not_the_evaluation() -> None:
    bench = Bench()
    bench.all()
    bench.give_weights(0)
    bench.give(lease(0, 0))
    bench.give(wire.Evaluate("a", 0, 0, "e", "validation"))
    bench.give(lease(0, 1))
    bench.give_weights(1, {name: array + 9 for name, array in bench.weights.items()})
    bench.give(lease(1))
    frames = bench.all()
    assert kinds(frames) == ["Evaluation", "Gradient"]
    evaluation, gradient = (frame.message for frame in frames)
    assert isinstance(evaluation, wire.Evaluation) and isinstance(gradient, wire.Gradient)
    loss, accuracy, samples = bench.reference().evaluate("validation")
    assert (evaluation.loss, evaluation.accuracy, evaluation.samples) == (loss, accuracy, samples)
    assert gradient.step == 1


def test_weights_do_not_pile_up() -> None:
    bench = Bench()
    bench.all()
    for version in range(50):
        bench.give_weights(version)
    assert len(bench.tab._weights) <= 2


def test_at_the_end_it_holds_the_last_weights_and_hashes_them_itself() -> None:
    bench = Bench()
    bench.all()
    last = {name: array + 3 for name, array in bench.weights.items()}
    bench.give(wire.Weights("a", 6, "a hash from the wire"), last)
    ended = wire.Ended("a", "finished", 6, io.weights_sha256(last))
    bench.give(ended)
    bench.all()
    report = bench.tab.report()
    assert bench.tab.ended == ended and report.keys() == KEYS
    assert (report["state"], report["step"], report["weights_sha256"]) == ("finished", 6, io.weights_sha256(last))


def test_what_belongs_to_another_run_is_ignored() -> None:
    bench = Bench()
    bench.all()
    bench.give(wire.Weights("b", 9, "f"), bench.weights)
    bench.give(wire.Lease("b", 9, 9, "l", 0, 0, 4, 5.0))
    bench.give(wire.Solo("b", 0), bench.state)
    bench.give(wire.Ended("b", "finished", 9, "f"))
    assert not bench.tab.busy and bench.tab.ended is None


def test_who_leaves_does_nothing_more() -> None:
    bench = Bench()
    bench.all()
    bench.give_weights(0)
    bench.give(lease(0))
    bench.tab.leave()
    assert not bench.tab.busy and bench.tab.report()["state"] == "ready"
    bench.give(lease(0))
    assert not bench.tab.busy


def test_a_message_that_only_workers_send_is_an_error() -> None:
    bench = Bench()
    with pytest.raises(FormatError):
        bench.tab.receive(wire.encode(wire.Join("a", "b", "c", "d")))


# ---------------------------------------------------------------- alone


def test_alone_it_does_all_steps_and_sends_checkpoints_and_the_final_state() -> None:
    bench = Bench()
    bench.all()
    bench.give(wire.Solo("a", 0), bench.state)
    frames = bench.all()
    checkpoints = [frame for frame in frames if isinstance(frame.message, wire.Checkpoint)]
    assert [(f.message.step, f.message.reason) for f in checkpoints] == [(3, "periodic"), (6, "final")]  # type: ignore[union-attr]
    reference = bench.reference()
    for step in range(6):
        reference.step(step)
    found = {n.removeprefix("weights/"): a for n, a in checkpoints[-1].tensors.items() if n.startswith("weights/")}
    assert io.weights_sha256(found) == io.weights_sha256(reference.weights()) == bench.tab.report()["weights_sha256"]
    progress = [frame.message for frame in frames if isinstance(frame.message, wire.Progress)]
    assert [message.step for message in progress] == [2, 4, 6]  # the evaluations; the clock stands still
    assert all(message.val_loss is not None and message.accuracy is not None for message in progress)
    told = [(one["step"], one["val_loss"], one["accuracy"]) for one in bench.tab.report()["evaluations"]]
    assert told == [(message.step, message.val_loss, message.accuracy) for message in progress], "none is passed over"


class Lost:
    """The loss of a step that was still on its way when the GPU went."""

    def ready(self) -> bool:
        return True

    def result(self) -> float:
        raise GpuLostError("context lost")


def solo_with_losses(
    monkeypatch: pytest.MonkeyPatch, lose: set[tuple[str, int]], advance_s: float
) -> tuple[list[wire.Frame], Bench]:
    """Trains alone while the GPU is lost, once each, at a step's draws ("begin"), its late loss ("late") or a state's reading."""
    begin, state = Training.begin, Training.state
    read = 0

    def begun(self: Training, step: int) -> Coming | Lost:
        if ("begin", step) in lose:
            lose.remove(("begin", step))
            raise GpuLostError("context lost")
        found = begin(self, step)
        if ("late", step) in lose:
            lose.remove(("late", step))
            return Lost()
        return found

    def stated(self: Training) -> dict[str, np.ndarray]:
        nonlocal read
        read += 1
        if ("state", read) in lose:
            lose.remove(("state", read))
            raise GpuLostError("context lost")
        return state(self)

    monkeypatch.setattr(Training, "begin", begun)
    monkeypatch.setattr(Training, "state", stated)
    bench = Bench(steps=12)
    bench.all()
    bench.give(wire.Solo("a", 0), bench.state)
    frames: list[wire.Frame] = []
    for _ in range(200):
        if bench.tab.busy:
            frames += bench.turn()
            bench.clock.now += advance_s
    assert not lose, lose
    return frames, bench


LOSSES = [{("begin", 0)}, {("late", 4)}, {("late", 2), ("late", 11)}, {("state", 1)}, {("begin", 7), ("late", 8), ("state", 3)}]


class Slow:
    """The loss of a step on a device that has not come to it yet."""

    def __init__(self, its: Coming) -> None:
        self.result = its.result

    def ready(self) -> bool:
        return False


def test_the_first_loss_of_a_run_is_waited_for_and_those_after_it_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody waits for the curve to begin; each wait is time in which the device has nothing to do."""
    begin = Training.begin
    monkeypatch.setattr(Training, "begin", lambda self, step: Slow(begin(self, step)))
    bench = Bench(evaluate_every=100, checkpoint_every=100)
    bench.all()
    bench.give(wire.Solo("a", 0), bench.state)
    bench.turn()
    told = []
    for _ in range(3):
        bench.turn()
        told.append((bench.tab.report()["step"], bench.tab.report()["loss"]))
    assert [step for step, _ in told] == [1, 2, 3]
    assert told[0][1] is not None and told[0][1] == told[2][1], told


@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: str(sorted(lose)))
@pytest.mark.parametrize("advance_s", [0.0, 0.6])
def test_a_gpu_lost_with_losses_on_their_way_changes_nothing_that_is_sent(
    monkeypatch: pytest.MonkeyPatch, lose: set[tuple[str, int]], advance_s: float
) -> None:
    """0.6: snapshots are taken in between."""
    frames, bench = solo_with_losses(monkeypatch, set(lose), advance_s)
    sent = [frame for frame in frames if isinstance(frame.message, wire.Checkpoint)]
    monkeypatch.undo()
    training = bench.reference()
    wanted, losses = {}, []
    for step in range(12):
        losses.append(training.step(step))
        wanted[step + 1] = training.state()
    assert [frame.message.step for frame in sent] == [3, 6, 9, 12]  # type: ignore[union-attr]
    for frame in sent:
        assert isinstance(frame.message, wire.Checkpoint)
        assert frame.message.loss == losses[frame.message.step - 1]
        assert all(frame.tensors[name].tobytes() == array.tobytes() for name, array in wanted[frame.message.step].items())
    judged = [f.message.step for f in frames if isinstance(f.message, wire.Progress) and f.message.val_loss is not None]
    assert judged == [2, 4, 6, 8, 10, 12]


def test_a_spoilt_state_is_never_kept_as_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(steps=50, evaluate_every=100, checkpoint_every=100)
    bench.all()
    bench.give(wire.Solo("a", 0), bench.state)
    begin = Training.begin

    class Spoilt(Lost):
        def ready(self) -> bool:
            return False

        def result(self) -> float:
            raise NonFiniteError("the loss is nan")

    monkeypatch.setattr(Training, "begin", lambda self, step: Spoilt() if step == 5 else begin(self, step))
    kept = []
    monkeypatch.setattr("distml_py.snapshot.Snapshot.put", lambda self, step, state: kept.append(step))
    with pytest.raises(NonFiniteError):
        for turn in range(20):
            bench.turn()
            bench.clock.now = 10.0 * (turn >= 6)  # due with the loss of step 5 still on its way
    assert all(step <= 5 for step in kept)


def test_progress_comes_at_most_four_times_a_second() -> None:
    bench = Bench(steps=1000, evaluate_every=10_000, checkpoint_every=10_000)
    bench.all()
    bench.give(wire.Solo("a", 0), bench.state)
    sent = 0
    for _ in range(101):
        sent += kinds(bench.turn()).count("Progress")
        bench.clock.now += 0.0625
    assert 20 <= sent <= 25  # 6.3 seconds


def test_the_final_weights_are_evaluated_without_being_sent_again() -> None:
    bench = Bench()
    bench.all()
    bench.give(wire.Solo("a", 0), bench.state)
    bench.all()
    bench.give(wire.Evaluate("a", 6, 6, "e", "test"))
    (frame,) = bench.all()
    assert isinstance(frame.message, wire.Evaluation) and frame.message.split == "test"
    assert bench.tab.report()["test_accuracy"] == frame.message.accuracy


def test_a_yield_is_answered_at_the_next_step_boundary_and_another_tab_goes_on_from_there() -> None:
    bench, other = Bench(), Bench()
    bench.all()
    other.all()
    bench.give(wire.Solo("a", 0), bench.state)
    while bench.tab.report()["step"] != 2:
        bench.turn()
    bench.give(wire.Yield("a"))
    (frame,) = bench.turn()
    assert isinstance(frame.message, wire.Checkpoint) and (frame.message.step, frame.message.reason) == (2, "yield")
    assert not bench.tab.busy
    other.give(wire.Solo("a", 2), frame.tensors)
    last = other.all()[-1]
    reference = bench.reference()
    for step in range(6):
        reference.step(step)
    found = {n.removeprefix("weights/"): a for n, a in last.tensors.items() if n.startswith("weights/")}
    assert io.weights_sha256(found) == io.weights_sha256(reference.weights())


def test_a_yield_before_the_first_step_gives_the_state_back() -> None:
    bench = Bench()
    bench.all()
    bench.give(wire.Solo("a", 0), bench.state)
    bench.give(wire.Yield("a"))
    frames = bench.all()
    assert [f.message for f in frames] == [wire.Checkpoint("a", 0, "yield", None)]
    assert all(np.array_equal(frames[0].tensors[name], array) for name, array in bench.state.items())


def test_a_yield_that_crossed_the_final_checkpoint_does_not_end_the_next_solo() -> None:
    bench = Bench()
    bench.all()
    bench.give(wire.Solo("a", 0), bench.state)
    bench.all()
    bench.give(wire.Yield("a"))
    assert not bench.tab.busy
    bench.give(wire.Solo("a", 0), bench.state)
    assert kinds(bench.all())[-1] == "Checkpoint" and bench.tab.report()["step"] == 6


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("work", ["lease", "solo", "evaluation"])
def test_a_recipe_that_raises_tells_the_coordinator_its_line_and_then_raises(work: str) -> None:
    code = CODE + "\n    def loss(self, model, *batch):\n        return {}['x']\n"
    bench = Bench(code)
    bench.all()
    bench.give_weights(0)
    match work:
        case "lease":
            bench.give(lease(0))
        case "evaluation":
            bench.give(wire.Evaluate("a", 0, 0, "e", "test"))
        case "solo":
            bench.give(wire.Solo("a", 0), bench.state)
            assert bench.turn() == []
    (frame,) = bench.turn()
    assert frame.message == wire.Problem("a", "KeyError: 'x'", code.count("\n"))
    assert bench.tab.busy
    with pytest.raises(KeyError):
        bench.tab.advance()
    assert not bench.tab.busy and bench.tab.report()["state"] == "error"
    bench.give(lease(0))
    assert not bench.tab.busy  # it takes no more work for this run


def test_a_loss_that_is_not_a_number_is_a_problem() -> None:
    bench = Bench(CODE + "\n    def loss(self, model, *batch):\n        return super().loss(model, *batch) * float('nan')\n")
    bench.all()
    bench.give_weights(0)
    bench.give(lease(0))
    (frame,) = bench.turn()
    assert isinstance(frame.message, wire.Problem) and "NonFiniteError" in frame.message.message
    with pytest.raises(NonFiniteError):
        bench.tab.advance()


WRONG_RUNS: dict[str, dict[str, Any]] = {
    "code that is not what its hash says": {"code": CODE + "\n"},
    "other parameters": {"parameters": ["weight"]},
    "more training samples": {"train_size": 21},
    "code that does not load": {"code": "x = (", "code_sha256": hashlib.sha256(b"x = (").hexdigest()},
}


@pytest.mark.parametrize("name", list(WRONG_RUNS))
def test_it_does_not_join_a_run_with(name: str) -> None:
    bench = Bench(**WRONG_RUNS[name])
    (frame,) = bench.turn()
    assert isinstance(frame.message, wire.Problem)
    assert frame.message.line == (1 if name == "code that does not load" else 0)
    with pytest.raises(Exception, match=r".+"):
        bench.tab.advance()
    assert bench.tab.report()["state"] == "error" and bench.tab.report()["error"]


def test_full_memory_is_said_in_words_and_what_to_do() -> None:
    advice = ": take a smaller data set, batch_size or model"
    for error, words in ((MemoryError(), "the memory is full"), (MemoryError("Unable to allocate"), "Unable to allocate")):
        assert words_of(error).startswith(f"MemoryError: {words}; ") and words_of(error).endswith(advice)
    assert words_of(ValueError("odd")) == "ValueError: odd"
    code = CODE + "\n    def model(self):\n        raise MemoryError\n"
    tab = Tab("reference", "d", "p", Clock())
    tab.receive(wire.encode(run_of(Bench().start, code=code, code_sha256=hashlib.sha256(code.encode()).hexdigest())))
    (frame,) = map(wire.decode, tab.advance())
    assert isinstance(frame.message, wire.Problem) and advice in frame.message.message and frame.message.line > 0


@pytest.mark.parametrize(("device", "software"), [
    ("ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)", True),
    ("ANGLE (Mesa, llvmpipe (LLVM 15.0.6 256 bits), OpenGL 4.5)", True),
    ("ANGLE (Microsoft, Microsoft Basic Render Driver Direct3D11)", True),
    ("ANGLE (Apple, ANGLE Metal Renderer: Apple M1, Unspecified Version)", False),
    ("ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 Direct3D11 vs_5_0 ps_5_0, D3D11)", False),
    ("Adreno (TM) 650", False),
])  # fmt: skip
def test_what_draws_is_a_gpu_or_a_processor(device: str, software: bool) -> None:
    assert is_software(device) is software
