"""What is told and what is stored, on a disk that takes its time."""

import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distml_py import wire
from peers import Peer, Served, prefixed, serving, start, weights

GOOD = {"w": np.ones((2, 3), np.float32), "b": np.ones((), np.float32)}
SLOW_S = 0.1


def slow(served: Served) -> list[int]:
    """Steps that are stored, by a disk that needs SLOW_S for each."""
    stored: list[int] = []
    save = served.coordinator.store.save

    def saved(record: Any, step: int, *rest: Any) -> None:
        time.sleep(SLOW_S)
        save(record, step, *rest)
        stored.append(step)

    served.coordinator.store.save = saved  # type: ignore[method-assign]
    return stored


async def ahead(served: Served, stored: list[int]) -> list[int]:
    """Versions that a worker, a host or the status told of before they were stored, in a run of 4 steps."""
    early: set[int] = set()
    served.coordinator.begin(start(), weights())
    async with served.worker() as worker, served.peer() as host:
        await worker.join()
        while served.coordinator.rounds.version < 4:
            message = await worker.get((wire.Weights, wire.Lease))
            early |= {message.version} - {0, *stored}
            if isinstance(message, wire.Lease):
                await worker.gradient(message, GOOD)
            for _ in range(3):
                await asyncio.sleep(SLOW_S / 10)
                async with served.client.get(f"{served.url}/api/status") as answer:
                    early |= {(await answer.json())["weights_version"]} - {0, *stored}
        told = await host.get(wire.Status)
        early |= {told.status["step"]} - {0, *stored}
    return sorted(early)


@pytest.mark.fault("R19")
async def test_nobody_hears_of_a_step_before_it_is_stored_if_that_is_asked_for(tmp_path: Path) -> None:
    async with serving(tmp_path / "a", durability_s=0.0) as served:
        assert await ahead(served, slow(served)) == []
    async with serving(tmp_path / "b", durability_s=1.0) as served:
        assert await ahead(served, slow(served)) != [], "otherwise the test sees nothing"


async def alone(host: Peer) -> wire.Run:
    """A run in which the host steps alone."""
    await host.send(start(steps=9), prefixed(weights()))
    run = await host.join()
    await host.get(wire.Solo)
    return run


async def test_a_solo_workers_checkpoint_is_stored_before_it_counts(tmp_path: Path) -> None:
    async with serving(tmp_path, durability_s=0.0) as served, served.peer() as host:
        stored, run = slow(served), await alone(host)
        await host.send(wire.Checkpoint(run.run, 3, "periodic", 0.4), prefixed(weights()))
        while 3 not in stored:
            assert served.coordinator.status()["weights_version"] == 0
            await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            while served.coordinator.status()["weights_version"] != 3:
                await asyncio.sleep(0.01)


@pytest.mark.fault("R18")
async def test_what_is_being_stored_when_the_coordinator_ends_is_told_when_it_is(tmp_path: Path) -> None:
    """Its writer is not ended in the midst of it: whoever waits for the same state would take it for stored."""
    async with serving(tmp_path, durability_s=0.0) as served, served.peer() as host:
        stored, run = slow(served), await alone(host)
        async with asyncio.timeout(5):
            while 0 not in stored:
                await asyncio.sleep(0.01)
        await host.send(wire.Checkpoint(run.run, 3, "periodic", 0.4), prefixed(weights()))
        async with asyncio.timeout(5):
            while not served.coordinator.committing:
                await asyncio.sleep(0)
        closing = asyncio.create_task(served.coordinator.close(0.0))
        while not closing.done():
            assert served.coordinator.status()["weights_version"] in {0, *stored}
            await asyncio.sleep(SLOW_S / 20)
        served.coordinator.close = lambda wait_s: asyncio.sleep(0)  # type: ignore[method-assign, assignment]
        assert stored[-1] == 3


@pytest.mark.fault("R19")
async def test_the_last_step_before_nothing_happens_is_stored_as_well(tmp_path: Path) -> None:
    async with serving(tmp_path, durability_s=0.3) as served:
        stored = slow(served)
        served.coordinator.begin(start(steps=9, checkpoint_every=1000), weights())
        async with served.worker() as worker:
            await worker.join()
            for _ in range(2):
                await worker.gradient(await worker.get(wire.Lease), GOOD)
            async with asyncio.timeout(5):
                while 1 not in stored:
                    await asyncio.sleep(0.01)


@pytest.mark.fault("R18")
async def test_what_comes_in_after_the_last_state_was_stored_makes_no_step(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        stored = slow(served)
        served.coordinator.begin(start(steps=9), weights())
        async with served.worker() as worker:
            await worker.join()
            leases = [await worker.get(wire.Lease) for _ in range(2)]
            closing = asyncio.create_task(served.coordinator.close(0.0))
            served.coordinator.close = lambda wait_s: asyncio.sleep(0)  # type: ignore[method-assign, assignment]
            await asyncio.sleep(SLOW_S / 2)
            for lease in leases:
                await worker.gradient(lease, GOOD)
            assert await worker.closed() == 1012
            await closing
            assert served.coordinator.rounds.version == max(stored, default=0) == 0


async def test_states_are_stored_in_their_order_also_while_it_ends(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        stored = slow(served)
        served.coordinator.begin(start(steps=9), weights())
        async with served.worker() as worker:
            await worker.join()
            for _ in range(8):
                await worker.gradient(await worker.get(wire.Lease), GOOD)
    assert stored == sorted(stored)
    assert stored[-1] == served.coordinator.rounds.version >= 3
