"""The one coordinator of a cluster that has the run: its Coordinator decides, the others' workers take part through it.

Followers check their workers' gradients and keep them; here comes a line about each. When a step is complete each follower is
asked for the sums of what it has (summing.py), and what all of them make is the step.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Coroutine, Mapping

import numpy as np

from distml_py import safetensors, wire
from distml_py.errors import FormatError, NonFiniteError

from .. import robust, summing
from ..aggregate import Model, Taken, in_order, norm
from ..carrier import Lost
from ..coordinator import Coordinator
from ..effects import Reject
from ..sockets import Inspected
from ..status import MOST_LISTED
from . import messages as m
from .far import Elsewhere, Far
from .link import Outbox
from .standing import Standing
from .transport import ASLEEP_S, BEAT_S, SILENT_S, Stop, Transport

SUMS_S = 30.0
WAIT_S = 0.005


class Link:
    """A follower: its connections here, and what is said to it."""

    def __init__(self, leader: "Leader", first: m.Up) -> None:
        self.sender, self.name, self._reply, self.expected = first.sender, first.link, first.reply, 0
        self.far: dict[int, Far] = {}
        self.heard_s = time.monotonic()
        self._leader = leader
        self.out: Outbox[m.DownThing] = Outbox(self._send)

    async def _send(self, number: int, things: list[m.DownThing]) -> None:
        down = m.Down(self._leader.term, self.name, number, things)
        await self._leader.transport.publish(self._reply, m.pack(down))


class Leader:
    """Joins a Coordinator to the followers. term: the name of this time of leading; no other has it."""

    def __init__(self, coordinator: Coordinator, transport: Transport, term: str) -> None:
        self.coordinator, self.transport, self.term = coordinator, transport, term
        self._links: dict[str, Link] = {}  # by follower
        self._loop = asyncio.get_running_loop()
        self._shared: tuple[str, int, str | None] = ("", -1, None)  # run, version, hash of what all followers have
        self._sums: dict[int, dict[str, asyncio.Future[m.Partial]]] = {}
        self._ticket = 0
        self._stops: list[Stop] = []
        self._shares: asyncio.Queue[m.Share] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._standing, self._judged = Standing(transport, coordinator, term), asyncio.Event()
        coordinator.carrier.apply = self.apply
        coordinator.rounds.conduct.on_strike = coordinator.door.on_ban = self._judged.set

    async def open(self) -> None:
        await self._standing.recall()
        self._stops = [
            await self.transport.subscribe(f"up.{self.term}", self._take_up),
            await self.transport.subscribe(f"sums.{self.term}", self._take_partial),
        ]
        for work in (self._tell_status(), self._note(), self._watch(), self._share()):
            self._spawn(work)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Followers look for another leader at once."""
        for task in self._tasks:
            task.cancel()
        for link in list(self._links.values()):
            await link.out.close(self._told(), m.Bye())
            self._fail_sums(link.sender)
        self._links.clear()
        for stop in self._stops:
            with contextlib.suppress(OSError):
                await stop()

    # ------------------------------------------------------------ followers

    def _take_up(self, data: bytes) -> None:
        try:
            up = m.unpack(data, m.Up)
        except FormatError:
            return  # of another version: it will not be heard
        link = self._links.get(up.sender)
        if up.number == 0 and (link is None or link.name != up.link):
            if link is not None:
                self._drop(link)
            link = self._links[up.sender] = Link(self, up)
            self._spawn(self._begin(link))
        if link is None or link.name != up.link or up.number != link.expected:
            again = m.Down(self.term, up.link, -1, [])
            self._spawn(self._publish(up.reply, m.pack(again)))
            return
        link.expected, link.heard_s = link.expected + 1, time.monotonic()
        for thing in up.things:
            self._take(link, thing)

    async def _publish(self, subject: str, data: bytes) -> None:
        with contextlib.suppress(OSError):
            await self.transport.publish(subject, data)

    async def _begin(self, link: Link) -> None:
        """What a follower that has just come must have: the run, its newest weights, and older ones that are being evaluated."""
        while self.coordinator.committing:
            await asyncio.sleep(WAIT_S)
        shown = self._shown(-1)
        if shown is not None:
            link.out.put(shown)
        link.out.put(self._told())

    def _take(self, link: Link, thing: m.UpThing) -> None:
        match thing:
            case m.Came():
                self._came(link, thing)
                return
            case m.Bye():
                self._drop(link)
                return
        far = link.far.get(thing.who)
        if far is None or far.gone:
            return
        match thing:
            case m.Left():
                del link.far[thing.who]
                self.coordinator.leave(far)
                far.gone = True
            case m.Damaged():
                self.coordinator.damaged(far, thing.detail)
            case m.Text() | m.Whole():
                try:
                    inspected = self.coordinator.inspect(thing.text if isinstance(thing, m.Text) else thing.frame)
                except FormatError as error:
                    self.coordinator.damaged(far, str(error)[:500])
                else:
                    self._judge(link, far, self.coordinator.receive(far, inspected))
            case m.Answer():
                self._judge(link, far, self.coordinator.receive(far, _inspected(thing, link.sender)), thing.key)

    def _came(self, link: Link, came: m.Came) -> None:
        far = link.far[came.who] = Far(came.who, link.sender, link.out.put, self._deliver)
        far.token, far.address = came.hello.token, came.address
        refusal = self.coordinator.welcome(far, came.hello, came.origin)
        if refusal is not None:
            del link.far[came.who]
            link.out.put(m.Refuse(came.who, refusal.reason, refusal.detail))

    def _judge(self, link: Link, far: Far, refusal: Reject | None, key: int = 0) -> None:
        if refusal is not None:
            link.out.put(m.Judge(far.who, refusal.reason, refusal.detail, refusal.bad, key))

    def _drop(self, link: Link) -> None:
        """A follower is gone, and its workers with it: what they had counts no more."""
        if self._links.get(link.sender) is link:
            del self._links[link.sender]
        self._spawn(link.out.close())
        for far in link.far.values():
            far.gone = True
            self.coordinator.leave(far)
        self._fail_sums(link.sender)

    def _fail_sums(self, sender: str) -> None:
        for awaited in self._sums.values():
            if sender in awaited and not awaited[sender].done():
                awaited[sender].set_exception(Lost(f"coordinator {sender} is gone"))

    async def _watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(BEAT_S)
            asleep = time.monotonic() - before > BEAT_S + ASLEEP_S
            for link in list(self._links.values()):
                if asleep:
                    link.heard_s = time.monotonic()
                if link.out.failed or time.monotonic() - link.heard_s > SILENT_S:
                    self._drop(link)

    # ------------------------------------------------------------ down

    async def _note(self) -> None:
        """Strikes and bans at once, the rest soon: nobody must be rid of them by the leader's end."""
        while True:
            self._judged.clear()
            await self._standing.note()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._judged.wait(), BEAT_S)

    async def _tell_status(self) -> None:
        while True:
            for link in self._links.values():
                link.out.put(self._told())
            with contextlib.suppress(TimeoutError):
                if self.coordinator.over.is_set():
                    await asyncio.sleep(BEAT_S)
                else:
                    await asyncio.wait_for(self.coordinator.over.wait(), BEAT_S)

    def _told(self) -> m.Told:
        return m.Told(json.dumps(self.coordinator.status(MOST_LISTED)), self.coordinator.over.is_set())

    def _shown(self, base: int) -> m.Shown | None:
        """base: the weights that those have who are to be told; -1: none, then also older ones that are being evaluated."""
        coordinator, run = self.coordinator, self.coordinator.rounds.run
        down, model = coordinator.downstream, coordinator.model
        if run is None or down is None or model is None:
            return None
        needed, version = sorted(coordinator.rounds.versions_needed()), coordinator.version
        frames = [frame for older in needed if base < 0 and older < version for frame in down.frames(-1, older)]
        frames += down.frames(base, version)
        secret = f"{coordinator.secret:x}" if coordinator.guards.audited else ""
        text = str(wire.encode(run))
        return m.Shown(text, version, coordinator.sha256 or "", frames, needed, model.largest_norm, secret)

    def _deliver(self, version: int) -> str:
        """Sees that followers have these weights, or get them now: one message for all of them. Their hash, of the newest."""
        coordinator, run = self.coordinator, self.coordinator.rounds.run
        here = (run.run if run is not None else "", coordinator.version, coordinator.sha256)
        if version != coordinator.version:
            return ""  # older ones that are being evaluated were shared when they were the newest
        if here == self._shared:
            return coordinator.sha256 or ""
        follows = self._shared[0] == here[0] and self._shared[1] < here[1]
        shown = self._shown(self._shared[1] if follows else -1)
        self._shared = here
        if shown is not None:
            self._shares.put_nowait(m.Share(self.term, shown))
        return coordinator.sha256 or ""

    async def _share(self) -> None:
        while True:
            await self._publish("weights", m.pack(await self._shares.get()))

    # ------------------------------------------------------------ sums

    def apply(self, model: Model, taken: Mapping[tuple[int, int], Taken], samples: int) -> None:
        """Model.apply, of parts that lie here and elsewhere. In the thread of the arithmetic. Raises Lost."""
        ordered = in_order(taken)
        far = [found for found in ordered if isinstance(found, Elsewhere)]
        if not far:
            model.apply(taken, samples)
            return
        factors = [found.samples / samples * found.weight for found in ordered]
        rows = model.rule is not robust.mean
        asked = asyncio.run_coroutine_threadsafe(self._gather(ordered, factors, rows), self._loop)
        terms = {
            place: (found.vector, factors[place])
            for place, found in enumerate(ordered) if not isinstance(found, Elsewhere)
        }  # fmt: skip
        count, size = len(ordered), model.manifest.size
        nodes, left = ([], list(terms)) if rows else summing.held(terms, count, size)
        parts = {place: terms[place] for place in left}
        last, buffers = _last_buffers(ordered)
        for partial in asked.result():
            if not partial.complete:
                raise Lost(f"coordinator {partial.sender} has not kept what counted")
            found_nodes, found_rows = _opened(partial, size)
            nodes += found_nodes
            parts |= {place: (vector, factors[place]) for place, vector in found_rows.items()}
            if partial.buffers_place > last:
                last, buffers = partial.buffers_place, safetensors.loads(partial.buffers)
        if rows:
            vectors = dict(zip(sorted(taken), (parts[place][0] for place in range(count)), strict=True))
            model.apply({unit: Taken(one.samples, vectors[unit], {}, one.weight) for unit, one in taken.items()}, samples)
            model.buffers = dict(buffers) or model.buffers
            return
        total = summing.joined(nodes, parts, count, size)
        largest = max(found.norm if isinstance(found, Elsewhere) else norm(found.vector) for found in ordered)
        model.step(total, buffers, largest)

    async def _gather(self, ordered: list[Taken], factors: list[float], rows: bool) -> list[m.Partial]:
        """Asks each follower for its part of a step. Raises Lost when one of them is gone."""
        items: dict[str, list[tuple[int, int, float]]] = {}
        for place, found in enumerate(ordered):
            if isinstance(found, Elsewhere):
                items.setdefault(found.place, []).append((place, found.key, factors[place]))
        self._ticket += 1
        ticket, awaited = self._ticket, {sender: self._loop.create_future() for sender in items}
        self._sums[ticket] = awaited
        try:
            for sender, wanted in items.items():
                if sender not in self._links:
                    raise Lost(f"coordinator {sender} is gone")
                self._links[sender].out.put(m.Total(ticket, len(ordered), wanted, rows))
            answers = await asyncio.wait_for(asyncio.gather(*awaited.values(), return_exceptions=True), SUMS_S)
        except TimeoutError:
            raise Lost(f"no sums from {', '.join(items)} for {SUMS_S:g} s") from None
        finally:
            del self._sums[ticket]
        partials = [partial for partial in answers if isinstance(partial, m.Partial)]
        if len(partials) < len(items):
            raise Lost(f"not all of {', '.join(items)} are still there")
        return partials

    def _take_partial(self, data: bytes) -> None:
        try:
            partial = m.unpack(data, m.Partial)
        except FormatError:
            return
        if partial.sender in self._links:
            self._links[partial.sender].heard_s = time.monotonic()
        future = self._sums.get(partial.ticket, {}).get(partial.sender)
        if future is not None and not future.done():
            future.set_result(partial)


