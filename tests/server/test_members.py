"""Coordinators of one cluster in this process, joined by a hub: who of them leads, and what the next one goes on from."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from distml_py import wire
from distml_server import access
from distml_server.access import Access
from distml_server.cluster import follower, leader, link, member, term, transport
from distml_server.cluster.links import Links
from distml_server.cluster.member import Member, Plan
from distml_server.cluster.transport import Entry, Hub, Local, Unreachable
from distml_server.store import Deposed, Store
from peers import start, weights
from test_followers import Person, until

SHARDS = 8
LONG_S = 60.0


class Shared(Store):
    """One run directory for all. Whoever opens it while another one has it is refused, as by a Deposed."""

    slow_s = 0.0  # of the next save alone
    deposed = writing = False

    def hurry(self, seconds: float) -> None:
        """A disk needs no hurrying."""

    def save(self, *given: Any) -> None:
        self.writing = True
        slow_s, self.slow_s = self.slow_s, 0.0
        time.sleep(slow_s)
        if self.deposed:
            raise Deposed("another coordinator has it")
        super().save(*given)
        self.writing = False


class Lagging(Local):
    """lags: a lease is kept, and whoever keeps it waits for the answer; swallows: so often it does not hear that it is ended.

    torn: nothing is answered.
    """

    lags = torn = False
    swallows = 0

    async def hold(self, name: str, value: bytes, revision: int = 0) -> int | None:
        found = await super().hold(name, value, revision)
        if self.lags:
            try:
                await asyncio.sleep(LONG_S)
            except asyncio.CancelledError:  # as asyncio.wait_for() does when the answer comes at that moment
                if not self.swallows:
                    raise
                self.swallows -= 1
        if self.torn:
            raise Unreachable("no answer")
        return found


class Two:
    """Two coordinators; the first leads."""

    def __init__(self, folder: Path) -> None:
        self.hub, self._folder = Hub(), folder
        self.stores: list[Shared] = []
        self.transports = [Lagging(self.hub), Lagging(self.hub)]
        self.members = [self._member(transport) for transport in self.transports]

    def _member(self, transport: Lagging) -> Member:
        def opened() -> Shared:
            self.stores.append(Shared(self._folder))
            return self.stores[-1]

        return Member(transport, Access(False), opened, Plan(wish=(start(steps=200, shards=SHARDS), weights())))

    async def begin(self) -> None:
        for one in self.members:
            await one.agree()
            await one.run()
        assert [self.leads(number) for number in (0, 1)] == [True, False]

    def leads(self, number: int) -> bool:
        return bool(self.members[number].status()["cluster"]["leads"])

    def step(self, number: int) -> int:
        return int(self.members[number].status()["weights_version"] or 0)

    def person(self, number: int) -> Person:
        found = Person(self.members[number], 1)
        found.hello()
        return found


@pytest.fixture
async def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Two]:
    """Leases last as long as a test lasts: what is waited for must not be that they end."""
    for module in (follower, leader, link, member, term, transport):
        if hasattr(module, "BEAT_S"):
            monkeypatch.setattr(module, "BEAT_S", 0.02)
    monkeypatch.setattr(transport, "LEASE_S", LONG_S)
    monkeypatch.setattr(member, "TURN_S", 0.1)
    found = Two(tmp_path)
    await found.begin()
    yield found
    for one in found.members:
        with contextlib.suppress(Unreachable):
            await one.close()


class Crossing(Local):
    """What it asks for first it is told as it was before the other one's change."""

    asked = False

    async def get(self, name: str) -> Entry | None:
        asked, self.asked = self.asked, True
        return await super().get(name) if asked else None


async def test_of_two_that_start_at_once_both_have_the_links_of_the_first(tmp_path: Path) -> None:
    """Whichever of them a link comes from, it is good at both: what is printed is printed once."""
    hub = Hub()
    found = [access.load(tmp_path / f"{number}.json", False, (), keep=False) for number in (0, 1)]
    assert found[0].worker_token != found[1].worker_token
    for known in found:
        await Links(Crossing(hub), known).agree()
    assert len({known.worker_token for known in found}) == len({known.host_token for known in found}) == 1


