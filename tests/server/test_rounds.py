"""The protocol as a table of events, without sockets or clocks, and under random schedules."""

import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from distml_py import wire
from distml_server import effects as do
from distml_server.leases import Worker, bounds
from distml_server.rounds import Rounds

RUN = wire.Run("run", "r", "c", "sha", 0, 4, 8, 2, 100, 100, 2, {}, ["w"], False)


class World:
    """Rounds with what would be on the wire: each worker's leases, and all effects in order."""

    def __init__(self, deterministic: bool = False, **changes: Any) -> None:
        self.now = 100.0
        self.rounds = Rounds(deterministic)
        self.run = dataclasses.replace(RUN, deterministic=deterministic, **changes)
        self.log: list[do.Effect] = []
        self.took: dict[int, list[int]] = {}  # step -> shards that counted
        self.note(self.rounds.start(self.run))

    def note(self, effects: list[do.Effect]) -> list[do.Effect]:
        for effect in effects:
            if isinstance(effect, do.Take):
                self.took.setdefault(self.commits, []).append(effect.shard)
            if isinstance(effect, (do.Send, do.SendSolo, do.SendEnded)):
                assert effect.to in self.rounds.workers, "a message to somebody who has gone"
            if isinstance(effect, do.SendWeights):
                assert effect.version in {self.rounds.version, *(v for v, _ in self.rounds.book.evaluations)}
            self.log.append(effect)
        return effects

    @property
    def commits(self) -> int:
        return sum(isinstance(effect, do.Commit) for effect in self.log)

    def join(self, *names: str, role: str = "worker", backend: str = "reference", platform: str = "p") -> list[do.Effect]:
        found: list[do.Effect] = []
        for name in names:
            self.note(self.rounds.connect(name, name, role, self.now))
            found += self.say(name, wire.Join("run", backend, "d", platform))
        return found

    def say(self, worker: str, message: wire.FromWorker) -> list[do.Effect]:
        return self.note(self.rounds.receive(worker, message, self.now))

    def leave(self, worker: str) -> list[do.Effect]:
        return self.note(self.rounds.disconnect(worker, self.now))

    def wait(self, seconds: float) -> list[do.Effect]:
        self.now += seconds
        return self.note(self.rounds.tick(self.now))

    def sent(self, worker: str, kind: type) -> list[Any]:
        return [e.message for e in self.log if isinstance(e, do.Send) and e.to == worker and isinstance(e.message, kind)]

    def answer(self, worker: str, to: wire.Lease, /, **changes: Any) -> list[do.Effect]:
        message = wire.Gradient("run", to.step, to.version, to.shard, to.lease, to.count, 0.5, 0)
        return self.say(worker, dataclasses.replace(message, **changes))

    def leases(self, worker: str) -> list[wire.Lease]:
        held = self.rounds.workers[worker].leases
        return [lease for lease in self.sent(worker, wire.Lease) if lease.lease in held]

    def evaluate(self, worker: str) -> list[do.Effect]:
        (asked,) = [e for e in self.sent(worker, wire.Evaluate) if e.lease in self.rounds.workers[worker].leases]
        return self.say(worker, wire.Evaluation("run", asked.step, asked.split, asked.lease, 0.4, 0.75, 10, 0.5))

    def work(self, *workers: str) -> None:
        """These workers do all they are given, until there is nothing more to do."""
        for _ in range(1000):
            busy = [worker for worker in workers if worker in self.rounds.workers and self.rounds.workers[worker].leases]
            if not busy:
                return
            for worker in busy:
                for lease in list(self.rounds.workers[worker].leases.values()):
                    if lease.id not in self.rounds.workers[worker].leases:
                        continue
                    if lease.shard is None:
                        self.evaluate(worker)
                    else:
                        self.answer(worker, next(m for m in self.leases(worker) if m.lease == lease.id))
        raise AssertionError("the run does not come to an end")


def rejections(effects: list[do.Effect]) -> list[str]:
    return [effect.reason for effect in effects if isinstance(effect, do.Reject)]


def kinds(effects: list[do.Effect]) -> list[str]:
    return [type(e.message).__name__ if isinstance(e, do.Send) else type(e).__name__ for e in effects]


# ---------------------------------------------------------------- shared


