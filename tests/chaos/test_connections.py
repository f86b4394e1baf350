"""Connections that crawl, come in hundreds, or outlive the coordinator; clocks that jump."""

import asyncio
import contextlib
import inspect
import logging
import os
import socket
import struct
import time
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from crowd import begin, crowd, over, sound, until
from distml_py import wire
from distml_server import arrivals, sockets
from distml_server.coordinator import Coordinator
from peers import serving, start, weights
from proxy import proxied

GOOD = {"w": np.ones((2, 3), np.float32), "b": np.ones((), np.float32)}


@pytest.mark.fault("R15")
@pytest.mark.parametrize("silent", [False, True], ids=["a byte now and then", "half a frame, then silence"])
async def test_who_crawls_is_cut_off_and_a_slow_one_is_not(tmp_path: Path, silent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "RECEIVE_S", 1.0)
    monkeypatch.setattr(sockets, "WATCH_S", 0.2)
    monkeypatch.setattr(sockets, "HEARTBEAT_S", 1.0)
    async with serving(tmp_path) as served:
        served.coordinator.begin(start(steps=9), weights())
        async with served.worker() as crawling, served.worker() as quiet:
            await quiet.join()  # has its lease, says nothing, and answers pings as long as it reads
            transport = crawling.socket._response.connection.transport  # type: ignore[union-attr]
            transport.write(struct.pack(">BBHI", 0x82, 0x80 | 126, 4000, 0) + b"DML1")
            began = time.monotonic()
            reading = asyncio.create_task(quiet.get(wire.Ended))
            while len(served.coordinator.carrier.connections) == 2 and time.monotonic() - began < 10:
                if not silent and not transport.is_closing():
                    transport.write(b"x")
                await asyncio.sleep(0.1)
            assert time.monotonic() - began < 5
            await asyncio.sleep(2.5)
            assert list(served.coordinator.carrier.connections) == [quiet.welcome.worker] and not reading.done()
            reading.cancel()


@pytest.mark.fault("R15")
async def test_who_has_only_said_hello_is_not_taken_for_one_who_crawls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host before there is a run, a guest who has not clicked yet, a viewer: none of them has anything more to send."""
    monkeypatch.setattr(arrivals, "RECEIVE_S", 0.3)
    monkeypatch.setattr(sockets, "WATCH_S", 0.1)
    async with serving(tmp_path) as served, served.peer() as host, served.worker() as guest, served.peer(role="viewer") as viewer:
        connected = [peer.welcome.worker for peer in (host, guest, viewer)]
        await asyncio.sleep(1.0)
        assert list(served.coordinator.carrier.connections) == connected


@pytest.mark.fault("R13", "R15")
async def test_a_frame_that_takes_long_at_a_fair_pace_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "RECEIVE_S", 0.3)
    monkeypatch.setattr(sockets, "WATCH_S", 0.1)
    async with serving(tmp_path) as served, proxied(served.port) as proxy:
        proxy.bytes_per_s, proxy.slice_bytes = 40_000, 2_000
        large = {"w": np.zeros((2, 3000), np.float32), "b": np.zeros((), np.float32)}
        served.coordinator.begin(start(steps=1, shards=1), large)
        served_port, served.port = served.port, proxy.port
        own = f"127.0.0.1:{served_port}"
        async with served.peer(served.access.worker_token, Host=own, Origin=f"http://{own}") as slow:
            await slow.join()
            await slow.gradient(await slow.get(wire.Lease), large)
            await until(lambda: served.coordinator.rounds.version == 1)
        served.port = served_port


@pytest.mark.fault("R17")
async def test_of_500_connections_at_once_half_vanish_and_the_rest_works(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path) as served:
        served.coordinator.begin(start(steps=9), weights())
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        hello = str(wire.encode(wire.Hello(wire.PROTOCOL, served.access.worker_token, "worker", "n", "")))

        async def come(number: int) -> int:
            if number % 2:
                raw = socket.socket()
                raw.setblocking(False)
                await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", served.port))
                await asyncio.get_running_loop().sock_sendall(raw, b"GET /ws HT" if number % 4 == 1 else b"")
                raw.close()
                return 0
            async with client.ws_connect(f"{served.url}/ws", compress=0) as peer:
                await peer.send_str(hello)
                return int(wire.decode((await peer.receive()).data).message.__class__ is wire.Welcome)

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            assert sum(await asyncio.gather(*map(come, range(500)))) == 250
        await until(lambda: served.coordinator.idle)
        await until(lambda: not before or len(os.listdir("/proc/self/fd")) <= before + 2)
        async with served.worker() as worker:
            await worker.join()
            await worker.get(wire.Lease)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.fault("R23")
async def test_a_restart_under_64_clients_is_one_run_that_goes_on_from_what_was_stored(tmp_path: Path, inline: None) -> None:
    before = contextlib.AsyncExitStack()
    first = await before.enter_async_context(serving(tmp_path))
    async with proxied(first.port) as proxy, crowd(proxy.port, first.access.worker_token, 64, backoff_s=0.3) as clients:
        begin(first, steps=100_000)
        run = first.coordinator.rounds.run
        assert run is not None
        await until(lambda: len(first.coordinator.rounds.joined()) == 64 and first.coordinator.rounds.version >= 3)
        proxy.refusing = True
        await before.aclose()
        async with serving(tmp_path, access=first.access) as second:
            stored = second.coordinator.store.open(print)
            assert stored.run.run == run.run and stored.step == first.coordinator.rounds.version
            second.coordinator.resume(stored)
            proxy.target, proxy.refusing = second.port, False
            rounds = second.coordinator.rounds
            await until(lambda: len(rounds.joined()) >= 61 and rounds.version > stored.step + 3, 20)
            assert rounds.run is not None and rounds.run.run == run.run
            assert all(client.tab._run is None or client.tab._run.run == run.run for client in clients)
    sound(tmp_path)


@pytest.mark.fault("R25")
async def test_a_clock_that_jumps_by_an_hour_ends_nothing(tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the time of day jumps; what is measured goes by a clock that cannot."""
    real, shift_s = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: real() + shift_s)
    async with serving(tmp_path) as served:
        begin(served, steps=12)
        async with crowd(served.port, served.access.worker_token, 2) as clients:
            for step, jump_s in ((3, 3600.0), (6, -3600.0), (9, 0.0)):
                await until(lambda step=step: served.coordinator.rounds.version >= step)
                shift_s = jump_s
            await over(served)
            assert [client.connections for client in clients] == [1, 1]
    sound(tmp_path)


@pytest.mark.fault("R25")
def test_the_coordinator_goes_by_a_clock_that_cannot_jump() -> None:
    assert inspect.signature(Coordinator.__init__).parameters["clock"].default is time.monotonic