@pytest.mark.parametrize("doing", ["nothing", "keeping its lease", "hearing that it has it", "keeping it again"])
async def test_a_leader_that_ends_leaves_the_lease_at_once_whatever_it_was_doing(two: Two, doing: str) -> None:
    person = two.person(1)
    await until(lambda: two.step(1) >= 2)
    if doing in ("keeping its lease", "hearing that it has it"):
        two.transports[0].lags = True  # the change is made, and its answer never comes, or as it is ended
        await asyncio.sleep(0.1)
        two.transports[0].swallows = 2 if doing == "hearing that it has it" else 0
    elif doing == "keeping it again":
        two.transports[0].torn = True
        await asyncio.sleep(0.1)
        two.transports[0].torn = False
        await asyncio.sleep(0.1)
        assert two.leads(0), "what is there tells that it is still its own"
    await two.members[0].close()
    await until(lambda: two.leads(1))
    reached = two.step(1)
    await until(lambda: two.step(1) >= reached + 2)
    assert person.closed == [] and set(person.refused) <= {"stale", "no_lease"}
    assert person.versions == sorted(person.versions), "no step that was told of is taken back"


async def test_while_the_last_step_is_being_stored_nobody_goes_on_from_the_one_before(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LEASE_S", 0.5)
    await asyncio.sleep(0.1)  # kept for that long from now on
    two.person(1)
    await until(lambda: two.step(1) >= 2)
    two.stores[0].slow_s = 0.9
    closing = asyncio.create_task(two.members[0].close())
    while not closing.done():
        found = two.hub.leases.get(term.LEADER)
        if found is None or not found[0].value.decode().startswith(two.members[0].name):
            assert not two.stores[0].writing
        await asyncio.sleep(0.01)
    await closing
    await until(lambda: two.leads(1))


async def test_a_leader_that_lost_the_run_while_it_ends_waits_for_nothing(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member, "CLOSE_S", LONG_S)
    two.person(1)
    await until(lambda: two.step(1) >= 2)
    two.stores[0].deposed = True
    async with asyncio.timeout(5):
        await two.members[0].close()


async def test_a_store_that_cannot_be_read_is_said_and_tried_again(two: Two) -> None:
    """Who led before may still be writing: what was read of it does not fit together."""
    other = Shared.open
    failed: list[str] = []

    def open_once(store: Shared, *given: Any) -> Any:
        if not failed:
            failed.append("once")
            raise member.StoreError("no sound checkpoint left")
        return other(store, *given)

    two.person(1)
    await until(lambda: two.step(1) >= 2)
    Shared.open = open_once  # type: ignore[method-assign]
    try:
        await two.members[0].close()
        await until(lambda: "no sound checkpoint left" in (two.members[1].status()["error"] or "") or two.leads(1))
        await until(lambda: two.leads(1))
    finally:
        Shared.open = other  # type: ignore[method-assign]
    await until(lambda: two.members[1].status()["error"] is None)
    assert failed


async def test_names_of_one_leaders_workers_and_leases_are_no_other_leaders(two: Two) -> None:
    """A late answer would be taken for a wrong one to another lease, and a host would send somebody else away."""
    person = two.person(1)
    leases: list[str] = []
    answer = person.answer

    def noted(lease: wire.Lease, **changes: Any) -> None:
        leases.append(lease.lease)
        answer(lease, **changes)

    person.answer = noted  # type: ignore[method-assign]
    await until(lambda: len(leases) > SHARDS)
    (before,) = [worker["id"] for worker in two.members[0].status()["worker_list"]]
    await two.members[0].close()
    await until(lambda: two.leads(1))
    told = len(leases)
    await until(lambda: len(leases) > told + SHARDS)
    assert len(set(leases)) == len(leases)
    assert [worker["id"] for worker in two.members[1].status()["worker_list"]] != [before]
