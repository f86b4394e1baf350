"""Who takes part in a run, who has left and may come back, and what their conduct brings. Pure: no clock.

What they work on is the book's; a worker here loses its leases only by the hands of the rounds.
"""

from collections import Counter

from .conduct import MOST_STRIKES, Conduct
from .leases import QUICKLY, Pace, Throughput, Worker

REMEMBERED = 1000  # sessions of workers that left


class Members:
    """Workers by their connections' names. They outlive runs; what they did in one does not."""

    def __init__(self) -> None:
        self.conduct = Conduct()
        self.workers: dict[str, Worker] = {}
        self.rejected: Counter[str] = Counter()
        self._left: dict[str, Worker] = {}  # by session: they may come back

    def begin(self) -> None:
        """Another run: nobody has joined it yet."""
        self._left.clear()
        for worker in self.workers.values():
            worker.joined, worker.version, worker.shards_done, worker.contributed_s = False, -1, 0, None
            worker.pace, worker.throughput = Pace(QUICKLY), Throughput()
            for lease in list(worker.leases.values()):
                worker.forget(lease, "stale")

    def joined(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.joined]

    def able(self) -> list[Worker]:
        """Those who may be given work."""
        return [worker for worker in self.workers.values() if worker.joined and not worker.quarantined]

    def come(self, worker: str, name: str, role: str, now: float, session: str, address: str, place: str) -> None:
        """Who comes back with its session within the run is known again. See Rounds.connect."""
        found = Worker(worker, name, role, session, address or session, bool(address) and role != "host", seen_s=now, place=place)
        found.strikes = self.conduct.strikes(found.owner, now)
        found.quarantined = self.conduct.quarantined(found.owner, now)
        before = self._left.pop(session, None) if session else None
        if before is not None:
            found.shards_done, found.pace, found.contributed_s = before.shards_done, before.pace, before.contributed_s
            found.throughput = before.throughput
        self.workers[worker] = found

    def go(self, worker: str) -> None:
        left = self.workers.pop(worker)
        if left.session and left.shards_done:
            self._left[left.session] = left
            while len(self._left) > REMEMBERED:
                del self._left[next(iter(self._left))]

    def strike(self, worker: Worker) -> list[Worker]:
        """Counts it; who is quarantined for it: all that its owner has here are, together."""
        now, before = worker.seen_s, worker.strikes
        self.conduct.strike(worker.owner, now)
        worker.strikes = max(before + 1, self.conduct.strikes(worker.owner, now))
        if worker.strikes < MOST_STRIKES:
            return []
        found = [peer for peer in self.workers.values() if peer is worker or worker.owner and peer.owner == worker.owner]
        for peer in found:
            peer.quarantined = True
        return found

    def convict(self, owner: str, now: float) -> list[Worker]:
        """Wrong work: who answers for it is banned, and all its workers lose their credit. Who they are."""
        self.conduct.convict(owner, now)
        self._left = {session: left for session, left in self._left.items() if left.answers != owner}
        found = [worker for worker in self.workers.values() if worker.answers == owner]
        for worker in found:
            worker.strikes, worker.shards_done, worker.contributed_s = self.conduct.strikes(owner, now), 0, None
            worker.quarantined = True
        return found

    def forgive(self, now: float) -> None:
        """Quarantines end with time."""
        for worker in self.workers.values():
            if worker.quarantined and not self.conduct.quarantined(worker.owner, now) and worker.owner:
                worker.quarantined = False
