"""Carries out what the rounds decide: joins connections, model and store to the protocol. Runs in one event loop."""

import asyncio
import dataclasses
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from distml_py import io, wire
from distml_py.errors import FormatError, NonFiniteError

from . import effects as do
from .access import Access
from .aggregate import Model
from .decoding import DEVICE_CHARACTERS, MESSAGE_CHARACTERS, NAME_CHARACTERS, printable
from .door import Door
from .rounds import Rounds
from .sockets import FORBIDDEN, REPLACED, Connection
from .status import MOST_LISTED, status
from .store import Record, Store, Stored

TICK_S = 0.25
STATUS_EVERY_S = 0.5
STATUS_PER_CONNECTION_S = 0.01  # with many tabs each hears less often, so that telling costs no more than training
DURABLE_S = 1.0
SLACK_BYTES = 64 * 1024
START_BYTES = 64 << 20
MOST_STEPS = 10**8
MOST_SHARDS = 4096


class Coordinator:
    """One run at a time, its workers, and the files that outlive them. finished: set when a run is over."""

    def __init__(
        self, store: Store, access: Access, deterministic: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.store, self.access, self._clock = store, access, clock
        self.rounds = Rounds(deterministic)
        self.model: Model | None = None
        self.sha256: str | None = None
        self.join_url = ""
        self.door = Door()
        self.over = asyncio.Event()
        self._record: Record | None = None
        self._connections: dict[str, Connection] = {}
        self._sessions: dict[str, Connection] = {}
        self._count = 0
        self._tensors: wire.Tensors = {}  # of the message being handled
        self._gradients: dict[int, tuple[int, wire.Tensors]] = {}
        self._frames: dict[int, bytes | str] = {}  # weights by version: encoded once, sent to all
        self._saves: dict[str, tuple[Record, int, dict[str, np.ndarray], str, dict[str, float | None]]] = {}
        self._save = asyncio.Event()
        self._saving = asyncio.Lock()
        self._saved_s = -DURABLE_S
        self._trouble: str | None = None
        self.tasks: list[asyncio.Task[None]] = []

    # ------------------------------------------------------------ runs

    def begin(self, start: wire.Start, tensors: dict[str, np.ndarray]) -> None:
        """A new run of these weights and buffers. Raises FormatError when it is not possible."""
        weights, buffers = io.split(tensors)
        _check(start, weights)
        model = Model(weights, start.optimizer, buffers)
        digest = hashlib.sha256(start.code.encode()).hexdigest()
        fields = {name: getattr(start, name) for name in start.__dataclass_fields__}
        run = wire.Run(run=secrets.token_hex(4), code_sha256=digest, deterministic=self.rounds.deterministic, **fields)
        self._record = self.store.create(run)
        self._open(run, model, 0)
        self._keep(now=True)

    def resume(self, stored: Stored) -> None:
        """A stored run goes on, under its old name; one that is finished can be looked at."""
        weights = {name.removeprefix(io.WEIGHTS): a for name, a in stored.arrays.items() if name.startswith(io.WEIGHTS)}
        model = Model(weights, stored.run.optimizer, io.split(stored.arrays)[1])
        model.adopt(stored.arrays)
        self._record = stored.record
        self.store.forget_after(stored.record, stored.step)
        if stored.record.state == "finished":
            self.model = model
            self.rounds.restore(stored.run, stored.step, stored.record.state, stored.record.metrics)
            self._new_weights()
            self.over.set()
        else:
            self._open(stored.run, model, stored.step, stored.record.metrics)

    def _open(self, run: wire.Run, model: Model, version: int, metrics: dict[str, float | None] | None = None) -> None:
        self.model = model
        self._gradients.clear()
        self._frames.clear()
        self.over.clear()
        sends = self.rounds.start(run, version, metrics)
        self._new_weights()
        self._carry_out(sends)

    @property
    def idle(self) -> bool:
        """Whether nobody is connected."""
        return not self._connections

    def status(self, most: int | None = None) -> dict[str, Any]:
        return status(self.rounds, self.sha256, self._trouble, self._clock(), most) | {"locked": self.door.locked}

    # ------------------------------------------------------------ connections (see sockets.Coordinator)

    def welcome(self, connection: Connection, hello: wire.Hello, origin: str | None) -> wire.Rejected | None:
        role = self.access.role(hello.token, hello.role, origin)
        if role is None:
            link = "open the link that `distml serve` printed; a link from an earlier start is no longer good"
            return wire.Rejected("token", link)
        if hello.protocol != wire.PROTOCOL:
            detail = f"this page speaks protocol {hello.protocol}, the coordinator {wire.PROTOCOL}: reload the page"
            return wire.Rejected("protocol", detail)
        session = f"{role} {hello.session}"
        if hello.session and session in self._sessions:
            before = self._sessions[session]  # the same tab on a new connection: the old one is dead or will be
            self.leave(before)
            before.close(REPLACED, "the same tab has connected again")
        shut = self.door.refusal(session, role)
        if shut is not None:
            return shut
        self._count += 1
        connection.id, connection.role = f"w{self._count}", role
        self._connections[connection.id] = self._sessions[session] = connection
        connection.say(wire.Welcome(wire.PROTOCOL, connection.id, role, self.join_url if role == "host" else ""))
        name = printable(hello.name, NAME_CHARACTERS)
        self._carry_out(self.rounds.connect(connection.id, name, role, self._clock()))
        self._tell([connection])
        return None

    def leave(self, connection: Connection) -> None:
        if self._connections.pop(connection.id, None) is not None:
            self._sessions = {key: value for key, value in self._sessions.items() if value is not connection}
            self._carry_out(self.rounds.disconnect(connection.id, self._clock()))

    def largest_frame(self, role: str) -> int:
        """A worker's largest frame is a gradient; a host may send a state with two optimizer slots, and a new model."""
        return START_BYTES if role == "host" else (self.model.size_bytes if self.model else 0) + SLACK_BYTES

    def receive(self, connection: Connection, frame: wire.Frame) -> do.Reject | None:
        """Handles one decoded frame; the refusal, when there was one, has been sent."""
        if connection.id not in self._connections:
            return None  # replaced while this frame was on its way
        self._tensors = frame.tensors
        effects = self._effects(connection, frame, self._clock())
        self._tensors = {}
        return next((effect for effect in effects if isinstance(effect, do.Reject) and effect.to == connection.id), None)

    def _effects(self, connection: Connection, frame: wire.Frame, now: float) -> list[do.Effect]:
        message, sender = frame.message, connection.id
        effects: list[do.Effect] = []
        try:
            match message:
                case wire.Start() | wire.Command() if connection.role != "host":
                    effects = self.rounds.refuse(sender, "", "forbidden", "only the host starts and steers runs", now)
                case wire.Start():
                    effects = self._start(sender, message, frame.tensors, now)
                case wire.Command(action="kick" | "lock" | "unlock"):
                    return self._guard(sender, message)
                case wire.Gradient() if self.model and self.rounds.gradient_refusal(sender, message) is None:
                    self.model.check(frame.tensors, message.shard)
                case wire.Checkpoint() if self.model and self.rounds.checkpoint_refusal(sender, message) is None:
                    self.model.adopt(frame.tensors)
                case wire.Join():
                    limits = {"backend": NAME_CHARACTERS, "device": DEVICE_CHARACTERS, "platform": DEVICE_CHARACTERS}
                    words = {name: printable(getattr(message, name), most) for name, most in limits.items()}
                    message = dataclasses.replace(message, **words)
                case wire.Problem():
                    message = wire.Problem(message.run, printable(message.message, MESSAGE_CHARACTERS), message.line)
        except (FormatError, NonFiniteError) as error:
            reason = "non_finite" if isinstance(error, NonFiniteError) else "invalid"
            effects = self.rounds.refuse(sender, getattr(message, "lease", ""), reason, str(error)[:500], now)
        if not effects and not isinstance(message, wire.Start):
            effects = self.rounds.receive(sender, message, now)  # type: ignore[arg-type]
        self._carry_out(effects)
        return effects

    def _start(self, sender: str, start: wire.Start, tensors: wire.Tensors, now: float) -> list[do.Effect]:
        if self.rounds.state in ("training", "paused"):
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

    def _carry_out(self, effects: list[do.Effect]) -> None:
        for effect in effects:
            match effect:
                case do.Send(to, message):
                    self._say(to, message)
                case do.Reject(to, reason, detail):
                    self._say(to, wire.Rejected(reason, detail))
                case do.SendWeights(to, version):
                    for worker in to:
                        if worker in self._connections:
                            self._connections[worker].send(wire.Weights, self._frames[version], version)
                case do.SendSolo(to):
                    self._send_solo(to)
                case do.SendEnded(to):
                    self._say(to, self._ended())
                case do.Take(shard, samples):
                    self._gradients[shard] = samples, self._tensors
                case do.Commit():
                    if not self._commit():
                        return  # what would follow belongs to a step that does not exist
                case do.Adopt(step):
                    self._new_weights()
                    self._note(step, loss=self.rounds.metrics["loss"])
                    self._keep(now=True)
                case do.Finish():
                    self._finish()

    def _say(self, to: str, message: wire.FromCoordinator) -> None:
        if to in self._connections:
            self._connections[to].say(message)

    def _send_solo(self, to: str) -> None:
        assert self.model is not None and self.rounds.run is not None
        if to in self._connections:
            frame = wire.encode(wire.Solo(self.rounds.run.run, self.rounds.version), self.model.state())
            self._connections[to].send(wire.Solo, frame)

    def _commit(self) -> bool:
        assert self.model is not None and self.rounds.run is not None
        gradients, self._gradients = self._gradients, {}
        try:
            self.model.apply(gradients, self.rounds.run.batch_size)
        except NonFiniteError as error:
            peers = self.rounds.joined()
            self.rounds.fail(str(error))
            for peer in peers:
                self._say(peer.id, wire.Rejected("diverged", str(error)))
            self._tell(list(self._connections.values()))
            self.over.set()
            return False
        self._new_weights()
        self._note(self.rounds.version, loss=self.rounds.metrics["loss"])
        self._keep(now=self.rounds.version % self.rounds.run.checkpoint_every == 0)
        return True

    def _new_weights(self) -> None:
        assert self.model is not None and self.rounds.run is not None
        weights, version = self.model.weights(), self.rounds.version
        self.sha256 = io.weights_sha256(weights)
        self._frames[version] = wire.encode(wire.Weights(self.rounds.run.run, version, self.sha256), weights | self.model.buffers)
        needed = self.rounds.versions_needed()
        self._frames = {version: frame for version, frame in self._frames.items() if version in needed}

    def _ended(self) -> wire.Ended:
        assert self.rounds.run is not None
        return wire.Ended(self.rounds.run.run, self.rounds.state, self.rounds.version, self.sha256 or "")

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
        """Has the state stored: `now`, or when the last time was a while ago. The disk is another thread's business."""
        if self.model is None or self._record is None or not (now or self._clock() - self._saved_s >= DURABLE_S):
            return
        self._saved_s = self._clock()
        run, rounds = self._record.run["run"], self.rounds
        self._saves[run] = self._record, rounds.version, self.model.state(), rounds.state, dict(rounds.metrics)
        self._save.set()

    def _note(self, step: int, **numbers: float | None) -> None:
        """A line in the run's curve: of a committed step, or of an evaluation."""
        assert self._record is not None
        try:
            self.store.note(self._record, {"step": step, **numbers})
        except OSError as error:
            self._trouble = f"cannot write to {self.store.folder}: {error.strerror or error}"

    async def run(self) -> None:
        """Starts what goes on in the background: self.tasks, which end only by an error."""
        self.tasks = [asyncio.create_task(work()) for work in (self._tick, self._broadcast, self._write)]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._carry_out(self.rounds.tick(self._clock()))

    async def _broadcast(self) -> None:
        while True:
            connections = list(self._connections.values())
            self._tell(connections)
            await asyncio.sleep(STATUS_EVERY_S + STATUS_PER_CONNECTION_S * len(connections))

    async def _write(self) -> None:
        while True:
            await self._save.wait()
            await self._write_pending()

    async def _write_pending(self) -> None:
        async with self._saving:
            self._save.clear()
            while self._saves:
                job = self._saves.pop(next(iter(self._saves)))
                try:
                    await asyncio.to_thread(self.store.save, *job)
                    self._trouble = None
                except OSError as error:  # training goes on in memory; the checkpoints on disk are as they were
                    self._trouble = f"cannot store checkpoints in {self.store.folder}: {error.strerror or error}"

    async def close(self, wait_s: float = 3.0) -> None:
        """Asks a solo worker for its steps, stores everything, and tells everybody that the coordinator restarts."""
        self._carry_out(self.rounds.close(self._clock()))
        deadline = self._clock() + wait_s
        while self.rounds.solo is not None and self._clock() < deadline:
            await asyncio.sleep(0.02)
        for task in self.tasks:
            task.cancel()
        self._keep(now=True)
        await self._write_pending()
        for connection in list(self._connections.values()):
            connection.close(1012, "restart")


def _check(start: wire.Start, weights: dict[str, np.ndarray]) -> None:
    limits = {
        "steps": (start.steps, MOST_STEPS),
        "batch_size": (start.batch_size, min(start.train_size, 2**31)),
        "shards": (start.shards, min(start.batch_size, MOST_SHARDS)),
        "evaluate_every": (start.evaluate_every, MOST_STEPS),
        "checkpoint_every": (start.checkpoint_every, MOST_STEPS),
    }
    for name, (value, most) in limits.items():
        if not 1 <= value <= most:
            raise FormatError(f"a run's {name} is 1 to {most}, got {value}")
    try:
        json.dumps(start.optimizer, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise FormatError(f"the optimizer's settings travel as JSON numbers and text, got {start.optimizer}: {error}") from None
    if list(weights) != start.parameters:
        raise FormatError("a run's parameters are its weights' names, in order")
    if start.recipe != printable(start.recipe, NAME_CHARACTERS) or not start.recipe:
        raise FormatError(f"a recipe's name is 1-{NAME_CHARACTERS} printable characters, got {start.recipe!r:.80}")
