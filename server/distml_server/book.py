"""The book of one run's leases: which shards of the step wait, are out or are done, and who evaluates. Pure: no clock.

Each shard of a step is done at most once, whoever else was given it as well.
"""

from collections import deque

from distml_py import wire

from .effects import Effect, Reject, Send, SendWeights
from .leases import EVALUATION_S, LATE_S, Lease, Pace, Worker, bounds

LEASES_AHEAD = 2  # a worker has its next shard at hand while it sends the gradient of the last
EVALUATIONS_OUT = 2  # evaluations that workers may be behind with before further ones are left out


class Book:
    """Leases of a run that stands at `version` committed steps."""

    def __init__(self, run: wire.Run, version: int) -> None:
        self.run, self.version = run, version
        self.pace = Pace()
        self.evaluations: dict[tuple[int, str], Lease | None] = {}  # (version, split) -> who does it
        self._issued = 0
        self._begin_step()

    def _begin_step(self) -> None:
        self.waiting = deque(range(self.run.shards))
        self.out: dict[int, list[Lease]] = {}
        self.done: dict[int, tuple[float, int]] = {}  # shard -> loss, samples

    @property
    def untouched(self) -> bool:
        """Whether no shard of this step is given out or done."""
        return not self.out and not self.done

    @property
    def complete(self) -> bool:
        return len(self.done) == self.run.shards

    def next_step(self) -> float:
        """The step is complete: its mean loss. All shards of the next one wait."""
        loss = sum(loss * samples for _, (loss, samples) in sorted(self.done.items())) / self.run.batch_size
        self.version += 1
        self._begin_step()
        self.schedule_evaluations()
        return loss

    def jump(self, version: int) -> None:
        """A solo worker has stepped up to `version`."""
        self.version = version
        self._begin_step()

    def schedule_evaluations(self) -> None:
        over = self.version >= self.run.steps
        if over or self.version % self.run.evaluate_every == 0:
            # one that nobody has begun is not worth catching up on
            self.evaluations = {key: lease for key, lease in self.evaluations.items() if lease is not None}
            if over or len(self.evaluations) < EVALUATIONS_OUT:
                self.evaluations[self.version, "validation"] = None
        if over:
            self.evaluations[self.version, "test"] = None

    # ------------------------------------------------------------ answers

    def refusal(self, worker: Worker, message: wire.Gradient) -> Reject | None:
        """Why this gradient does not count, before anybody looks at its tensors; None when it does."""
        run, to = self.run, worker.id
        if not 0 <= message.step < run.steps or message.step > self.version or not 0 <= message.shard < run.shards:
            detail = f"the run is at step {self.version} of {run.steps}, with {run.shards} shards a step"
            return Reject(to, "bad_step", f"step {message.step}, shard {message.shard}: {detail}", bad=True)
        lease = worker.leases.get(message.lease)
        if lease is None or lease.shard is None:
            reason = worker.past.get(message.lease, "no_lease")
            return Reject(to, reason, f"step {message.step}, shard {message.shard}: this worker has no such lease now")
        if (message.step, message.version, message.shard) != (lease.version, lease.version, lease.shard):
            return Reject(to, "no_lease", "the lease is for another step or shard", bad=True)
        if message.samples != lease.count or message.cpu_ops < 0:
            return Reject(to, "invalid", f"the shard has {lease.count} samples, got {message.samples}", bad=True)
        return None

    def accept(self, workers: dict[str, Worker], worker: Worker, message: wire.Gradient, now: float) -> None:
        lease = worker.leases[message.lease]
        self.pace.add(now - max(lease.issued_s, worker.free_since_s))
        worker.did(message.samples, now - max(lease.issued_s, worker.free_since_s))
        worker.contributed_s = worker.free_since_s = now
        worker.shards_done += 1
        worker.forget(lease, "duplicate")
        for other in self.out.pop(message.shard, []):
            if other.id != lease.id:  # somebody else tried the same shard
                self._late(workers[other.worker], other, now)
        self.done[message.shard] = (message.loss, message.samples)

    def evaluation_refusal(self, worker: Worker, message: wire.Evaluation) -> Reject | None:
        lease = worker.leases.get(message.lease)
        if lease is None or lease.shard is not None or (lease.version, lease.split) != (message.step, message.split):
            reason = worker.past.get(message.lease, "no_lease")
            return Reject(worker.id, reason, "this worker was not asked for this evaluation")
        if not 0 <= message.accuracy <= 1 or message.samples < 1:
            detail = f"an accuracy is 0-1 over at least 1 sample, got {message.accuracy} over {message.samples}"
            return Reject(worker.id, "invalid", detail, bad=True)
        return None

    def accept_evaluation(self, worker: Worker, message: wire.Evaluation, now: float) -> None:
        lease = worker.leases[message.lease]
        worker.contributed_s = worker.free_since_s = now
        worker.forget(lease, "duplicate")
        del self.evaluations[lease.version, lease.split]

    def release(self, worker: Worker, lease: Lease, reason: str) -> None:
        """The lease ends without an answer that counts: unless somebody else has the same work, it waits again."""
        worker.forget(lease, reason)
        if lease.shard is None:
            self.evaluations[lease.version, lease.split] = None
            return
        self.out[lease.shard].remove(lease)
        if not self.out[lease.shard]:
            del self.out[lease.shard]
            self.waiting.appendleft(lease.shard)

    # ------------------------------------------------------------ giving out

    def lease_evaluations(self, joined: list[Worker], now: float) -> list[Effect]:
        effects: list[Effect] = []
        for (version, split), lease in list(self.evaluations.items()):
            free = [worker for worker in _prompt(joined, now) if not worker.evaluates]
            if lease is None and free:
                effects += self._issue(min(free, key=lambda worker: len(worker.leases)), version, None, split, now)
        return effects

    def lease_shards(self, joined: list[Worker], now: float) -> list[Effect]:
        """One shard to each worker first; a second one in hand only while there is one for every worker."""
        effects: list[Effect] = []
        if self.version >= self.run.steps:
            return effects
        for ahead in range(1, LEASES_AHEAD + 1):
            if not self.waiting:
                break
            able = _prompt(joined, now)
            for worker in sorted(able, key=lambda worker: (len(worker.leases), worker.shards_done)):
                enough = len(self.waiting) >= (1 if ahead == 1 else len(able))
                if enough and len(worker.leases) < ahead:
                    effects += self._issue(worker, self.version, self.waiting.popleft(), "", now)
        return effects

    def retry(self, joined: list[Worker], now: float) -> list[Effect]:
        """Idle workers try what others are late with. A lapsed lease is taken away, but only when somebody takes over:
        until then a late answer is still the best that can come.
        """
        effects: list[Effect] = []
        idle = [worker for worker in _prompt(joined, now) if not worker.leases]
        idle.sort(key=lambda worker: -worker.free_since_s)
        for late in joined if idle else []:
            for position, lease in enumerate(list(late.leases.values()), start=1):
                lapsed = now > lease.deadline_s
                if idle and (lapsed or self._worth_a_second_try(lease, position, now)):
                    effects += self._issue(idle.pop(), lease.version, lease.shard, lease.split, now)
                    if lapsed:
                        if lease.shard is not None:
                            self.out[lease.shard].remove(lease)
                        self._late(late, lease, now)
        return effects

    def _worth_a_second_try(self, lease: Lease, position: int, now: float) -> bool:
        if lease.shard is None:
            return False
        return len(self.out[lease.shard]) == 1 and now - lease.issued_s > self.pace.overdue_s(position)

    def _late(self, worker: Worker, lease: Lease, now: float) -> None:
        worker.forget(lease, "stale")
        worker.late_until_s = now + LATE_S

    def _issue(self, worker: Worker, version: int, shard: int | None, split: str, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if worker.version != version:
            effects.append(SendWeights((worker.id,), version))
            worker.version = max(worker.version, version)
        self._issued += 1
        seconds = self.pace.lease_s(len(worker.leases) + 1) + (EVALUATION_S if shard is None else 0)
        start, count = (0, 0) if shard is None else bounds(self.run.batch_size, self.run.shards, shard)
        lease = Lease(f"{worker.id}.{self._issued}", worker.id, version, shard, split, count, now, now + seconds)
        worker.leases[lease.id] = lease
        if shard is None:
            self.evaluations[version, split] = lease
            return [*effects, Send(worker.id, wire.Evaluate(self.run.run, version, version, lease.id, split))]
        self.out.setdefault(shard, []).append(lease)
        message = wire.Lease(self.run.run, version, version, lease.id, shard, start, count, seconds)
        return [*effects, Send(worker.id, message)]


def _prompt(joined: list[Worker], now: float) -> list[Worker]:
    """Those who were not late just now; all, when there is nobody else."""
    return [worker for worker in joined if now >= worker.late_until_s] or joined
