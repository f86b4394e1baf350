"""Who works on what and until when: workers, leases, and the time a piece of work should take. Pure: no clock."""

import math
from dataclasses import dataclass, field

SHORTEST_S = 5.0
LONGEST_S = 60.0
UNKNOWN_S = 30.0  # before the first answer: a tab compiles its programs then
EVALUATION_S = 30.0  # on top of a shard's lease: a split is larger than a shard
SOONEST_S = 0.05  # nothing is tried a second time before that
OVERDUE = 1.25  # times the usual: then an idle worker may try the same piece
SMOOTHING, QUICKLY = 0.2, 0.5  # of all workers' pace, and of one's own
SLOWER = 4  # times as slow as thought: more is not learnt from one silence, after which it may just have been frozen
CONTRIBUTING_S = 10.0
LATE_S = 5.0  # a worker that was late gets nothing for so long, or until its answer comes, if others can work
FORGIVEN_S = 5.0  # a worker without work counts as twice as fast each time so long, so that it is tried again
NOISE_S = 0.01  # of a piece of work: what takes less takes so long
ALIKE, LOG_ALIKE = 1.25, math.log(1.25)  # paces within this factor are the same: then who has done less comes first
SHORT_S = float(ALIKE ** round(math.log(NOISE_S) / LOG_ALIKE))
HEARD_S, HEARD_PIECES = 0.5, 10  # who has had nothing for so long, and so many times its piece, gets one all the same
MEASURED_S = 2.0  # over how long a worker's speed is measured, for people
WAITED_S, WAITED_STEPS = 0.25, 1.25  # and is waited for so long, or so many of the usual steps
REMEMBERED, MISSED = 256, 8


@dataclass(frozen=True)
class Lease:
    """One piece of work given to one worker. shard None: an evaluation of `split` at weights `version`.

    step: of the data, where it begins; steps: how many of them. size: samples to be gone through in all.
    """

    id: str
    worker: str
    version: int
    shard: int | None
    split: str
    count: int
    issued_s: float
    deadline_s: float
    step: int = 0
    steps: int = 1
    owner: str = ""

    @property
    def size(self) -> int:
        return self.count * self.steps


class Throughput:
    """Samples a second, for people. Answers may come in bundles, so that the time between two of them tells nothing."""

    def __init__(self) -> None:
        self.per_s: float | None = None
        self._samples, self._began_s, self._last_s = 0, 0.0, -math.inf

    def add(self, samples: int, asked_s: float, now: float) -> None:
        if asked_s - self._last_s > MEASURED_S:  # it had no work for a while
            self._samples, self._began_s = 0, asked_s
        self._samples, self._last_s = self._samples + samples, now
        if (seconds := now - self._began_s) > 0 and (self.per_s is None or seconds >= MEASURED_S):
            self.per_s = self._samples / seconds
        if seconds >= MEASURED_S:
            self._samples, self._began_s = 0, now


class Pace:
    """Exponentially weighted mean of the time that a sample takes."""

    def __init__(self, smoothing: float = SMOOTHING) -> None:
        self.mean_s: float | None = None
        self._smoothing = smoothing

    def add(self, seconds: float, size: int = 1) -> None:
        found = seconds / max(size, 1)
        self.mean_s = found if self.mean_s is None else self.mean_s + self._smoothing * (found - self.mean_s)

    def slower(self, seconds: float, size: int, most_s: float) -> bool:
        """Work that was not awaited took, or takes, so long; most_s: a sample, whatever it took. Whether that is news."""
        before, self.mean_s = self.mean_s, max(self.mean_s or 0.0, min(seconds / max(size, 1), most_s))
        return self.mean_s != before

    def lease_s(self, size: int = 1) -> float:
        """How long a worker may take until all that it has in hand is done: clamp(3 x mean, 5 s, 60 s)."""
        if self.mean_s is None:
            return UNKNOWN_S
        return min(max(3 * self.mean_s * size, SHORTEST_S), LONGEST_S)

    def overdue_s(self, size: int = 1) -> float:
        """After this long an idle worker may try the same piece as well; the first answer counts."""
        return UNKNOWN_S if self.mean_s is None else max(OVERDUE * self.mean_s * size, SOONEST_S)


