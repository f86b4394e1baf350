"""A coordinator behind real sockets: what good peers get, and what bad ones cannot do."""

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import random
import re
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio

from distml_py import io, wire
from distml_py.errors import FormatError
from distml_server import carrier, sockets
from distml_server.guards import Guards
from peers import CODE, Peer, Served, prefixed, serving, start, weights

GOOD = {"w": np.ones((2, 3), np.float32), "b": np.ones((), np.float32)}


@pytest.fixture(autouse=True)
def nothing_unexpected_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as found:
        yield found


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- a run


async def test_a_worker_trains_a_run_to_its_end_and_the_sum_is_right(served: Served) -> None:
    served.coordinator.begin(start(steps=2), weights())
    async with served.worker() as worker:
        run = await worker.join()
        assert (run.code, run.steps, run.deterministic) == (CODE, 2, False)
        first = await worker.get(wire.Weights)
        assert first.version == 0 and first.sha256 == io.weights_sha256(worker.tensors)
        for step in range(2):
            for shard in range(2):
                lease = await worker.get(wire.Lease)
                assert (lease.step, lease.count) == (step, 4)
                await worker.gradient(lease, {name: array * (shard + 1) for name, array in GOOD.items()}, loss=shard)
        await worker.evaluate()
        await worker.evaluate()
        ended = await worker.get(wire.Ended)
    # SGD, lr 0.5: each step takes 0.5 * (4 / 8 * 1 + 4 / 8 * 2) from each weight
    expected = {name: (array - 1.5).astype(np.float32) for name, array in weights().items()}
    assert ended.state == "finished" and ended.sha256 == io.weights_sha256(expected)
    status = served.coordinator.status()
    assert (status["state"], status["loss"], status["test_accuracy"]) == ("finished", 0.5, 0.75)


async def last_weights(peer: Peer, version: int) -> tuple[str, str]:
    """Answers what it is asked until these weights come: their SHA-256 as the frame says it and as it is."""
    while True:
        message = await peer.get((wire.Weights, wire.Lease))
        if isinstance(message, wire.Lease):
            await peer.gradient(message, GOOD)
        elif message.version == version:
            return message.sha256, io.weights_sha256(peer.tensors)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the event loop", "in threads"])
