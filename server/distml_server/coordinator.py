"""A run's coordinator: who may connect, what a frame means to the rounds, when time has passed. In one event loop.

The rounds decide what follows, and carrier.py carries it out.
"""

import asyncio
import dataclasses
import hashlib
import random
import secrets
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from distml_py import io, wire
from distml_py.errors import FormatError, NonFiniteError
from distml_py.exchange import exchange_of

from . import effects as do
from . import ledger, starting
from .access import Access
from .addresses import LOOPBACK_NAMES
from .aggregate import Model
from .audit import Sketcher
from .carrier import Carrier
from .decoding import DEVICE_CHARACTERS, MESSAGE_CHARACTERS, NAME_CHARACTERS, decode, printable
from .door import Door
from .downstream import Downstream
from .guards import TRUSTING, Guards
from .rounds import Rounds
from .sockets import FORBIDDEN, REFUSED, REPLACED, Connection, Inspected, Traffic, inspected
from .status import status
from .store import LEDGER, RunStore, Stored
from .storing import DURABLE_S, Storing

TICK_S = 0.05
TICK_PER_CONNECTION_S = 0.001
STATUS_EVERY_S = 0.5
STATUS_PER_CONNECTION_S = 0.01  # with many tabs each hears less often, so that telling costs no more than training
PIN_CHARACTERS = 32  # of the SHA-256 of a run's code, in its join link
ADMITTED_S = 1.0  # so often it is seen whether everybody's link is still good
SLACK_BYTES = 64 * 1024
START_BYTES = 64 << 20
SESSION_CHARACTERS = 64