@dataclass
class Worker:
    """One connection as the rounds see it. version: the newest weights that were sent to it, -1 for none."""

    id: str
    name: str
    role: str
    session: str = ""
    owner: str = ""  # whose conduct it shares, see conduct.py
    capped: bool = False  # its owner computes but a share of each step
    place: str = ""  # the coordinator it is connected to, when there are several
    quarantined: bool = False  # it gets no work
    joined: bool = False
    backend: str = ""
    device: str = ""
    platform: str = ""
    version: int = -1
    leases: dict[str, Lease] = field(default_factory=dict)
    past: dict[str, str] = field(default_factory=dict)  # lease id -> why it is over
    missed: dict[str, Lease] = field(default_factory=dict)  # taken away for being late: how long they took is still learnt
    shards_done: int = 0
    strikes: int = 0
    samples_per_s: float | None = None  # while it steps alone
    seen_s: float = 0.0
    contributed_s: float | None = None
    free_since_s: float = 0.0
    late_until_s: float = 0.0
    asked_s: float = 0.0  # when it was last given a shard
    learnt_s: float = 0.0  # when something was last learnt of its pace
    thought_s: float | None = None  # its pace before work was taken from it of which it has said nothing yet
    pace: Pace = field(default_factory=lambda: Pace(QUICKLY))
    throughput: Throughput = field(default_factory=Throughput)

    @property
    def answers(self) -> str:
        """Who is answerable for what it sends."""
        return self.owner or self.id

    @property
    def judge(self) -> bool:
        """Whether it is the host's own, on the reference backend: where others differ from it, they are wrong."""
        return self.role == "host" and self.backend == "reference"

    @property
    def evaluates(self) -> bool:
        return any(lease.shard is None for lease in self.leases.values())

    def contributing(self, now: float) -> bool:
        return self.joined and self.contributed_s is not None and now - self.contributed_s < CONTRIBUTING_S

    @property
    def rate(self) -> float | None:
        """Samples a second, for people: by itself, or of its shards."""
        return self.samples_per_s or self.throughput.per_s

    def forget(self, lease: Lease, reason: str) -> None:
        """Takes the lease away; a late answer to it is refused for `reason`."""
        del self.leases[lease.id]
        self.past[lease.id] = reason
        while len(self.past) > REMEMBERED:
            del self.past[next(iter(self.past))]

    def lose(self, lease: Lease, usual_s: float, now: float) -> None:
        """Somebody else did it, or is to do it: that it takes at least so long is known, and the rest when its answer comes."""
        if lease.shard is not None and len(self.leases) == 1:
            self._slower(lease, usual_s, now)
        self.forget(lease, "stale")
        self.missed[lease.id] = lease
        while len(self.missed) > MISSED:
            del self.missed[next(iter(self.missed))]

    def learn(self, lease_id: str, usual_s: float, now: float) -> None:
        """The late answer to a lease that was lost: how long it took is as true as of one that counts."""
        lease = self.missed.pop(lease_id, None)
        if lease is None or lease.shard is None:
            return
        elapsed = now - max(lease.issued_s, self.free_since_s)
        if self.pace.mean_s is not None and elapsed < self.pace.mean_s * lease.size:
            self.answered(elapsed, lease.size, now)
        else:
            if now <= lease.deadline_s:
                self.thought_s = None  # overtaken, and so slow; after its time it may just have been away
            self._slower(lease, usual_s, now)
        self.free_since_s, self.thought_s = now, None

    def _slower(self, lease: Lease, usual_s: float, now: float) -> None:
        """One silence is one thing to learn from, however many pieces are taken away meanwhile."""
        if self.thought_s is None:
            self.thought_s = self.pace.mean_s or usual_s
        if self.pace.slower(now - max(lease.issued_s, self.free_since_s), lease.size, SLOWER * self.thought_s):
            self.learnt_s = now

    def answered(self, seconds: float, size: int, now: float) -> None:
        """Who is several times as quick as thought was frozen before, and is not slow."""
        self.thought_s, self.learnt_s = None, now
        found = seconds / max(size, 1)
        if self.pace.mean_s is not None and found * SLOWER < self.pace.mean_s:
            self.pace.mean_s = found
        else:
            self.pace.add(seconds, size)

    def idle_s(self, now: float) -> float:
        """For how long it has had no shard, and was given none."""
        return 0.0 if self.leases else max(now - max(self.learnt_s, self.asked_s), 0.0)

    def piece_s(self, size: int, usual_s: float, now: float) -> float:
        """What a piece of so many samples takes it, in steps of ALIKE; usual_s: a sample, of who is not known yet."""
        found = self.pace.mean_s or usual_s
        if found > usual_s and not self.leases:
            past_s = max(now - self.learnt_s, 0.0)
            found = max(found * 0.5 ** min(past_s / FORGIVEN_S, 60), usual_s)
        return _alike(found * size)

    def left_s(self, piece_s: float, usual_size: int, now: float) -> float:
        """When it will have done what it has in hand. Who is late already is thought to need as long again."""
        first, pieces = None, 0.0
        for lease in self.leases.values():
            first = first or lease
            pieces += lease.size / usual_size if lease.shard is not None else 4  # a whole split is about as much as a few shards
        if first is None:
            return 0.0
        expected, elapsed = piece_s * pieces, now - max(first.issued_s, self.free_since_s)
        return max(expected - elapsed, elapsed - expected, 0.0)


def _alike(seconds: float) -> float:
    """In steps of ALIKE. It is asked of every worker whenever something waits."""
    if seconds <= NOISE_S:
        return SHORT_S
    return float(ALIKE ** round(math.log(seconds) / LOG_ALIKE))


def bounds(batch_size: int, shards: int, shard: int) -> tuple[int, int]:
    """Start and count of a shard's positions in the global batch; sizes differ by at most one."""
    start = shard * batch_size // shards
    return start, (shard + 1) * batch_size // shards - start