def _inspected(answer: m.Answer, place: str) -> Inspected:
    """What the follower found, as if it had been found here."""
    error = None
    if answer.reason:
        error = NonFiniteError(answer.error) if answer.reason == "non_finite" else FormatError(answer.error)
    opened = Elsewhere(0, np.empty(0, np.float32), {}, 1.0, place, answer.key, answer.norm)
    sketch = np.frombuffer(answer.sketch, np.float64) if answer.sketch else None
    return Inspected(wire.Frame(answer.message), None if error else opened, error, sketch)


def _last_buffers(ordered: list[Taken]) -> tuple[int, Mapping[str, np.ndarray]]:
    """The place of the last part here that has the model's buffers, and them; -1 for none."""
    found = [(place, part.buffers) for place, part in enumerate(ordered) if part.buffers]
    return found[-1] if found else (-1, {})


def _opened(partial: m.Partial, size: int) -> tuple[list[summing.Node], dict[int, np.ndarray]]:
    """The numbers of a follower's answer. Raises Lost when they are not as many as it says."""
    wide = len(partial.nodes) * size
    if len(partial.data) != wide * 8 + len(partial.rows) * size * 4:
        raise Lost(f"the sums of coordinator {partial.sender} are not whole")
    sums = np.frombuffer(partial.data, np.float64, wide).reshape(-1, size)
    plain = np.frombuffer(partial.data, np.float32, len(partial.rows) * size, wide * 8).reshape(-1, size)
    nodes = [(level, index, sums[number]) for number, (level, index) in enumerate(partial.nodes)]
    return nodes, {place: plain[number] for number, place in enumerate(partial.rows)}
