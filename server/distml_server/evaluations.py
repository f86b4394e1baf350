"""Which evaluations of a run are due, who does them, and what they tell of its weights. Pure: no clock."""

from distml_py import wire

from .effects import Reject
from .heldout import HeldOut
from .leases import Lease, Worker

MOST_OUT = 2  # evaluations that workers may be behind with before further ones are left out


class Evaluations(dict[tuple[int, str], Lease | None]):
    """(version, split) -> the lease of who does it; None: it waits.

    held_out: watches the losses; then each version is evaluated by two owners, where there are two.
    """

    def __init__(self, run: wire.Run, held_out: HeldOut | None) -> None:
        super().__init__()
        self._run, self.held_out = run, held_out

    @property
    def wait(self) -> bool:
        """Whether one does."""
        return any(lease is None for lease in self.values())

    def schedule(self, version: int, before: int | None = None) -> None:
        """The run stands at `version`. before: until now; one that was passed over on the way is evaluated here."""
        every, over = self._run.evaluate_every, version >= self._run.steps
        if over or version // every > (version - 1 if before is None else before) // every:
            for key in [key for key, lease in self.items() if lease is None]:
                del self[key]  # one that nobody has begun is not worth catching up on
            if over or len(self) < MOST_OUT:
                self[version, "validation"] = None
        if over:
            self[version, "test"] = None

    def again(self, version: int) -> None:
        """The run stands at `version` again: what is due until then is to be done anew."""
        due = [key for key in self if key[0] <= version]
        self.clear()
        self.update(dict.fromkeys(due))

    def refusal(self, worker: Worker, message: wire.Evaluation) -> Reject | None:
        """Why this answer does not count; None when it does."""
        lease = worker.leases.get(message.lease)
        if lease is None or lease.shard is not None or (lease.version, lease.split) != (message.step, message.split):
            reason = worker.past.get(message.lease, "no_lease")
            return Reject(worker.id, reason, "this worker was not asked for this evaluation")
        shares = [share for share in (message.accuracy, message.train_accuracy) if share is not None]
        if not all(0 <= share <= 1 for share in shares) or message.samples < 1:
            detail = f"an accuracy is 0-1 over at least 1 sample, got {', '.join(map(str, shares))} over {message.samples}"
            return Reject(worker.id, "invalid", detail, bad=True)
        return None

    def accept(self, worker: Worker, message: wire.Evaluation, now: float) -> None:
        lease = worker.leases[message.lease]
        worker.contributed_s = worker.free_since_s = now
        worker.forget(lease, "duplicate")
        del self[lease.version, lease.split]

    def opinion(self, worker: Worker, message: wire.Evaluation, able: list[Worker]) -> bool | None:
        """Of a validation loss that was taken: whether the weights must go back; None: another owner is asked as well."""
        if self.held_out is None:
            return False
        self.held_out.note(message.step, worker.answers, message.loss)
        barred = self.held_out.barred(message.step)
        if not self.held_out.heard(message.step, any(peer.answers not in barred for peer in able)):
            self[message.step, message.split] = None
            return None
        return self.held_out.judge(message.step)

    def due(self, version: int, split: str, joined: list[Worker]) -> list[Worker]:
        """Those who may be asked for one that waits. Who could have said more of it may have gone: then it is left out."""
        heard = self.held_out.barred(version) if self.held_out is not None and split == "validation" else set()
        fit = [worker for worker in joined if worker.answers not in heard]
        if not fit and joined and split == "validation":
            del self[version, split]
        return fit
