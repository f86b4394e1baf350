"""The headless worker against a coordinator that closes at the worst moments, and what waits in its inbox."""

import hashlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from distml_py import io, wire
from distml_py.recipe import Training, load_recipe
from distml_server import worker
from distml_server.worker import Inbox, Refused, address
from peers import CODE as NEVER
from peers import serving, start, weights
from test_tab import CODE

Script = Callable[[web.WebSocketResponse], Awaitable[None]]


def the_run() -> tuple[wire.Run, dict[str, np.ndarray]]:
    training = Training(load_recipe("small", CODE), 5)
    digest = hashlib.sha256(CODE.encode()).hexdigest()
    run = wire.Run("a", "small", CODE, digest, 5, 6, 8, 2, 20, 2, 3, training.optimizer.config(), list(training.parameters), False)
    return run, training.weights()


async def played(*scripts: Script | int) -> tuple[int, list[str]]:
    """The exit code and output of a worker whose n-th connection meets the n-th script, or a status instead of a socket."""
    waiting, said = list(scripts), []

    async def handler(request: web.Request) -> web.StreamResponse:
        script = waiting.pop(0)
        if isinstance(script, int):
            return web.Response(status=script)
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.receive()  # hello
        await response.send_str(str(wire.encode(wire.Welcome(1, "w1", "worker", ""))))
        await script(response)
        return response

    app = web.Application()
    app.router.add_get("/ws", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listening).start()
    try:
        code = await worker.work(f"http://127.0.0.1:{listening.getsockname()[1]}/#t=x", "n", said.append)
        return code, said
    finally:
        await runner.cleanup()


async def tell(response: web.WebSocketResponse, message: wire.Message, tensors: wire.Tensors | None = None) -> None:
    frame = wire.encode(message, tensors)
    await (response.send_str(frame) if isinstance(frame, str) else response.send_bytes(frame))


async def test_an_end_that_comes_together_with_the_closing_of_the_connection_is_heard() -> None:
    run, weights = the_run()

    async def end_at_once(response: web.WebSocketResponse) -> None:
        await tell(response, run)
        await response.receive()  # join
        await tell(response, wire.Weights("a", 6, "f"), weights)
        await tell(response, wire.Ended("a", "finished", 6, "f"))
        await response.close()

    code, said = await played(end_at_once)
    assert code == 0
    assert f"Run a finished at step 6, weights {io.weights_sha256(weights)}" in said


async def over(response: web.WebSocketResponse) -> None:
    await tell(response, the_run()[0])
    await tell(response, wire.Ended("a", "finished", 6, "f"))
    await response.receive()


async def test_a_worker_that_comes_too_late_says_that_it_has_no_weights() -> None:
    code, said = await played(over)
    assert code == 0 and "Run a finished at step 6, before this worker had its weights" in said


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_a_coordinator_that_is_full_or_starting_again_behind_its_balancer_is_tried_again(status: int) -> None:
    code, said = await played(status, status, over)
    assert code == 0 and f"({status}" in said[0] and "trying again" in said[0]


@pytest.mark.parametrize("status", [403, 404, 421])
async def test_an_address_that_takes_no_workers_is_not_tried_again(status: int) -> None:
    with pytest.raises(Refused, match=f"refuses workers: {status}"):
        await played(status, over)


async def test_a_worker_that_steps_alone_stops_when_the_connection_is_gone_and_comes_back() -> None:
    run, weights = the_run()
    long = wire.Run(**{**vars(run), "steps": 10**8})
    state = {f"weights/{name}": array for name, array in weights.items()}
    joined: list[Any] = []

    async def solo_and_cut(response: web.WebSocketResponse) -> None:
        await tell(response, long)
        joined.append((await response.receive()).data)
        await tell(response, wire.Solo("a", 0), state)
        await response.receive()  # progress
        await response.close(code=1012)

    async def end(response: web.WebSocketResponse) -> None:
        await tell(response, long)
        joined.append((await response.receive()).data)
        await tell(response, wire.Ended("a", "stopped", 0, "f"))
        await response.receive()

    code, said = await played(solo_and_cut, end)
    assert code == 0 and len(joined) == 2
    assert any("(1012); trying again" in text for text in said)


def kinds(inbox: Inbox) -> list[tuple[str, int]]:
    found = []
    for frame in inbox.take():
        message = wire.decode(frame).message
        found.append((type(message).__name__, getattr(message, "version", -1)))
    return found


def test_what_waits_is_replaced_by_newer_weights_unless_an_evaluation_needs_it() -> None:
    inbox = Inbox()
    for version in range(3):
        inbox.put(wire.encode(wire.Weights("a", version, "f"), {"w": np.zeros(1, np.float32)}))
        inbox.put(wire.encode(wire.Lease("a", version, version, "l", 0, 0, 1, 5.0)))
        inbox.put(wire.encode(wire.Status({"state": "training"})))
        if version == 1:
            inbox.put(wire.encode(wire.Evaluate("a", 1, 1, "e", "test")))
    assert kinds(inbox) == [("Weights", 1), ("Evaluate", 1), ("Weights", 2), ("Lease", 2)]
    assert kinds(inbox) == []


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("http://127.0.0.1:8000/#t=abc", ("ws://127.0.0.1:8000/ws", "abc")),
        ("http://127.0.0.1:8000", ("ws://127.0.0.1:8000/ws", "")),
        ("127.0.0.1:8000", ("ws://127.0.0.1:8000/ws", "")),
        ("https://classroom.example/#t=a-b_c", ("wss://classroom.example/ws", "a-b_c")),
    ],
)
def test_a_link_is_read_as_it_is_printed(link: str, found: tuple[str, str]) -> None:
    assert address(link) == found


@pytest.mark.parametrize("link", ["ftp://host/#t=secret", "http://#t=secret", "", "file:///etc/passwd"])
def test_another_link_is_refused_without_repeating_its_token(link: str) -> None:
    with pytest.raises(Refused, match="a worker needs a link") as caught:
        address(link)
    assert "secret" not in str(caught.value)


@pytest.mark.fault("S30")
def test_a_worker_runs_the_code_that_its_link_names_and_no_other() -> None:
    digest = hashlib.sha256(b"good").hexdigest()
    link = f"http://127.0.0.1:8000/#t=token&c={digest[:32]}"
    assert worker.address(link)[1] == "token" and worker.pin_of(link) == digest[:32]
    assert worker.pin_of("http://127.0.0.1:8000/#t=token") == "" == worker.pin_of("127.0.0.1:8000")
    named, first = worker.Consent(digest[:32]), worker.Consent("")
    named.check("good")
    first.check("good")
    for consent in (named, first):
        with pytest.raises(worker.Refused, match=r"the run's code is another one \(\w{8}\) than this worker was started for"):
            consent.check("evil")


@pytest.mark.fault("S30")
async def test_other_code_is_refused_before_a_line_of_it_runs(tmp_path: Path) -> None:
    """The code of this run raises SystemExit."""
    async with serving(tmp_path) as served:
        served.coordinator.begin(start(), weights())
        invitation = served.coordinator.invitation
        assert invitation.endswith("&c=" + hashlib.sha256(NEVER.encode()).hexdigest()[:32])
        with pytest.raises(worker.Refused, match="look at it on the page"):
            await worker.work(invitation[:-1] + ("0" if invitation[-1] != "0" else "1"), "w", lambda _: None)
        with pytest.raises(SystemExit, match="the coordinator never runs the code of a tab"):
            await worker.work(invitation, "w", lambda _: None)
