"""The contract of a Transport, tried with every kind there is."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from distml_server.cluster.nats_transport import NatsTransport
from distml_server.cluster.transport import LEASE_S, Hub, Local, Transport, Unreachable
from servers import Servers

Make = Callable[[], Awaitable[Transport]]


@pytest.fixture(params=["in this process", "NATS"])
async def make(request: pytest.FixtureRequest, nats: Servers, name: str) -> AsyncIterator[Make]:
    """Opens transports of one kind, of one cluster, and closes them."""
    hub, opened = Hub(), list[Transport]()

    async def make() -> Transport:
        opened.append(Local(hub) if request.param != "NATS" else await NatsTransport.open([nats.url], name))
        return opened[-1]

    yield make
    for transport in opened:
        await transport.close()


async def arrived(found: list[bytes], count: int) -> list[bytes]:
    async with asyncio.timeout(10):
        while len(found) < count:
            await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize("size", [0, 1, 512 << 10, (512 << 10) + 1, 5_000_000])
async def test_a_message_of_any_size_comes_whole_and_in_order(make: Make, size: int) -> None:
    one, other = await make(), await make()
    found: list[bytes] = []
    await other.subscribe("down.a", found.append)
    large = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for message in (b"before", large, b"after"):
        await one.publish("down.a", message)
    assert await arrived(found, 3) == [b"before", large, b"after"]


async def test_messages_of_two_at_once_are_not_mixed(make: Make) -> None:
    one, two, reader = await make(), await make(), await make()
    found: list[bytes] = []
    await reader.subscribe("sums", found.append)
    texts = [bytes([number]) * 1_200_000 for number in range(8)]
    await asyncio.gather(*((one, two)[number % 2].publish("sums", text) for number, text in enumerate(texts)))
    assert sorted(await arrived(found, 8)) == sorted(texts)


async def test_all_that_have_subscribed_hear_and_nobody_else(make: Make) -> None:
    one, two, three = await make(), await make(), await make()
    heard: dict[str, list[bytes]] = {"one": [], "two": [], "other": [], "gone": []}
    await one.subscribe("weights", heard["one"].append)
    await two.subscribe("weights", heard["two"].append)
    await three.subscribe("weights.other", heard["other"].append)
    stop = await three.subscribe("weights", heard["gone"].append)
    await stop()
    await three.publish("weights", b"w")
    await asyncio.gather(arrived(heard["one"], 1), arrived(heard["two"], 1))
    await asyncio.sleep(0.1)
    assert heard == {"one": [b"w"], "two": [b"w"], "other": [], "gone": []}


async def test_of_many_that_want_a_lease_one_gets_it(make: Make) -> None:
    transports = [await make() for _ in range(4)]
    found = await asyncio.gather(*(transport.hold("leader", b"%d" % n) for n, transport in enumerate(transports)))
    (winner,) = [n for n, revision in enumerate(found) if revision]
    entry = await transports[0].holder("leader")
    assert entry is not None and entry.value == b"%d" % winner and entry.revision == found[winner]


async def test_a_lease_is_kept_by_its_newest_revision_alone(make: Make) -> None:
    one, two = await make(), await make()
    first = await one.hold("leader", b"one")
    assert first is not None and await two.hold("leader", b"two", first + 1000) is None
    second = await one.hold("leader", b"one", first)
    assert second is not None and second > first
    assert await one.hold("leader", b"one", first) is None, "that was somebody else's, or an earlier time's"
    await two.let_go("leader", b"two")
    assert await two.holder("leader") is not None, "it is not theirs to end"


async def test_a_lease_that_is_kept_stays_and_one_that_is_not_ends(make: Make) -> None:
    one, two = await make(), await make()
    revision = await one.hold("leader", b"one")
    began = time.monotonic()
    while time.monotonic() - began < LEASE_S + 1:
        assert revision is not None and await two.hold("leader", b"two") is None
        revision = await one.hold("leader", b"one", revision)
        await asyncio.sleep(0.5)
    ended = time.monotonic()
    async with asyncio.timeout(3 * LEASE_S):
        while (taken := await two.hold("leader", b"two")) is None:
            await asyncio.sleep(0.1)
    assert time.monotonic() - ended > LEASE_S - 1.5, "it was kept a moment ago"
    assert taken > (revision or 0), "numbers only grow: they tell one time from another"
    assert await one.hold("leader", b"one", revision or 0) is None


@pytest.mark.parametrize("kept", [0, 1, 2], ids=["taken", "kept", "kept twice"])
async def test_a_lease_that_is_let_go_is_free_at_once(make: Make, kept: int) -> None:
    """Also when its holder never got the answer to the last time that it was kept."""
    one, two = await make(), await make()
    revision = await one.hold("leader", b"one")
    for _ in range(kept):
        revision = await one.hold("leader", b"one", revision or 0)
    assert revision is not None
    await one.let_go("leader", b"one")
    assert await two.holder("leader") is None
    assert await two.hold("leader", b"two")
    await one.let_go("leader", b"one")
    assert await two.holder("leader") is not None, "by now it is somebody else's"


async def test_a_value_stays_and_changes_only_from_what_it_was(make: Make) -> None:
    one, two = await make(), await make()
    assert await one.get("access") is None
    first = await one.put("access", b"1")
    assert first is not None and await two.put("access", b"2") is None
    second = await two.put("access", b"2", first)
    assert second is not None and await one.put("access", b"3", first) is None
    found = await one.get("access")
    assert found is not None and (found.value, found.revision) == (b"2", second)


async def test_who_reaches_nobody_is_told(nats: Servers) -> None:
    transport = Local(Hub())
    transport.cut = True
    with pytest.raises(Unreachable):
        await transport.hold("leader", b"one")