def test_two_workers_get_a_shard_each_after_the_weights() -> None:
    world = World()
    world.join("a")
    assert kinds(world.log) == ["Run", "SendWeights", "Lease", "Lease"]
    world.join("b")
    # the second shard was in a's hands already: b comes in with the next step
    assert not world.leases("b")
    for lease in world.leases("a"):
        world.answer("a", lease)
    assert len(world.leases("a")) == len(world.leases("b")) == 1
    assert {lease.shard for lease in world.leases("a") + world.leases("b")} == {0, 1}


def test_shards_cover_the_batch_without_gap_or_overlap() -> None:
    for batch_size, shards in ((8, 2), (64, 4), (7, 3), (5, 5), (1000, 7)):
        pieces = [bounds(batch_size, shards, shard) for shard in range(shards)]
        assert [start for start, _ in pieces] == [sum(count for _, count in pieces[:n]) for n in range(shards)]
        assert sum(count for _, count in pieces) == batch_size
        assert max(count for _, count in pieces) - min(count for _, count in pieces) <= 1


def test_a_run_ends_after_its_steps_and_both_evaluations() -> None:
    world = World()
    world.join("a", "b")
    world.work("a", "b")
    assert world.rounds.state == "finished"
    assert [effect.version for effect in world.log if isinstance(effect, do.Commit)] == [1, 2, 3, 4]
    assert world.took == {step: [*shards] for step, shards in world.took.items() if sorted(shards) == [0, 1]}
    assert world.rounds.metrics["test_accuracy"] == 0.75
    splits = [m.split for w in "ab" for m in world.sent(w, wire.Evaluate)]
    assert sorted(splits) == ["test", "validation"]
    assert isinstance(world.log[-1], do.Finish)


def test_the_validation_split_is_read_every_few_steps_and_the_test_split_once_at_the_end() -> None:
    world = World(evaluate_every=2)
    world.join("a")
    world.work("a")
    asked = [(m.step, m.split) for m in world.sent("a", wire.Evaluate)]
    assert asked == [(2, "validation"), (4, "validation"), (4, "test")]


def test_a_steps_loss_is_the_mean_over_samples() -> None:
    world = World(batch_size=3, steps=2)  # shards of 1 and 2 samples
    world.join("a")
    for lease in world.leases("a"):
        world.answer("a", lease, loss=float(lease.count))
    assert world.rounds.metrics["loss"] == pytest.approx((1 * 1 + 2 * 2) / 3)


def test_a_tab_that_leaves_is_not_waited_for() -> None:
    world = World()
    world.join("a", "b")
    for lease in world.leases("a"):
        world.answer("a", lease)
    world.leave("b")
    world.work("a")
    assert world.rounds.state == "finished"


def test_a_lease_that_lapses_goes_to_an_idle_worker_and_the_late_gradient_is_stale() -> None:
    world = World()
    world.join("a", "b")
    for lease in world.leases("a"):
        world.answer("a", lease)
    (late,), (mine,) = world.leases("b"), world.leases("a")
    world.now += 0.1
    world.answer("a", mine)
    assert not world.leases("a")
    world.wait(61)
    assert [lease.shard for lease in world.leases("a")] == [late.shard]
    assert rejections(world.answer("b", late)) == ["stale"]
    world.work("a")
    assert world.took[1] == [mine.shard, late.shard]


def test_a_lapsed_lease_stays_good_while_nobody_else_can_take_it() -> None:
    world = World()
    world.join("a")
    lease = world.leases("a")[0]
    world.wait(3600)
    assert rejections(world.answer("a", lease)) == []


@pytest.mark.fault("R4")
def test_an_idle_worker_tries_a_late_shard_too_and_the_first_answer_counts() -> None:
    world = World(steps=5)
    world.join("a", "b")
    for lease in world.leases("a"):
        world.now += 0.01
        world.answer("a", lease)
    world.now += 0.01
    for worker in "ab":
        world.answer(worker, world.leases(worker)[0])
    (late,), (mine,) = world.leases("b"), world.leases("a")
    world.answer("a", mine)
    world.wait(1.0)  # far from lapsed, but long for a shard that takes milliseconds
    (again,) = world.leases("a")
    assert again.shard == late.shard and world.leases("b") == [late]
    world.answer("b", late)
    assert rejections(world.answer("a", again)) == ["stale"]


