"""How the gradients of a step become one when some may be wrong: rules that a minority cannot steer. NumPy alone, no protocol.

A rule takes rows (shards, numbers) and their shares, which add up to 1 or, of late answers, to less. A row is a shard, not a
worker: what a rule bears is a quarter of the shards, rounded down. Before any rule a Sieve prepares the rows.
Sources: Yin et al. 2018 (median, trimmed mean), Blanchard et al. 2017 (Krum), Karimireddy et al. 2021 (centered clipping),
Allouah et al. 2023 (mixing with the nearest), Andrew et al. 2021 (the running median as the limit).
"""

from collections import deque
from collections.abc import Callable

import numpy as np

from distml_py.errors import FormatError

BORNE = 4  # one row of so many may be wrong
CLIPPING_ROUNDS = 3
REMEMBERED = 256  # norms
SCALE_BYTES = 1 << 22  # columns are sorted in pieces of about this size

Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]


def mean(rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What one row can steer as it likes."""
    total = np.zeros(rows.shape[1], np.float64)
    for row, share in zip(rows, shares, strict=True):
        total += share * row.astype(np.float64)
    return total


def median(rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Of each number by itself."""
    return _by_columns(rows, (len(rows) - 1) // 2) * shares.sum()


def trimmed_mean(rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Of each number by itself, without the quarter that is largest and the quarter that is smallest."""
    return _by_columns(rows, len(rows) // BORNE) * shares.sum()


def krum(rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The row that lies closest to its neighbours."""
    return rows[_closest(rows)[0]].astype(np.float64) * shares.sum()


def multi_krum(rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The mean of all rows but the quarter that lies farthest from its neighbours."""
    kept = _closest(rows)[: len(rows) - len(rows) // BORNE]
    return rows[np.sort(kept)].mean(axis=0, dtype=np.float64) * shares.sum()


def centered_clipping(rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """From the median towards each row, but towards none farther than half of them lie away."""
    center = _by_columns(rows, (len(rows) - 1) // 2)
    for _ in range(CLIPPING_ROUNDS):
        away = rows.astype(np.float64) - center
        lengths = np.sqrt(np.square(away).sum(axis=1))
        radius = np.median(lengths)
        factors = np.minimum(1.0, radius / np.maximum(lengths, 1e-30))
        center = center + (away * factors[:, None]).mean(axis=0)
    return np.asarray(center * shares.sum())


AGGREGATORS: dict[str, Rule] = {
    "mean": mean,
    "median": median,
    "trimmed_mean": trimmed_mean,
    "krum": krum,
    "multi_krum": multi_krum,
    "centered_clipping": centered_clipping,
}


def rule(name: str) -> Rule:
    """Raises FormatError when there is none of this name."""
    if name not in AGGREGATORS:
        raise FormatError(f"an aggregator is {', '.join(AGGREGATORS)}, got {name!r:.50}")
    return AGGREGATORS[name]


class Sieve:
    """Makes rows harmless before a rule sees them. Counts what it shortened and what it left out.

    Copies are left out; each row becomes the mean of the rows nearest to it, all but a quarter, so that what lies apart enters
    nobody else's; and no row weighs more than the median of the last lengths. The median needs no number that some attack
    would have to choose: as long as less than half of what comes is wrong it lies among the right ones.
    """

    def __init__(self) -> None:
        self.clipped = self.copies = 0
        self._norms: deque[float] = deque(maxlen=REMEMBERED)

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        """The rows of a step; the step's own lengths are known before they are judged."""
        lengths = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1))
        kept = _distinct(rows, lengths)
        self.copies += len(rows) - len(kept)
        few = len(rows) - len(rows) // BORNE
        rows, lengths = rows[kept], lengths[kept]
        self._norms.extend(float(length) for length in lengths)
        most = float(np.median(self._norms))
        self.clipped += int((lengths > most).sum())
        factors = np.where(lengths > most, most / np.maximum(lengths, 1e-30), 1.0)
        near = _squares(rows).argsort(axis=1, kind="stable")[:, :few] if len(rows) > few else np.arange(len(rows))[:, None]
        mixing = np.zeros((len(rows), len(rows)))
        np.put_along_axis(mixing, near, 1 / near.shape[1], axis=1)
        return np.asarray((mixing * factors).astype(np.float32) @ rows)


def _distinct(rows: np.ndarray, lengths: np.ndarray) -> list[int]:
    """The numbers of the rows that are not exactly another one's. More copies than a quarter are agreement, and all stay."""
    kept: list[int] = []
    for number, row in enumerate(rows):
        if not any(lengths[number] == lengths[other] and np.array_equal(row, rows[other]) for other in kept):
            kept.append(number)
    return kept if len(rows) - len(kept) <= len(rows) // BORNE else list(range(len(rows)))


def _squares(rows: np.ndarray) -> np.ndarray:
    """Squared distances between rows, each row's to itself the smallest. What overflows is far away."""
    with np.errstate(over="ignore", invalid="ignore"):
        products = (rows @ rows.T).astype(np.float64)
        own = np.diag(products)
        found = own[:, None] + own[None, :] - 2 * products
    found[~np.isfinite(found)] = np.inf
    np.fill_diagonal(found, -1.0)
    return found


def _by_columns(rows: np.ndarray, cut: int) -> np.ndarray:
    """The mean of each column without its `cut` smallest and largest. Sorted in pieces: the copy is never a whole model's."""
    found = np.empty(rows.shape[1], np.float64)
    width = max(SCALE_BYTES // (4 * len(rows)), 1)
    for start in range(0, rows.shape[1], width):
        ordered = np.sort(rows[:, start : start + width], axis=0)
        found[start : start + width] = ordered[cut : len(rows) - cut].mean(axis=0, dtype=np.float64)
    return found


def _closest(rows: np.ndarray) -> np.ndarray:
    """The rows' numbers, by the sum of the squared distances to their nearest neighbours."""
    count = len(rows)
    squares = np.array([[float(np.square(a - b, dtype=np.float64).sum()) for b in rows] for a in rows])
    neighbours = max(count - count // BORNE - 2, 1)
    scores = np.sort(squares, axis=1)[:, 1 : 1 + neighbours].sum(axis=1)  # without the distance to itself
    return np.argsort(scores, kind="stable")
