"""Carries out what the rounds decide, in order: sends, computes steps, has them stored. What comes in is the coordinator's."""

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from distml_py import io, wire
from distml_py.errors import DistmlError

from . import effects as do
from . import ledger
from .aggregate import Model, Taken
from .downstream import Downstream
from .rounds import Rounds
from .sockets import FORBIDDEN, Connection
from .status import MOST_LISTED
from .store import CURVE, LEDGER, Record
from .storing import Storing

THREAD_BYTES = 4 << 20  # gradients of so many are summed outside the event loop


class Lost(DistmlError, RuntimeError):
    """A part of a step was lost on its way: the step has to be done again."""


class Carrier:
    """The run's model, and what is said and stored of it. over: set when a run is.

    status: the coordinator's, as of now; leave: lets a connection go that was caught.
    """

    def __init__(
        self,
        rounds: Rounds,
        storing: Storing,
        now: Callable[[], float],
        status: Callable[[int], dict[str, Any]],
        leave: Callable[[Connection], None],
    ) -> None:
        self.rounds, self.storing, self._now, self._status, self._leave = rounds, storing, now, status, leave
        self.model: Model | None = None
        self.downstream: Downstream | None = None
        self.sha256: str | None = None
        self.version = self.stored = 0  # of self.model, and what was handed over to be stored last
        self.heard: tuple[int, str | None] = (0, None)  # version and hash that may be told while a step is being stored
        self.record: Record | None = None
        self.on_loss: Callable[[str, int, float | None], None] = lambda run, step, loss: None  # told of each committed step
        self.over = asyncio.Event()
        self.connections: dict[str, Connection] = {}
        self.has: dict[str, int] = {}  # connection -> the newest weights it has been sent
        self.apply: Callable[[Model, Mapping[tuple[int, int], Taken], int], None] = _apply
        self.taken: dict[tuple[int, int], Taken] = {}
        self.committing: asyncio.Task[None] | None = None
        self._snapshots: dict[int, dict[str, np.ndarray]] = {}  # version -> state
        self._entry: ledger.Row = {}  # of the step that is being computed
        self._holed = False  # the ledger's last line could not be written
        self._effects_left: deque[tuple[do.Effect, Taken | None]] = deque()  # in order; they wait while a step is computed
        self._arithmetic = ThreadPoolExecutor(1, "arithmetic")

    def take_over(self, run: wire.Run, model: Model) -> None:
        """From now on this run's; show() tells of its weights."""
        self.model, self.downstream = model, Downstream(run, model.manifest)
        self.taken.clear()
        self.has.clear()
        self.over.clear()
        self._snapshots.clear()
        self._holed = False

    def show(self, version: int) -> None:
        """The run stands at `version`."""
        self._snapshot(version)
        self._publish(version, set())

    # ------------------------------------------------------------ effects

    def carry_out(self, effects: list[do.Effect], opened: Taken | None = None) -> None:
        """In order, now or when the step that is being computed is done. opened: what Take takes."""
        self._effects_left.extend((effect, opened) for effect in effects)
        if self.committing is None:
            self._work_off()

    def _work_off(self) -> None:
        while self._effects_left and self.committing is None:
            effect, opened = self._effects_left.popleft()
            match effect:
                case do.Commit(version):
                    self._commit(version)
                case do.Take(shard, samples, step, weight):
                    assert opened is not None
                    self.taken[step, shard] = dataclasses.replace(opened, samples=samples, weight=weight)
                case do.Adopt(step):
                    self.heard = self.version, self.sha256
                    self._publish(step, set(), whole=True)
                    self._note(step, loss=self.rounds.metrics["loss"])
                    self.enter(ledger.adopted(step, self.sha256))
                    self.keep(now=True)
                    if not self.storing.durability_s:
                        self.committing = asyncio.create_task(self._store_first())
                case do.Restore(version):
                    self._restore(version)
                case do.Finish():
                    self._finish()
                case _:
                    self._send_out(effect)

    # ------------------------------------------------------------ weights

    def _snapshot(self, version: int) -> None:
        """Keeps what the weights may have to go back to: of versions that are being evaluated, and of the best."""
        book = self.rounds.book
        if self.model is None or book is None or book.evaluations.held_out is None:
            return
        wanted = {book.evaluations.held_out.best, version, *(known for known, split in book.evaluations if split == "validation")}
        self._snapshots = {known: state for known, state in self._snapshots.items() if known in wanted}
        if (version, "validation") in book.evaluations:
            self._snapshots[version] = self.model.state()

    def _restore(self, version: int) -> None:
        if self.model is None or version not in self._snapshots:
            return
        self.model.adopt(self._snapshots[version])
        self.taken.clear()
        self.has.clear()
        self._publish(self.version, set(), whole=True)
        self.enter(ledger.adopted(self.version, self.sha256))
        self.keep(now=True)

    # ------------------------------------------------------------ connections

    def _send_out(self, effect: do.Effect) -> None:
        match effect:
            case do.Send(to, message):
                self._say(to, message)
            case do.Reject(to, reason, detail, _, lease):
                self._say(to, wire.Rejected(reason, detail, lease))
            case do.SendWeights(to, version):
                for worker in to:
                    if worker in self.connections:
                        self.connections[worker].send(wire.Weights, partial(self._weights_for, worker, version), version)
            case do.SendSolo(to):
                self._send_solo(to)
            case do.SendEnded(to):
                self._say(to, self._ended())
            case do.Eject(worker, detail) if worker in self.connections:
                caught = self.connections[worker]
                caught.say(wire.Rejected("audit", detail))
                caught.close(FORBIDDEN, detail)
                self._leave(caught)

    def _weights_for(self, worker: str, version: int) -> list[bytes]:
        """What brings a connection to these weights, from what it has when it is their turn."""
        if self.downstream is None:
            return []
        frames = self.downstream.frames(self.has.get(worker, -1), version)
        if frames:
            self.has[worker] = max(self.has.get(worker, -1), version)
        return frames

    def _say(self, to: str, message: wire.FromCoordinator) -> None:
        if to in self.connections:
            self.connections[to].say(message)

    def _send_solo(self, to: str) -> None:
        assert self.model is not None and self.rounds.run is not None
        if to in self.connections:
            frame = wire.encode(wire.Solo(self.rounds.run.run, self.rounds.version), self.model.state())
            self.has[to] = -1  # it will make weights of its own
            self.connections[to].send(wire.Solo, frame)

    # ------------------------------------------------------------ steps

    def _commit(self, version: int) -> None:
        """Computes the step; a large one in another thread, and what follows waits for it."""
        assert self.model is not None and self.rounds.run is not None
        taken, self.taken = self.taken, {}
        needed = self.rounds.versions_needed()
        self.heard = self.version, self.sha256
        if self.model.size_bytes * len(taken) < THREAD_BYTES and self.storing.durability_s:
            try:
                self._step(taken, version, needed)
            except Exception as error:  # whatever it was: nobody may wait for a step that never comes
                self._failed(error)
            else:
                self._committed(version)
        else:
            self.committing = asyncio.create_task(self._commit_elsewhere(taken, version, needed))

    async def _commit_elsewhere(self, taken: dict[tuple[int, int], Taken], version: int, needed: set[int]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._arithmetic, self._step, taken, version, needed)
        except Lost:
            self.committing = None
            self._again()
        except Exception as error:
            self.committing = None
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
        self.taken.clear()
        self._effects_left.extend((effect, None) for effect in self.rounds.again(self.version, self._now()))

    async def _store_first(self) -> None:
        """What waits goes out when the state is on disk, if that is asked for; a disk that fails is told and not waited for."""
        try:
            if not self.storing.durability_s:
                await self.storing.write()
        finally:
            self.committing = None
        self._work_off()

    def _step(self, taken: dict[tuple[int, int], Taken], version: int, needed: set[int]) -> None:
        assert self.model is not None
        before, steps = self.sha256, version - self.version
        self.apply(self.model, taken, sum(found.samples for found in taken.values()))
        self._publish(version, needed)
        parts = {unit: (found.samples, found.weight) for unit, found in taken.items()}
        self._entry = ledger.committed(version, before, self.sha256, parts, steps)

    def _committed(self, version: int) -> None:
        assert self.rounds.run is not None
        self._note(version, loss=self.rounds.metrics["loss"])
        self._snapshot(version)
        self.enter(self._entry)
        every = self.rounds.run.checkpoint_every
        self.keep(now=version // every > self.stored // every or not self.storing.durability_s)

    def _failed(self, error: Exception) -> None:
        """What would follow belongs to a step that does not exist; answers to others are still given."""
        peers, cause = self.rounds.joined(), str(error) or type(error).__name__
        self.rounds.fail(cause, self.version)
        void = (do.SendWeights, do.SendSolo, do.SendEnded, do.Take, do.Finish)
        self._effects_left = deque(item for item in self._effects_left if not isinstance(item[0], void) and not _is_work(item[0]))
        for peer in peers:
            self._say(peer.id, wire.Rejected("diverged", cause))
        self.tell(list(self.connections.values()))
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
        self.keep(now=True)
        for worker in self.connections:
            self._say(worker, self._ended())
        self.tell(list(self.connections.values()))
        self.over.set()

    # ------------------------------------------------------------ news and files

    def tell(self, connections: list[Connection]) -> None:
        frame = wire.encode(wire.Status(self._status(MOST_LISTED)))
        for connection in connections:
            connection.send(wire.Status, frame)

    def keep(self, now: bool) -> None:
        """Has the state stored: `now`, or when the last time was a while ago."""
        if self.model is not None and self.record is not None and (now or self.storing.due):
            self.stored = self.version
            self.storing.hand_over(self.record, (self.version, self.model.state(), self.rounds.state, dict(self.rounds.metrics)))

    def _note(self, step: int, loss: float | None) -> None:
        """A line in the run's curve: of a committed step."""
        assert self.record is not None
        self.on_loss(self.record.run["run"], step, loss)
        self.storing.note(self.record, {"step": step, "loss": loss}, CURVE)

    def enter(self, row: ledger.Row) -> None:
        """A line in the run's ledger; where lines before it could not be written, one that leaves room for them."""
        assert self.record is not None
        row = ledger.adopted(row["step"], row["weights_sha256"]) if self._holed else row
        self._holed = not self.storing.note(self.record, row, LEDGER)

    def abandon(self) -> None:
        """Nothing more is told or computed."""
        if self.committing is not None:
            self.committing.cancel()
        self.connections.clear()
        self._arithmetic.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """No more steps."""
        self._arithmetic.shutdown()


def _apply(model: Model, taken: Mapping[tuple[int, int], Taken], samples: int) -> None:
    model.apply(taken, samples)


def _is_work(effect: do.Effect) -> bool:
    return isinstance(effect, do.Send) and isinstance(effect.message, (wire.Lease, wire.Evaluate))
