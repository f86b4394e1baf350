"""The protocol of a run as a state machine: messages and times in, effects out. No sockets, clocks, files or arrays.

A run is *shared* (leases, in one of the modes of exchange.Exchange) or *solo* (one worker of the host by itself, committed
by Checkpoints; only in sync mode).
"""

from collections.abc import Callable

from distml_py import wire
from distml_py.exchange import exchange_of

from .audit import Answer, Audits, Sketch
from .book import Book
from .effects import Adopt, Commit, Effect, Eject, Finish, Reject, Restore, Send, SendEnded, SendSolo, SendWeights, Take
from .heldout import HeldOut
from .leases import Pace, Worker
from .members import Members
from .solo import Solo
from .solo import refusal as solo_refusal

ACTIVE = frozenset({"training", "paused", "error"})
COMMANDS = "pause, resume, step, stop, kick, lock or unlock"
LEAST_PER_S, MOST_PER_S = 1e-6, 1e9  # steps a second that can be: others would make times that are no numbers
METRICS = ("loss", "val_loss", "accuracy", "train_accuracy", "test_accuracy", "cpu_ops")


class Rounds:
    """All that is known of the run and its workers. Workers outlive runs; everything else starts anew with one.

    state: "ready" (no run), "training", "paused", "stopped", "finished" or "error".
    """

    def __init__(
        self,
        deterministic: bool = False,
        audited: float = 0.0,
        chance: Callable[[], float] = lambda: 1.0,
        watched: bool = False,
    ) -> None:
        """audited: the share of shards that two owners compute; chance: a number in [0, 1), another one each time.

        watched: a loss on held-out data that gets much worse takes the weights back.
        """
        self.deterministic, self._audited, self._chance, self._watched = deterministic, audited, chance, watched
        self._members = Members()
        self.conduct, self.workers, self.rejected = self._members.conduct, self._members.workers, self._members.rejected
        self.run: wire.Run | None = None
        self.closing = False  # the coordinator shuts down: no new work is given out
        self._clear("ready", None, 0)

    def _clear(self, state: str, run: wire.Run | None, version: int) -> None:
        self.state, self.run, self.version = state, run, version
        audits = Audits(exchange_of(run.exchange), self._audited, self._chance) if run is not None and self._audited else None
        self.book = Book(run, version, audits, HeldOut() if self._watched else None) if run is not None else None
        self.solo: Solo | None = None
        self.stopping = False  # a stop waits for the solo worker's state
        self.until: int | None = None  # the run pauses by itself after so many steps
        self.platform: str | None = None  # of the first worker of a deterministic run
        self.counted = False  # whether a gradient has counted since the run was opened
        self.solo_pace = Pace()
        self.metrics: dict[str, float | None] = dict.fromkeys(METRICS)
        self.evaluated_step = version  # which the last evaluation was of
        self.error: str | None = None
        self._members.begin()

    # ------------------------------------------------------------ what the coordinator asks

    @property
    def step(self) -> int:
        """Steps done so far, including those of a solo worker that no checkpoint holds yet."""
        return max(self.version, self.solo.step) if self.solo else self.version

    @property
    def mode(self) -> str | None:
        if self.solo:
            return "solo"
        return "shared" if self.state == "training" and self.joined() else None

    def joined(self) -> list[Worker]:
        return self._members.joined()

    def able(self) -> list[Worker]:
        """Those who may be given work."""
        return self._members.able()

    @property
    def short_of(self) -> str | None:
        """Why nobody can go on though there are workers."""
        if self.book is None or self.state != "training" or not self.book.crowded(self.able()):
            return None
        return "waiting for workers of other addresses: with --untrusted one address computes at most a fifth of a step"

    def versions_needed(self) -> set[int]:
        """Weights that SendWeights may still ask for."""
        return {self.version, *(version for version, _ in self.book.evaluations)} if self.book else set()

    def gradient_refusal(self, sender: str, message: wire.Gradient) -> Reject | None:
        """Why this gradient does not count, before anybody looks at its tensors; None when it does."""
        if self.book is None or message.run != self.book.run.run or self.state not in ACTIVE:
            return Reject(sender, "stale", "that run is over")
        return self.book.refusal(self.workers[sender], message)

    def checkpoint_refusal(self, sender: str, message: wire.Checkpoint) -> Reject | None:
        """The same for a solo worker's state."""
        return solo_refusal(self.solo, self.run, self.version, sender, message)

    # ------------------------------------------------------------ events

    def start(self, run: wire.Run, version: int = 0, metrics: dict[str, float | None] | None = None) -> list[Effect]:
        """A new run, or a stored one that goes on after `version` steps. Everybody is told; nobody has joined yet."""
        self._clear("training", run, version)
        self.metrics.update(metrics or {})
        if self.book is not None and version >= run.steps:
            self.book.evaluations.schedule(self.version)  # the run ended before it was evaluated
        elif self.book is not None and self._watched:
            self.book.evaluations[version, "validation"] = None  # what there is to lose
        return [Send(worker, run) for worker in self.workers]

    def restore(self, run: wire.Run, version: int, state: str, metrics: dict[str, float | None]) -> None:
        """A stored run that is over: it can be looked at, and a new one can be started."""
        self._clear(state, run, version)
        self.metrics.update(metrics)

    def connect(
        self, worker: str, name: str, role: str, now: float, session: str = "", address: str = "", place: str = ""
    ) -> list[Effect]:
        """session: text of the worker's own; who comes back with it within the run is known again.

        address: what workers have in common that may be one stranger's; strikes are then the address's, and its share of a
        step is capped. "": the session is its own. place: the coordinator it is connected to, when there are several.
        """
        self._members.come(worker, name, role, now, session, address, place)
        return [Send(worker, self.run)] if self.run is not None else []

    def disconnect(self, worker: str, now: float) -> list[Effect]:
        if worker not in self.workers:
            return []
        effects = self._part(self.workers[worker])
        self._members.go(worker)
        return effects + self._go_on(now)

    def receive(self, sender: str, message: wire.FromWorker, now: float, sketch: Sketch | None = None) -> list[Effect]:
        """One message that was decoded and, where it has tensors, checked against the manifest. sketch: of a gradient."""
        worker = self.workers[sender]
        worker.seen_s = now
        match message:
            case wire.Join():
                effects = self._join(worker, message, now)
            case wire.Gradient():
                effects = self._gradient(worker, message, now, sketch)
            case wire.Evaluation():
                effects = self._evaluation(worker, message, now)
            case wire.Progress():
                effects = self._progress(worker, message, now)
            case wire.Checkpoint():
                effects = self._checkpoint(worker, message, now)
            case wire.Command():
                effects = self._command(worker, message, now)
            case wire.Problem():
                effects = self._problem(worker, message, now)
            case wire.Resync():
                effects = self._resync(worker, message, now)
            case wire.Goodbye():
                effects = self._part(worker) + self._go_on(now)
            case wire.Hello() | wire.Start():
                effects = [Reject(sender, "unexpected", f"{type(message).__name__} is not possible here", bad=True)]
        return self._counted(effects)

    def refuse(self, sender: str, lease: str, reason: str, detail: str, now: float) -> list[Effect]:
        """Something of this sender did not pass its checks; if it answered a lease, that work is given out again."""
        worker = self.workers[sender]
        worker.seen_s = now
        if self.book is not None and lease in worker.leases:
            self.book.release(worker, worker.leases[lease], reason)
        return self._counted([Reject(sender, reason, detail, True, lease)]) + self._go_on(now)

    def fail(self, message: str, version: int) -> None:
        """The step just completed could not be applied, for a reason that no worker can help: it did not happen.

        The run stands at `version` again. Workers have to join again.
        """
        self.state, self.error, self.solo = "error", message, None
        for worker in self.joined():
            self._part(worker)
        self.version = version
        if self.book is not None:
            self.book.jump(self.version)
            self.book.evaluations.clear()

    def again(self, version: int, now: float) -> list[Effect]:
        """What counted for the step just completed is lost: it is done once more, by who is still here."""
        self.version, self.solo = version, None
        if self.book is None or self.state not in ACTIVE:
            return []
        for worker in self.workers.values():
            for lease in list(worker.leases.values()):
                worker.forget(lease, "stale")
            worker.version = -1
        self.book.jump(version)
        self.book.evaluations.again(version)
        return self._go_on(now)

    def close(self, now: float) -> list[Effect]:
        """The coordinator shuts down: a solo worker is asked for its state; no new work is given out."""
        self.closing = True
        return self._ask_back(now)

    def tick(self, now: float) -> list[Effect]:
        """What the passing of time brings: leases that lapse, a Yield that nobody answers."""
        effects: list[Effect] = []
        if self.solo and self.solo.silent(now):
            self.solo = None  # its steps since the last checkpoint are lost; its late answer is `stale`
            effects += self._end("stopped") if self.stopping else []
        self._members.forgive(now)
        effects += self._go_on(now)
        if self.book is not None and self.state == "training" and not self.solo and not self.closing:
            if self.book.enough(now):
                effects += self._step(now) + self._go_on(now)
            effects += self.book.retry(self.able(), now)
        return effects

    def _counted(self, effects: list[Effect]) -> list[Effect]:
        for effect in effects:
            if isinstance(effect, Reject):
                self.rejected[effect.reason] += 1
                if effect.bad and effect.to in self.workers:
                    self._take_away(self._members.strike(self.workers[effect.to]))
        return effects

    def _take_away(self, quarantined: list[Worker]) -> None:
        """Their work is given to others."""
        for worker in quarantined:
            for lease in list(worker.leases.values()):
                if self.book is not None:
                    self.book.release(worker, lease, "stale")

    # ------------------------------------------------------------ coming and going

    def _join(self, worker: Worker, join: wire.Join, now: float) -> list[Effect]:
        if self.run is None or join.run != self.run.run:
            return [Reject(worker.id, "stale", "that run is over")]
        if self.deterministic and (join.backend, join.platform) != ("reference", self.platform or join.platform):
            wanted = f"the reference backend{f' on {self.platform!r}' if self.platform else ''}"
            detail = (
                f"this run is --deterministic: every worker needs {wanted}, this one has {join.backend!r} on"
                f" {join.platform!r}. Join with `distml worker` on a like machine, or run without --deterministic"
            )
            return [Reject(worker.id, "deterministic", detail)]
        effects = self._part(worker)
        self.platform = self.platform or join.platform
        worker.joined, worker.free_since_s, worker.learnt_s = True, now, now
        worker.version = join.version if join.version == self.version else -1  # what it still has from before
        worker.backend, worker.device, worker.platform = join.backend, join.device, join.platform
        if self.state not in ACTIVE:
            worker.version = self.version
            return [*effects, SendWeights((worker.id,), self.version), SendEnded(worker.id)]
        if worker.quarantined:
            detail = f"after {worker.strikes} refused messages this worker gets no work for a while; it need not be restarted"
            return [*effects, Reject(worker.id, "quarantined", detail)]
        if self.state == "error":
            self.state, self.error = "training", None
        return effects + self._go_on(now)

    def _part(self, worker: Worker) -> list[Effect]:
        """The worker's leases are free; if it stepped alone, the run stands at its last checkpoint again."""
        for lease in list(worker.leases.values()):
            if self.book is not None:
                self.book.release(worker, lease, "stale")
        worker.joined, worker.version = False, -1
        if not self.joined() and not self.counted:
            self.platform = None  # nothing was computed there: the next worker's platform is as good
        if self.solo and self.solo.worker == worker.id:
            self.solo = None
            return self._end("stopped") if self.stopping else []
        return []

    def _problem(self, worker: Worker, problem: wire.Problem, now: float) -> list[Effect]:
        if self.run is None or problem.run != self.run.run or self.state not in ACTIVE:
            return []
        effects = self._part(worker)
        where = f" (line {problem.line} of the recipe)" if problem.line > 0 else ""
        self.error = f"{worker.name or worker.id}: {problem.message}{where}"
        if not self.joined() and self.state == "training":
            self.state = "error"
        return effects + self._go_on(now)

    def _resync(self, worker: Worker, message: wire.Resync, now: float) -> list[Effect]:
        """Its weights are not what they should be: nothing it was asked for with them can be answered."""
        if self.run is None or message.run != self.run.run or not worker.joined or self.book is None:
            return []
        for lease in list(worker.leases.values()):
            self.book.release(worker, lease, "stale")
        worker.version = self.version
        return [SendWeights((worker.id,), self.version), *self._go_on(now)]

    def _command(self, worker: Worker, command: wire.Command, now: float) -> list[Effect]:
        if command.action not in ("pause", "resume", "step", "stop"):
            return [Reject(worker.id, "invalid", f"a command is {COMMANDS}, got {command.action!r}", True)]
        if self.state not in ACTIVE:
            return [Reject(worker.id, "no_run", f"there is no run to {command.action}")]
        match command.action, self.state:
            case "pause", "training":
                self.state = "paused"
                return self._ask_back(now)
            case "resume", "training" | "paused":
                self.state, self.until = "training", None
                return self._go_on(now)
            case "step", "paused":
                self.state, self.until = "training", self.step + 1
                return self._go_on(now)
            case "stop", _:
                self.stopping = self.solo is not None
                return self._ask_back(now) if self.stopping else self._end("stopped")
        return []

    def _end(self, state: str) -> list[Effect]:
        self.state, self.stopping, self.solo = state, False, None
        for worker in self.workers.values():
            for lease in list(worker.leases.values()):
                worker.forget(lease, "stale")
        if self.book is not None:
            self.book.evaluations.clear()
        behind = tuple(worker.id for worker in self.joined() if worker.version != self.version)
        return [*([SendWeights(behind, self.version)] if behind else []), Finish(state)]

    # ------------------------------------------------------------ shared

    def _gradient(self, worker: Worker, message: wire.Gradient, now: float, sketch: Sketch | None) -> list[Effect]:
        worker.late_until_s = now  # it is heard of again
        if self.book is not None:
            worker.learn(message.lease, self.book.pace.mean_s or 0.0, now)
        refusal = self.gradient_refusal(worker.id, message)
        if refusal is not None or self.book is None:
            of_run = self.book is not None and message.run == self.book.run.run and message.lease in worker.leases
            if self.book is not None and of_run and refusal is not None and refusal.reason == "stale":
                self.book.release(worker, worker.leases[message.lease], "stale")  # too old to count: to be computed again
            return [*([refusal] if refusal else []), *self._go_on(now)]
        verdict = self.book.weigh(worker, message, sketch, self.able)
        who = "the host's own worker" if worker.judge else "two others"
        effects: list[Effect] = [effect for liar in verdict.liars for effect in self._convict(liar, who, now)]
        if not verdict.counts:
            self.book.put_aside(worker, message, now)
            return effects + self._go_on(now)
        weight = self.book.weight(message)
        self.book.accept(self.workers, worker, message, now, verdict.first)
        self.counted = True
        self.metrics["cpu_ops"] = message.cpu_ops
        effects.append(Take(message.shard, message.samples, message.step, weight))
        if self.book.complete or self.book.enough(now):
            effects += self._step(now)
        return effects + self._go_on(now)

    def _convict(self, liar: Answer, who: str, now: float) -> list[Effect]:
        """Its work was wrong: it is banned, with all that answer for it, and loses its credit. who: says so."""
        self.rejected["audit"] += 1
        caught = self._members.convict(liar.owner, now)
        self._take_away(caught)
        return [Eject(worker.id, f"{who} computed the same shard and got something else") for worker in caught]

    def _step(self, now: float) -> list[Effect]:
        """What was taken makes a step."""
        assert self.book is not None
        self.metrics["loss"] = self.book.next_step(self.workers, now)
        self.error = None  # whatever befell one worker, the run goes on
        self.version = self.book.version
        joined = self.joined()
        for peer in joined:
            peer.version = self.version
        return [Commit(self.version), SendWeights(tuple(peer.id for peer in joined), self.version)]

    def _evaluation(self, worker: Worker, message: wire.Evaluation, now: float) -> list[Effect]:
        worker.late_until_s = now
        if self.book is None:
            return [Reject(worker.id, "no_lease", "there is no run")]
        refusal = self.book.evaluations.refusal(worker, message)
        if refusal is not None:
            if refusal.bad:
                self.book.release(worker, worker.leases[message.lease], refusal.reason)
            return [refusal, *self._go_on(now)]
        self.book.evaluations.accept(worker, message, now)
        self.evaluated_step = message.step
        if message.split == "validation":
            self.metrics.update(val_loss=message.loss, accuracy=message.accuracy, train_accuracy=message.train_accuracy)
            if self.book.evaluations.opinion(worker, message, self.able()):
                return self._go_back(now)
        else:
            self.metrics.update(test_accuracy=message.accuracy)
        return self._go_on(now)

    def _go_back(self, now: float) -> list[Effect]:
        """The weights are again those that were best on held-out data; what is under way was made of others."""
        held_out = self.book.evaluations.held_out if self.book is not None else None
        assert self.book is not None and held_out is not None and held_out.best is not None
        for worker in self.workers.values():
            for lease in list(worker.leases.values()):
                worker.forget(lease, "stale")
            worker.version = -1
        over = self.version >= self.book.run.steps
        self.book.void()
        self.book.evaluations.clear()
        if over:  # what these weights are worth on the validation split is known
            self.book.evaluations[self.version, "test"] = None
        self.rejected["worse"] += 1
        self.metrics["val_loss"] = held_out.lowest
        joined = self.able()
        for peer in joined:
            peer.version = self.version
        return [Restore(held_out.best), SendWeights(tuple(peer.id for peer in joined), self.version), *self._go_on(now)]

    def _go_on(self, now: float) -> list[Effect]:
        """Gives out work, or moves between solo and shared, as the state of things asks for."""
        run, book = self.run, self.book
        if run is None or book is None or self.state != "training" or self.closing or self.stopping:
            return []
        if not self.solo and not book.untouched and book.nothing_waits():
            return []
        joined = self.able()
        if self.version >= run.steps and not book.evaluations:
            return self._end("finished")
        if self.solo:
            return self._ask_back(now) if len(joined) > 1 else []
        effects = book.lease_evaluations(joined, now)
        if self.until is not None and self.until <= self.version < run.steps:
            self.state, self.until = "paused", None
            return effects
        alone = len(joined) == 1 and joined[0].role == "host" and not self.deterministic and self.until is None
        alone = alone and book.exchange.mode == "sync"
        if not alone or not book.untouched:
            return effects + book.lease_shards(joined, now)
        if book.evaluations:
            return effects  # what is left over from shared mode; then it steps alone
        self.solo = Solo(joined[0].id, self.version)
        joined[0].version = -1
        return [SendSolo(joined[0].id)]

    # ------------------------------------------------------------ solo

    def _ask_back(self, now: float) -> list[Effect]:
        """Asks the solo worker, once, to stop at a step boundary and to hand over its state."""
        if self.run is None or self.solo is None or self.solo.yield_deadline_s is not None:
            return []
        self.solo.yield_deadline_s = now + self.solo_pace.lease_s()
        return [Send(self.solo.worker, wire.Yield(self.run.run))]

    def _progress(self, worker: Worker, message: wire.Progress, now: float) -> list[Effect]:
        refusal = solo_refusal(self.solo, self.run, self.version, worker.id, message)
        if refusal is not None or self.solo is None:
            return [refusal] if refusal else []
        self.solo.step, worker.contributed_s = message.step, now
        self.metrics.update(loss=message.loss, cpu_ops=message.cpu_ops)
        if message.val_loss is not None:
            found = {"val_loss": message.val_loss, "accuracy": message.accuracy, "train_accuracy": message.train_accuracy}
            self.metrics.update(found)
            self.evaluated_step = message.step
        if LEAST_PER_S < message.steps_per_s < MOST_PER_S and self.run is not None:
            worker.samples_per_s = message.steps_per_s * self.run.batch_size
            self.solo_pace.add(1 / message.steps_per_s)
        return []

    def _checkpoint(self, worker: Worker, message: wire.Checkpoint, now: float) -> list[Effect]:
        refusal = self.checkpoint_refusal(worker.id, message)
        if refusal is not None or self.book is None or self.solo is None or self.run is None:
            return [refusal] if refusal else []
        worker.contributed_s = now
        self.version = self.solo.step = message.step
        self.book.jump(message.step)
        if message.loss is not None:
            self.metrics["loss"] = message.loss
        effects: list[Effect] = [Adopt(message.step)]
        if message.reason == "periodic":
            return effects
        self.solo, worker.version = None, message.step  # it holds these weights: it made them
        if self.version >= self.run.steps:
            self.book.evaluations.schedule(self.version)
        if self.stopping:
            return effects + self._end("stopped")
        return effects + self._go_on(now)