class Coordinator:
    """One run at a time, its workers, and the files that outlive them. over: set when a run is."""

    def __init__(
        self,
        store: RunStore,
        access: Access,
        deterministic: bool = False,
        clock: Callable[[], float] = time.monotonic,
        exchange: dict[str, Any] | None = None,
        guards: Guards = TRUSTING,
        durability_s: float = DURABLE_S,
    ) -> None:
        """exchange: settings of exchange.Exchange that every run here has, whatever its recipe says.

        guards: what is done against workers that are wrong on purpose.
        durability_s: of so much work a crash may cost the last; 0: of none, since nobody hears of a step before it is stored.
        """
        guards.check(deterministic)
        self.store, self.access, self._clock, self.guards = store, access, clock, guards
        self.rounds = Rounds(deterministic, guards.audited, random.SystemRandom().random, guards.untrusted)
        self.storing = Storing(store, durability_s, clock)
        self.carrier = Carrier(self.rounds, self.storing, clock, self.status, self.leave)
        self.over = self.carrier.over
        # mark: of its workers' and leases' names, where another coordinator may have led before
        self.join_url, self.mark, self.door, self.traffic = "", "", Door(), Traffic()
        self._sessions: dict[str, Connection] = {}
        self.exchange, self._count, self.secret = exchange or {}, 0, 0
        self._sketcher: Sketcher | None = None
        self._admitted_s = -ADMITTED_S
        self.tasks: list[asyncio.Task[None]] = []

    # ------------------------------------------------------------ runs

    def begin(self, start: wire.Start, tensors: dict[str, np.ndarray]) -> None:
        """A new run of these weights and buffers. Raises FormatError when it is not possible."""
        weights, buffers = io.split(tensors)
        starting.check(start, weights)
        exchange = starting.settled(start, self.exchange, self.rounds.deterministic)
        model = Model(weights, start.optimizer, buffers, exchange, self.guards.aggregator)
        digest = hashlib.sha256(start.code.encode()).hexdigest()
        fields = {name: getattr(start, name) for name in start.__dataclass_fields__} | {"exchange": exchange.config()}
        run = wire.Run(run=secrets.token_hex(4), code_sha256=digest, deterministic=self.rounds.deterministic, **fields)
        self.carrier.record = self.store.create(run)
        self._open(run, model, 0)
        self.carrier.enter(ledger.begun(self.sha256))
        self.carrier.keep(now=True)

    def resume(self, stored: Stored) -> None:
        """A stored run goes on, under its old name; one that is finished can be looked at."""
        weights = {name.removeprefix(io.WEIGHTS): a for name, a in stored.arrays.items() if name.startswith(io.WEIGHTS)}
        buffers, exchange = io.split(stored.arrays)[1], exchange_of(stored.run.exchange)
        model = Model(weights, stored.run.optimizer, buffers, exchange, self.guards.aggregator)
        model.adopt(stored.arrays)
        self.carrier.record = stored.record
        self.store.forget_after(stored.record, stored.step)
        self.carrier.stored = stored.step
        if stored.record.state == "finished":
            self.carrier.take_over(stored.run, model)
            self.rounds.restore(stored.run, stored.step, stored.record.state, stored.record.metrics)
            self.carrier.show(stored.step)
            self.over.set()
        else:
            self._open(stored.run, model, stored.step, stored.record.metrics)
            if ledger.weights_at(self.store.lines(stored.run.run, LEDGER) or [], stored.step) != self.sha256:
                # a power cut can cost lines that the checkpoint outlived
                self.carrier.enter(ledger.adopted(stored.step, self.sha256))

    def _open(self, run: wire.Run, model: Model, version: int, metrics: dict[str, float | None] | None = None) -> None:
        self.access.run = run.run
        self._send_off()  # first: whose link is for another run hears nothing of this one
        self.carrier.take_over(run, model)
        self.secret = secrets.randbits(128)
        self._sketcher = Sketcher(model.manifest.size, self.secret) if self.guards.audited else None
        sends = self.rounds.start(run, version, metrics)
        self.carrier.show(version)
        self.carrier.carry_out(sends)

    @property
    def model(self) -> Model | None:
        return self.carrier.model

    @property
    def downstream(self) -> Downstream | None:
        return self.carrier.downstream

    @property
    def sha256(self) -> str | None:
        """Of the weights."""
        return self.carrier.sha256

    @property
    def version(self) -> int:
        """Of the weights."""
        return self.carrier.version

    @property
    def invitation(self) -> str:
        """The join link; while there is a run it names the run's code, so that nobody who follows it runs another one unasked."""
        run = self.rounds.run
        return f"{self.join_url}&c={run.code_sha256[:PIN_CHARACTERS]}" if run is not None and self.join_url else self.join_url

    @property
    def idle(self) -> bool:
        """Whether nobody is connected."""
        return not self.carrier.connections

    @property
    def joined(self) -> int:
        """How many take part."""
        return len(self.rounds.joined())

    @property
    def committing(self) -> bool:
        """Whether a step is being computed or stored: until then nobody may look at weights, nor hear of them."""
        return self.carrier.committing is not None

    @property
    def stores(self) -> bool:
        """Whether what is to be stored can be."""
        return self.storing.trouble is None

    @property
    def ending(self) -> bool:
        """Whether it takes no more work, and only stores what there is."""
        return self.rounds.closing

    @property
    def deposed(self) -> asyncio.Event:
        """Another coordinator has the run, nothing that was not stored may be told."""
        return self.storing.deposed

    def now(self) -> float:
        """Seconds that only grow, as the rounds count them."""
        return self._clock()

    def status(self, most: int | None = None) -> dict[str, Any]:
        found = status(self.rounds, self.sha256, self.storing.trouble, self._clock(), most) | {"locked": self.door.locked}
        if not self.storing.durability_s and self.carrier.committing is not None:
            version, sha256 = self.carrier.heard
            found |= {"step": version, "weights_version": version, "weights_sha256": sha256}
        return found

    # ------------------------------------------------------------ connections (see sockets.Coordinator)

    def welcome(self, connection: Connection, hello: wire.Hello, origin: str | None) -> wire.Rejected | None:
        self.access.refresh()
        role = self.access.role(hello.token, hello.role, origin, connection.here)
        if role is None:
            link = "open the link that `distml serve` printed; a link from an earlier start is no longer good, nor an ended one"
            return wire.Rejected("token", link)
        spoken = wire.agree(hello.protocol, hello.oldest) or wire.PROTOCOL  # the socket has refused all others
        session = f"{role} {_short(hello.session)}" if hello.session else ""
        if session in self._sessions:
            before = self._sessions[session]  # the same tab on a new connection: the old one is dead or will be
            self.leave(before)
            before.close(REPLACED, "the same tab has connected again")
        address = self._stranger(connection)
        shut = self.door.refusal(session, role, address)
        if self.rounds.conduct.banned(address or session) and role != "host":
            shut = wire.Rejected("banned", "what was sent from here was wrong too often: nothing more is taken")
        if shut is not None:
            return shut
        self._count += 1
        connection.id, connection.role = f"w{self._count}{self.mark}", role
        self.carrier.connections[connection.id] = connection
        if session:
            self._sessions[session] = connection
        connection.say(wire.Welcome(spoken, connection.id, role, self.invitation if role == "host" else ""))
        who = printable(hello.name, NAME_CHARACTERS), role, self._clock(), session, address, connection.place
        self.carrier.carry_out(self.rounds.connect(connection.id, *who))
        self.carrier.tell([connection])
        return None

    def _stranger(self, connection: Connection) -> str:
        """A session is what a tab says it is: of strangers the address answers, but not of this machine's own. "" of others."""
        return connection.address if self.guards.untrusted and connection.address not in LOOPBACK_NAMES else ""

    def leave(self, connection: Connection) -> None:
        if self.carrier.connections.pop(connection.id, None) is not None:
            self._sessions = {key: value for key, value in self._sessions.items() if value is not connection}
            self.carrier.has.pop(connection.id, None)
            self.carrier.carry_out(self.rounds.disconnect(connection.id, self._clock()))

    def largest_frame(self, role: str) -> int:
        """A worker's largest frame is a gradient; a host may send a state with two optimizer slots, and a new model."""
        return START_BYTES if role == "host" else (self.model.size_bytes if self.model else 0) + SLACK_BYTES

    def inspect(self, data: bytes | str) -> Inspected:
        """Decodes a frame and, of a gradient, checks the numbers; whether it is wanted at all is seen later."""
        return inspected(decode(data), self.model, self._sketcher)

    def receive(self, connection: Connection, inspected: Inspected) -> do.Reject | None:
        """Handles one decoded frame; the refusal, when there was one, has been sent."""
        if connection.id not in self.carrier.connections:
            return None  # replaced while this frame was on its way
        effects = self._effects(connection, inspected, self._clock())
        over = any(isinstance(effect, do.Finish) for effect in effects)  # of which everybody is told anyway
        if isinstance(inspected.frame.message, wire.Start | wire.Command) and connection.role == "host" and not over:
            self.carrier.tell(list(self.carrier.connections.values()))  # with many tabs its turn is a second away
        return next((effect for effect in effects if isinstance(effect, do.Reject) and effect.to == connection.id), None)

    def damaged(self, connection: Connection, detail: str) -> None:
        """A frame that is none: it is answered, counted, and a strike."""
        if connection.id in self.carrier.connections:
            self.carrier.carry_out(self.rounds.refuse(connection.id, "", "format", detail, self._clock()))

    def _effects(self, connection: Connection, inspected: Inspected, now: float) -> list[do.Effect]:
        frame, message, sender = inspected.frame, inspected.frame.message, connection.id
        effects: list[do.Effect] = []
        try:
            match message:
                case wire.Start() | wire.Command() if connection.role != "host":
                    effects = self.rounds.refuse(sender, "", "forbidden", "only the host starts and steers runs", now)
                case _ if connection.role == "viewer" and not isinstance(message, wire.Goodbye):
                    effects = self.rounds.refuse(sender, "", "forbidden", "this link is for looking on: it takes no part", now)
                case wire.Start():
                    effects = self._start(sender, message, frame.tensors, now)
                case wire.Command(action="kick" | "lock" | "unlock"):
                    return self._guard(sender, message)
                case wire.Gradient() if inspected.error and self.rounds.gradient_refusal(sender, message) is None:
                    raise inspected.error
                case wire.Checkpoint() if self.model and self.rounds.checkpoint_refusal(sender, message) is None:
                    self.model.adopt(frame.tensors)
                case wire.Join():
                    limits = {"backend": NAME_CHARACTERS, "device": DEVICE_CHARACTERS, "platform": DEVICE_CHARACTERS}
                    words = {name: printable(getattr(message, name), most) for name, most in limits.items()}
                    message = dataclasses.replace(message, **words, version=self._still_has(sender, message))
                case wire.Resync():
                    self.carrier.has[sender] = -1
                case wire.Problem():
                    message = wire.Problem(message.run, printable(message.message, MESSAGE_CHARACTERS), message.line)
        except (FormatError, NonFiniteError) as error:
            reason = "non_finite" if isinstance(error, NonFiniteError) else "invalid"
            effects = self.rounds.refuse(sender, getattr(message, "lease", ""), reason, str(error)[:500], now)
        if not effects and not isinstance(message, wire.Start):
            effects = self.rounds.receive(sender, message, now, inspected.sketch)  # type: ignore[arg-type]
        self.carrier.carry_out(effects, inspected.opened)
        return effects

    def _still_has(self, worker: str, join: wire.Join) -> int:
        """The weights that a worker which comes back need not be sent."""
        same = self.downstream is not None and self.rounds.run is not None and join.run == self.rounds.run.run
        found = join.version if same and self.downstream and self.downstream.has(join.version, join.rolling) else -1
        self.carrier.has[worker] = found
        return found

    def _start(self, sender: str, start: wire.Start, tensors: wire.Tensors, now: float) -> list[do.Effect]:
        if self.rounds.state in ("training", "paused") or self.carrier.committing is not None:
            run = self.rounds.run.run if self.rounds.run else ""
            return [do.Reject(sender, "busy", f"run {run} is {self.rounds.state}: stop it first")]
        named, buffers = io.split(tensors)
        if [io.WEIGHTS + name for name in start.parameters] != list(named):
            raise FormatError("a Start's tensors are weights/<name> for each of its parameters, in order, and buffers")
        try:
            self.begin(start, {name.removeprefix(io.WEIGHTS): array for name, array in named.items()} | buffers)
        except FormatError as error:  # what a person asked for is not possible: no misconduct, it is mended and asked for again
            return [do.Reject(sender, "invalid", str(error)[:500])]
        return []

    def _guard(self, sender: str, command: wire.Command) -> list[do.Effect]:
        """The host's word on who may be here; it takes effect at once."""
        if command.action != "kick":
            self.door.locked = command.action == "lock"
        elif command.worker == sender or command.worker not in self.carrier.connections:
            effects: list[do.Effect] = [do.Reject(sender, "no_worker", f"no other worker is called {command.worker!r:.40}")]
            self.carrier.carry_out(effects)
            return effects
        else:
            guest = self.carrier.connections[command.worker]
            texts = {session.partition(" ")[2] for session, connection in self._sessions.items() if connection is guest}
            self.door.ban({f"{role} {text}" for role in ("worker", "viewer") for text in texts})  # nor to look on
            others = [(session, connection) for session, connection in self._sessions.items() if connection is not guest]
            owner = self._stranger(guest)
            self.door.close_to(owner, [session for session, connection in others if self._stranger(connection) == owner])
            guest.close(FORBIDDEN, "the host removed this tab from the run")
            self.leave(guest)
        return []

    # ------------------------------------------------------------ time and files

    async def run(self) -> None:
        """Starts what goes on in the background: self.tasks, which end only by an error."""
        self.tasks = [asyncio.create_task(work()) for work in (self._tick, self._broadcast, self.storing.run)]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S + TICK_PER_CONNECTION_S * len(self.carrier.connections))
            self.carrier.carry_out(self.rounds.tick(self._clock()))
            if self.carrier.committing is None and self.version != self.carrier.stored:
                self.carrier.keep(now=False)  # the last steps before nothing happened for a while
            if self._clock() - self._admitted_s >= ADMITTED_S:
                self._admitted_s = self._clock()
                self._send_off()

    def _send_off(self) -> None:
        """Closes connections whose token has ended or was taken back since they came."""
        self.access.refresh()
        for connection in list(self.carrier.connections.values()):
            if connection.token and self.access.role_of_token(connection.token) is None:
                self.leave(connection)
                connection.close(REFUSED, "this link has ended or was taken back; ask the host for another")

    async def _broadcast(self) -> None:
        while True:
            connections = list(self.carrier.connections.values())
            self.carrier.tell(connections)
            await asyncio.sleep(STATUS_EVERY_S + STATUS_PER_CONNECTION_S * len(connections))

    def abandon(self) -> None:
        """Another coordinator has the run: nothing more is told or stored. Connections are their owner's business."""
        for task in self.tasks:
            task.cancel()
        self.carrier.abandon()
        self.storing.abandon()

    async def close(self, wait_s: float = 3.0) -> None:
        """Asks a solo worker for its steps, stores everything, and tells everybody that the coordinator restarts."""
        self.carrier.carry_out(self.rounds.close(self._clock()))
        deadline = self._clock() + wait_s
        while self.rounds.solo is not None and self._clock() < deadline:
            await asyncio.sleep(0.02)
        writing = self.tasks[-1:]
        for task in self.tasks[:-1]:
            task.cancel()
        while self.carrier.committing is not None:
            await self.carrier.committing
        connections = list(self.carrier.connections.values())
        # what still comes in counts no more: nobody may hear of a step after the last that is stored
        self.carrier.connections.clear()
        self.carrier.keep(now=True)
        self.carrier.close()
        await self.storing.close()
        for task in writing:  # only now: who waits for what it stores may tell of it when it is, and not before
            task.cancel()
        for connection in connections:
            connection.close(1012, "restart")


def _short(session: str) -> str:
    """A session's text is its worker's own; what is remembered of it has a length."""
    plain = len(session) <= SESSION_CHARACTERS and session.isascii() and session.isprintable()
    return session if plain else hashlib.sha256(session.encode()).hexdigest()