def kept_for_a() -> World:
    """Of six shards c, slow, has two, and a, quick, has two and is to have the others as well."""
    world = World(shards=6, batch_size=6)
    world.join("c")
    world.now += 100.0
    world.note(world.rounds.connect("a", "a", "worker", world.now))
    assert world.rounds.book is not None
    world.rounds.workers["a"].pace.mean_s = world.rounds.book.pace.mean_s = 0.1
    world.rounds.workers["c"].pace.mean_s = 100.0
    world.say("a", wire.Join("run", "reference", "d", "p"))
    assert len(world.leases("a")) == len(world.leases("c")) == len(world.rounds.book.waiting) == 2
    return world


def test_what_is_kept_for_the_quick_has_nobody_else_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    world = kept_for_a()
    looked: list[str] = []
    piece_s = Worker.piece_s
    monkeypatch.setattr(Worker, "piece_s", lambda self, *of: looked.append(self.id) or piece_s(self, *of))
    world.answer("c", world.leases("c")[0])
    assert looked == ["c"] and len(world.leases("c")) == 1
    looked.clear()
    world.answer("a", world.leases("a")[0])
    assert set(looked) <= {"a"} and len(world.leases("a")) == 2
    world.wait(0.06)
    assert looked.count("a") >= 1, "what was thought is not true for ever"


NEWS = ["the quick one answers", "the slow one has become quicker", "another one joins", "the quick one leaves"]


@pytest.mark.parametrize("what", NEWS)
def test_what_is_kept_for_the_quick_is_given_out_at_once_when(what: str) -> None:
    world = kept_for_a()
    match what:
        case "the quick one answers":
            world.answer("a", world.leases("a")[0])
            assert len(world.leases("a")) == 2
        case "the slow one has become quicker":
            world.rounds.workers["c"].free_since_s = world.now  # it has just begun
            world.answer("c", world.leases("c")[0])
            assert len(world.leases("c")) == 2
        case "another one joins":
            world.join("d")
            assert world.leases("d")
        case "the quick one leaves":
            world.leave("a")
            world.answer("c", world.leases("c")[0])
            assert len(world.leases("c")) == 2


def test_a_worker_that_was_late_gets_nothing_for_a_while_unless_it_is_heard_of() -> None:
    world = World(steps=50)
    world.join("a", "b")
    for lease in world.leases("a"):
        world.answer("a", lease)
    (late,) = world.leases("b")
    world.answer("a", world.leases("a")[0])
    world.wait(61)
    world.answer("a", world.leases("a")[0])
    assert not world.leases("b")
    assert rejections(world.answer("b", late)) == ["stale"]
    for lease in world.leases("a"):
        world.answer("a", lease)
    assert world.leases("b")


def test_a_lease_lasts_three_times_the_usual_but_5_to_60_seconds() -> None:
    world = World(shards=1, steps=100)
    world.join("a")
    seen = []
    for seconds in (0.01, 0.01, 10.0, 10.0, 10.0, 100.0, 100.0, 100.0):
        lease = world.leases("a")[0]
        world.now += seconds
        world.answer("a", lease)
        seen.append(world.leases("a")[0].deadline_s)
    assert seen[0] == seen[1] == 5.0
    assert 5.0 < seen[4] < 30.0
    assert seen[-1] == 60.0


# ---------------------------------------------------------------- what does not count

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a step before the first": ({"step": -1}, "bad_step"),
    "a step of another universe": ({"step": 2**63 - 1}, "bad_step"),
    "the next step": ({"step": 1, "version": 1}, "bad_step"),
    "a shard below zero": ({"shard": -1}, "bad_step"),
    "a shard too many": ({"shard": 2}, "bad_step"),
    "somebody's or nobody's lease": ({"lease": "b.7"}, "no_lease"),
    "the lease of another shard": ({"shard": 1}, "no_lease"),
    "other weights": ({"version": 3}, "no_lease"),
    "fewer samples": ({"samples": 3}, "invalid"),
    "an impossible count": ({"cpu_ops": -1}, "invalid"),
    "another run": ({"run": "old"}, "stale"),
}


