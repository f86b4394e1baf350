"""A coordinator of a cluster as the rest of the program sees it: it leads, follows, or waits for who will lead.

Who holds the lease "leader" leads. Connections stay where they are when the leader changes: each is welcomed again by whoever
decides now, so a worker hears of its run anew and goes on with the weights it has.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from distml_py import wire

from ..access import Access
from ..aggregate import Model
from ..coordinator import PIN_CHARACTERS, START_BYTES, Coordinator
from ..decoding import decode
from ..effects import Reject
from ..guards import TRUSTING, Guards
from ..rounds import Rounds
from ..sockets import FORBIDDEN, REFUSED, Connection, Inspected, Traffic
from ..status import status
from ..store import Deposed, RunStore, Stored, StoreError
from .follower import Follower
from .leader import Leader
from .links import Links
from .term import LEADER, Term
from .transport import ASLEEP_S, BEAT_S, ClusterError, Entry, Transport, Unreachable

TOLD_S = 1.5  # then people are told that nobody leads
AWAY_S = 10.0  # without the others for so long: tabs had better go to another coordinator
FIRST_S = 30.0
TURN_S = 2.0  # so long a turn that has begun may take when this coordinator ends
CLOSE_S = 8.0
HURRY_S = 4.0
OVER = ("finished", "stopped")


@dataclass(frozen=True)
class Plan:
    """What this coordinator was started for. wish: a run to begin, if the cluster has none that is under way."""

    deterministic: bool = False
    exchange: dict[str, Any] = field(default_factory=dict)
    guards: Guards = TRUSTING
    wish: tuple[wire.Start, dict[str, np.ndarray]] | None = None


class SharedStore(RunStore, Protocol):
    """What all coordinators of a cluster store in; they may open it at once, and only one of them is not Deposed."""

    def hurry(self, seconds: float) -> None:
        """From now on a step is waited for no longer than that."""


class Member:
    """A sockets.Coordinator, and what app.py and serve.py need of one. over: the run is."""

    def __init__(self, transport: Transport, access: Access, open_store: Callable[[], SharedStore], plan: Plan) -> None:
        self.name = secrets.token_hex(3)
        self.join_url, self.traffic = "", Traffic()
        self.over = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self._transport, self._access, self._open_store, self._plan = transport, access, open_store, plan
        self._links = Links(transport, access)
        self._wish = plan.wish
        self._here: dict[Connection, tuple[wire.Hello, str | None]] = {}
        self._term: Term | None = None  # while it has the lease
        self._opening: asyncio.Task[None] | None = None
        self._stores: set[SharedStore] = set()  # that are open
        self._store: SharedStore | None = None
        self._coordinator: Coordinator | None = None
        self._leader: Leader | None = None
        self._follower: Follower | None = None
        self._told: dict[str, Any] = status(Rounds(), None, None, 0.0) | {"locked": False}
        self._trouble: str | None = None
        self._reached_s = time.monotonic()
        self._settled, self._ending = asyncio.Event(), asyncio.Event()
        self._unable: str | None = None  # why it could not lead when it was its turn

    @property
    def _side(self) -> Coordinator | Follower | None:
        """Who decides what happens to connections here."""
        return self._coordinator or self._follower

    async def agree(self) -> None:
        """Has the same join links as the others."""
        await self._links.agree()

    async def run(self) -> None:
        """Returns when it is known who leads."""
        self.tasks = [asyncio.create_task(self._govern())]
        waiting = asyncio.create_task(self._settled.wait())
        await asyncio.wait([waiting, *self.tasks], timeout=FIRST_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in self.tasks:
            if task.done():
                task.result()

    # ------------------------------------------------------------ what the program asks

    @property
    def idle(self) -> bool:
        return not self._here

    @property
    def joined(self) -> int:
        return int(self.status()["workers"])

    @property
    def model(self) -> Model | None:
        return self._side.model if self._side is not None else None

    @property
    def stores(self) -> bool:
        """Whether steps are stored: here, or by who leads."""
        if self._trouble is not None or self._side is None:
            return False
        return self._coordinator.stores if self._coordinator is not None else True

    @property
    def ending(self) -> bool:
        """Whether this coordinator is leaving the others."""
        return self._ending.is_set()

    @property
    def invitation(self) -> str:
        run = self._run
        return f"{self.join_url}&c={run.code_sha256[:PIN_CHARACTERS]}" if run is not None and self.join_url else self.join_url

    @property
    def _led(self) -> bool:
        """Whether somebody leads, and was heard of just now."""
        if self._coordinator is not None:
            return True
        follower = self._follower
        return follower is not None and bool(follower.told) and time.monotonic() - follower.heard_s < TOLD_S

    @property
    def _run(self) -> wire.Run | None:
        if self._coordinator is not None:
            return self._coordinator.rounds.run
        return self._follower.run if self._follower is not None else None

    def status(self, most: int | None = None) -> dict[str, Any]:
        """Of a follower: what the leader told last."""
        if self._coordinator is not None:
            self._told = self._coordinator.status(most)
        elif self._follower is not None and self._follower.told:
            self._told = self._follower.told
        trouble = self._trouble or self._unable
        if trouble is None and not self._led:
            trouble = "no coordinator of the cluster leads: the run goes on when one does"
        cluster = {"name": self.name, "leads": self._coordinator is not None}
        return self._told | {"error": self._told["error"] or trouble, "cluster": cluster}

    # ------------------------------------------------------------ connections (see sockets.Coordinator)

    def welcome(self, connection: Connection, hello: wire.Hello, origin: str | None) -> wire.Rejected | None:
        connection.place = self.name
        if self._side is not None:
            refusal = self._side.welcome(connection, hello, origin)
        else:
            self._access.refresh()
            connection.role = self._access.role(hello.token, hello.role, origin, connection.here) or ""
            refusal = None if connection.role else wire.Rejected("token", "the link is not good, or not any more")
        if refusal is None:
            self._here[connection] = hello, origin
        return refusal

    def leave(self, connection: Connection) -> None:
        if self._here.pop(connection, None) is not None and self._side is not None:
            self._side.leave(connection)

    def largest_frame(self, role: str) -> int:
        """While nobody leads a gradient may still be on its way: it counts no more, and its sender stays."""
        return self._side.largest_frame(role) if self._side is not None else START_BYTES

    def inspect(self, data: bytes | str) -> Inspected:
        return self._side.inspect(data) if self._side is not None else Inspected(decode(data))

    def receive(self, connection: Connection, inspected: Inspected) -> Reject | None:
        """While nobody leads nothing counts; who is here is asked again by who leads next."""
        return self._side.receive(connection, inspected) if self._side is not None and connection in self._here else None

    def damaged(self, connection: Connection, detail: str) -> None:
        if self._side is not None:
            self._side.damaged(connection, detail)

    # ------------------------------------------------------------ who leads

    async def _govern(self) -> None:
        before = time.monotonic()
        while not self._ending.is_set():
            if time.monotonic() - before > BEAT_S + ASLEEP_S and self._follower is not None:
                self._follower.heard_s = time.monotonic()
            before = time.monotonic()
            try:
                await self._turn()
                await self._links.agree()
                self._trouble, self._reached_s = None, time.monotonic()
            except Unreachable as error:
                self._trouble = f"this coordinator does not reach the others: {error}"
                if time.monotonic() - self._reached_s > AWAY_S:
                    self._send_away()
            if self._side is not None:
                if self._coordinator is not None or self._follower is not None and self._follower.told:
                    self._settled.set()
                if self._side.over.is_set():
                    self.over.set()
            if not self._led:
                self._tell_here()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), BEAT_S)

    async def _turn(self) -> None:
        if self._term:
            await self._go_on_leading()
            return
        found = await self._transport.holder(LEADER)
        if found is None:
            await self._try_to_lead()
            return
        self._unable = None
        if self._follower is None or self._follower.term != found.value.decode() or not self._follower.alive():
            await self._follow(found)
        elif self._follower.told.get("run"):
            self._forget_wish(self._follower.told["run"])

    async def _go_on_leading(self) -> None:
        if self._opening is not None and self._opening.done():
            opening, self._opening = self._opening, None
            try:
                opening.result()
            except Deposed:
                await self._step_down()  # who led before was not done yet
                return
            except (StoreError, OSError, ClusterError) as error:
                if not self._settled.is_set():
                    raise  # as it was asked for it cannot begin
                self._unable = str(error)
                await self._step_down()
                return
            self._unable = None
        if self._coordinator is not None:
            for task in self._coordinator.tasks:
                if task.done():
                    task.result()  # raises: better no coordinator than one that has lost its clock
        lost = self._term is not None and not await self._term.hold()
        if lost or self._coordinator is not None and self._coordinator.deposed.is_set():
            await self._step_down()

    async def _try_to_lead(self) -> None:
        term = await Term.begin(self._transport, self.name)
        if term is not None:
            await self._stop_following()
            self._term = term
            self._opening = asyncio.create_task(self._lead(term))

    async def _lead(self, term: Term) -> None:
        """Goes on with the cluster's run from what is stored."""
        store = self._store = await asyncio.to_thread(self._opened)
        plan = self._plan
        coordinator = Coordinator(
            store, self._access, plan.deterministic, exchange=plan.exchange, guards=plan.guards, durability_s=0.0
        )
        coordinator.join_url, coordinator.mark = self.join_url, term.mark
        leader = Leader(coordinator, self._transport, term.name)
        try:
            await asyncio.to_thread(self._begin, coordinator, store)
            await leader.open()
            await coordinator.run()
        except BaseException:
            coordinator.abandon()
            await leader.close()
            raise
        self._wish = None  # begun, or under way already
        self._leader, self._coordinator = leader, coordinator
        for connection, (hello, origin) in list(self._here.items()):
            self._welcome_again(connection, hello, origin)

    def _opened(self) -> SharedStore:
        """In a thread, which goes on when nobody waits for it any more: it is closed all the same."""
        store = self._open_store()
        self._stores.add(store)
        return store

    def _begin(self, coordinator: Coordinator, store: SharedStore) -> None:
        """In a thread of its own: nobody else knows this coordinator yet, and the store waits for NATS."""
        records = store.records(_print)
        active = [name for name, record in records.items() if record.state not in OVER]
        stored: Stored | None = None
        if active or records and self._wish is None:
            stored = store.open(_print, active[-1] if active else None)
        if stored is not None:
            coordinator.rounds.deterministic = stored.run.deterministic
            coordinator.resume(stored)
            _print(f"Run {stored.run.run} goes on at step {stored.step} of {stored.run.steps}.")
            self._forget_wish(stored.run.run)
        elif self._wish is not None:
            coordinator.begin(*self._wish)

    def _forget_wish(self, run: str) -> None:
        if self._wish is not None:
            _print(f"Run {run} is under way in the cluster: this coordinator takes part in it, and begins no other.")
        self._wish = None

    async def _follow(self, found: Entry) -> None:
        await self._stop_following()
        follower = Follower(self._transport, self._access, self.name, found.value.decode(), lambda: self.invitation)
        await follower.open(self._here)
        self._follower = follower

    async def _stop_following(self) -> None:
        if self._follower is not None:
            self.status()
            follower, self._follower = self._follower, None
            await follower.close()

    async def _step_down(self) -> None:
        """Another coordinator has the lease, or the run. What was not stored was not told."""
        self.status()
        term, opening, coordinator, leader = self._term, self._opening, self._coordinator, self._leader
        self._term = None
        self._coordinator = self._leader = self._store = self._opening = None
        await _ended(opening)
        if coordinator is not None:
            coordinator.abandon()
        if leader is not None:
            await leader.close()
        try:
            if term is not None:
                await term.end()
        finally:
            await self._close_stores()

    async def _close_stores(self) -> None:
        while self._stores:
            store = self._stores.pop()
            store.hurry(0.0)
            await asyncio.to_thread(store.close)

    def _welcome_again(self, connection: Connection, hello: wire.Hello, origin: str | None) -> None:
        side = self._side
        refusal = side.welcome(connection, hello, origin) if side is not None else None
        if refusal is not None:
            connection.say(refusal)
            connection.close(REFUSED if refusal.reason == "token" else FORBIDDEN, refusal.detail)

    def _tell_here(self) -> None:
        frame = wire.encode(wire.Status(self.status()))
        for connection in self._here:
            connection.send(wire.Status, frame)

    def _send_away(self) -> None:
        for connection in list(self._here):
            connection.close(1012, "this coordinator does not reach the others")

    async def close(self) -> None:
        """A leader stores the run, and only then leaves the lease; tabs here come back somewhere else."""
        self._ending.set()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=TURN_S)
        await _ended(*self.tasks, self._opening)
        if self._coordinator is not None and self._store is not None and self._term is not None:
            self._store.hurry(HURRY_S)
            # while the last step is being stored nobody else may go on from the one before
            keeping = asyncio.create_task(self._term.keep())
            await self._close(self._coordinator)
            await _ended(keeping)
        for connection in list(self._here):
            connection.close(1012, "restart")
        with contextlib.suppress(OSError):
            await self._stop_following()
        if self._term:
            with contextlib.suppress(OSError):
                await self._step_down()
        await self._close_stores()
        await self._transport.close()

    async def _close(self, coordinator: Coordinator) -> None:
        """Who is deposed meanwhile has nothing left to store."""
        closing, deposed = asyncio.create_task(coordinator.close()), asyncio.create_task(coordinator.deposed.wait())
        await asyncio.wait({closing, deposed}, timeout=CLOSE_S, return_when=asyncio.FIRST_COMPLETED)
        await _ended(closing, deposed)
        if not closing.cancelled():
            closing.result()


async def _ended(*tasks: asyncio.Task[Any] | None) -> None:
    """Ends what still runs, and waits until it has: nothing of it happens later. What they raise is not asked for."""
    found = [task for task in tasks if task is not None]
    left = {task for task in found if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=BEAT_S)  # again: wait_for() swallows a cancellation that meets an answer
    await asyncio.gather(*found, return_exceptions=True)


def _print(text: str) -> None:
    print(text, flush=True)
