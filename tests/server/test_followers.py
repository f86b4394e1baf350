"""A leader and its followers in this process, joined by a hub: what crosses the border, and what happens when it gets lost."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distml_py import codecs, wire
from distml_server.access import Access
from distml_server.cluster import messages, standing
from distml_server.cluster.follower import Follower
from distml_server.cluster.leader import Leader
from distml_server.cluster.transport import Hub, Local, Unreachable
from distml_server.conduct import MOST_STRIKES, QUARANTINE_S
from distml_server.coordinator import SESSION_CHARACTERS, START_BYTES, Coordinator
from distml_server.effects import Reject
from distml_server.guards import Guards
from distml_server.sockets import Connection, Traffic
from distml_server.store import Store
from peers import prefixed, start, weights

SHARDS, STEPS = 24, 3
PATIENCE_S = 10.0
WORK_S = 0.02
MESSAGE_BYTES = 1 << 20  # of NATS


class Person(Connection):
    """A worker that computes at once, without a socket: its gradient is a function of step and shard."""

    def __init__(self, side: Any, number: int) -> None:
        super().__init__(None, None, Traffic())  # type: ignore[arg-type]
        self.side, self.number = side, number
        self.refused: list[str] = []
        self.closed: list[int] = []
        self.versions: list[int] = []
        self.lease: wire.Lease | None = None
        self.answers = self.joins = True
        self.codec = "fp32"

    def send(self, kind: type, frame: Any, version: int = -1) -> None:
        for data in frame() if callable(frame) else [frame]:
            asyncio.get_running_loop().call_soon(self.take, data)

    def say(self, message: Any) -> None:
        self.send(type(message), wire.encode(message))

    def close(self, code: int, reason: str) -> None:
        self.closed.append(code)

    def judge(self, refusal: Reject) -> None:
        self.refused.append(refusal.reason)

    def hello(self) -> None:
        hello = wire.Hello(wire.PROTOCOL, "", "worker", f"p{self.number}", f"s{self.number}")
        assert self.side.welcome(self, hello, None) is None

    def tell(self, message: wire.Message, tensors: wire.Tensors | None = None) -> None:
        self.side.receive(self, self.side.inspect(wire.encode(message, tensors)))

    def take(self, data: bytes | str) -> None:
        message = wire.decode(data).message
        match message:
            case wire.Run() if self.joins:
                self.codec = message.exchange["codec"]
                self.tell(wire.Join(message.run, "reference", "d", "p"))
            case wire.Weights():
                self.versions.append(message.version)
            case wire.Lease():
                self.lease = message
                if self.answers:  # all take as long, wherever they are
                    asyncio.get_running_loop().call_later(WORK_S, self.answer, message)
            case wire.Evaluate(run, step, _, lease, split):
                self.tell(wire.Evaluation(run, step, split, lease, 0.5, 0.5, 8, 0.5 if split == "validation" else None))

    def answer(self, lease: wire.Lease, **changes: Any) -> None:
        fields = {"samples": lease.count, "loss": 0.5, "cpu_ops": 0} | changes
        message = wire.Gradient(lease.run, lease.step, lease.version, lease.shard, lease.lease, **fields)
        codec = codecs.UP[self.codec]
        found = gradient(lease.step, lease.shard)
        plain = codec.name == "fp32"
        self.tell(message, found if plain else codec.encode(np.concatenate([array.reshape(-1) for array in found.values()])))


def gradient(step: int, shard: int) -> dict[str, np.ndarray]:
    """Of such different magnitudes that another order of adding is another sum."""
    random = np.random.default_rng((step, shard))
    scale = np.float32(10.0) ** random.integers(-6, 6)
    return {name: (random.standard_normal(array.shape) * scale).astype(np.float32) for name, array in weights().items()}


class Three:
    """A leader and two followers. partials: what followers sent of sums."""

    def __init__(self, coordinator: Coordinator, leader: Leader, hub: Hub) -> None:
        self.coordinator, self.leader, self.hub = coordinator, leader, hub
        self.followers: list[Follower] = []
        self.transports: list[Local] = []
        self.partials: list[messages.Partial] = []
        self._count = 0

    async def follow(self) -> Follower:
        transport = Local(self.hub)
        name = f"f{len(self.followers)}"
        follower = Follower(transport, self.coordinator.access, name, "term", lambda: "http://here/#t=x")
        await follower.open({})
        self.followers.append(follower)
        self.transports.append(transport)
        return follower

    def person(self, side: Any) -> Person:
        self._count += 1
        found = Person(side, self._count)
        if side is self.coordinator:
            found.place = "leader"
        found.hello()
        return found

    def noted(self, name: str) -> bytes:
        entry = self.hub.values.get(name)
        return entry.value if entry is not None else b""

    async def over(self) -> None:
        await until(self.coordinator.over.is_set)


async def until(holds: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def leading(folder: Path, **how: Any) -> AsyncIterator[Three]:
    store = Store(folder)
    coordinator = Coordinator(store, Access(False), durability_s=0.0, **how)
    hub = Hub()
    leader = Leader(coordinator, Local(hub), "term")
    await leader.open()
    await coordinator.run()
    three = Three(coordinator, leader, hub)
    await Local(hub).subscribe("sums.term", lambda data: three.partials.append(messages.unpack(data, messages.Partial)))
    try:
        yield three
    finally:
        for follower in three.followers:
            await follower.close()
        await leader.close()
        await coordinator.close(wait_s=0.1)
        store.close()


def begin(coordinator: Coordinator, **changes: Any) -> None:
    optimizer = {"name": "SGD", "lr": 0.5, "momentum": 0.9}
    coordinator.begin(start(STEPS, SHARDS, batch_size=3 * SHARDS, optimizer=optimizer, **changes), weights())


async def alone(folder: Path, **how: Any) -> str | None:
    async with leading(folder, **how) as one:
        begin(one.coordinator)
        for _ in range(2):
            one.person(one.coordinator)
        await one.over()
        return one.coordinator.sha256


@pytest.mark.parametrize("how", [{}, {"exchange": {"codec": "int8"}}], ids=["fp32", "int8"])
async def test_with_workers_everywhere_the_weights_are_those_of_one_coordinator(tmp_path: Path, how: dict[str, Any]) -> None:
    expected = await alone(tmp_path / "alone", **how)
    async with leading(tmp_path / "three", **how) as three:
        begin(three.coordinator)
        sides = [await three.follow(), await three.follow(), three.coordinator]
        people = [three.person(side) for side in sides for _ in range(2)]
        await three.over()
        assert three.coordinator.sha256 == expected
        await until(lambda: all(person.versions and person.versions[-1] == STEPS for person in people))
        assert set(three.coordinator.rounds.rejected) <= {"stale", "duplicate"}, "of shards that two tried"
        assert any(partial.nodes for partial in three.partials), "ranges that lie at one follower come as sums"
        assert all({*person.refused} <= {"stale", "duplicate"} and person.closed == [] for person in people)


async def test_rules_that_need_every_row_get_every_row(tmp_path: Path) -> None:
    how = {"guards": Guards("trimmed_mean")}
    expected = await alone(tmp_path / "alone", **how)
    async with leading(tmp_path / "three", **how) as three:
        begin(three.coordinator)
        for side in (await three.follow(), three.coordinator):
            three.person(side)
        await three.over()
        assert three.coordinator.sha256 == expected
        assert three.partials and all(partial.rows and not partial.nodes for partial in three.partials)


async def test_a_step_whose_parts_are_gone_is_done_again_to_the_same_weights(tmp_path: Path) -> None:
    expected = await alone(tmp_path / "alone")
    async with leading(tmp_path / "three") as three:
        begin(three.coordinator)
        follower = await three.follow()
        forgot: list[int] = []
        keep = follower._keep

        def forget(*given: Any) -> None:
            keep(*given)
            if len(follower._kept) == 5 and not forgot:
                forgot.append(follower._kept.popitem()[0])

        follower._keep = forget  # type: ignore[method-assign]
        for _ in range(2):
            three.person(follower)
        await three.over()
        assert forgot and not all(partial.complete for partial in three.partials)
        assert three.coordinator.sha256 == expected


async def test_a_message_that_is_lost_ends_the_link_and_the_next_one_goes_on(tmp_path: Path) -> None:
    expected = await alone(tmp_path / "alone")
    async with leading(tmp_path / "three") as three:
        begin(three.coordinator)
        follower = await three.follow()
        person = three.person(follower)
        person.answers = False
        await until(lambda: person.lease is not None)
        three.transports[0].cut = True  # what is said now is lost
        person.answer(person.lease)
        await asyncio.sleep(0.05)
        three.transports[0].cut = False
        await until(follower.lost.is_set)
        await follower.close()
        again = await three.follow()
        for side in (again, again):
            three.person(side)
        await three.over()
        assert three.coordinator.sha256 == expected


async def test_a_follower_that_falls_silent_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distml_server.cluster.leader.SILENT_S", 0.3)
    monkeypatch.setattr("distml_server.cluster.leader.BEAT_S", 0.05)
    async with leading(tmp_path) as three:
        begin(three.coordinator)
        follower = await three.follow()
        person = three.person(follower)
        person.answers = False
        await until(lambda: person.lease is not None)
        three.transports[0].cut = True
        await until(lambda: three.coordinator.rounds.workers == {})
        assert three.coordinator.rounds.book is not None and not three.coordinator.rounds.book.out, "its shards wait again"


async def test_what_a_follower_refuses_is_the_leaders_strike_and_counted_at_the_socket(tmp_path: Path) -> None:
    async with leading(tmp_path) as three:
        begin(three.coordinator)
        follower = await three.follow()
        person = three.person(follower)
        person.answers = False
        await until(lambda: person.lease is not None)
        lease = person.lease
        assert lease is not None
        bad = gradient(0, lease.shard) | {"b": np.full((), np.nan, np.float32)}
        message = wire.Gradient(lease.run, lease.step, lease.version, lease.shard, lease.lease, lease.count, 0.5, 0)
        person.tell(message, bad)
        await until(lambda: person.refused == ["non_finite"])
        assert three.coordinator.rounds.rejected["non_finite"] == 1
        (worker,) = three.coordinator.rounds.workers.values()
        assert worker.strikes == 1 and not follower._kept
        person.answer(lease, samples=lease.count + 1)
        await until(lambda: len(person.refused) == 2)
        assert not follower._kept, "what was refused is not kept"


async def test_a_leader_that_ends_says_so(tmp_path: Path) -> None:
    async with leading(tmp_path) as three:
        begin(three.coordinator)
        follower = await three.follow()
        person = three.person(follower)
        await until(lambda: person.versions)
        await three.leader.close()
        await until(follower.lost.is_set)
        assert follower.told["run"] and person.closed == []


async def test_what_is_known_of_people_outlives_the_leader(tmp_path: Path) -> None:
    """A pause, a locked door, who was here before it was, who was sent away, and strikes."""
    async with leading(tmp_path) as three:
        begin(three.coordinator)
        rounds, door = three.coordinator.rounds, three.coordinator.door
        three.person(three.coordinator)
        rounds.state, door.locked = "paused", True
        door.ban(["worker s9"])
        door.close_to("1.2.3.4", ["worker s1"])
        rounds.conduct.convict("worker s8", three.coordinator.now())
        for _ in range(MOST_STRIKES):
            rounds.conduct.strike("worker s7", three.coordinator.now())
        await until(lambda: b"s9" in three.noted(standing.NAME) and b"s7" in three.noted(standing.STRIKES))
    with contextlib.closing(Store(tmp_path)) as store:
        next_one = Coordinator(store, Access(False), clock=lambda: 5.0, durability_s=0.0)  # a machine that was just started
        next_one.resume(store.open(print))
        leader = Leader(next_one, Local(three.hub), "next")
        await leader.open()
        assert next_one.rounds.state == "paused" and next_one.door.locked
        assert next_one.door.refusal("worker s9", "worker").reason == "kicked"  # type: ignore[union-attr]
        assert next_one.door.refusal("host s9", "host") is None
        assert next_one.door.refusal("worker s1", "worker") is None, "it was here before the door was locked"
        assert next_one.door.refusal("worker s1", "worker", "1.2.3.4") is None and next_one.door.shut == {"1.2.3.4": ["worker s1"]}
        assert next_one.door.refusal("worker s2", "worker").reason == "locked"  # type: ignore[union-attr]
        conduct = next_one.rounds.conduct
        assert conduct.banned("worker s8") and not conduct.banned("worker s7")
        assert conduct.quarantined("worker s7", 5.0 + QUARANTINE_S - 1) and not conduct.quarantined("worker s1", 5.0)
        await leader.close()
        next_one.abandon()


class Deaf(Local):
    """deaf: a value is changed, and whoever changed it does not hear so."""

    deaf = False

    async def put(self, name: str, value: bytes, revision: int = 0) -> int | None:
        found = await super().put(name, value, revision)
        if self.deaf:
            raise Unreachable("the answer was lost")
        return found


async def test_what_was_noted_is_gone_on_from_when_the_answer_was_lost_and_another_leaders_never() -> None:
    hub = Hub()
    transport = Deaf(hub)
    noted = standing.Noted(transport, "strikes", "one")
    assert await noted.recall() == {}
    transport.deaf = True
    await noted.note({"strikes": {"a": 1}})
    transport.deaf = False
    for count in (2, 2):  # the first time it finds out what is there
        await noted.note({"strikes": {"a": count}})
    other = standing.Noted(Local(hub), "strikes", "two")
    assert await other.recall() == {"strikes": {"a": 2}, "by": "one"}
    await other.note({"strikes": {"b": 6}})
    for _ in range(3):
        await noted.note({"strikes": {"a": 3}})
    assert await other.recall() == {"strikes": {"b": 6}, "by": "two"}


async def test_as_much_is_noted_as_a_message_takes_the_newest_and_the_worst_first(tmp_path: Path) -> None:
    """Sessions are what their workers say they are: as long as can be."""
    async with leading(tmp_path) as three:
        begin(three.coordinator)
        person = Person(three.coordinator, 1)
        hello = wire.Hello(wire.PROTOCOL, "", "worker", "p", "\N{GRINNING FACE}" * 1000)
        assert three.coordinator.welcome(person, hello, None) is None
        (known,) = three.coordinator.door.known
        assert len(json.dumps(known)) < 80
        longest = '"' * SESSION_CHARACTERS
        rounds, door = three.coordinator.rounds, three.coordinator.door
        door.ban(f"worker {longest}{number}" for number in range(9000))
        door.recognise(f"worker {longest}{number}" for number in range(9000))
        rounds.conduct.convict("worker worst", 0.0)
        for number in range(9000):
            rounds.conduct.strike(f"worker {longest}{number}", three.coordinator.now())
        await until(lambda: b"8999" in three.noted(standing.NAME))
        await until(lambda: b"worst" in three.noted(standing.STRIKES))
        assert all(len(entry.value) < MESSAGE_BYTES for entry in three.hub.values.values())


async def test_a_host_at_a_follower_starts_and_steers(tmp_path: Path) -> None:
    async with leading(tmp_path) as three:
        follower = await three.follow()
        host = Person(follower, 1)
        host.joins = False
        hello = wire.Hello(wire.PROTOCOL, three.coordinator.access.host_token, "host", "h", "s")
        assert follower.welcome(host, hello, None) is None and host.role == "host"
        host.tell(start(STEPS, SHARDS, batch_size=3 * SHARDS), prefixed(weights()))
        await until(lambda: three.coordinator.rounds.run is not None)
        host.tell(wire.Command("pause"))
        await until(lambda: three.coordinator.rounds.state == "paused")
        host.tell(wire.Command("resume"))
        three.person(follower)
        await three.over()
        assert three.coordinator.rounds.state == "finished"


async def test_a_gradient_that_comes_before_the_weights_do_is_not_too_large(tmp_path: Path) -> None:
    """Its worker was asked by the leader before; only when the run is known its frames have a limit of their own."""
    async with leading(tmp_path) as three:
        follower = await three.follow()
        assert follower.largest_frame("worker") == START_BYTES
        begin(three.coordinator)
        three.person(follower)
        await until(lambda: follower.model is not None)
        assert follower.largest_frame("worker") < START_BYTES