@pytest.mark.fault("R8")
@pytest.mark.parametrize("name", list(WRONG))
def test_a_gradient_does_not_count_with(name: str) -> None:
    changes, reason = WRONG[name]
    world = World()
    world.join("a")
    lease = world.leases("a")[0]
    assert rejections(world.answer("a", lease, **changes)) == [reason]
    assert world.took == {}
    assert rejections(world.answer("a", lease)) == []  # the lease itself is still good
    assert world.rounds.rejected == {reason: 1}


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"samples": 3}, "the shard has 4 samples, got 3"),
        ({"cpu_ops": -1}, "cpu_ops and compute_s are at least 0, got -1 and 0"),
        ({"compute_s": -0.5}, "cpu_ops and compute_s are at least 0, got 0 and -0.5"),
    ],
)
def test_a_count_that_cannot_be_is_named(changes: dict[str, Any], detail: str) -> None:
    world = World()
    world.join("a")
    (refusal,) = world.answer("a", world.leases("a")[0], **changes)
    assert isinstance(refusal, do.Reject) and refusal.detail == detail


@pytest.mark.fault("R5")
def test_a_gradient_counts_once_however_often_it_is_sent() -> None:
    world = World()
    world.join("a")
    first, second = world.leases("a")
    world.answer("a", first)
    assert rejections(world.answer("a", first)) == ["duplicate"]
    world.answer("a", second)
    assert rejections(world.answer("a", first) + world.answer("a", second)) == ["duplicate", "duplicate"]
    assert world.took == {0: [0, 1]}


def test_a_lease_cannot_be_used_by_another_worker() -> None:
    world = World()
    world.join("a", "b")
    assert rejections(world.answer("b", world.leases("a")[0])) == ["no_lease"]


def test_a_lease_ends_with_its_connection() -> None:
    world = World()
    world.join("a")
    lease = world.leases("a")[0]
    world.leave("a")
    world.join("a2")
    assert rejections(world.answer("a2", lease)) == ["no_lease"]


def test_a_refused_gradient_is_computed_again() -> None:
    world = World()
    world.join("a")
    first, second = world.leases("a")
    world.note(world.rounds.refuse("a", first.lease, "non_finite", "NaN", world.now))
    assert {lease.shard for lease in world.leases("a")} == {0, 1}
    world.work("a")
    assert world.rounds.state == "finished" and world.rounds.rejected == {"non_finite": 1}


def test_an_evaluation_that_nobody_asked_for_or_that_makes_no_sense_is_refused() -> None:
    world = World(steps=1, shards=1)
    world.join("a")
    world.answer("a", world.leases("a")[0])
    (asked,) = world.sent("a", wire.Evaluate)
    good = wire.Evaluation("run", 1, asked.split, asked.lease, 0.1, 0.5, 3, None)
    assert rejections(world.say("a", dataclasses.replace(good, lease="a.9"))) == ["no_lease"]
    assert rejections(world.say("a", dataclasses.replace(good, split="train"))) == ["no_lease"]
    for wrong in ({"accuracy": 1.5}, {"accuracy": -0.1}, {"train_accuracy": 2.0}, {"train_accuracy": -1e299}, {"samples": 0}):
        assert rejections(world.say("a", dataclasses.replace(good, **wrong))) == ["invalid"]
        world.rounds.workers["a"].strikes = 0
        (asked,) = [lease for lease in world.sent("a", wire.Evaluate) if lease.lease in world.rounds.workers["a"].leases]
        good = dataclasses.replace(good, lease=asked.lease)
    world.work("a")
    assert world.rounds.state == "finished"


# ---------------------------------------------------------------- the host


def test_pause_gives_nothing_out_and_resume_goes_on() -> None:
    world = World()
    world.join("h", role="host")
    world.join("a")
    world.say("h", wire.Checkpoint("run", 0, "yield", None))
    world.say("h", wire.Command("pause"))
    world.work("h", "a")
    assert (world.rounds.state, world.rounds.version) == ("paused", 1)
    world.wait(100)
    assert not world.leases("h") and not world.leases("a")
    world.say("h", wire.Command("resume"))
    world.work("h", "a")
    assert world.rounds.state == "finished"


def test_a_step_of_a_paused_run_is_one_step_and_then_it_is_paused_again() -> None:
    world = World()
    world.join("h", role="host")
    world.say("h", wire.Command("pause"))
    world.say("h", wire.Checkpoint("run", 0, "yield", None))
    before = world.rounds.version
    world.say("h", wire.Command("step"))
    assert world.rounds.mode == "shared", "a single step is leased, whoever is there"
    world.work("h")
    assert (world.rounds.state, world.rounds.version) == ("paused", before + 1)
    world.say("h", wire.Command("resume"))
    assert world.rounds.mode == "solo"


