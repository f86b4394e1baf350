"""Carries out what the rounds decide: joins connections, model and store to the protocol. Runs in one event loop."""

import asyncio
import dataclasses
import hashlib
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from distml_py import io, wire
from distml_py.errors import DistmlError, FormatError, NonFiniteError
from distml_py.exchange import exchange_of

from . import effects as do
from . import ledger, starting
from .access import LOOPBACK_NAMES, Access
from .aggregate import Model, Taken
from .audit import Sketcher
from .decoding import DEVICE_CHARACTERS, MESSAGE_CHARACTERS, NAME_CHARACTERS, decode, printable
from .door import Door
from .downstream import Downstream
from .guards import TRUSTING, Guards
from .rounds import Rounds
from .sockets import FORBIDDEN, REFUSED, REPLACED, Connection, Inspected, Traffic, inspected
from .status import MOST_LISTED, status
from .store import CURVE, LEDGER, Record, RunStore, Stored
from .storing import DURABLE_S, Storing

TICK_S = 0.05
TICK_PER_CONNECTION_S = 0.001
STATUS_EVERY_S = 0.5
STATUS_PER_CONNECTION_S = 0.01  # with many tabs each hears less often, so that telling costs no more than training
PIN_CHARACTERS = 32  # of the SHA-256 of a run's code, in its join link
ADMITTED_S = 1.0  # so often it is seen whether everybody's link is still good
THREAD_BYTES = 4 << 20  # gradients of so many are summed outside the event loop
SLACK_BYTES = 64 * 1024
START_BYTES = 64 << 20
SESSION_CHARACTERS = 64


class Lost(DistmlError, RuntimeError):
    """A part of a step was lost on its way: the step has to be done again."""


