"""The headless worker: a Tab on the reference backend behind a WebSocket. It ends with the run."""

import asyncio
import contextlib
import hashlib
import json
import platform
import random
import secrets
import signal
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from distml_py import wire
from distml_py.blame import line_of, words_of
from distml_py.engine import use_backend
from distml_py.errors import DistmlError, FormatError
from distml_py.tab import Tab

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 15.0
GIVE_UP_S = 120.0  # without the coordinator it once had
FIRST_GIVE_UP_S = 20.0  # without ever having reached one: the link may be wrong, or `distml serve` is just starting
LARGEST_BYTES = 1 << 30
HEARTBEAT_S = 30.0
REFUSED = (4401, 4403)
PASSING = (429, 502, 503, 504)  # as many connections as there may be; what stands before a coordinator that starts again

Say = Callable[[str], None]


class Refused(DistmlError, RuntimeError):
    """The coordinator does not want this worker."""


class Failed(DistmlError, RuntimeError):
    """The recipe raised; the coordinator has been told."""

    exit_code = 1


class Inbox:
    """Frames that wait while a shard is being computed. Newer weights replace those that nobody needs any more."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.closed = False
        self._frames: deque[tuple[str, int, bytes | str]] = deque()

    def put(self, data: bytes | str) -> None:
        header = json.loads(data if isinstance(data, str) else wire.split_frame(data)[0])
        kind, version = header["type"], header.get("version", -1)
        if header.get("newest"):
            version = 1 << 62  # newer weights do not make it void
        if kind == "weights":
            evaluated = {item[1] for item in self._frames if item[0] == "evaluate"}
            self._frames = deque(
                item
                for item in self._frames
                if item[1] >= version or not (item[0] == "lease" or item[0] == "weights" and item[1] not in evaluated)
            )
        if kind != "status":
            self._frames.append((kind, version, data))
        self.arrived.set()

    def take(self) -> list[bytes | str]:
        self.arrived.clear()
        frames = [data for _, _, data in self._frames]
        self._frames.clear()
        return frames


class Consent:
    """The code that this worker runs: what its link names, else what it finds first. It runs on this machine, in no sandbox."""

    def __init__(self, pin: str) -> None:
        self.pin = pin

    def check(self, code: str) -> None:
        """Raises Refused for another one."""
        found = hashlib.sha256(code.encode()).hexdigest()
        if not self.pin:
            self.pin = found
        elif not found.startswith(self.pin):
            raise Refused(
                f"the run's code is another one ({found[:8]}) than this worker was started for ({self.pin[:8]}):"
                " look at it on the page, and start `distml worker` again with the page's join link"
            )


async def work(link: str, name: str, say: Say = print) -> int:
    """Joins the coordinator behind the link and works until its run is over. Returns the exit code."""
    use_backend("reference")
    url, token = address(link)
    consent = Consent(pin_of(link))
    tab = Tab("reference", f"NumPy, {platform.machine()}", platform_name(), time.monotonic)
    session, failures, lost_s = secrets.token_hex(8), 0, time.monotonic()
    patience_s = FIRST_GIVE_UP_S
    async with aiohttp.ClientSession() as client:
        while True:
            try:
                # every limit is explicit; the answer to a ping comes from this loop, which never computes
                async with client.ws_connect(url, max_msg_size=LARGEST_BYTES, heartbeat=HEARTBEAT_S, compress=0) as socket:
                    role = "host" if token else "worker"
                    hello = wire.Hello(wire.PROTOCOL, token, role, name, session)
                    await socket.send_str(str(wire.encode(hello)))
                    if await _serve(socket, tab, say, consent):
                        return 0
                    patience_s = GIVE_UP_S
                    failures = 0 if socket.close_code not in (None, 1006) else failures
                    lost_s = time.monotonic()
                    say(f"The coordinator closed the connection ({socket.close_code}); trying again.")
            except (aiohttp.ClientError, OSError) as error:
                if isinstance(error, aiohttp.WSServerHandshakeError) and error.status not in PASSING:
                    raise Refused(f"{link.split('#')[0]} refuses workers: {error.status} {error.message}") from None
                if failures == 0:
                    say(f"Cannot reach {link.split('#')[0]} ({error}); trying again for {patience_s:g} s.")
            if time.monotonic() - lost_s > patience_s:
                raise Refused(f"no coordinator at {link.split('#')[0]} for {patience_s:g} s: is `distml serve` running?")
            # full jitter: workers that lost the coordinator together must not come back together
            await asyncio.sleep(random.uniform(0, min(LONGEST_DELAY_S, FIRST_DELAY_S * 2**failures)))
            failures += 1


async def _serve(socket: aiohttp.ClientWebSocketResponse, tab: Tab, say: Say, consent: Consent) -> bool:
    """One connection; True when the run is over."""
    inbox = Inbox()
    reader = asyncio.create_task(_read(socket, inbox))
    try:
        while True:
            closed = inbox.closed  # what came before the end still counts: the last frame may be Ended
            for data in inbox.take():
                _announce(data, say, consent)
                for frame in tab.receive(data):
                    await _send(socket, frame)
            if closed and tab.ended is None:
                break  # also when it steps alone: nobody would learn of its steps
            if tab.busy:
                for frame in await _advance(tab):
                    await _send(socket, frame)
            elif tab.ended is not None:
                await socket.close()
                return _ended(tab, say)
            else:
                await inbox.arrived.wait()
    except ConnectionError:
        await reader  # what came before the end still counts
        for data in inbox.take():
            tab.receive(data)
        if tab.ended is not None:
            while tab.busy:  # the last weights are loaded, and hashed from the model itself
                await _advance(tab)
            return _ended(tab, say)
    finally:
        reader.cancel()
    if socket.close_code in REFUSED:
        raise Refused(f"the coordinator refuses this worker (close code {socket.close_code}): see its message above")
    return False


def _ended(tab: Tab, say: Say) -> bool:
    assert tab.ended is not None
    sha256 = tab.report()["weights_sha256"]
    weights = f"weights {sha256}" if sha256 else "before this worker had its weights"
    say(f"Run {tab.ended.run} {tab.ended.state} at step {tab.ended.step}, {weights}")
    return True


async def _advance(tab: Tab) -> list[bytes | str]:
    try:
        return await asyncio.to_thread(tab.advance)
    except Exception as error:
        where = f" (line {line_of(error)} of the recipe)" if line_of(error) else ""
        raise Failed(f"{words_of(error)}{where}") from error


async def _send(socket: aiohttp.ClientWebSocketResponse, frame: bytes | str) -> None:
    await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))


async def _read(socket: aiohttp.ClientWebSocketResponse, inbox: Inbox) -> None:
    async for message in socket:
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            try:
                inbox.put(message.data)
            except (FormatError, ValueError, KeyError, TypeError):
                break  # not our protocol
    inbox.closed = True
    inbox.arrived.set()


def _announce(data: bytes | str, say: Say, consent: Consent) -> None:
    if not isinstance(data, str):
        return
    match wire.decode(data).message:
        case wire.Run(run=run, recipe=recipe, steps=steps, code=code):
            consent.check(code)
            say(f"Joining run {run}: {recipe}, {steps} steps")
        case wire.Rejected(reason=reason, detail=detail):
            say(f"The coordinator refused something ({reason}): {detail}")
            if reason == "deterministic":
                raise Refused(detail)
            if reason == "diverged":
                raise Failed(detail)
        case wire.Welcome():
            say("Connected; waiting for work.")


def address(link: str) -> tuple[str, str]:
    """The socket's address and the token of a link as `distml serve` prints it. Raises Refused for anything else."""
    try:
        parts = urlsplit(link if "//" in link else f"http://{link}")
        possible = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not set(parts.netloc) & set(" \t<>")
    except ValueError:  # a port that is no number or too large, a bracket that is not closed
        possible = False
    if not possible:
        raise Refused(f"a worker needs a link such as http://127.0.0.1:8000/#t=..., got {link.split('#')[0]!r}")
    token = _named(parts.fragment, "t")
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/ws", token


def pin_of(link: str) -> str:
    """The beginning of the code's SHA-256 that the link names; "" when it names none."""
    return _named(link.partition("#")[2], "c")


def _named(fragment: str, name: str) -> str:
    return next((part[len(name) + 1 :] for part in fragment.split("&") if part.startswith(f"{name}=")), "")


def platform_name() -> str:
    """What must be equal for equal bits: processor and the instructions NumPy uses on it, Python's and NumPy's versions."""
    found = np.show_config(mode="dicts")
    extensions = found["SIMD Extensions"].get("found", []) if isinstance(found, dict) else []
    instructions = extensions[-1] if extensions else "baseline"
    return f"{platform.system()} {platform.machine()} {instructions}, Python {platform.python_version()}, NumPy {np.__version__}"


def main(link: str, name: str) -> int:
    """`distml worker LINK`. Ctrl+C leaves the run: its leases are free at once, since the connection closes."""

    async def until_stopped() -> int:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work(link, name))
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl+C raises KeyboardInterrupt instead
                loop.add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            print("Left the run.")
            return 0

    return asyncio.run(until_stopped())