def test_what_a_worker_did_and_how_often_it_was_refused_is_told() -> None:
    world = World()
    world.join("a", "b")
    world.wait(1)
    world.answer("a", world.leases("a")[0])
    assert (world.rounds.workers["a"].rate or 0) > 0
    assert world.rounds.workers["b"].rate is None and world.rounds.workers["b"].strikes == 0
    world.say("b", wire.Command("explode"))
    assert world.rounds.workers["b"].strikes == 1


def test_stop_keeps_what_was_committed_and_refuses_the_rest() -> None:
    world = World()
    world.join("a", "b")
    for lease in world.leases("a"):
        world.answer("a", lease)
    lease = world.leases("a")[0]
    effects = world.say("a", wire.Command("stop"))
    assert kinds(effects) == ["Finish"] and world.rounds.state == "stopped"
    assert rejections(world.answer("a", lease)) == ["stale"]
    assert world.rounds.version == 1


def test_a_command_that_does_not_exist_is_refused() -> None:
    world = World()
    world.join("a")
    assert rejections(world.say("a", wire.Command("explode"))) == ["invalid"]


def test_who_joins_a_finished_run_gets_its_weights_and_its_end() -> None:
    world = World()
    world.join("a")
    world.work("a")
    assert kinds(world.join("b")) == ["SendWeights", "SendEnded"]


def test_the_last_worker_with_a_problem_leaves_an_error_and_the_next_one_clears_it() -> None:
    world = World()
    world.join("a", "b")
    world.say("a", wire.Problem("run", "GPU lost", 0))
    assert world.rounds.state == "training" and "GPU lost" in (world.rounds.error or "")
    world.say("b", wire.Problem("run", "ZeroDivisionError", 7))
    assert world.rounds.state == "error" and "line 7" in (world.rounds.error or "")
    world.join("c")
    assert world.rounds.state == "training" and world.rounds.error is None


# ---------------------------------------------------------------- solo


def test_a_lone_host_steps_solo_and_its_checkpoints_commit() -> None:
    world = World()
    assert kinds(world.join("h", role="host")) == ["SendSolo"]
    world.say("h", wire.Progress("run", 1, 0.7, None, None, None, 0, 100.0))
    assert (world.rounds.step, world.rounds.version, world.rounds.mode) == (1, 0, "solo")
    assert kinds(world.say("h", wire.Checkpoint("run", 2, "periodic", 0.6))) == ["Adopt"]
    assert (world.rounds.step, world.rounds.version) == (2, 2)
    world.say("h", wire.Checkpoint("run", 4, "final", 0.5))
    world.work("h")
    assert world.rounds.state == "finished" and world.rounds.metrics["test_accuracy"] == 0.75
    assert not world.sent("h", wire.Lease)


def test_a_lone_worker_that_is_not_the_host_gets_leases() -> None:
    world = World()
    world.join("a")
    assert world.rounds.mode == "shared" and world.leases("a")


def test_when_a_second_worker_joins_the_coordinator_takes_over_at_a_step_boundary_and_back() -> None:
    world = World(steps=10)
    world.join("h", role="host")
    assert kinds(world.join("a")) == ["Yield"]
    assert kinds(world.say("h", wire.Checkpoint("run", 3, "yield", 0.5)))[0] == "Adopt"
    assert [lease.step for lease in world.leases("h") + world.leases("a")] == [3, 3]
    # the host made these weights itself; the other one needs them
    assert [e.to for e in world.log if isinstance(e, do.SendWeights)] == [("a",)]
    for worker in "ha":
        world.answer(worker, world.leases(worker)[0])
    world.leave("a")
    while world.leases("h"):
        world.answer("h", world.leases("h")[0])
    assert world.rounds.mode == "solo"


def test_a_second_worker_is_asked_for_nothing_until_the_solo_worker_has_yielded() -> None:
    world = World()
    world.join("h", role="host")
    world.join("a")
    world.join("b")
    assert len(world.sent("h", wire.Yield)) == 1
    assert not world.leases("a") and not world.leases("b")


