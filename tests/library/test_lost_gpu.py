"""A worker whose GPU goes away: what it does again, what it tells, and when it gives up. The loss is an error that is raised."""

from collections.abc import Iterator
from typing import Any

import pytest

from distml_py import io, wire
from distml_py.errors import GpuLostError
from distml_py.recipe import Training
from distml_py.snapshot import EVERY_S, SHARE, Snapshot
from distml_py.tab import LONGEST_LOSS_S
from test_tab import Bench, Clock, kinds, lease


class Losses:
    """Makes a method of Training raise GpuLostError at some of its calls, after it did its work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, *calls: int):
        self.made = 0
        real = getattr(Training, name)

        def losing(training: Training, *values: Any) -> Any:
            self.made += 1
            found = real(training, *values)
            if self.made in calls:
                for parameter in training.parameters.values():
                    parameter.data = parameter * float("nan")  # what lay on the GPU is gone
                raise GpuLostError("WebGL2: context lost")
            return found

        monkeypatch.setattr(Training, name, losing)


def alone(bench: Bench) -> list[wire.Frame]:
    bench.all()
    bench.give(wire.Solo("a", 0), bench.state)
    frames: list[wire.Frame] = []
    while bench.tab.busy:
        frames += bench.turn()
        bench.clock.now += 0.3
    return frames


@pytest.mark.parametrize(
    ("name", "calls"),
    [("begin", (5,)), ("begin", (1, 2)), ("begin", (2, 3, 4)), ("evaluate", (2,)), ("state", (1, 2)), ("weights", (1,))],
)
def test_a_solo_run_ends_with_the_same_weights_and_nobody_hears_of_a_step_twice(
    name: str, calls: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = alone(Bench())[-1].tensors
    bench = Bench()
    bench.all()
    losses = Losses(monkeypatch, name, *calls)
    frames = alone(bench)
    assert losses.made > max(calls)
    assert kinds(frames)[-1] == "Checkpoint"
    found = frames[-1].tensors
    assert all(found[key].tobytes() == wanted[key].tobytes() for key in wanted) and found.keys() == wanted.keys()
    told = [frame.message.step for frame in frames if isinstance(frame.message, wire.Progress)]
    assert told == sorted(told) and bench.tab.lost_s is None
    assert bench.tab.report()["state"] == "training" or bench.tab.report()["step"] == 6


@pytest.mark.parametrize("times", [1, 2])
def test_a_lease_is_computed_again_from_the_coordinators_weights(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.all()
    bench.give_weights(0)
    bench.give(lease(0))
    Losses(monkeypatch, "gradients", *range(1, times + 1))
    for _ in range(times):
        assert bench.turn() == [] and bench.tab.lost_s is not None
    (frame,) = bench.all()
    monkeypatch.undo()
    loss, gradient = bench.reference().gradient(0, 0, 4)
    assert isinstance(frame.message, wire.Gradient) and frame.message.loss == loss
    assert all(frame.tensors[name].tobytes() == gradient[name].tobytes() for name in gradient)
    assert bench.tab.lost_s is None


def test_an_evaluation_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.all()
    bench.give_weights(0)
    bench.give(wire.Evaluate("a", 0, 0, "e", "test"))
    Losses(monkeypatch, "evaluate", 1)
    (frame,) = bench.all()
    assert isinstance(frame.message, wire.Evaluation)
    assert frame.message.loss == bench.reference().evaluate("test")[0]


def test_a_gpu_that_stays_away_for_long_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.all()
    bench.give_weights(0)
    bench.give(lease(0))
    Losses(monkeypatch, "gradients", *range(1, 100))
    assert bench.turn() == []
    bench.clock.now += LONGEST_LOSS_S - 1
    assert bench.turn() == [] and bench.tab.lost_s == LONGEST_LOSS_S - 1
    bench.clock.now += 2
    (frame,) = bench.turn()
    assert isinstance(frame.message, wire.Problem) and "context lost" in frame.message.message
    with pytest.raises(GpuLostError):
        bench.tab.advance()
    assert not bench.tab.busy and bench.tab.lost_s is None


def test_who_leaves_forgets_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.all()
    bench.give_weights(0)
    bench.give(lease(0))
    Losses(monkeypatch, "gradients", 1)
    bench.turn()
    bench.tab.leave()
    assert bench.tab.lost_s is None and not bench.tab.busy


def test_weights_that_never_reached_the_coordinator_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Losses(monkeypatch, "weights", 1)
    bench = Bench()
    monkeypatch.undo()
    assert io.weights_sha256(bench.weights) == io.weights_sha256(bench.reference().weights())


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()


def test_a_snapshot_is_taken_every_second_but_never_costs_more_than_its_share(clock: Clock) -> None:
    snapshot = Snapshot(0, {}, clock)
    taken = []

    def read() -> dict[str, Any]:
        clock.now += 0.5
        taken.append(clock.now)
        return {}

    for step in range(1, 2000):
        clock.now += 0.015625
        snapshot.take(step, read)
    assert EVERY_S <= taken[0] <= EVERY_S + 0.6 and snapshot.step > 0
    assert all(later - first >= 0.5 * SHARE for first, later in zip(taken, taken[1:], strict=False)) and len(taken) >= 3
