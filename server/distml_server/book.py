"""The book of one run's leases: which shards wait, are out or are done, and who evaluates. Pure: no clock.

Each shard of a step is done at most once, whoever else was given it as well. A unit is step * shards + shard: in sync mode
those of one step at a time, in local mode each stands for several steps, in async mode some steps' worth is out at once.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from distml_py import wire
from distml_py.exchange import exchange_of

from .audit import Answer, Audits, Sketch, Verdict
from .effects import Effect, Reject, Send, SendWeights
from .evaluations import Evaluations
from .heldout import HeldOut
from .leases import EVALUATION_S, HEARD_PIECES, HEARD_S, LATE_S, OVERDUE, WAITED_S, WAITED_STEPS, Lease, Pace, Worker, bounds
from .ranges import Ranges
from .tempo import Tempo

LEASES_AHEAD = 2  # a worker has its next shard at hand while it sends the gradient of the last
MOST_SHARE = 5  # with strangers one owner computes at most the fifth part of a step, or one shard
KEPT_S = 0.05  # so long it stands who will do first what waits, while nothing happens but that others answer
PATIENCE = 2  # times the usual length of a step: then a quorum is enough


Place = tuple[float, int, int, float, int, Worker]  # when it will have done one more, shards done, number, its time, leases


@dataclass(frozen=True)
class Kept:
    """What waits for workers that have enough in hand: when the last of it will be done, for whom, of how many workers, and when
    that was found.
    """

    done_s: float
    by: Counter[str]
    workers: int
    found_s: float


class Book:
    """Leases of a run that stands at `version` committed steps."""

    def __init__(self, run: wire.Run, version: int, audits: Audits | None = None, held_out: HeldOut | None = None) -> None:
        self.run, self.version, self.audits = run, version, audits
        self.exchange = exchange_of(run.exchange)
        self.pace = Pace()
        self.round_pace = Pace()
        self.tempo = Tempo(self.exchange.local_steps)
        self.evaluations = Evaluations(run, held_out)
        self._issued = 0
        self._kept: Kept | None = None
        self._answered: list[Worker] = []  # and who lost a lease to another one, since what waits was kept
        self.jump(version)

    def jump(self, version: int) -> None:
        """A solo worker has stepped up to `version`."""
        self.version = version
        self.waiting: deque[int] = deque()
        self.out: dict[int, list[Lease]] = {}
        self._next = version * self.run.shards
        if self.audits is not None:
            self.audits.open.clear()
        self._begin_step()

    def _begin_step(self) -> None:
        run = self.run
        self._kept = None
        self.done: dict[int, tuple[float, int]] = {}  # unit -> loss, samples
        self.owners: list[str] = []  # of what is done
        self.ranges = Ranges(run.shards)
        self.began_s: float | None = None
        self.span = 1  # steps that this round takes
        ahead = 0
        match self.exchange.mode:
            case "local":
                self.span = min(self.tempo.steps(), max(run.steps - self.version, 1))
                self._next = self.version * run.shards
            case "async":
                ahead = self.exchange.staleness
        end = min(self.version + 1 + ahead, run.steps) * run.shards
        self.waiting.extend(range(self._next, end))
        self._next = max(self._next, end)

    def void(self) -> None:
        """What is out or done, but not committed, was made of weights that are no longer the run's: it waits again."""
        self._kept = None
        self.waiting = deque(sorted({*self.out, *self.done, *self.waiting}))
        self.out, self.done, self.owners, self.began_s = {}, {}, [], None
        if self.audits is not None:
            self.audits.open.clear()

    @property
    def untouched(self) -> bool:
        """Whether no shard of this step is given out or done."""
        return not self.out and not self.done

    @property
    def complete(self) -> bool:
        return len(self.done) == self.run.shards

    def enough(self, now: float) -> bool:
        """Whether a quorum has answered and the rest takes unusually long. Never in a deterministic run."""
        if self.exchange.quorum >= 1 or self.run.deterministic or self.exchange.mode == "async":
            return False
        if not self.done or self.began_s is None or self.round_pace.mean_s is None:
            return False
        there = sum(samples for _, samples in self.done.values())
        return there >= self.exchange.quorum * self.run.batch_size and now - self.began_s > PATIENCE * self.round_pace.mean_s

    def next_step(self, workers: dict[str, Worker], now: float) -> float:
        """The step is complete, or enough of it is: its mean loss. All shards of the next one wait."""
        if self.began_s is not None and self.complete:
            self.round_pace.add(now - self.began_s)
        if self.exchange.mode != "async":
            for lease in [lease for leases in self.out.values() for lease in leases]:
                self._late(workers[lease.worker], lease, now)
            self.out, self.waiting = {}, deque()
            if self.audits is not None:
                self.audits.open.clear()
        found = [item for _, item in sorted(self.done.items())]
        loss = sum(loss * samples for loss, samples in found) / sum(samples for _, samples in found)
        before, self.version = self.version, self.version + self.span
        self._begin_step()
        self.evaluations.schedule(self.version, before)
        return loss

    # ------------------------------------------------------------ answers

    def refusal(self, worker: Worker, message: wire.Gradient) -> Reject | None:
        """Why this gradient does not count, before anybody looks at its tensors; None when it does."""
        run, to = self.run, worker.id
        ahead = self.exchange.staleness if self.exchange.mode == "async" else 0
        last = min(self.version + ahead, run.steps - 1)
        if not 0 <= message.step <= last or not 0 <= message.shard < run.shards:
            detail = f"the run is at step {self.version} of {run.steps}, with {run.shards} shards a step"
            return Reject(to, "bad_step", f"step {message.step}, shard {message.shard}: {detail}", True, message.lease)
        lease = worker.leases.get(message.lease)
        if lease is None or lease.shard is None:
            reason = worker.past.get(message.lease, "no_lease")
            detail = f"step {message.step}, shard {message.shard}: this worker has no such lease now"
            return Reject(to, reason, detail, lease=message.lease)
        newest = self.version if self.exchange.mode == "async" else lease.version
        if (message.step, message.shard) != (lease.step, lease.shard) or not lease.version <= message.version <= newest:
            return Reject(to, "no_lease", "the lease is for another step or shard, or for other weights", True, message.lease)
        if message.samples != lease.count:
            return Reject(to, "invalid", f"the shard has {lease.count} samples, got {message.samples}", True, message.lease)
        if message.cpu_ops < 0 or message.compute_s < 0:
            detail = f"cpu_ops and compute_s are at least 0, got {message.cpu_ops} and {message.compute_s:g}"
            return Reject(to, "invalid", detail, True, message.lease)
        if self.version - message.version > ahead:
            detail = f"computed at weights {message.version}, the run is at {self.version}: at most {ahead} steps may lie between"
            return Reject(to, "stale", detail, lease=message.lease)
        return None

    def weight(self, message: wire.Gradient) -> float:
        """How much an answer counts: less, the older its weights are."""
        return 1.0 if self.exchange.mode != "async" else float((1 + self.version - message.version) ** -0.5)

    def weigh(self, worker: Worker, message: wire.Gradient, sketch: Sketch | None, able: Callable[[], list[Worker]]) -> Verdict:
        """Whether an answer that was not refused counts, or is to be compared with another owner's first."""
        if self.audits is None or sketch is None:
            return Verdict(True)
        others = any(peer.answers != worker.answers for peer in able())
        answer = Answer(worker.answers, worker.id, sketch, worker.judge)
        return self.audits.weigh(self._unit(worker.leases[message.lease]), answer, others)

    def put_aside(self, worker: Worker, message: wire.Gradient, now: float) -> None:
        """The answer does not count by itself: the shard is done once more."""
        lease = worker.leases[message.lease]
        self._learn(worker, lease, message, now)
        self.release(worker, lease, "duplicate")

    def accept(self, workers: dict[str, Worker], worker: Worker, message: wire.Gradient, now: float, owner: str = "") -> None:
        """owner: whose shard it is, if this worker only confirmed it."""
        lease = worker.leases[message.lease]
        self._learn(worker, lease, message, now)
        worker.forget(lease, "duplicate")
        unit = self._unit(lease)
        for other in self.out.pop(unit, []):
            if other.id != lease.id:  # somebody else tried the same shard
                self._late(workers[other.worker], other, now)
        if self._kept is not None:
            self._answered.append(worker)
        self.done[unit] = (message.loss, message.samples)
        self.owners.append(owner or worker.owner)

    def _learn(self, worker: Worker, lease: Lease, message: wire.Gradient, now: float) -> None:
        """How fast its worker is, and its credit."""
        elapsed = now - max(lease.issued_s, worker.free_since_s)
        self.pace.add(elapsed, lease.size)
        worker.answered(elapsed, lease.size, now)
        worker.throughput.add(lease.size, lease.issued_s, now)
        self.tempo.add(elapsed, message.compute_s, lease.steps)
        worker.samples_per_s = None
        worker.contributed_s = worker.free_since_s = now
        worker.shards_done += 1

    def release(self, worker: Worker, lease: Lease, reason: str) -> None:
        """The lease ends without an answer that counts: unless somebody else has the same work, it waits again."""
        self._kept = None
        worker.forget(lease, reason)
        if lease.shard is None:
            self.evaluations[lease.version, lease.split] = None
            return
        unit = self._unit(lease)
        self.out[unit].remove(lease)
        if not self.out[unit]:
            del self.out[unit]
            self.waiting.appendleft(unit)

    # ------------------------------------------------------------ giving out

    def room(self, worker: Worker) -> bool:
        """Whether its owner may have another shard of this step."""
        if not worker.capped:
            return True
        audited = self.audits.open if self.audits is not None else {}
        out = sum(lease.owner == worker.owner for unit, leases in self.out.items() if unit not in audited for lease in leases)
        own = out + self.owners.count(worker.owner) + (self.audits.first(worker.answers) if self.audits is not None else 0)
        return own < max(self.run.shards // MOST_SHARE, 1)

    def crowded(self, able: list[Worker]) -> bool:
        """Whether shards wait, none is out, and nobody who is here may have one."""
        return bool(self.waiting and able) and not self.out and not any(map(self.room, able))

    def nothing_waits(self) -> bool:
        return not self.waiting and not self.evaluations.wait

    def lease_evaluations(self, joined: list[Worker], now: float) -> list[Effect]:
        effects: list[Effect] = []
        for version, split in [key for key, lease in self.evaluations.items() if lease is None]:
            free = [worker for worker in _prompt(self.evaluations.due(version, split, joined), now) if not worker.evaluates]
            if free:
                effects += self._issue(min(free, key=lambda worker: len(worker.leases)), version, None, split, now)
        return effects

    def lease_shards(self, joined: list[Worker], now: float) -> list[Effect]:
        """Each shard goes to who will have done it first, so that all are done together and shares follow speeds.

        A worker has at most LEASES_AHEAD in hand: what else it will do first waits for it. Among equals, who has done less.
        Who is too slow to be asked like that still gets a shard now and then: everybody who takes part counts.
        """
        effects: list[Effect] = []
        if not self.waiting or self.version >= self.run.steps or not joined:
            return effects
        if self._still_kept(len(joined), now):
            return self._lease_kept(joined, now)
        effects, audited = self._lease_audits(joined, now)
        places = sorted({worker.place for worker in joined})
        line, first = self._line(joined, places, now)
        effects += first
        heapq.heapify(line)
        kept: list[int] = []
        by, latest_s = Counter[str](), 0.0
        while self.waiting and line:
            done_s, shards, number, own_s, held, worker = line[0]
            if not self.room(worker):
                heapq.heappop(line)
                continue
            unit = self.ranges.take(self.waiting, worker.place, places)
            if held < LEASES_AHEAD:
                effects += self._issue(worker, self.version, unit, "", now)
            else:
                kept.append(unit)
                by[worker.id], latest_s = by[worker.id] + 1, done_s
            if len(kept) > len(line) * LEASES_AHEAD:
                break  # nobody will be asked for the rest now
            heapq.heapreplace(line, (done_s + own_s, shards + 1, number, own_s, held + 1, worker))
        if kept and not self.waiting and self.audits is None:
            self._kept = Kept(now + latest_s, by, len(joined), now)
        self.waiting.extendleft([*reversed(kept), *audited])
        return effects

    def _line(self, joined: list[Worker], places: list[str], now: float) -> tuple[list[Place], list[Effect]]:
        """Who would have done another shard when; and leases for those of whom nothing was heard for long."""
        effects: list[Effect] = []
        line: list[Place] = []
        waited_s, (usual_s, size) = self._waited_s(), self._usual()
        for number, worker in enumerate(_prompt(joined, now)):
            own_s = worker.piece_s(size, usual_s, now)
            unheard = not worker.leases and own_s <= waited_s and worker.idle_s(now) > max(HEARD_S, HEARD_PIECES * own_s)
            if unheard and self.waiting and self.room(worker):
                unit = self.ranges.take(self.waiting, worker.place, places)
                effects += self._issue(worker, self.version, unit, "", now)
            done_s = own_s + (worker.left_s(own_s, size, now) if worker.leases else 0.0)
            line.append((done_s, worker.shards_done, number, own_s, len(worker.leases), worker))
        return line, effects

    def _usual(self) -> tuple[float, int]:
        """How long a sample takes, and how many of them a shard has."""
        return self.pace.mean_s or 1.0, max(self.run.batch_size // self.run.shards, 1) * self.span

    def _still_kept(self, workers: int, now: float) -> bool:
        """Whether those who have answered since would do none of what is kept for others sooner.

        Else each answer would have every worker looked at: with some hundred of them half of the coordinator's time.
        """
        kept = self._kept
        if kept is None or kept.workers != workers or now - kept.found_s > KEPT_S:
            self._kept, self._answered = None, []
            return False
        usual_s, size = self._usual()
        for worker in self._answered:
            own_s = worker.piece_s(size, usual_s, now)
            if not kept.by[worker.id] and now + own_s + worker.left_s(own_s, size, now) <= kept.done_s:
                self._kept, self._answered = None, []
                return False
        return True

    def _lease_kept(self, joined: list[Worker], now: float) -> list[Effect]:
        """Those who have answered get what is kept for them."""
        effects: list[Effect] = []
        answered, self._answered = self._answered, []
        for worker in answered:
            kept = self._kept if self.room(worker) else None
            while kept and self.waiting and kept.by[worker.id] and len(worker.leases) < LEASES_AHEAD:
                kept.by[worker.id] -= 1
                unit = self.ranges.take(self.waiting, worker.place, sorted({peer.place for peer in joined}))
                effects += self._issue(worker, self.version, unit, "", now)
        return effects

    def _lease_audits(self, joined: list[Worker], now: float) -> tuple[list[Effect], list[int]]:
        """Shards that somebody else is to do once more, a judge or the host rather than others; and those nobody is free for."""
        effects: list[Effect] = []
        left = []
        for unit in [unit for unit in self.waiting if self.audits is not None and unit in self.audits.open]:
            self.waiting.remove(unit)
            fit = [worker for worker in joined if self._fits(worker, unit)]
            free = [worker for worker in _prompt(fit, now) if len(worker.leases) < LEASES_AHEAD]
            if free:
                order = [(not one.judge, one.role != "host", len(one.leases), one.shards_done, n) for n, one in enumerate(free)]
                effects += self._issue(free[min(order)[-1]], self.version, unit, "", now)
            elif fit:
                left.append(unit)
            else:
                self._drop_audit(unit)
                self.waiting.append(unit)
        return effects, left

    def _fits(self, worker: Worker, unit: int | None) -> bool:
        return self.audits is None or worker.answers not in self.audits.barred(unit)

    def _may(self, worker: Worker, unit: int | None) -> bool:
        """Whether it may do this as well: a shard that is audited is not its own, but others' count."""
        audited = self.audits is not None and unit in self.audits.open
        return self._fits(worker, unit) and (audited or unit is None or self.room(worker))

    def _drop_audit(self, unit: int | None) -> None:
        """There is nobody to compare with: whoever does it counts."""
        if self.audits is not None and unit is not None:
            self.audits.open.pop(unit, None)

    def retry(self, joined: list[Worker], now: float) -> list[Effect]:
        """Idle workers try what others are late with. A lapsed lease is taken away, but only when somebody takes over:
        until then a late answer is still the best that can come.
        """
        effects: list[Effect] = []
        idle = [worker for worker in _prompt(joined, now) if not worker.leases]
        idle.sort(key=lambda worker: (worker.piece_s(1, self.pace.mean_s or 1.0, now), worker.free_since_s), reverse=True)
        for late in joined if idle else []:
            in_hand = 0
            for lease in list(late.leases.values()):
                in_hand += lease.size
                lapsed = now > lease.deadline_s
                if idle and (lapsed or self._worth_a_second_try(late, lease, in_hand, now)):
                    unit = None if lease.shard is None else self._unit(lease)
                    if lapsed and not any(self._fits(worker, unit) for worker in idle):
                        self._drop_audit(unit)
                    taker = next((worker for worker in reversed(idle) if self._may(worker, unit)), None)
                    if taker is None:
                        continue
                    idle.remove(taker)
                    version = self.version if unit is not None else lease.version  # in async mode there may be newer weights
                    effects += self._issue(taker, version, unit, lease.split, now)
                    if lapsed:
                        if unit is not None:
                            self.out[unit].remove(lease)
                        self._late(late, lease, now)
        return effects

    def _worth_a_second_try(self, worker: Worker, lease: Lease, in_hand: int, now: float) -> bool:
        if lease.shard is None:
            return False
        own_s = OVERDUE * (worker.pace.mean_s or 0.0) * in_hand
        overdue_s = max(self.pace.overdue_s(in_hand), min(own_s, self._waited_s()))
        return len(self.out[self._unit(lease)]) == 1 and now - max(lease.issued_s, worker.free_since_s) > overdue_s

    def _waited_s(self) -> float:
        """How long a step may wait for somebody who is slow."""
        return max(WAITED_STEPS * (self.round_pace.mean_s or 0.0), WAITED_S)

    def _late(self, worker: Worker, lease: Lease, now: float) -> None:
        if self._kept is not None:
            self._answered.append(worker)
        late = now - max(lease.issued_s, worker.free_since_s) > self.pace.overdue_s(lease.size)
        worker.lose(lease, self.pace.mean_s or 0.0, now)
        if late:  # and not just overtaken
            worker.late_until_s, self._kept = now + LATE_S, None

    def _unit(self, lease: Lease) -> int:
        assert lease.shard is not None
        return lease.step * self.run.shards + lease.shard

    def _issue(self, worker: Worker, version: int, unit: int | None, split: str, now: float) -> list[Effect]:
        effects: list[Effect] = []
        run, newest = self.run, self.exchange.mode == "async"
        if worker.version != version and not (newest and unit is not None and worker.version >= version):
            effects.append(SendWeights((worker.id,), version))
            worker.version = max(worker.version, version)
        self._issued += 1
        step, shard = (version, None) if unit is None else divmod(unit, run.shards)
        start, count = (0, 0) if shard is None else bounds(run.batch_size, run.shards, shard)
        steps = self.span if shard is not None else 1
        in_hand = sum(lease.size for lease in worker.leases.values()) + count * steps
        seconds = self.pace.lease_s(in_hand) + (EVALUATION_S if shard is None else 0)
        name, until_s = f"{worker.id}.{self._issued}", now + seconds
        lease = Lease(name, worker.id, version, shard, split, count, now, until_s, step, steps, worker.owner)
        worker.leases[lease.id] = lease
        if shard is None or unit is None:
            self.evaluations[version, split] = lease
            return [*effects, Send(worker.id, wire.Evaluate(run.run, version, version, lease.id, split))]
        self.began_s, worker.asked_s = now if self.began_s is None else self.began_s, now
        self.out.setdefault(unit, []).append(lease)
        message = wire.Lease(run.run, step, version, lease.id, shard, start, count, seconds, steps, newest)
        return [*effects, Send(worker.id, message)]


def _prompt(joined: list[Worker], now: float) -> list[Worker]:
    """Those who were not late just now; all, when there is nobody else."""
    return [worker for worker in joined if now >= worker.late_until_s] or joined