def test_a_solo_worker_that_dies_is_continued_from_its_last_checkpoint() -> None:
    world = World(steps=10)
    world.join("h", role="host")
    world.say("h", wire.Checkpoint("run", 2, "periodic", 0.6))
    world.say("h", wire.Progress("run", 5, 0.4, None, None, None, 0, 10.0))
    assert world.rounds.step == 5
    world.leave("h")
    assert world.rounds.step == 2
    world.join("a")
    assert world.leases("a")[0].step == 2


def test_a_solo_worker_that_does_not_yield_in_time_is_continued_without_it() -> None:
    world = World(steps=10)
    world.join("h", role="host")
    world.join("a")
    world.wait(29)
    assert not world.leases("a")
    world.wait(2)
    assert world.leases("a")[0].step == 0
    assert rejections(world.say("h", wire.Checkpoint("run", 7, "yield", 0.1))) == ["stale"]
    assert world.rounds.version == 0


@pytest.mark.parametrize("steps_per_s", [5e-324, 1e-300, 1e299])
def test_a_pace_that_cannot_be_does_not_keep_the_run_waiting_for_a_solo_worker_for_ever(steps_per_s: float) -> None:
    world = World(steps=10)
    world.join("h", role="host")
    for _ in range(2):
        world.say("h", wire.Progress("run", 1, 0.4, None, None, None, 0, steps_per_s))
    world.join("a")
    world.wait(61)
    assert world.leases("a")[0].step == 0


SOLO_WRONG: dict[str, tuple[wire.FromWorker, str]] = {
    "a checkpoint of the past": (wire.Checkpoint("run", 1, "periodic", 0.1), "bad_step"),
    "a checkpoint beyond the end": (wire.Checkpoint("run", 5, "periodic", 0.1), "bad_step"),
    "a final checkpoint before the end": (wire.Checkpoint("run", 3, "final", 0.1), "bad_step"),
    "a checkpoint for no reason": (wire.Checkpoint("run", 3, "because", 0.1), "invalid"),
    "progress of the past": (wire.Progress("run", 1, 0.1, None, None, None, 0, 1.0), "bad_step"),
    "progress of another run": (wire.Progress("old", 3, 0.1, None, None, None, 0, 1.0), "stale"),
}


@pytest.mark.parametrize("name", list(SOLO_WRONG))
def test_a_solo_worker_is_refused(name: str) -> None:
    message, reason = SOLO_WRONG[name]
    world = World()
    world.join("h", role="host")
    world.say("h", wire.Checkpoint("run", 2, "periodic", 0.1))
    assert rejections(world.say("h", message)) == [reason]
    assert world.rounds.version == 2 and world.rounds.mode == "solo"


def test_pause_in_solo_is_a_yield_without_a_new_solo() -> None:
    world = World()
    world.join("h", role="host")
    assert kinds(world.say("h", wire.Command("pause"))) == ["Yield"]
    assert kinds(world.say("h", wire.Checkpoint("run", 1, "yield", 0.1))) == ["Adopt"]
    assert (world.rounds.state, world.rounds.version) == ("paused", 1)
    assert kinds(world.say("h", wire.Command("resume"))) == ["SendSolo"]


def test_stop_in_solo_waits_for_the_last_steps() -> None:
    world = World()
    world.join("h", role="host")
    assert kinds(world.say("h", wire.Command("stop"))) == ["Yield"]
    assert kinds(world.say("h", wire.Checkpoint("run", 3, "yield", 0.1))) == ["Adopt", "Finish"]
    assert (world.rounds.state, world.rounds.version) == ("stopped", 3)


@pytest.mark.parametrize("end", ["it dies", "it is silent"])
def test_stop_in_solo_does_not_wait_for_ever(end: str) -> None:
    world = World()
    world.join("h", role="host")
    world.say("h", wire.Command("stop"))
    if end == "it dies":
        world.leave("h")
    else:
        world.wait(61)
    assert (world.rounds.state, world.rounds.version) == ("stopped", 0)


# ---------------------------------------------------------------- deterministic


def test_a_deterministic_run_is_never_solo_and_takes_only_like_workers() -> None:
    world = World(deterministic=True)
    assert rejections(world.join("gpu", role="host", backend="webgl")) == ["deterministic"]
    world.join("a", role="host", platform="x86")
    assert world.rounds.mode == "shared" and world.leases("a")
    effects = world.join("b", platform="arm")
    assert rejections(effects) == ["deterministic"]
    assert any("'x86'" in e.detail and "'arm'" in e.detail for e in effects if isinstance(e, do.Reject))
    assert rejections(world.join("c", platform="x86")) == []