async def test_all_workers_get_the_same_weights_and_share_the_work(
    served: Served, elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if elsewhere:
        for module in (sockets, carrier):
            monkeypatch.setattr(module, "THREAD_BYTES", 0)
    served.coordinator.begin(start(steps=3), weights())
    async with served.worker() as one, served.worker() as two:
        await one.join()
        for _ in range(2):
            lease = await one.get(wire.Lease)
            if lease.shard == 0:
                await two.join()
                await until(lambda: len(served.coordinator.rounds.joined()) == 2)
            await one.gradient(lease, GOOD)
        ends = await asyncio.gather(last_weights(one, 3), last_weights(two, 3))
        assert len({sha256 for pair in ends for sha256 in pair}) == 1
        assert served.coordinator.status()["workers_contributing"] == 2


async def test_who_is_ending_and_waits_for_a_solo_workers_steps_is_not_ready(served: Served) -> None:
    """A balancer asks on a connection that it kept: new tabs would be sent to who takes no more work."""
    async with served.peer() as host:
        await host.send(start(steps=9), prefixed(weights()))
        await host.join()
        await host.get(wire.Solo)
        served.coordinator.rounds.close(served.coordinator.now())
        for path, expected in (("/readyz", (503, "ending")), ("/healthz", (200, "ok"))):
            async with served.client.get(served.url + path) as response:
                assert (response.status, await response.text()) == expected


async def test_the_hosts_page_starts_a_run_steps_solo_and_hands_over(served: Served) -> None:
    async with served.peer() as host, served.worker() as other:
        assert host.welcome.role == "host" and host.welcome.join_url.endswith(served.access.worker_token)
        assert other.welcome.role == "worker" and other.welcome.join_url == ""
        await host.send(start(steps=9), prefixed(weights()))
        run = await host.join()
        solo = await host.get(wire.Solo)
        assert solo.step == 0 and list(host.tensors) == ["weights/w", "weights/b"]
        await host.send(wire.Progress(run.run, 2, 0.5, 0.6, 0.7, 0.8, 0, 10.0))
        await other.join()
        await host.get(wire.Yield)
        new = {name: array + 1 for name, array in weights().items()}
        await host.send(wire.Checkpoint(run.run, 3, "yield", 0.4), prefixed(new))
        assert (await host.get(wire.Lease)).step == (await other.get(wire.Lease)).step == 3
        assert served.coordinator.sha256 == io.weights_sha256(new)
        await host.send(start(), prefixed(weights()))
        assert (await host.get(wire.Rejected)).reason == "busy"
        await host.send(wire.Command("stop"))
        assert (await other.get(wire.Ended)).state == "stopped"
        await host.send(start(steps=5), prefixed(weights()))
        assert (await other.get(wire.Run)).steps == 5


async def test_a_host_that_reloads_continues_from_its_last_checkpoint(served: Served) -> None:
    async with served.peer() as host:
        await host.send(start(steps=9), prefixed(weights()))
        run = await host.join()
        await host.get(wire.Solo)
        new = {name: array + 1 for name, array in weights().items()}
        await host.send(wire.Checkpoint(run.run, 3, "periodic", 0.4), prefixed(new))
        await host.send(wire.Progress(run.run, 5, 0.5, None, None, None, 0, 10.0))
        await until(lambda: served.coordinator.status()["step"] == 5)
    await until(lambda: served.coordinator.status()["state"] == "waiting")
    async with served.peer() as again:
        assert (await again.join()).run == run.run
        assert (await again.get(wire.Solo)).step == 3
        assert io.weights_sha256({n.removeprefix("weights/"): a for n, a in again.tensors.items()}) == io.weights_sha256(new)


@pytest.mark.fault("R33")
async def test_a_tab_that_connects_again_takes_its_old_place(served: Served) -> None:
    served.coordinator.begin(start(), weights())
    async with contextlib.AsyncExitStack() as opened:
        old = None
        for _ in range(20):
            new = await opened.enter_async_context(served.worker("s1"))
            if old is not None:
                assert served.coordinator.status()["worker_list"] == [], "a connection that is dead may never say that it ends"
                assert await old.closed() == sockets.REPLACED
            old = new
            await new.join()
            lease = await new.get(wire.Lease)
            assert [row["id"] for row in served.coordinator.status()["worker_list"]] == [new.welcome.worker]
            (worker,) = served.coordinator.rounds.workers.values()
            book = served.coordinator.rounds.book
            assert book is not None and {one.id for leases in book.out.values() for one in leases} == {*worker.leases}
            assert lease.lease in worker.leases, "no lease of those before is left"


@pytest.mark.fault("R21")
async def test_training_goes_on_in_memory_when_the_disk_is_full(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(served.coordinator.store, "save", full)
    served.coordinator.begin(start(), weights())
    async with served.worker() as worker:
        await worker.join()
        await until(lambda: "No space left" in (served.coordinator.status()["error"] or ""))
        for _ in range(2):
            await worker.gradient(await worker.get(wire.Lease), GOOD)
        await until(lambda: served.coordinator.status()["step"] == 1)
        for path, words, code in (("/metrics", "distml_storage_works 0", 200), ("/readyz", "cannot store", 503)):
            async with served.client.get(served.url + path) as answer:
                assert answer.status == code and words in await answer.text()
        monkeypatch.undo()
        for _ in range(2):
            await worker.gradient(await worker.get(wire.Lease), GOOD)
        await until(lambda: served.coordinator.status()["error"] is None)


async def test_a_step_that_diverges_is_not_committed(served: Served) -> None:
    served.coordinator.begin(start(shards=1, optimizer={"name": "SGD", "lr": 1e30}), weights())
    before = served.coordinator.sha256
    async with served.worker() as worker:
        await worker.join()
        large = {name: np.full_like(array, 1e9) for name, array in GOOD.items()}
        good = await worker.get(wire.Lease)
        served.coordinator.model.largest_norm = 1e9  # type: ignore[union-attr] # as after steps that grew
        await worker.gradient(good, large)
        await until(lambda: served.coordinator.status()["state"] == "error")
        assert (await worker.get(wire.Rejected)).reason == "diverged"
        assert served.coordinator.status()["step"] == 0, "the step did not happen"
        assert "smaller learning rate" in served.coordinator.status()["error"]
    async with served.worker() as second:
        await second.join()
        assert (await second.get(wire.Lease)).step == 0, "somebody who joins finds the run where it stood"
    assert served.coordinator.model is not None
    assert io.weights_sha256(served.coordinator.model.weights()) == before


async def test_a_step_that_cannot_be_computed_stops_the_run_and_hangs_nobody(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(carrier, "THREAD_BYTES", 0)
    served.coordinator.begin(start(shards=1), weights())
    monkeypatch.setattr(served.coordinator.model, "apply", no_memory)
    async with served.worker() as worker:
        await worker.join()
        await worker.gradient(await worker.get(wire.Lease), GOOD)
        assert (await worker.get(wire.Rejected)).detail == "MemoryError"
        assert served.coordinator.status()["state"] == "error" and served.coordinator.status()["step"] == 0


@pytest.mark.fault("S20")
async def test_a_failing_recipe_is_told_with_its_line_and_as_harmless_text(served: Served) -> None:
    served.coordinator.begin(start(), weights())
    async with served.worker() as worker:
        run = await worker.join()
        await worker.send(wire.Problem(run.run, "\x1b[31mKeyError\nx", 12))
        await until(lambda: served.coordinator.status()["state"] == "error")
        assert served.coordinator.status()["error"] == "peer: [31mKeyError x (line 12 of the recipe)"


# ---------------------------------------------------------------- what does not get in


async def served_lease(served: Served, worker: Any) -> wire.Lease:
    await worker.join()
    lease: wire.Lease = await worker.get(wire.Lease)
    return lease


BAD_TENSORS: dict[str, tuple[wire.Tensors, str]] = {
    "NaN": ({**GOOD, "b": np.array(np.nan, np.float32)}, "non_finite"),
    "infinity": ({**GOOD, "w": np.full((2, 3), -np.inf, np.float32)}, "non_finite"),
    "another shape": ({**GOOD, "w": np.ones((3, 2), np.float32)}, "invalid"),
    "another order": ({"b": GOOD["b"], "w": GOOD["w"]}, "invalid"),
    "another dtype": ({**GOOD, "w": np.ones((2, 3), np.int32)}, "invalid"),
    "a parameter too few": ({"w": GOOD["w"]}, "invalid"),
    "a parameter too many": ({**GOOD, "x": GOOD["b"]}, "invalid"),
}


@pytest.mark.fault("R11", "R12")
@pytest.mark.parametrize("name", list(BAD_TENSORS))
async def test_a_gradient_is_refused_and_its_shard_given_out_again_for(served: Served, name: str) -> None:
    tensors, reason = BAD_TENSORS[name]
    served.coordinator.begin(start(shards=1), weights())
    before = served.coordinator.sha256
    async with served.worker() as worker:
        lease = await served_lease(served, worker)
        for left in (2, 1, 0):
            await worker.gradient(lease, tensors)
            assert (await worker.get(wire.Rejected)).reason == reason
            if left:
                lease = await worker.get(wire.Lease)
        assert await worker.closed() == 1008
    assert (served.coordinator.sha256, served.coordinator.rounds.version) == (before, 0)
    assert served.coordinator.status()["rejected"] == {reason: 3}


@pytest.mark.fault("R11")
async def test_subnormal_numbers_and_negative_zeros_are_numbers(served: Served) -> None:
    served.coordinator.begin(start(shards=1), weights())
    async with served.worker() as worker:
        lease = await served_lease(served, worker)
        await worker.gradient(lease, {"w": np.full((2, 3), 1e-42, np.float32), "b": np.array(-0.0, np.float32)})
        assert (await worker.get(wire.Lease)).step == 1


@pytest.mark.fault("R10")
async def test_a_gradient_with_any_bit_flipped_changes_nothing(served: Served, dice_seed: int) -> None:
    served.coordinator.begin(start(shards=1), weights())
    before = served.coordinator.sha256
    chance = random.Random(dice_seed)
    for _ in range(10):
        async with served.worker() as worker:
            lease = await served_lease(served, worker)
            message = wire.Gradient(lease.run, lease.step, lease.version, lease.shard, lease.lease, lease.count, 0.5, 0)
            frame = wire.encode(message, GOOD)
            assert isinstance(frame, bytes)
            for _ in range(3):
                damaged = bytearray(frame)
                damaged[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
                await worker.raw(bytes(damaged))
                assert (await worker.get(wire.Rejected)).reason == "format"
            assert await worker.closed() == 1007
    for _ in range(1000):
        damaged = bytearray(frame)
        damaged[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
        with pytest.raises(FormatError):
            served.coordinator.inspect(bytes(damaged))
    assert (served.coordinator.sha256, served.coordinator.rounds.version) == (before, 0)


@pytest.mark.fault("R8")
async def test_who_answers_for_steps_that_do_not_exist_is_refused_and_the_third_time_closed(served: Served) -> None:
    served.coordinator.begin(start(), weights())
    async with served.worker() as worker:
        lease = await served_lease(served, worker)
        for step in (-1, 2**63 - 1, 7):
            await worker.gradient(dataclasses.replace(lease, step=step), GOOD)
            assert (await worker.get(wire.Rejected)).reason == "bad_step"
        assert await worker.closed() == 1008
    assert served.coordinator.rounds.version == 0


@pytest.mark.fault("S8", "R7")
async def test_a_recorded_gradient_is_worth_nothing_on_another_connection_nor_twice(served: Served) -> None:
    served.coordinator.begin(start(steps=9), weights())
    async with served.worker() as one, served.worker() as two:
        lease = await served_lease(served, one)
        second = await one.get(wire.Lease)
        await two.join()
        await two.gradient(lease, GOOD)
        assert (await two.get(wire.Rejected)).reason == "no_lease"
        await one.gradient(lease, GOOD)
        await one.gradient(lease, GOOD)
        assert (await one.get(wire.Rejected)).reason == "duplicate"
        await one.gradient(second, GOOD)
        await until(lambda: served.coordinator.rounds.version == 1)
        await one.gradient(lease, GOOD)
        assert (await one.get(wire.Rejected)).reason == "duplicate"
    assert served.coordinator.rounds.version == 1


async def test_a_checkpoint_that_does_not_fit_is_refused_and_the_state_stays(served: Served) -> None:
    async with served.peer() as host:
        await host.send(start(steps=9), prefixed(weights()))
        run = await host.join()
        await host.get(wire.Solo)
        before = served.coordinator.sha256
        wrong = [
            {**prefixed(weights()), "weights/b": np.array(np.nan, np.float32)},
            {**prefixed(weights()), "optimizer/exp_avg/7": np.zeros(1, np.float32)},
        ]
        for tensors in wrong:
            await host.send(wire.Checkpoint(run.run, 3, "periodic", 0.4), tensors)
            assert (await host.get(wire.Rejected)).reason == "invalid"
        assert (served.coordinator.sha256, served.coordinator.rounds.version) == (before, 0)


BAD_STARTS: dict[str, dict[str, Any]] = {
    "no steps": {"steps": 0},
    "more shards than samples": {"shards": 9},
    "a batch larger than the data": {"train_size": 7},
    "an optimizer that does not exist": {"optimizer": {"name": "__import__", "lr": 0.1}},
    "options that do not exist": {"optimizer": {"name": "SGD", "lr": 0.1, "foo": 1}},
    "parameters that are not the tensors": {"parameters": ["w", "c"]},
    "a codec that is no word": {"exchange": {"codec": []}},
    "a mode that is no word": {"exchange": {"mode": {}}},
    "a name that would move the cursor": {"recipe": "\x1b[2J"},
}


@pytest.mark.parametrize("name", list(BAD_STARTS))
async def test_no_run_starts_with(served: Served, name: str) -> None:
    async with served.peer() as host:
        await host.send(start(**BAD_STARTS[name]), prefixed(weights()))
        assert (await host.get(wire.Rejected)).reason == "invalid"
    assert served.coordinator.status()["state"] == "ready"


async def test_asking_often_for_a_run_that_is_not_possible_costs_the_host_nothing(served: Served) -> None:
    async with served.peer() as host:
        for _ in range(10):  # three would close another's connection
            await host.send(start(batch_size=10**6), prefixed(weights()))
            refused = await host.get(wire.Rejected)
            assert refused.reason == "invalid" and "batch_size is 1 to" in refused.detail
        await host.send(start(), prefixed(weights()))
        await host.join()
        assert (await host.get(wire.Solo)).step == 0, "it is given the work"


# ---------------------------------------------------------------- who gets in


@pytest.mark.fault("S1")
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1"])
async def test_a_page_of_another_origin_cannot_open_a_socket(served: Served, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await served.socket(Origin=origin)
    assert caught.value.status == 403


@pytest.mark.fault("S2")
async def test_another_name_for_this_machine_is_not_answered(served: Served) -> None:
    for path in ("/", "/ws", "/api/status", "/nowhere"):
        async with served.client.get(served.url + path, headers={"Host": "rebound.example"}) as response:
            assert response.status == 421
    known = {"Host": "classroom.test:80"}
    for path, status in (("/healthz", 200), ("/api/status", 401), ("/api/curve", 401), ("/metrics", 401)):
        async with served.client.get(served.url + path, headers=known) as response:
            assert response.status == status


@pytest.mark.fault("S3", "S35")
async def test_a_page_that_came_by_another_name_needs_a_token(served: Served) -> None:
    name = f"classroom.test:{served.port}"
    for more in ({"Origin": f"http://{name}"}, {}):
        async with served.socket(Host=name, **more) as raw:
            await raw.send_str(str(wire.encode(wire.Hello(wire.PROTOCOL, "", "host", "x", ""))))
            assert '"reason": "token"' in (await raw.receive()).data
            assert (await raw.receive()).data == 4401
    async with served.peer(served.access.host_token, Host=name, Origin=f"http://{name}") as host:
        assert host.welcome.role == "host"


@pytest.mark.fault("S3")
async def test_a_wrong_token_is_refused_and_not_repeated(served: Served) -> None:
    async with served.socket(Origin=served.url) as raw:
        await raw.send_str(str(wire.encode(wire.Hello(wire.PROTOCOL, "wrong-token", "host", "x", ""))))
        rejected = await raw.receive()
        assert "wrong-token" not in rejected.data and '"reason": "token"' in rejected.data
        assert (await raw.receive()).data == 4401
    assert served.coordinator.idle


@pytest.mark.fault("R38")
async def test_an_old_page_is_told_to_reload(served: Served) -> None:
    async with served.socket(Origin=served.url) as raw:
        await raw.send_str(str(wire.encode(wire.Hello(0, "", "host", "x", ""))))
        assert "reload the page" in (await raw.receive()).data
        assert (await raw.receive()).data == 4403


@pytest.mark.fault("R16")
async def test_who_does_not_say_hello_is_closed_in_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "HELLO_S", 0.2)
    async with served.socket() as raw:
        assert (await raw.receive(timeout=5)).data == 1008


@pytest.mark.parametrize("first", ['{"type": "goodbye"}', "rubbish", b"rubbish", '{"type": "hello"}'])
async def test_the_first_frame_is_a_hello_or_the_last(served: Served, first: bytes | str) -> None:
    async with served.socket() as raw:
        await (raw.send_str(first) if isinstance(first, str) else raw.send_bytes(first))
        while (message := await raw.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.data in (1007, 1008)
    assert served.coordinator.idle


@pytest.mark.fault("S4")
async def test_a_worker_cannot_steer_and_loses_its_connection_when_it_insists(served: Served) -> None:
    served.coordinator.begin(start(), weights())
    async with served.worker() as worker:
        await worker.join()
        await worker.send(wire.Command("stop"))
        assert (await worker.get(wire.Rejected)).reason == "forbidden"
        await worker.send(start(), prefixed(weights()))
        assert await worker.closed() == 4403
    assert served.coordinator.status()["state"] == "waiting"


async def test_the_host_sends_a_worker_away_and_it_cannot_come_back(served: Served) -> None:
    served.coordinator.begin(start(), weights())
    async with served.peer("", "host") as host, served.worker() as worker:
        await worker.join()
        await worker.get(wire.Lease)
        (row,) = served.coordinator.status()["worker_list"]
        await host.send(wire.Command("kick", "nobody"))
        assert (await host.get(wire.Rejected)).reason == "no_worker"
        await host.send(wire.Command("kick", row["id"]))
        assert await worker.closed() == 4403
    assert served.coordinator.door.refusal("worker somebody else", "worker") is None


async def test_everybody_is_told_at_once_of_what_the_host_commands(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """However seldom all are told otherwise: with many tabs the next time is far off."""
    monkeypatch.setattr("distml_server.coordinator.STATUS_EVERY_S", 60.0)
    await asyncio.sleep(0.6)  # the last time that was told as often as usual
    async with served.peer("", "host") as host, served.worker() as worker:
        await host.send(start(steps=9), prefixed(weights()))
        await worker.join()
        for action, state in (("pause", "paused"), ("resume", "training"), ("stop", "stopped")):
            await host.send(wire.Command(action))
            async with asyncio.timeout(5):
                for peer in (host, worker):
                    while (await peer.get(wire.Status)).status["state"] != state:
                        pass


async def test_who_was_sent_away_may_not_look_on_either(served: Served) -> None:
    served.coordinator.begin(start(), weights())
    async with served.peer("", "host") as host, served.worker("s1") as worker:
        await host.send(wire.Command("kick", worker.welcome.worker))
        assert await worker.closed() == 4403
        with pytest.raises(ConnectionError, match="4403"):
            async with served.peer(served.access.worker_token, "viewer", "s1"):
                pass


@pytest.mark.fault("S26")
async def test_a_stranger_that_was_sent_away_does_not_come_back_as_another_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does anybody new from its address; who was there beside it stays, and comes back when its connection is lost."""
    monkeypatch.setattr("distml_server.coordinator.LOOPBACK_NAMES", frozenset())  # this machine is a stranger's
    async with serving(tmp_path, guards=Guards(untrusted=True)) as served, served.peer("", "host") as host:
        async with served.worker("neighbour"), served.worker("s1") as worker:
            await host.send(wire.Command("kick", worker.welcome.worker))
            assert await worker.closed() == 4403
            for session in ("s1", "s2", ""):
                with pytest.raises(ConnectionError, match="4403"):
                    async with served.worker(session):
                        pass
        async with served.worker("neighbour"):
            pass
        async with served.peer("", "host"):
            pass


async def test_a_run_that_the_host_stops_is_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distml_server.coordinator.STATUS_EVERY_S", 60.0)
    async with serving(tmp_path) as served, served.peer("", "host") as host, served.worker() as worker:
        await host.send(start(steps=9), prefixed(weights()))
        await worker.join()
        await worker.get(wire.Lease)
        told: list[int] = []
        tell = served.coordinator.carrier.tell
        monkeypatch.setattr(served.coordinator.carrier, "tell", lambda connections: (told.append(1), tell(connections)))
        await host.send(wire.Command("stop"))
        await worker.get(wire.Ended)
        await host.send(wire.Command("stop"))
        assert (await host.get(wire.Rejected)).reason == "no_run"
        assert len(told) == 2, "once of the end, once of what could not be done"


async def locked(served: Served, host: Peer) -> None:
    """Locks the run: nobody new comes in."""
    await host.send(wire.Command("lock"))
    while not served.coordinator.status()["locked"]:
        await asyncio.sleep(0.01)
    with pytest.raises(ConnectionError, match="4403"):
        async with served.worker():
            pass


async def test_of_those_without_a_session_one_that_is_sent_away_is_not_all(served: Served) -> None:
    async with served.peer("", "host") as host, served.worker() as first, served.worker():
        await host.send(wire.Command("kick", first.welcome.worker))
        assert await first.closed() == 4403
        async with served.worker():
            pass
        await locked(served, host)


async def test_a_locked_run_lets_nobody_new_in_until_it_is_unlocked(served: Served) -> None:
    async with served.peer("", "host") as host:
        await locked(served, host)
        await host.send(wire.Command("unlock"))
        while served.coordinator.status()["locked"]:
            await asyncio.sleep(0.01)
        async with served.worker():
            pass


@pytest.mark.fault("S3", "S6", "S28")
async def test_with_lan_everything_but_files_needs_a_token(tmp_path: Path) -> None:
    async with serving(tmp_path, lan=True) as served:
        with pytest.raises(ConnectionError, match="4401"):
            async with served.peer("", "worker"):
                pass
        away = {"Host": "192.168.1.5"}
        async with served.client.get(f"{served.url}/api/status", headers=away) as response:
            assert response.status == 401
        async with served.client.get(f"{served.url}/api/status") as response:
            assert response.status == 200
        async with served.client.get(f"{served.url}/api/status?t={served.access.host_token}") as response:
            assert response.status == 400
        async with served.client.get(f"{served.url}/api/info", headers=away) as response:
            assert (await response.json())["recipe"] is None
        bearer = away | {"Authorization": f"Bearer {served.access.worker_token}"}
        async with served.client.get(f"{served.url}/api/status", headers=bearer) as response:
            assert response.status == 200
        async with served.peer(served.access.host_token) as host:
            assert host.welcome.role == "host"


# ---------------------------------------------------------------- what a connection may cost


@pytest.mark.fault("S9")
async def test_frames_that_are_too_large_close_the_connection(served: Served) -> None:
    served.coordinator.begin(start(), weights())
    most = served.coordinator.largest_frame("worker")
    for data, code in ((bytes(most), 1007), (bytes(most + 1), 1009), ("x" * 16384, 1007), ("x" * 16385, 1009)):
        async with served.worker() as worker:
            for _ in range(3):
                await worker.raw(data)
            assert await worker.closed() == code
    async with served.socket() as socket:  # before anybody has said hello
        await socket.send_str("x" * 16385)
        assert (await socket.receive()).data == 1009


@pytest.mark.fault("S9", "R13")
async def test_a_frame_that_claims_a_gigabyte_is_refused_before_it_arrives(served: Served) -> None:
    async with served.worker() as worker:
        before = memory_bytes()
        transport = worker.socket._response.connection.transport  # type: ignore[union-attr]
        transport.write(struct.pack(">BBQI", 0x82, 0x80 | 127, 1 << 30, 0))
        assert await worker.closed() == 1009
        assert memory_bytes() - before < 5 << 20


@pytest.mark.fault("S9", "R13")
@pytest.mark.parametrize(("greeted", "pings"), [(True, False), (True, True), (False, False)])
async def test_what_is_more_than_a_frame_of_this_peer_is_not_kept_while_it_arrives(
    served: Served, greeted: bool, pings: bool
) -> None:
    """A host's frame may have 64 MB: of nobody else as much is put together before it is refused."""
    async with served.worker() if greeted else served.socket(Origin=served.url) as peer:
        raw = peer.socket if isinstance(peer, Peer) else peer
        transport = raw._response.connection.transport
        for number in range(40):
            first = 0x02 if number == 0 else 0x00  # a message in pieces, and pings between them
            if not transport.is_closing():
                transport.write(struct.pack(">BBQI", first, 0x80 | 127, 1 << 16, 0) + bytes(1 << 16))
                if pings:
                    transport.write(struct.pack(">BBI", 0x89, 0x80 | 4, 0) + b"ping")
        async with asyncio.timeout(4):
            while (await raw.receive()).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                pass
        assert raw.close_code == 1009


def memory_bytes() -> int:
    """Of this process, where the system tells."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * 4096 if pages.exists() else 0


@pytest.mark.fault("S13")
async def test_rubbish_costs_the_connection_after_three_frames(served: Served) -> None:
    for data in ('{"type": "join", "run": NaN}', "[" * 5000, b"rubbish"):
        async with served.worker() as worker:
            for _ in range(3):
                await worker.raw(data)
                assert (await worker.get(wire.Rejected)).reason == "format"
            assert await worker.closed() == 1007


@pytest.mark.fault("S10")
async def test_a_flood_of_control_messages_costs_the_connection(served: Served) -> None:
    async with served.worker() as worker:
        for _ in range(100):
            await worker.send(wire.Goodbye())
        assert await worker.closed() == 1008


@pytest.mark.fault("R9")
async def test_a_worker_that_dies_in_the_middle_of_a_frame_leaves_nothing_behind(served: Served) -> None:
    served.coordinator.begin(start(steps=1), weights())
    before = served.coordinator.sha256
    for part in (1, 0.5, -1):
        async with served.worker() as worker:
            lease = await served_lease(served, worker)
            message = wire.Gradient(lease.run, lease.step, lease.version, lease.shard, lease.lease, lease.count, 0.5, 0)
            frame = wire.encode(message, GOOD)
            assert isinstance(frame, bytes)
            masked = struct.pack(">BBHI", 0x82, 0x80 | 126, len(frame), 0) + frame
            transport = worker.socket._response.connection.transport  # type: ignore[union-attr]
            transport.write(masked[: int(len(masked) * part) if part == 0.5 else int(part)])
            await asyncio.sleep(0.05)
            gone = asyncio.get_running_loop().time()
            transport.abort()
        book = served.coordinator.rounds.book
        await until(lambda book=book: served.coordinator.idle and book is not None and len(book.waiting) == 2)
        assert asyncio.get_running_loop().time() - gone < 1, "its shards are free at once"
    assert served.coordinator.sha256 == before
    async with served.worker() as worker:
        await worker.join()
        for _ in range(2):
            await worker.gradient(await worker.get(wire.Lease), GOOD)
        await worker.evaluate()


@pytest.mark.fault("R14")
async def test_a_peer_that_never_reads_is_cut_off_and_the_others_go_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "SEND_S", 0.5)
    large = weights(2_000_000)
    gradient = {name: np.zeros_like(array) for name, array in large.items()}
    served.coordinator.begin(start(steps=50, shards=1, checkpoint_every=1000), large)
    loop = asyncio.get_running_loop()
    deaf = socket.create_connection(("127.0.0.1", served.port))
    deaf.setblocking(False)
    head = f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    await loop.sock_sendall(deaf, f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode())
    run = served.coordinator.rounds.run
    assert run is not None
    hello = wire.Hello(wire.PROTOCOL, served.access.worker_token, "", "deaf", "")
    for message in (hello, wire.Join(run.run, "reference", "d", "p")):
        text = str(wire.encode(message)).encode()
        await loop.sock_sendall(deaf, struct.pack(">BBHI", 0x81, 0x80 | 126, len(text), 0) + text)
    await until(lambda: len(served.coordinator.rounds.joined()) == 1)
    (unread,) = served.coordinator.carrier.connections.values()
    await until(lambda: unread._transport is not None and unread._transport.get_write_buffer_size() > 0)
    assert unread._transport is not None
    assert unread._transport.get_write_buffer_size() <= served.coordinator.largest_frame("worker"), "one frame at most waits there"
    async with served.worker() as worker:
        await worker.join()
        for _ in range(4):
            lease = await worker.get(wire.Lease)
            await worker.gradient(lease, gradient)
        await until(lambda: len(served.coordinator.status()["worker_list"]) == 1)
        lease = await worker.get(wire.Lease)
        await worker.gradient(lease, gradient)
        await until(lambda: served.coordinator.rounds.version >= lease.step + 1)
    deaf.close()


# ---------------------------------------------------------------- HTTP

STATUS_KEYS = {
    "state", "step", "steps", "loss", "val_loss", "accuracy", "train_accuracy",
    "test_accuracy", "workers", "workers_contributing", "run",
    "recipe", "weights_version", "weights_sha256", "cpu_ops", "error", "mode", "deterministic", "worker_list", "rejected",
    "locked",
}  # fmt: skip
ROW_KEYS = {
    "id", "name", "backend", "device", "role", "shards_done", "contributing", "last_seen_s", "strikes", "quarantined",
    "samples_per_s",
}  # fmt: skip


@pytest.mark.fault("S6")
async def test_the_status_has_its_keys_and_no_token(served: Served) -> None:
    async with served.client.get(f"{served.url}/api/status") as response:
        status = await response.json()
    assert status.keys() == STATUS_KEYS and status["state"] == "ready" and status["step"] is None
    served.coordinator.begin(start(), weights())
    async with served.worker() as worker:
        await worker.join()
        frame = await worker.get(wire.Status)
        async with served.client.get(f"{served.url}/api/status") as response:
            text = await response.text()
            status = await response.json()
    assert status["worker_list"][0].keys() == ROW_KEYS
    assert frame.status.keys() == STATUS_KEYS
    assert served.access.worker_token not in text and served.access.host_token not in text


@pytest.mark.fault("S31")
async def test_every_answer_carries_the_security_headers(served: Served) -> None:
    for path in ("/", "/web/index.html", "/api/info", "/api/status", "/recipes/index.json", "/nowhere", "/ws"):
        async with served.client.get(served.url + path) as response:
            headers = response.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe-inline" not in policy
        assert f"connect-src 'self' ws://127.0.0.1:{served.port} " in policy
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"


@pytest.mark.fault("S18")
@pytest.mark.parametrize(
    "path",
    ["/web/../server/distml_server/app.py", "/web/%2e%2e/pyproject.toml", "/web/..%2fpyproject.toml", "/web/%00",
     "/web//etc/passwd", "/web/%2Fetc%2Fpasswd", "/web/..%5cpyproject.toml", "/web/C:%5cx", "/recipes/../index.html",
     "/web/.hidden", "/assets/../run.json", "/assets/access.json", "/web/", "/recipes/", "/bridge/nope.js",
     "/web/" + "x" * 3000],
)  # fmt: skip
async def test_no_path_leads_out_of_the_served_folders(served: Served, path: str) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as raw:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        answer = await asyncio.to_thread(_exchange, raw, request.encode())
    assert answer.split()[1] in (b"404", b"400", b"403")


def _exchange(raw: socket.socket, request: bytes) -> bytes:
    raw.sendall(request)
    parts = []
    while part := raw.recv(65536):
        parts.append(part)
    return b"".join(parts)


async def test_files_are_checked_again_by_their_etag(served: Served) -> None:
    for path, kind in (("/", "text/html"), ("/web/app.js", "text/javascript"), ("/recipes/index.json", "application/json"),
                       ("/recipes/digits_mlp.py", "text/x-python"), ("/assets/pyodide-lock.json", "application/json")):  # fmt: skip
        async with served.client.get(served.url + path) as response:
            assert (response.status, response.content_type, response.headers["Cache-Control"]) == (200, kind, "no-cache"), path
            tag = response.headers["ETag"]
        async with served.client.get(served.url + path, headers={"If-None-Match": tag}) as response:
            assert response.status == 304, path


async def test_texts_travel_compressed_and_keep_their_tags(served: Served) -> None:
    path = f"{served.url}/web/vendor/codemirror.esm.js"
    async with served.client.get(path, headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip" and int(response.headers["Content-Length"]) < 200_000
        packed, tag = await response.read(), response.headers["ETag"]
    async with served.client.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": tag}) as response:
        assert response.status == 304 and response.headers["ETag"] == tag
    async with served.client.get(path, headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers and await response.read() == packed


async def test_the_page_names_a_folder_of_browser_files_that_may_be_kept_for_good(served: Served) -> None:
    async with served.client.get(served.url) as response:
        (folder,) = re.findall(r'name="distml-assets" content="(assets/[0-9a-f]{12}/)"', await response.text())
    async with served.client.get(f"{served.url}/{folder}pyodide-lock.json") as response:
        assert response.status == 200 and response.headers["Cache-Control"] == "no-cache"
        entry = (await response.json())["packages"]["distml-py"]
    async with served.client.get(f"{served.url}/{folder}{entry['file_name']}") as response:
        assert response.status == 200 and "immutable" in response.headers["Cache-Control"]
    async with served.client.get(f"{served.url}/assets/0123456789ab/pyodide-lock.json") as response:
        assert response.status == 404, "another version's"


async def test_the_library_is_served_as_the_lock_file_names_it(served: Served) -> None:
    async with served.client.get(f"{served.url}/assets/pyodide-lock.json") as response:
        entry = (await response.json())["packages"]["distml-py"]
    async with served.client.get(f"{served.url}/assets/{entry['file_name']}") as response:
        assert "immutable" in response.headers["Cache-Control"]
        assert hashlib.sha256(await response.read()).hexdigest() == entry["sha256"]


@pytest.mark.fault("S7")
async def test_nothing_takes_a_post(served: Served) -> None:
    for path in ("/", "/ws", "/api/status", "/api/info"):
        async with served.client.post(served.url + path, data="x") as response:
            assert response.status in (404, 405)


async def test_the_recipes_are_listed_by_their_titles(served: Served) -> None:
    async with served.client.get(f"{served.url}/recipes/index.json") as response:
        recipes = {recipe["name"]: recipe["title"] for recipe in await response.json()}
    assert recipes["digits_mlp"].startswith("Handwritten digits with a small multilayer perceptron")


async def test_info_tells_what_the_command_line_asked_for(served: Served) -> None:
    async with served.client.get(f"{served.url}/api/info") as response:
        info = await response.json()
    assert {key: info[key] for key in ("protocol", "lan", "recipe", "steps", "seed")} == {
        "protocol": wire.PROTOCOL, "lan": False, "recipe": "digits_mlp", "steps": 7, "seed": 3,
    }  # fmt: skip


@pytest.mark.fault("S20")
async def test_what_a_worker_says_of_itself_is_short_and_harmless_in_the_status(served: Served) -> None:
    served.coordinator.begin(start(), weights())
    async with served.worker() as worker:
        run = await worker.get(wire.Run)
        await worker.send(wire.Join(run.run, "reference\x1b[31m", "d" * 12_500, "p"))
        await until(lambda: served.coordinator.status()["workers"] == 1)
        (row,) = served.coordinator.status()["worker_list"]
    assert row["backend"] == "reference [31m" and len(row["device"]) == 200