class Coordinator:
    """One run at a time, its workers, and the files that outlive them. finished: set when a run is over."""

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
        self._heard: tuple[int, str | None] = (0, None)  # version and hash that may be told while a step is being stored
        guards.check(deterministic)
        self.store, self.access, self._clock, self.guards = store, access, clock, guards
        self.rounds = Rounds(deterministic, guards.audited, random.SystemRandom().random, guards.untrusted)
        self.model: Model | None = None
        self.sha256: str | None = None
        # mark: of its workers' and leases' names, where another coordinator may have led before
        self.join_url, self.mark, self.door, self.traffic = "", "", Door(), Traffic()
        self.on_loss: Callable[[str, int, float | None], None] = lambda run, step, loss: None  # told of each committed step
        self.over = asyncio.Event()
        self._record: Record | None = None
        self._connections: dict[str, Connection] = {}
        self._sessions: dict[str, Connection] = {}
        self.storing = Storing(store, durability_s, clock)
        self.exchange, self._count, self.secret = exchange or {}, 0, 0
        self.apply: Callable[[Model, Mapping[tuple[int, int], Taken], int], None] = _apply
        self._sketcher: Sketcher | None = None
        self._snapshots: dict[int, dict[str, np.ndarray]] = {}  # version -> state
        self._taken: dict[tuple[int, int], Taken] = {}
        self.downstream: Downstream | None = None
        self._entry: ledger.Row = {}  # of the step that is being computed
        self._has: dict[str, int] = {}  # connection -> the newest weights it has been sent
        self._effects_left: deque[tuple[do.Effect, Taken | None]] = deque()  # in order; they wait while a step is computed
        self._committing: asyncio.Task[None] | None = None
        self._arithmetic = ThreadPoolExecutor(1, "arithmetic")
        self.version = self._stored = 0  # of self.model, and what was handed over to be stored last
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
        self._record = self.store.create(run)
        self._open(run, model, 0)
        self._enter(ledger.begun(self.sha256))
        self._keep(now=True)

    def resume(self, stored: Stored) -> None:
        """A stored run goes on, under its old name; one that is finished can be looked at."""
        weights = {name.removeprefix(io.WEIGHTS): a for name, a in stored.arrays.items() if name.startswith(io.WEIGHTS)}
        buffers, exchange = io.split(stored.arrays)[1], exchange_of(stored.run.exchange)
        model = Model(weights, stored.run.optimizer, buffers, exchange, self.guards.aggregator)
        model.adopt(stored.arrays)
        self._record = stored.record
        self.store.forget_after(stored.record, stored.step)
        self._stored = stored.step
        if stored.record.state == "finished":
            self.model, self.downstream = model, Downstream(stored.run, model.manifest)
            self.rounds.restore(stored.run, stored.step, stored.record.state, stored.record.metrics)
            self._publish(stored.step, set())
            self.over.set()
        else:
            self._open(stored.run, model, stored.step, stored.record.metrics)
            if ledger.weights_at(self.store.lines(stored.run.run, LEDGER) or [], stored.step) != self.sha256:
                self._enter(ledger.adopted(stored.step, self.sha256))  # a power cut can cost lines that the checkpoint outlived

    def _open(self, run: wire.Run, model: Model, version: int, metrics: dict[str, float | None] | None = None) -> None:
        self.model, self.downstream = model, Downstream(run, model.manifest)
        self.access.run = run.run
        self.secret = secrets.randbits(128)
        self._sketcher = Sketcher(model.manifest.size, self.secret) if self.guards.audited else None
        self._taken.clear()
        self._has.clear()
        self.over.clear()
        sends = self.rounds.start(run, version, metrics)
        self._snapshots.clear()
        self._snapshot(version)
        self._publish(version, set())
        self._carry_out(sends)

    @property
    def invitation(self) -> str:
        """The join link; while there is a run it names the run's code, so that nobody who follows it runs another one unasked."""
        run = self.rounds.run
        return f"{self.join_url}&c={run.code_sha256[:PIN_CHARACTERS]}" if run is not None and self.join_url else self.join_url

    @property
    def idle(self) -> bool:
        """Whether nobody is connected."""
        return not self._connections

    @property
    def joined(self) -> int:
        """How many take part."""
        return len(self.rounds.joined())

    @property
    def committing(self) -> bool:
        """Whether a step is being computed or stored: until then nobody may look at weights, nor hear of them."""
        return self._committing is not None

    @property
    def stores(self) -> bool:
        """Whether what is to be stored can be."""
        return self.storing.trouble is None

    @property
    def deposed(self) -> asyncio.Event:
        """Another coordinator has the run, nothing that was not stored may be told."""
        return self.storing.deposed

    def now(self) -> float:
        """Seconds that only grow, as the rounds count them."""
        return self._clock()

    def status(self, most: int | None = None) -> dict[str, Any]:
        found = status(self.rounds, self.sha256, self.storing.trouble, self._clock(), most) | {"locked": self.door.locked}
        if not self.storing.durability_s and self._committing is not None:
            found |= {"step": self._heard[0], "weights_version": self._heard[0], "weights_sha256": self._heard[1]}
        return found

    # ------------------------------------------------------------ connections (see sockets.Coordinator)

    def welcome(self, connection: Connection, hello: wire.Hello, origin: str | None) -> wire.Rejected | None:
        self.access.refresh()
        role = self.access.role(hello.token, hello.role, origin)
        if role is None:
            link = "open the link that `distml serve` printed; a link from an earlier start is no longer good, nor an ended one"
            return wire.Rejected("token", link)
        spoken = wire.agree(hello.protocol, hello.oldest) or wire.PROTOCOL  # the socket has refused all others
        session = f"{role} {_short(hello.session)}"
        if hello.session and session in self._sessions:
            before = self._sessions[session]  # the same tab on a new connection: the old one is dead or will be
            self.leave(before)
            before.close(REPLACED, "the same tab has connected again")
        # a session is what a tab says it is; of strangers the address is what they share, but not of this machine's own
        address = connection.address if self.guards.untrusted and connection.address not in LOOPBACK_NAMES else ""
        shut = self.door.refusal(session, role)
        if self.rounds.conduct.banned(address or session) and role != "host":
            shut = wire.Rejected("banned", "what was sent from here was wrong too often: nothing more is taken")
        if shut is not None:
            return shut
        self._count += 1
        connection.id, connection.role = f"w{self._count}{self.mark}", role
        self._connections[connection.id] = self._sessions[session] = connection
        connection.say(wire.Welcome(spoken, connection.id, role, self.invitation if role == "host" else ""))
        who = printable(hello.name, NAME_CHARACTERS), role, self._clock(), hello.session and session, address, connection.place
        self._carry_out(self.rounds.connect(connection.id, *who))
        self._tell([connection])
        return None

    def leave(self, connection: Connection) -> None:
        if self._connections.pop(connection.id, None) is not None:
            self._sessions = {key: value for key, value in self._sessions.items() if value is not connection}
            self._has.pop(connection.id, None)
            self._carry_out(self.rounds.disconnect(connection.id, self._clock()))

    def largest_frame(self, role: str) -> int:
        """A worker's largest frame is a gradient; a host may send a state with two optimizer slots, and a new model."""
        return START_BYTES if role == "host" else (self.model.size_bytes if self.model else 0) + SLACK_BYTES

    def inspect(self, data: bytes | str) -> Inspected:
        """Decodes a frame and, of a gradient, checks the numbers; whether it is wanted at all is seen later."""
        return inspected(decode(data), self.model, self._sketcher)

    def receive(self, connection: Connection, inspected: Inspected) -> do.Reject | None:
        """Handles one decoded frame; the refusal, when there was one, has been sent."""
        if connection.id not in self._connections:
            return None  # replaced while this frame was on its way
        effects = self._effects(connection, inspected, self._clock())
        if isinstance(inspected.frame.message, wire.Start | wire.Command) and connection.role == "host":
            self._tell(list(self._connections.values()))  # with many tabs the next time that all are told is a second away
        return next((effect for effect in effects if isinstance(effect, do.Reject) and effect.to == connection.id), None)

    def damaged(self, connection: Connection, detail: str) -> None:
        """A frame that is none: it is answered, counted, and a strike."""
        if connection.id in self._connections:
            self._carry_out(self.rounds.refuse(connection.id, "", "format", detail, self._clock()))

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
                    self._has[sender] = -1
                case wire.Problem():
                    message = wire.Problem(message.run, printable(message.message, MESSAGE_CHARACTERS), message.line)
        except (FormatError, NonFiniteError) as error:
            reason = "non_finite" if isinstance(error, NonFiniteError) else "invalid"
            effects = self.rounds.refuse(sender, getattr(message, "lease", ""), reason, str(error)[:500], now)
        if not effects and not isinstance(message, wire.Start):
            effects = self.rounds.receive(sender, message, now, inspected.sketch)  # type: ignore[arg-type]
        self._carry_out(effects, inspected.opened)
        return effects

    def _still_has(self, worker: str, join: wire.Join) -> int:
        """The weights that a worker which comes back need not be sent."""
        same = self.downstream is not None and self.rounds.run is not None and join.run == self.rounds.run.run
        found = join.version if same and self.downstream and self.downstream.has(join.version, join.rolling) else -1
        self._has[worker] = found
        return found

    def _start(self, sender: str, start: wire.Start, tensors: wire.Tensors, now: float) -> list[do.Effect]:
        if self.rounds.state in ("training", "paused") or self._committing is not None:
            run = self.rounds.run.run if self.rounds.run else ""
            return [do.Reject(sender, "busy", f"run {run} is {self.rounds.state}: stop it first")]
        named, buffers = io.split(tensors)
        if [io.WEIGHTS + name for name in start.parameters] != list(named):
            raise FormatError("a Start's tensors are weights/<name> for each of its parameters, in order, and buffers")
        self.begin(start, {name.removeprefix(io.WEIGHTS): array for name, array in named.items()} | buffers)
        return []

    def _guard(self, sender: str, command: wire.Command) -> list[do.Effect]:
        """The host's word on who may be here; it takes effect at once, and everybody is told."""
        if command.action != "kick":
            self.door.locked = command.action == "lock"
        elif command.worker == sender or command.worker not in self._connections:
            effects: list[do.Effect] = [do.Reject(sender, "no_worker", f"no other worker is called {command.worker!r:.40}")]
            self._carry_out(effects)
            return effects
        else:
            guest = self._connections[command.worker]
            self.door.ban({session for session, connection in self._sessions.items() if connection is guest})
            guest.close(FORBIDDEN, "the host removed this tab from the run")
            self.leave(guest)
        self._tell(list(self._connections.values()))
        return []

    # ------------------------------------------------------------ effects

    def _carry_out(self, effects: list[do.Effect], opened: Taken | None = None) -> None:
        """In order, now or when the step that is being computed is done. opened: what Take takes."""
        self._effects_left.extend((effect, opened) for effect in effects)
        if self._committing is None:
            self._work_off()

    def _work_off(self) -> None:
        while self._effects_left and self._committing is None:
            effect, opened = self._effects_left.popleft()
            match effect:
                case do.Commit(version):
                    self._commit(version)
                case do.Take(shard, samples, step, weight):
                    assert opened is not None
                    self._taken[step, shard] = dataclasses.replace(opened, samples=samples, weight=weight)
                case do.Adopt(step):
                    self._heard = self.version, self.sha256
                    self._publish(step, set(), whole=True)
                    self._note(step, loss=self.rounds.metrics["loss"])
                    self._enter(ledger.adopted(step, self.sha256))
                    self._keep(now=True)
                    if not self.storing.durability_s:
                        self._committing = asyncio.create_task(self._store_first())
                case do.Restore(version):
                    self._restore(version)
                case do.Finish():
                    self._finish()
                case _:
                    self._send_out(effect)

    def _snapshot(self, version: int) -> None:
        """Keeps what the weights may have to go back to: of versions that are being evaluated, and of the best."""
        book = self.rounds.book
        if self.model is None or book is None or book.held_out is None:
            return
        wanted = {book.held_out.best, version, *(known for known, split in book.evaluations if split == "validation")}
        self._snapshots = {known: state for known, state in self._snapshots.items() if known in wanted}
        if (version, "validation") in book.evaluations:
            self._snapshots[version] = self.model.state()

    def _restore(self, version: int) -> None:
        if self.model is None or version not in self._snapshots:
            return
        self.model.adopt(self._snapshots[version])
        self._taken.clear()
        self._has.clear()
        self._publish(self.version, set(), whole=True)
        self._enter(ledger.adopted(self.version, self.sha256))
        self._keep(now=True)

    def _send_out(self, effect: do.Effect) -> None:
        match effect:
            case do.Send(to, message):
                self._say(to, message)
            case do.Reject(to, reason, detail, _, lease):
                self._say(to, wire.Rejected(reason, detail, lease))
            case do.SendWeights(to, version):
                for worker in to:
                    if worker in self._connections:
                        self._connections[worker].send(wire.Weights, partial(self._weights_for, worker, version), version)
            case do.SendSolo(to):
                self._send_solo(to)
            case do.SendEnded(to):
                self._say(to, self._ended())
            case do.Eject(worker, detail) if worker in self._connections:
                caught = self._connections[worker]
                caught.say(wire.Rejected("audit", detail))
                caught.close(FORBIDDEN, detail)
                self.leave(caught)

    def _weights_for(self, worker: str, version: int) -> list[bytes]:
        """What brings a connection to these weights, from what it has when it is their turn."""
        if self.downstream is None:
            return []
        frames = self.downstream.frames(self._has.get(worker, -1), version)
        if frames:
            self._has[worker] = max(self._has.get(worker, -1), version)
        return frames

    def _say(self, to: str, message: wire.FromCoordinator) -> None:
        if to in self._connections:
            self._connections[to].say(message)

    def _send_solo(self, to: str) -> None:
        assert self.model is not None and self.rounds.run is not None
        if to in self._connections:
            frame = wire.encode(wire.Solo(self.rounds.run.run, self.rounds.version), self.model.state())
            self._has[to] = -1  # it will make weights of its own
            self._connections[to].send(wire.Solo, frame)

    def _commit(self, version: int) -> None:
        """Computes the step; a large one in another thread, and what follows waits for it."""
        assert self.model is not None and self.rounds.run is not None
        taken, self._taken = self._taken, {}
        needed = self.rounds.versions_needed()
        self._heard = self.version, self.sha256
        if self.model.size_bytes * len(taken) < THREAD_BYTES and self.storing.durability_s:
            try:
                self._step(taken, version, needed)
            except Exception as error:  # whatever it was: nobody may wait for a step that never comes
                self._failed(error)
            else:
                self._committed(version)
        else:
            self._committing = asyncio.create_task(self._commit_elsewhere(taken, version, needed))

    async def _commit_elsewhere(self, taken: dict[tuple[int, int], Taken], version: int, needed: set[int]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._arithmetic, self._step, taken, version, needed)
        except Lost:
            self._committing = None
            self._again()
        except Exception as error:
            self._committing = None
            self._failed(error)
        else:
            self._committed(version)
            await self._store_first()
            return
        self._work_off()

    def _again(self) -> None:
        """The step does not exist yet: all that was made of it is void, and its shards wait again."""
        void = (do.SendWeights, do.SendSolo, do.SendEnded, do.Take)
        self._effects_left = deque(item for item in self._effects_left if not isinstance(item[0], void) and not _is_work(item[0]))
        self._taken.clear()
        self._effects_left.extend((effect, None) for effect in self.rounds.again(self.version, self._clock()))

    async def _store_first(self) -> None:
        """What waits goes out when the state is on disk, if that is asked for; a disk that fails is told and not waited for."""
        try:
            if not self.storing.durability_s:
                await self.storing.write()
        finally:
            self._committing = None
        self._work_off()

    def _step(self, taken: dict[tuple[int, int], Taken], version: int, needed: set[int]) -> None:
        assert self.model is not None
        before = self.sha256
        self.apply(self.model, taken, sum(found.samples for found in taken.values()))
        self._publish(version, needed)
        parts = {unit: (found.samples, found.weight) for unit, found in taken.items()}
        self._entry = ledger.committed(version, before, self.sha256, parts)

    def _committed(self, version: int) -> None:
        assert self.rounds.run is not None
        self._note(version, loss=self.rounds.metrics["loss"])
        self._snapshot(version)
        self._enter(self._entry)
        every = self.rounds.run.checkpoint_every
        self._keep(now=version // every > self._stored // every or not self.storing.durability_s)

    def _failed(self, error: Exception) -> None:
        """What would follow belongs to a step that does not exist; answers to others are still given."""
        peers, cause = self.rounds.joined(), str(error) or type(error).__name__
        self.rounds.fail(cause, self.version)
        void = (do.SendWeights, do.SendSolo, do.SendEnded, do.Take, do.Finish)
        self._effects_left = deque(item for item in self._effects_left if not isinstance(item[0], void) and not _is_work(item[0]))
        for peer in peers:
            self._say(peer.id, wire.Rejected("diverged", cause))
        self._tell(list(self._connections.values()))
        self.over.set()

    def _publish(self, version: int, needed: set[int], whole: bool = False) -> None:
        assert self.model is not None and self.downstream is not None
        weights = self.model.weights()
        self.sha256, self.version = io.weights_sha256(weights), version
        self.downstream.publish(version, weights, self.model.buffers, self.sha256, needed, whole)

    def _ended(self) -> wire.Ended:
        assert self.rounds.run is not None
        return wire.Ended(self.rounds.run.run, self.rounds.state, self.version, self.sha256 or "")

    def _finish(self) -> None:
        self._keep(now=True)
        for worker in self._connections:
            self._say(worker, self._ended())
        self._tell(list(self._connections.values()))
        self.over.set()

    def _tell(self, connections: list[Connection]) -> None:
        frame = wire.encode(wire.Status(self.status(MOST_LISTED)))
        for connection in connections:
            connection.send(wire.Status, frame)

    # ------------------------------------------------------------ time and files

    def _keep(self, now: bool) -> None:
        """Has the state stored: `now`, or when the last time was a while ago."""
        if self.model is not None and self._record is not None and (now or self.storing.due):
            self._stored = self.version
            self.storing.hand_over(self._record, (self.version, self.model.state(), self.rounds.state, dict(self.rounds.metrics)))

    def _note(self, step: int, loss: float | None) -> None:
        """A line in the run's curve: of a committed step."""
        assert self._record is not None
        self.on_loss(self._record.run["run"], step, loss)
        self.storing.note(self._record, {"step": step, "loss": loss}, CURVE)

    def _enter(self, row: ledger.Row) -> None:
        """A line in the run's ledger."""
        assert self._record is not None
        self.storing.note(self._record, row, LEDGER)

    async def run(self) -> None:
        """Starts what goes on in the background: self.tasks, which end only by an error."""
        self.tasks = [asyncio.create_task(work()) for work in (self._tick, self._broadcast, self.storing.run)]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S + TICK_PER_CONNECTION_S * len(self._connections))
            self._carry_out(self.rounds.tick(self._clock()))
            if self._committing is None and self.version != self._stored:
                self._keep(now=False)  # the last steps before nothing happened for a while
            if self._clock() - self._admitted_s >= ADMITTED_S:
                self._admitted_s = self._clock()
                self._send_off()

    def _send_off(self) -> None:
        """Closes connections whose token has ended or was taken back since they came."""
        self.access.refresh()
        for connection in list(self._connections.values()):
            if connection.token and self.access.role_of_token(connection.token) is None:
                self.leave(connection)
                connection.close(REFUSED, "this link has ended or was taken back; ask the host for another")

    async def _broadcast(self) -> None:
        while True:
            connections = list(self._connections.values())
            self._tell(connections)
            await asyncio.sleep(STATUS_EVERY_S + STATUS_PER_CONNECTION_S * len(connections))

    def abandon(self) -> None:
        """Another coordinator has the run: nothing more is told or stored. Connections are their owner's business."""
        for task in (*self.tasks, self._committing):
            if task is not None:
                task.cancel()
        self._connections.clear()
        self._arithmetic.shutdown(wait=False, cancel_futures=True)
        self.storing.abandon()

    async def close(self, wait_s: float = 3.0) -> None:
        """Asks a solo worker for its steps, stores everything, and tells everybody that the coordinator restarts."""
        self._carry_out(self.rounds.close(self._clock()))
        deadline = self._clock() + wait_s
        while self.rounds.solo is not None and self._clock() < deadline:
            await asyncio.sleep(0.02)
        writing = self.tasks[-1:]
        for task in self.tasks[:-1]:
            task.cancel()
        while self._committing is not None:
            await self._committing
        connections = list(self._connections.values())
        self._connections.clear()  # what still comes in counts no more: nobody may hear of a step after the last that is stored
        self._keep(now=True)
        self._arithmetic.shutdown()
        await self.storing.close()
        for task in writing:  # only now: who waits for what it stores may tell of it when it is, and not before
            task.cancel()
        for connection in connections:
            connection.close(1012, "restart")


def _short(session: str) -> str:
    """A session's text is its worker's own; what is remembered of it has a length."""
    plain = len(session) <= SESSION_CHARACTERS and session.isascii() and session.isprintable()
    return session if plain else hashlib.sha256(session.encode()).hexdigest()


def _apply(model: Model, taken: Mapping[tuple[int, int], Taken], samples: int) -> None:
    model.apply(taken, samples)


def _is_work(effect: do.Effect) -> bool:
    return isinstance(effect, do.Send) and isinstance(effect.message, (wire.Lease, wire.Evaluate))