def test_a_platform_that_computed_nothing_does_not_bind_a_deterministic_run() -> None:
    world = World(deterministic=True)
    world.join("a", platform="arm")
    world.leave("a")
    assert rejections(world.join("b", platform="x86")) == []
    world.answer("b", world.leases("b")[0])
    world.leave("b")
    assert rejections(world.join("c", platform="arm")) == ["deterministic"], "a gradient of x86 has counted"


def test_what_befell_one_worker_is_forgotten_with_the_next_step() -> None:
    world = World()
    for name in ("a", "b"):
        world.join(name)
    world.say("a", wire.Problem("run", "my disk is full", 0))
    assert "my disk is full" in str(world.rounds.error)
    before = world.rounds.version
    for _ in range(20):
        if world.rounds.version == before and world.leases("b"):
            world.answer("b", world.leases("b")[0])
    assert world.rounds.version > before and world.rounds.error is None


# ---------------------------------------------------------------- random schedules

NAMES = [f"w{number}" for number in range(4)]


class Schedules(RuleBasedStateMachine):
    """Workers come, answer in any order, repeat themselves, send rubbish, fall silent and die; the host interferes."""

    @initialize(
        shards=st.integers(1, 4),
        steps=st.integers(1, 4),
        every=st.integers(1, 3),
        strict=st.booleans(),
        mode=st.sampled_from(["sync", "sync", "local", "async"]),
        number=st.integers(0, 3),
    )
    def begin(self, shards: int, steps: int, every: int, strict: bool, mode: str, number: int) -> None:
        exchange = {"mode": "sync" if strict else mode, "local_steps": number, "staleness": number}
        self.world = World(strict, shards=shards, steps=steps, evaluate_every=every, exchange=exchange)
        self.mode = exchange["mode"]
        self.base = 0  # the version that the coordinator began with
        self.seen: list[tuple[str, wire.Gradient]] = []
        self.generation = 0
        self.alive: dict[str, str] = {}

    @rule(slot=st.sampled_from(NAMES), host=st.booleans())
    def join(self, slot: str, host: bool) -> None:
        if slot not in self.alive:
            self.generation += 1
            self.alive[slot] = f"{slot}-{self.generation}"
            self.world.join(self.alive[slot], role="host" if host else "worker")

    @rule(slot=st.sampled_from(NAMES))
    def die(self, slot: str) -> None:
        if slot in self.alive:
            self.world.leave(self.alive.pop(slot))

    @rule(slot=st.sampled_from(NAMES), which=st.integers(0, 5), seconds=st.floats(0, 3))
    def answer(self, slot: str, which: int, seconds: float) -> None:
        worker = self.alive.get(slot, "")
        self.world.now += seconds
        held = list(self.world.rounds.workers[worker].leases.values()) if worker else []
        if not held:
            return
        lease = held[which % len(held)]
        if lease.shard is None:
            self.world.evaluate(worker)
        else:
            version = self.world.rounds.version if self.mode == "async" else lease.version
            gradient = wire.Gradient("run", lease.step, version, lease.shard, lease.id, lease.count, 0.5, 0)
            self.seen.append((worker, gradient))
            assert rejections(self.world.say(worker, gradient)) == []

    @precondition(lambda self: self.seen and self.alive)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """An old gradient comes again, from its sender or from anybody else."""
        _, gradient = data.draw(st.sampled_from(self.seen))
        worker = data.draw(st.sampled_from(sorted(self.alive.values())))
        assert rejections(self.world.say(worker, gradient)) != []

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), step=st.integers(-1, 6), shard=st.integers(-1, 5), number=st.integers(0, 30))
    def rubbish(self, data: st.DataObject, step: int, shard: int, number: int) -> None:
        worker = data.draw(st.sampled_from(sorted(self.alive.values())))
        message = wire.Gradient("run", step, step, shard, f"nobody.{number}", 3, 0.1, 0)
        assert rejections(self.world.say(worker, message)) != []

    @rule(slot=st.sampled_from(NAMES))
    def resync(self, slot: str) -> None:
        """A worker whose weights are wrong: what it had in hand goes to others, or to itself again."""
        if slot in self.alive:
            self.world.say(self.alive[slot], wire.Resync("run", 0))

    @rule(lost=st.integers(0, 2))
    def restart(self, lost: int) -> None:
        """Another coordinator, from a checkpoint that is some steps old; nobody is connected to it yet."""
        version = max(self.world.rounds.version - lost, 0)
        if self.world.rounds.state == "finished":
            return
        run, strict = self.world.run, self.world.rounds.deterministic
        self.world.rounds = Rounds(strict)
        self.world.log.clear()
        self.world.took.clear()
        self.base = version
        self.seen.clear()
        self.alive.clear()
        self.world.note(self.world.rounds.start(run, version))

    @rule(slot=st.sampled_from(NAMES), steps=st.integers(0, 3), reason=st.sampled_from(["periodic", "yield"]))
    def step_solo(self, slot: str, steps: int, reason: str) -> None:
        rounds, worker = self.world.rounds, self.alive.get(slot, "")
        if rounds.solo is None or rounds.solo.worker != worker:
            return
        if reason == "yield" and rounds.solo.yield_deadline_s is None:
            return
        step = min(rounds.version + steps, self.world.run.steps)
        final = step == self.world.run.steps
        self.world.say(worker, wire.Checkpoint("run", step, "final" if final else reason, 0.2))

    @rule(seconds=st.sampled_from([0.3, 1.0, 6.0, 31.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), action=st.sampled_from(["pause", "resume", "resume"]))
    def command(self, data: st.DataObject, action: str) -> None:
        self.world.say(data.draw(st.sampled_from(sorted(self.alive.values()))), wire.Command(action))

    @invariant()
    def history_is_gap_free_and_each_shard_counts_once(self) -> None:
        if not hasattr(self, "world"):
            return
        version, shards = self.base, self.world.run.shards
        ever: set[tuple[int, int]] = set()
        taken: set[tuple[int, int]] = set()
        for effect in self.world.log:
            match effect:
                case do.Take(shard, _, step, weight):
                    assert (step, shard) not in ever and 0 < weight <= 1  # P2
                    ever.add((step, shard))
                    taken.add((step, shard))
                case do.Commit(committed):
                    assert len(taken) == shards and version < committed <= self.world.run.steps  # P1
                    assert committed == version + 1 or self.mode == "local"
                    if self.mode != "async":
                        assert taken == {(version, shard) for shard in range(shards)}
                    version, taken = committed, set()
                case do.Adopt(adopted):
                    assert adopted >= version and not taken
                    version = adopted
        assert version == self.world.rounds.version

    @invariant()
    def nobody_holds_more_than_a_few_leases(self) -> None:
        if hasattr(self, "world"):
            workers = self.world.rounds.workers.values()
            assert all(len(worker.leases) <= 3 and len(worker.past) <= 256 for worker in workers)  # P6
            assert len(self.world.rounds.versions_needed()) <= 4

    def teardown(self) -> None:
        """Whatever happened: one good worker brings the run to its end."""
        if not hasattr(self, "world"):
            return
        for worker in list(self.alive.values()):
            self.world.leave(worker)
        world = self.world
        if world.rounds.state == "paused":
            world.join("boss")
            world.say("boss", wire.Command("resume"))
            world.leave("boss")
        if world.rounds.state != "finished":
            world.join("last")
            world.work("last")
        assert world.rounds.state == "finished"
        assert world.rounds.version == world.run.steps


@pytest.mark.fault("R39")
def test_no_history_of_a_run_breaks_its_promises() -> None:
    """Each history is checked after each event (P1, P2, P6), and at its end one good worker finishes the run."""
    checks = list(HealthCheck)
    how = settings(max_examples=settings().max_examples, stateful_step_count=40, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(Schedules, settings=how)


def test_the_speed_that_people_see_is_not_that_of_answers_which_come_in_bundles() -> None:
    world = World(steps=40, evaluate_every=100)
    world.join("a")
    for _ in range(20):  # a step of 8 samples each second, and both its shards at once
        world.now += 1.0
        for lease in world.leases("a"):
            world.answer("a", lease)
            world.now += 0.0005
    assert world.rounds.workers["a"].shards_done == 40
    assert world.rounds.workers["a"].rate == pytest.approx(8, rel=0.05)
