"""Strikes, quarantine and bans; and of a step with strangers nobody computes more than a fifth."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from distml_py import wire
from distml_server import effects as do
from distml_server.conduct import FORGOTTEN_S, MOST_STRIKES, QUARANTINE_S, REMEMBERED, Conduct
from distml_server.guards import Guards
from distml_server.metrics import exposition
from peers import Served, serving, start, weights
from test_rounds import World

BAD = {"w": np.full((2, 3), np.nan, np.float32), "b": np.zeros((), np.float32)}
GOOD = {"w": np.ones((2, 3), np.float32), "b": np.ones((), np.float32)}


def test_three_strikes_are_quarantine_for_a_while_and_six_a_ban_for_good() -> None:
    conduct = Conduct()
    for strike in range(MOST_STRIKES):
        assert not conduct.quarantined("a", 10.0)
        conduct.strike("a", float(strike))
    assert conduct.quarantined("a", 10.0) and not conduct.banned("a") and not conduct.quarantined("b", 10.0)
    assert not conduct.quarantined("a", 2 + QUARANTINE_S) and conduct.strikes("a", 2 + QUARANTINE_S) == 3
    assert conduct.strikes("a", 2 + FORGOTTEN_S) == 0, "long ago"
    conduct.convict("c", 0.0)
    assert conduct.banned("c") and conduct.strikes("c", 1e9) == 6
    for number in range(REMEMBERED + 10):
        conduct.strike(f"x{number}", 20.0)
        conduct.strike("", 20.0)
    assert len(conduct._found) == REMEMBERED and conduct.strikes("", 20.0) == 0


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as found:
        yield found


async def misbehave(worker: Any) -> None:
    """Three gradients of NaN; each is refused, and the third costs the connection."""
    await worker.join()
    for _ in range(3):
        await worker.gradient(await worker.get(wire.Lease), BAD)
        assert (await worker.get(wire.Rejected)).reason == "non_finite"
    assert await worker.closed() == 1008


@pytest.mark.fault("R11")
async def test_three_strikes_are_quarantine_that_all_can_see_and_that_coming_back_does_not_end(served: Served) -> None:
    served.coordinator.begin(start(steps=1, shards=1), weights())
    async with served.worker("s1") as worker:
        await misbehave(worker)
    async with served.worker("s1") as again, served.worker("s2") as other:
        await again.join()
        rejected = await again.get(wire.Rejected)
        assert rejected.reason == "quarantined" and "gets no work for a while" in rejected.detail
        (row,) = served.coordinator.status()["worker_list"]
        assert row["quarantined"] and row["strikes"] == 3 and served.coordinator.status()["state"] == "waiting"
        await other.join()
        await other.gradient(await other.get(wire.Lease), GOOD)
        await other.evaluate()
        rows = {row["id"]: row for row in served.coordinator.status()["worker_list"]}
        assert rows[again.welcome.worker]["shards_done"] == 0 and not rows[other.welcome.worker]["quarantined"]


@pytest.mark.fault("S14")
async def test_frames_that_are_none_are_counted_and_are_strikes_too(served: Served) -> None:
    async with served.worker("s1") as worker:
        for _ in range(3):
            await worker.raw('{"type": "join", "run": 7}')
            rejected = await worker.get(wire.Rejected)
            assert rejected.reason == "format" and "$.run" in rejected.detail
        assert await worker.closed() == 1007
    assert served.coordinator.status()["rejected"] == {"format": 3}
    assert served.coordinator.rounds.conduct.quarantined("worker s1", served.coordinator._clock())


@pytest.mark.fault("R11")
async def test_who_goes_on_after_quarantine_is_not_let_in_any_more(served: Served) -> None:
    served.coordinator.begin(start(), weights())
    async with served.worker("s1") as worker:
        await misbehave(worker)
        served.coordinator.rounds.conduct.convict("worker s1", 0.0)
    with pytest.raises(ConnectionError, match="4403"):
        async with served.worker("s1"):
            pass
    async with served.worker("s2") as other:
        await other.join()


def test_work_in_hand_goes_to_others_when_its_worker_is_quarantined_and_it_comes_back_into_favour() -> None:
    world = World()
    world.note(world.rounds.connect("a", "a", "worker", world.now, "sa"))
    world.say("a", wire.Join("run", "reference", "d", "p"))
    assert len(world.leases("a")) == 2
    world.join("b")
    for _ in range(3):
        world.note(world.rounds.refuse("a", "", "invalid", "no", world.now))
    assert not world.leases("a") and len(world.leases("b")) == 2
    world.wait(QUARANTINE_S + 1)
    assert not world.rounds.workers["a"].quarantined


def strangers(*owners: str, shards: int = 10, **changes: Any) -> World:
    """Each owner has two workers, e.g. "a0" and "a1"."""
    world = World(shards=shards, batch_size=20, **changes)
    for owner in owners:
        for name in (f"{owner}0", f"{owner}1"):
            world.note(world.rounds.connect(name, name, "worker", world.now, name, owner))
            world.say(name, wire.Join("run", "reference", "d", "p"))
    return world


def shares(world: World) -> dict[str, int]:
    """Shards of the step, done or out, by owner."""
    assert world.rounds.book is not None
    owners = [*world.rounds.book.owners, *(lease.owner for leases in world.rounds.book.out.values() for lease in leases)]
    return {owner: owners.count(owner) for owner in owners}


@pytest.mark.fault("S26")
def test_s26_of_a_step_with_strangers_an_address_computes_a_fifth_however_many_workers_it_has() -> None:
    world = strangers("a", "b")
    for _ in range(10):
        for name in ("a0", "a1", "b0", "b1"):
            for lease in world.leases(name):
                world.answer(name, lease)
        world.wait(60.0)
    assert shares(world) == {"a": 2, "b": 2} and world.commits == 0
    assert "one address computes at most a fifth" in str(world.rounds.short_of)
    for owner in "cde":
        world.note(world.rounds.connect(owner, owner, "worker", world.now, owner, owner))
        world.say(owner, wire.Join("run", "reference", "d", "p"))
    assert world.rounds.short_of is None
    for owner in "cde":
        for lease in world.leases(owner):
            world.answer(owner, lease)
    assert world.commits == 1, "five addresses are enough"


@pytest.mark.fault("S26")
def test_s26_the_host_and_who_is_trusted_computes_what_is_left() -> None:
    world = strangers("a", shards=4)
    assert shares(world) == {"a": 1}, "one shard, though it is a quarter"
    world.note(world.rounds.connect("h", "h", "host", world.now, "h", "h"))
    world.say("h", wire.Join("run", "reference", "d", "p"))
    world.work("a0", "a1", "h")
    assert world.rounds.state == "finished" and [isinstance(effect, do.Commit) for effect in world.log].count(True) == 4


async def test_on_this_machine_and_without_strangers_nobody_is_capped(tmp_path: Path) -> None:
    async with serving(tmp_path, guards=Guards(untrusted=True)) as served, served.worker() as worker:
        served.coordinator.begin(start(steps=2, shards=5), weights())
        await worker.join()
        for _ in range(10):
            await worker.gradient(await worker.get(wire.Lease), GOOD)
        assert "distml_workers 1" in exposition(served.coordinator.status(), 0, True)
