"""How the gradients of a step become one when some may be wrong: rules that a minority cannot steer. NumPy alone, no protocol.

A rule takes rows (shards, numbers) and their shares, which add up to 1 or, of late answers, to less. A row is a shard, not a
worker: what a rule bears is a quarter of the shards, rounded down.
Sources: Yin et al. 2018 (median, trimmed mean), Blanchard et al. 2017 (Krum), Karimireddy et al. 2021 (centered clipping).
"""

from collections import deque
from collections.abc import Callable

import numpy as np

from distml_py.errors import FormatError

BORNE = 4  # one row of so many may be wrong
CLIPPING_ROUNDS = 3
REMEMBERED = 256  # norms
LARGER = 3.0  # a gradient may be so many times longer than the median of the last ones
FAR_LARGER = 9.0  # what is even longer than this counts as zero
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


class Limit:
    """How long a gradient may be: LARGER times the median of the last ones. Shortens, and counts what it shortened.

    What is longer by far is taken for zero: shortened it would still push all its numbers the same way at every step.

    As long as less than half of what comes is wrong, so is less than half of what the median is taken of.
    """

    def __init__(self) -> None:
        self.clipped = 0
        self._norms: deque[float] = deque(maxlen=REMEMBERED)

    def shorten(self, rows: np.ndarray) -> np.ndarray:
        """Rows of a step, none too long; the step's own lengths are known before they are judged."""
        lengths = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1))
        self._norms.extend(float(length) for length in lengths)
        most = LARGER * float(np.median(self._norms))
        long = lengths > most
        self.clipped += int(long.sum())
        factors = np.where(long, most / np.maximum(lengths, 1e-30), 1.0)
        factors[lengths > most / LARGER * FAR_LARGER] = 0.0
        return (rows * factors[:, None]).astype(np.float32) if long.any() else rows


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
