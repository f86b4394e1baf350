"""Who works on what and until when: workers, leases, and the time a piece of work should take. Pure: no clock."""

from dataclasses import dataclass, field

SHORTEST_S = 5.0
LONGEST_S = 60.0
UNKNOWN_S = 30.0  # before the first answer: a tab compiles its programs then
EVALUATION_S = 30.0  # on top of a shard's lease: a split is larger than a shard
SMOOTHING = 0.2
CONTRIBUTING_S = 10.0
LATE_S = 5.0  # a worker that was late gets nothing for so long, or until its answer comes, if others can work
REMEMBERED = 256


@dataclass(frozen=True)
class Lease:
    """One piece of work given to one worker. shard None: an evaluation of `split` at weights `version`."""

    id: str
    worker: str
    version: int
    shard: int | None
    split: str
    count: int
    issued_s: float
    deadline_s: float


@dataclass
class Worker:
    """One connection as the rounds see it. version: the newest weights that were sent to it, -1 for none."""

    id: str
    name: str
    role: str
    joined: bool = False
    backend: str = ""
    device: str = ""
    platform: str = ""
    version: int = -1
    leases: dict[str, Lease] = field(default_factory=dict)
    past: dict[str, str] = field(default_factory=dict)  # lease id -> why it is over
    shards_done: int = 0
    strikes: int = 0
    samples_per_s: float | None = None
    seen_s: float = 0.0
    contributed_s: float | None = None
    free_since_s: float = 0.0
    late_until_s: float = 0.0

    @property
    def evaluates(self) -> bool:
        return any(lease.shard is None for lease in self.leases.values())

    def contributing(self, now: float) -> bool:
        return self.joined and self.contributed_s is not None and now - self.contributed_s < CONTRIBUTING_S

    def did(self, samples: int, seconds: float) -> None:
        """A shard counted: its pace is mixed into the worker's own, for people to see."""
        found = samples / max(seconds, 1e-3)
        known = self.samples_per_s
        self.samples_per_s = found if known is None else known + SMOOTHING * (found - known)

    def forget(self, lease: Lease, reason: str) -> None:
        """Takes the lease away; a late answer to it is refused for `reason`."""
        del self.leases[lease.id]
        self.past[lease.id] = reason
        while len(self.past) > REMEMBERED:
            del self.past[next(iter(self.past))]


class Pace:
    """Exponentially weighted mean of the time a piece of work takes."""

    def __init__(self) -> None:
        self.mean_s: float | None = None

    def add(self, seconds: float) -> None:
        self.mean_s = seconds if self.mean_s is None else self.mean_s + SMOOTHING * (seconds - self.mean_s)

    def lease_s(self, position: int = 1) -> float:
        """How long a worker may take for the `position`-th piece in its queue: clamp(3 x mean, 5 s, 60 s)."""
        if self.mean_s is None:
            return UNKNOWN_S
        return min(max(3 * self.mean_s * position, SHORTEST_S), LONGEST_S)

    def overdue_s(self, position: int = 1) -> float:
        """After this long an idle worker may try the same piece as well; the first answer counts."""
        return UNKNOWN_S if self.mean_s is None else max(2 * self.mean_s * position, 0.5)


def bounds(batch_size: int, shards: int, shard: int) -> tuple[int, int]:
    """Start and count of a shard's positions in the global batch; sizes differ by at most one."""
    start = shard * batch_size // shards
    return start, (shard + 1) * batch_size // shards - start
