"""A run with strangers whose loss on held-out data gets much worse goes back to its best weights; one liar cannot make it."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from distml_py import io, wire
from distml_server import effects as do
from distml_server import ledger
from distml_server.guards import Guards
from distml_server.heldout import HeldOut
from distml_server.rounds import Rounds
from peers import Peer, Served, serving, start, weights
from test_rounds import World

GOOD = {"w": np.ones((2, 3), np.float32), "b": np.ones((), np.float32)}


def told(*losses: tuple[int, float, float]) -> tuple[HeldOut, list[bool]]:
    """Versions with the losses that two owners say."""
    found = HeldOut()
    back = []
    for version, one, other in losses:
        found.note(version, "a", one)
        assert not found.heard(version, True) and found.heard(version, False) and found.barred(version) == {"a"}
        found.note(version, "b", other)
        assert found.heard(version, True)
        back.append(found.judge(version))
    return found, back


def test_half_of_what_was_gained_may_be_lost_and_no_more() -> None:
    found, back = told((0, 2.0, 2.0), (10, 1.0, 1.1), (20, 0.4, 0.4), (30, 1.19, 1.19), (40, 1.21, 1.21), (50, 0.3, 0.3))
    assert back == [False, False, False, False, True, False] and (found.best, found.lowest) == (50, 0.3)
    assert found.went_back == 1


def test_one_liar_neither_takes_weights_back_nor_makes_bad_ones_the_best() -> None:
    found, back = told((0, 2.0, 2.0), (10, 0.5, 0.5), (20, 900.0, 0.5), (30, 0.0, 1.0))
    assert back == [False] * 4 and (found.best, found.lowest) == (10, 0.5)


def test_noise_before_anything_is_learned_takes_nothing_back() -> None:
    _, back = told((0, 2.3, 2.3), (10, 2.4, 2.4), (20, 2.2, 2.2), (30, 2.5, 2.5), (40, 0.0, 0.0), (50, 0.1, 0.1))
    assert not any(back)


@pytest.mark.parametrize("lie", [1e250, -1e250, 0.0])
@pytest.mark.parametrize("alone", [True, False])
def test_a_liar_that_is_asked_first_neither_ends_the_guard_nor_takes_weights_back_for_ever(lie: float, alone: bool) -> None:
    found = HeldOut()
    found.note(0, "liar", lie)
    if not alone:
        found.note(0, "a", 2.3)
    assert not found.judge(0)
    back = []
    for version, loss in ((10, 2.0), (20, 1.0), (30, 1.1), (40, 900.0), (50, 0.9)):
        found.note(version, "a", loss)
        found.note(version, "b", loss)
        back.append(found.judge(version))
    assert back == [False, False, False, True, False] and found.best == 50


def test_many_versions_that_nobody_judges_are_forgotten() -> None:
    found = HeldOut()
    for version in range(100):
        found.note(version, "a", 1.0)
    assert len(found._said) == 8


def watched(**changes: int) -> World:
    world = World(shards=1, evaluate_every=1, **changes)
    world.rounds = Rounds(watched=True)
    world.note(world.rounds.start(world.run))
    return world


def evaluate(world: World, worker: str, loss: float) -> list[do.Effect]:
    asked = [e for e in world.sent(worker, wire.Evaluate) if e.lease in world.rounds.workers[worker].leases][0]
    return world.say(worker, wire.Evaluation("run", asked.step, asked.split, asked.lease, loss, 0.75, 10, 0.5))


def asked(world: World) -> list[tuple[str, int]]:
    return sorted(
        (w.id, lease.version) for w in world.rounds.workers.values() for lease in w.leases.values() if lease.shard is None
    )


def best(world: World) -> int | None:
    assert world.rounds.book is not None and world.rounds.book.evaluations.held_out is not None
    return world.rounds.book.evaluations.held_out.best


def test_every_version_is_evaluated_by_two_owners_before_it_is_judged() -> None:
    world = watched()
    world.join("a", "b")
    assert asked(world) == [("a", 0)]
    evaluate(world, "a", 2.0)
    assert asked(world) == [("b", 0)]
    evaluate(world, "b", 2.0)
    assert asked(world) == [] and best(world) == 0


def test_a_worker_alone_is_believed_and_one_that_leaves_is_not_waited_for() -> None:
    world = watched()
    world.join("a")
    evaluate(world, "a", 2.0)
    assert best(world) == 0
    world = watched()
    world.join("a", "b")
    evaluate(world, "a", 2.0)
    world.leave("b")
    world.work("a")
    assert world.rounds.state == "finished"


def test_a_second_owner_that_freezes_does_not_hold_the_end_of_a_run_up() -> None:
    world = watched(steps=1)
    world.join("a", "b")
    for _ in range(60):
        world.work("a")
        world.wait(10.0)
    assert world.rounds.state == "finished"


@pytest.mark.parametrize("mode", ["sync", "local", "async"])
def test_what_was_under_way_is_done_again_and_no_shard_counts_twice(mode: str) -> None:
    """Until then a only evaluates, so that in async mode b runs ahead of what a holds."""
    more = {"local": {"local_steps": 2}, "async": {"staleness": 3}}.get(mode, {})
    world = World(shards=4, batch_size=16, evaluate_every=2, steps=20, exchange={"mode": mode, **more})
    world.rounds = Rounds(watched=True)
    world.note(world.rounds.start(world.run))
    world.join("a", "b")
    for _ in range(400):
        for name in "ab":
            went_back = any(isinstance(effect, do.Restore) for effect in world.log)
            for lease in sorted(world.rounds.workers[name].leases.values(), key=lambda lease: lease.shard is not None)[:1]:
                if lease.shard is None:
                    loss = 2.0 if lease.version == 0 else 9.0 if lease.version >= 6 and not went_back else 0.1
                    world.say(name, wire.Evaluation("run", lease.version, lease.split, lease.id, loss, 0.7, 10, 0.5))
                elif name == "b" or went_back:
                    world.answer(name, next(asked for asked in world.leases(name) if asked.lease == lease.id))
        world.wait(0.02)
    assert world.rounds.state == "finished" and sum(isinstance(effect, do.Restore) for effect in world.log) == 1
    committed: list[tuple[int, int]] = []
    taken: list[tuple[int, int]] = []
    for effect in world.log:
        match effect:
            case do.Take(shard, _, step, _):
                taken.append((step, shard))
            case do.Restore():
                taken.clear()
            case do.Commit():
                committed += taken
                taken.clear()
    assert len(committed) == len(set(committed)) >= 40


async def poisoned(served: Served, one: Peer, two: Peer, losses: list[float]) -> list[int]:
    """Both answer what they are asked until the run ends; losses: by version. The versions of the weights that came."""
    seen: list[int] = []

    async def serve(peer: Peer) -> None:
        while True:
            message = await peer.get((wire.Lease, wire.Evaluate, wire.Weights, wire.Ended))
            match message:
                case wire.Lease():
                    await peer.gradient(message, GOOD)
                case wire.Evaluate():
                    loss = losses[message.version] if message.split == "validation" else 1.0
                    await peer.send(wire.Evaluation(message.run, message.step, message.split, message.lease, loss, 0.5, 10, None))
                case wire.Weights():
                    seen.append(message.version)
                case wire.Ended():
                    return

    await asyncio.gather(serve(one), serve(two))
    return seen


async def test_over_sockets_the_best_weights_come_back_and_history_stays_true(tmp_path: Path) -> None:
    """At the last step, when nobody can train them well again."""
    async with serving(tmp_path, guards=Guards(untrusted=True)) as served:
        served.coordinator.begin(start(steps=2, shards=1, evaluate_every=1), weights())
        async with served.worker("s1") as one, served.worker("s2") as two:
            for peer in (one, two):
                await peer.join()
            seen = await poisoned(served, one, two, [2.0, 1.0, 50.0])
        assert served.coordinator.status()["rejected"]["worse"] >= 1 and seen.count(2) >= 2
        expected = {name: (array - 0.5).astype(np.float32) for name, array in weights().items()}
        assert served.coordinator.sha256 == io.weights_sha256(expected), "those after step 1, which were best"
        run = served.coordinator.rounds.run
        assert run is not None and served.coordinator.status()["state"] == "finished"
        await asyncio.sleep(0.1)
    lines = (tmp_path / run.run / "ledger.jsonl").read_text().splitlines()
    assert ledger.faults(lines) == [] and ledger.weights_at(lines, 2) == io.weights_sha256(expected)


async def test_without_strangers_nothing_is_evaluated_twice_nor_taken_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.coordinator.begin(start(steps=2, shards=1, evaluate_every=1), weights())
        async with served.worker("s1") as one, served.worker("s2") as two:
            for peer in (one, two):
                await peer.join()
            await poisoned(served, one, two, [2.0, 1.0, 50.0])
        assert "worse" not in served.coordinator.status()["rejected"]
