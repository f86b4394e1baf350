"""A coordinator of a cluster while another one leads: it takes its workers' frames, checks them, and keeps their gradients.

What has no numbers goes on to the leader as it came. Of a gradient the leader hears that it is there; its numbers stay here until
the leader asks for sums of them. A follower lives as long as its link to one leader.
"""

import asyncio
import contextlib
import itertools
import json
import secrets
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from distml_py import safetensors, wire
from distml_py.errors import DistmlError, FormatError, NonFiniteError
from distml_py.exchange import exchange_of

from .. import summing
from ..access import Access
from ..aggregate import Model, Taken, norm
from ..audit import Sketcher
from ..coordinator import SLACK_BYTES, START_BYTES
from ..decoding import decode
from ..effects import Reject
from ..sockets import FORBIDDEN, REFUSED, Connection, Inspected, inspected
from . import messages as m
from .link import Outbox
from .mirror import Mirror
from .transport import SILENT_S, Stop, Transport

WEIGHTS_S = 5.0


class Follower:
    """A sockets.Coordinator. lost: set when the link is; then another Follower is to be made."""

    def __init__(self, transport: Transport, access: Access, name: str, term: str, invitation: Callable[[], str]) -> None:
        """name: this coordinator's; term: the leader's; invitation: this coordinator's own join link."""
        self._transport, self.access, self.name, self.term, self._invitation = transport, access, name, term, invitation
        self.lost, self.over = asyncio.Event(), asyncio.Event()
        self.model: Model | None = None
        self.told: dict[str, Any] = {}
        self.heard_s = time.monotonic()
        self._link, self._expected = secrets.token_hex(8), 0
        self._people: dict[int, Connection] = {}
        self._numbers: dict[Connection, int] = {}
        self._count = itertools.count(1)
        self.run: wire.Run | None = None
        self._mirror: Mirror | None = None
        self._arrived = asyncio.Event()  # of weights
        self._has: dict[int, int] = {}
        self._kept: dict[int, tuple[int, Taken]] = {}  # key -> version it was computed at, numbers
        self._sketcher: Sketcher | None = None
        self._inbox: deque[m.DownThing] = deque()
        self._wake = asyncio.Event()
        self._stops: list[Stop] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, here: dict[Connection, tuple[wire.Hello, str | None]]) -> None:
        """here: who is connected already."""
        self._stops = [
            await self._transport.subscribe(f"down.{self.name}.{self._link}", self._take_down),
            await self._transport.subscribe("weights", self._take_share),
        ]
        self._out: Outbox[m.UpThing] = Outbox(self._send)
        for connection, (hello, origin) in here.items():
            refusal = self.welcome(connection, hello, origin)
            if refusal is not None:
                connection.say(refusal)
                connection.close(REFUSED if refusal.reason == "token" else FORBIDDEN, refusal.detail)
        self._tasks = [asyncio.create_task(self._work_off())]

    async def _send(self, number: int, things: list[m.UpThing]) -> None:
        up = m.Up(self.name, self._link, number, f"down.{self.name}.{self._link}", things)
        await self._transport.publish(f"up.{self.term}", m.pack(up))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._out.close(m.Bye())
        for stop in self._stops:
            with contextlib.suppress(OSError):
                await stop()

    def alive(self) -> bool:
        return not self.lost.is_set() and not self._out.failed and time.monotonic() - self.heard_s < SILENT_S

    # ------------------------------------------------------------ connections (see sockets.Coordinator)

    def welcome(self, connection: Connection, hello: wire.Hello, origin: str | None) -> wire.Rejected | None:
        """The role is known here; whether there are other reasons against it the leader says later."""
        self.access.refresh()
        role = self.access.role(hello.token, hello.role, origin, connection.here)
        if role is None:
            link = "open the link that `distml serve` printed; a link from an earlier start is no longer good, nor an ended one"
            return wire.Rejected("token", link)
        who = next(self._count)
        connection.id, connection.role = f"{self.name}.{who}", role
        self._people[who], self._numbers[connection] = connection, who
        self._out.put(m.Came(who, hello, origin, connection.address))
        return None

    def leave(self, connection: Connection) -> None:
        who = self._numbers.pop(connection, None)
        if who is not None:
            del self._people[who]
            self._has.pop(who, None)
            self._out.put(m.Left(who))

    def largest_frame(self, role: str) -> int:
        """Before the run is known a gradient of the time before may still come."""
        return START_BYTES if role == "host" or self.model is None else self.model.size_bytes + SLACK_BYTES

    def inspect(self, data: bytes | str) -> Inspected:
        """Decodes a frame and, of a gradient, checks the numbers. Any thread may call it."""
        return inspected(decode(data), self.model, self._sketcher)

    def receive(self, connection: Connection, inspected: Inspected) -> Reject | None:
        """The leader's word on it comes later, and counts then (Connection.judge)."""
        who, message, tensors = self._numbers.get(connection), inspected.frame.message, inspected.frame.tensors
        if who is None:
            return None
        match message:
            case wire.Gradient():
                self._keep(who, message, inspected)
                return None
            case wire.Join():
                known = self._mirror is not None and self.run is not None and message.run == self.run.run
                found = known and self._mirror is not None and self._mirror.has(message.version, message.rolling)
                self._has[who] = message.version if found else -1
            case wire.Resync():
                self._has[who] = -1
        if type(message) in wire.WITH_TENSORS:
            self._out.put(m.Whole(who, bytes(wire.encode(message, tensors))))  # type: ignore[arg-type]
        else:
            self._out.put(m.Text(who, str(wire.encode(message))))
        return None

    def damaged(self, connection: Connection, detail: str) -> None:
        if connection in self._numbers:
            self._out.put(m.Damaged(self._numbers[connection], detail))

    def _keep(self, who: int, message: wire.Gradient, inspected: Inspected) -> None:
        if inspected.error is not None or inspected.opened is None:
            reason = "non_finite" if isinstance(inspected.error, NonFiniteError) else "invalid"
            self._out.put(m.Answer(who, message, 0, reason=reason, error=str(inspected.error or "there is no run")[:500]))
            return
        key = next(self._count)
        self._kept[key] = message.version, inspected.opened
        sketch = b"" if inspected.sketch is None else np.asarray(inspected.sketch, np.float64).tobytes()
        self._out.put(m.Answer(who, message, key, norm(inspected.opened.vector), sketch))

    # ------------------------------------------------------------ from the leader

    def _take_down(self, data: bytes) -> None:
        try:
            down = m.unpack(data, m.Down)
        except FormatError:
            self.lost.set()
            return
        if down.term != self.term or down.link != self._link:
            return
        if down.number != self._expected:
            self.lost.set()
            return
        self._expected, self.heard_s = self._expected + 1, time.monotonic()
        self._inbox.extend(down.things)
        self._wake.set()

    def _take_share(self, data: bytes) -> None:
        try:
            share = m.unpack(data, m.Share)
            if share.term == self.term:
                self.heard_s = time.monotonic()
                self._show(share.shown)
        except DistmlError:
            self.lost.set()  # something was missed: from the beginning

    def _show(self, shown: m.Shown) -> None:
        """Newer weights, or the first of a run."""
        if self.run is None or self.run.run != json.loads(shown.run)["run"]:
            message = wire.decode(shown.run).message
            first = next((frame for frame in reversed(shown.frames) if _is_whole(frame)), None)
            if first is None or not isinstance(message, wire.Run):
                return  # a part of what will come whole
            self._open(message, first, shown.secret)
        assert self._mirror is not None and self.run is not None and self.model is not None
        if not self._mirror.take(shown.frames, {*shown.needed}, shown.sha256):
            self._has.clear()
            self._kept.clear()
        self.model.largest_norm = max(self.model.largest_norm, shown.largest)
        exchange = exchange_of(self.run.exchange)
        ahead = exchange.staleness if exchange.mode == "async" else 0
        self._kept = {key: kept for key, kept in self._kept.items() if kept[0] >= shown.version - ahead - 1}
        self._arrived.set()

    def _open(self, run: wire.Run, first: bytes, secret: str) -> None:
        self.run, self._mirror = run, Mirror(run, first)
        self.model = Model(self._mirror.arrays, run.optimizer, self._mirror.buffers, exchange_of(run.exchange))
        self._sketcher = Sketcher(self.model.manifest.size, int(secret, 16)) if secret else None
        self.access.run = run.run
        self._kept.clear()
        self._has.clear()

    async def _work_off(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._inbox:
                try:
                    await self._take(self._inbox.popleft())
                except (DistmlError, TimeoutError):
                    self.lost.set()
                    return

    async def _take(self, thing: m.DownThing) -> None:
        match thing:
            case m.Bye():
                self.lost.set()
            case m.Shown():
                self._show(thing)
            case m.Told():
                self._tell(thing)
            case m.Total():
                await self._sum(thing)
            case m.Deliver():
                await self._deliver(thing)
            case _ if thing.who in self._people:
                self._pass_on(thing, self._people[thing.who])

    def _pass_on(self, thing: m.Say | m.Hand | m.Judge | m.Shut | m.Refuse, connection: Connection) -> None:
        match thing:
            case m.Say(who, "welcome", _, text):
                welcome = wire.decode(text).message
                if isinstance(welcome, wire.Welcome):
                    link = self._invitation() if welcome.join_url else ""
                    connection.say(wire.Welcome(welcome.protocol, welcome.worker, welcome.role, link))
            case m.Say(_, kind, version, text):
                connection.send(wire.TYPES[kind], text, version)
            case m.Hand(who, kind, frame):
                self._has[who] = -1  # it will make weights of its own
                connection.send(wire.TYPES[kind], frame)
            case m.Judge(_, reason, detail, bad, key):
                self._kept.pop(key, None)
                connection.judge(Reject(connection.id, reason, detail, bad))
            case m.Shut(_, code, reason):
                connection.close(code, reason)
            case m.Refuse(_, reason, detail):
                connection.say(wire.Rejected(reason, detail))
                connection.close(REFUSED if reason == "token" else FORBIDDEN, detail)

    def _tell(self, told: m.Told) -> None:
        self.told = json.loads(told.text)
        if told.over:
            self.over.set()
        frame = wire.encode(wire.Status(self.told))
        for connection in self._people.values():
            connection.send(wire.Status, frame)

    async def _deliver(self, thing: m.Deliver) -> None:
        """The weights come by another way, so they may come later than this."""
        async with asyncio.timeout(WEIGHTS_S):
            while self._mirror is None or not self._mirror.there(thing.version, thing.sha256):
                self._arrived.clear()
                await self._arrived.wait()
        connection = self._people.get(thing.who)
        if connection is not None:
            connection.send(wire.Weights, partial(self._weights_for, thing.who, thing.version), thing.version)

    def _weights_for(self, who: int, version: int) -> list[bytes]:
        if self._mirror is None:
            return []
        frames = self._mirror.frames(self._has.get(who, -1), version)
        if frames:
            self._has[who] = max(self._has.get(who, -1), version)
        return frames

    async def _sum(self, asked: m.Total) -> None:
        """Adds up what is kept, in another thread, and sends it; it is not kept any longer."""
        found = {place: (self._kept.pop(key, (0, None))[1], factor) for place, key, factor in asked.items}
        kept = {place: (taken, factor) for place, (taken, factor) in found.items() if taken is not None}
        size = self.model.manifest.size if self.model is not None else 0
        answer = partial(_partial, asked, self.name, kept, size, len(kept) == len(asked.items))
        data = await asyncio.to_thread(answer)
        try:
            await self._transport.publish(f"sums.{self.term}", data)
        except OSError:
            self.lost.set()


def _partial(asked: m.Total, name: str, kept: dict[int, tuple[Taken, float]], size: int, complete: bool) -> bytes:
    terms = {place: (taken.vector, factor) for place, (taken, factor) in kept.items()}
    nodes, rows = ([], sorted(terms)) if asked.rows else summing.held(terms, asked.count, size)
    parts = [vector.tobytes() for _, _, vector in nodes] + [
        np.ascontiguousarray(terms[place][0], "<f4").tobytes() for place in rows
    ]
    last = max((place for place, (taken, _) in kept.items() if taken.buffers), default=-1)
    buffers = safetensors.dumps(dict(kept[last][0].buffers)) if last >= 0 else b""
    shape = [(level, index) for level, index, _ in nodes]
    return m.pack(m.Partial(asked.ticket, name, complete, shape, rows, b"".join(parts), buffers, last))


def _is_whole(frame: bytes) -> bool:
    header, _ = wire.split_frame(frame)
    return bool(wire.parse_json(header).get("type") == "weights")
