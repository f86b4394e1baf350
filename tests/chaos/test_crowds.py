"""Crowds of workers whose frames come twice, late, in another order, or whose sockets die; the ledger is checked after each."""

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from crowd import begin, crowd, over, sound, until
from distml_py import wire
from peers import serving
from proxy import proxied


class Mangled:
    """A socket whose frames of gradients are sent by `pass_on`, which may send more, fewer, or later."""

    def __init__(self, socket: Any, pass_on: Any) -> None:
        self._socket, self._pass_on = socket, pass_on

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def __aiter__(self) -> Any:
        return self._socket.__aiter__()

    async def send_bytes(self, data: bytes) -> None:
        await self._pass_on(self._socket, data)


async def undisturbed(folder: Path, steps: int = 20, seed: int = 0) -> str:
    async with serving(folder, deterministic=True) as served:
        begin(served, steps, seed)
        async with crowd(served.port, served.access.worker_token, 1):
            return await over(served)


@pytest.mark.fault("R5")
async def test_of_frames_that_all_come_twice_each_counts_once(tmp_path: Path, inline: None, dice_seed: int) -> None:
    sent = 0

    async def twice(socket: Any, data: bytes) -> None:
        nonlocal sent
        sent += wire.decode(data).message.__class__ is wire.Gradient
        await socket.send_bytes(data)
        await socket.send_bytes(data)

    before = await undisturbed(tmp_path / "a", 8, dice_seed)
    async with serving(tmp_path / "b", deterministic=True) as served:
        begin(served, 8, dice_seed)
        async with crowd(served.port, served.access.worker_token, 2, wrap=lambda socket: Mangled(socket, twice)):
            assert await over(served) == before
            await until(lambda: sum(served.coordinator.rounds.rejected.values()) == sent)
        rejected = dict(served.coordinator.rounds.rejected)
    assert rejected.get("duplicate", 0) + rejected.get("stale", 0) == sent and set(rejected) <= {"duplicate", "stale"}
    assert sum(len(row.get("parts", ())) for row in sound(tmp_path / "b")) == 8 * 8


@pytest.mark.fault("R6")
async def test_frames_in_another_order_change_nothing(tmp_path: Path, inline: None, dice_seed: int) -> None:
    """Each gradient is held back by a random time, and old ones come again steps later."""
    dice, old = random.Random(dice_seed), []

    async def shuffled(socket: Any, data: bytes) -> None:
        old.append(data)
        tasks = [dice.choice(old[-40:])] if dice.random() < 0.3 else []
        for late, frame in ((dice.random() * 0.05, data), *((0.0, frame) for frame in tasks)):
            asyncio.get_running_loop().call_later(late, lambda frame=frame: send(socket, frame))

    pending: set[asyncio.Task[None]] = set()

    def send(socket: Any, frame: bytes) -> None:
        if not socket.closed:
            task = asyncio.create_task(socket.send_bytes(frame))
            pending.add(task)
            task.add_done_callback(pending.discard)

    before = await undisturbed(tmp_path / "a", 10, dice_seed)
    async with serving(tmp_path / "b", deterministic=True) as served:
        begin(served, 10, dice_seed)
        async with crowd(served.port, served.access.worker_token, 3, wrap=lambda socket: Mangled(socket, shuffled)):
            assert await over(served) == before
        rejected = set(served.coordinator.rounds.rejected)
    assert rejected and rejected <= {"duplicate", "stale", "no_lease"}
    sound(tmp_path / "b")


@pytest.mark.chaos
@pytest.mark.fault("R26")
async def test_every_order_of_joining_and_every_number_gives_the_same_weights(tmp_path: Path, inline: None) -> None:
    """Four workers that join in each of 24 orders, each the later the later it stands; and 1, 2, 3, 5 and 8 of them."""
    found = set()
    cases: list[tuple[int, ...]] = [*itertools.permutations(range(4)), *(tuple(range(count)) for count in (1, 2, 3, 5, 8))]
    for number, order in enumerate(cases):
        folder = tmp_path / str(number)
        async with serving(folder, deterministic=True) as served:
            begin(served, 6)
            async with crowd(served.port, served.access.worker_token, len(order)) as clients:
                for place in order:  # a client that is put off connects again a little later
                    if place:
                        await clients[place].kill()
                        clients[place] = type(clients[place])(served.port, served.access.worker_token)
                        await asyncio.sleep(0.005)
                found.add(await over(served))
        sound(folder)
    assert len(found) == 1


@pytest.mark.chaos
@pytest.mark.fault("R1")
async def test_one_of_eight_dies_with_a_lease_at_each_step_and_the_weights_are_the_same(tmp_path: Path, inline: None) -> None:
    before = await undisturbed(tmp_path / "calm")
    for step in range(20):
        async with serving(tmp_path / str(step), deterministic=True) as served:
            begin(served)
            rounds = served.coordinator.rounds
            async with crowd(served.port, served.access.worker_token, 8) as clients:
                await until(lambda rounds=rounds, step=step: rounds.version >= step and any(w.leases for w in rounds.joined()))
                holding = {worker.name for worker in rounds.joined() if worker.leases}
                victim = next(client for client in clients if client.name in holding)
                await victim.kill()
                began = asyncio.get_running_loop().time()
                await until(lambda rounds=rounds, step=step: rounds.version > step)
                assert asyncio.get_running_loop().time() - began < 10
                assert await over(served) == before
        sound(tmp_path / str(step))


@pytest.mark.fault("R9", "R34")
async def test_connections_that_are_reset_again_and_again_cost_nothing_but_time(tmp_path: Path, inline: None) -> None:
    before = await undisturbed(tmp_path / "a")
    async with serving(tmp_path / "b", deterministic=True) as served, proxied(served.port) as proxy:
        begin(served)
        proxy.latency_s, proxy.slice_bytes = 0.001, 500
        async with crowd(proxy.port, served.access.worker_token, 4) as clients:
            for step in (2, 5, 8):
                await until(lambda step=step: served.coordinator.rounds.version >= step)
                proxy.reset()
            await until(lambda: served.coordinator.rounds.version >= 11)
            proxy.half_close()
            assert await over(served) == before
        assert all(client.connections >= 4 for client in clients)
    sound(tmp_path / "b")


@pytest.mark.fault("R34")
async def test_a_network_that_goes_silent_is_noticed_and_who_comes_back_goes_on(
    tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No end of a connection is told: pings without an answer end it on both sides. The silence is short, as the pings are."""
    from distml_server import sockets

    monkeypatch.setattr(sockets, "HEARTBEAT_S", 1.0)
    async with serving(tmp_path) as served, proxied(served.port) as proxy:
        begin(served, 400)
        rounds = served.coordinator.rounds
        async with crowd(proxy.port, served.access.worker_token, 2):
            await until(lambda: rounds.version >= 5)
            proxy.silent = True
            await until(lambda: served.coordinator.idle, 10)
            before = rounds.version
            proxy.silent = False
            proxy.reset()
            await until(lambda: rounds.version > before and len(rounds.joined()) == 2, 20)
