"""How many steps a worker takes by itself in a round of local mode. Pure: times in, a number out."""

FIRST = 4
MOST = 128
COMPUTING = 4  # times as long as transferring, when the number is chosen here


class Tempo:
    """fixed: the run's number; 0: as many as make transfers a fifth of the time at most."""

    def __init__(self, fixed: int) -> None:
        self._fixed = fixed
        self._compute_s: float | None = None  # of one step
        self._transfer_s: float | None = None  # of one answer, with the weights it began with

    def add(self, elapsed_s: float, compute_s: float, steps: int) -> None:
        """One answer: how long it took in all, and by its worker's word how much of that went into computing."""
        compute_s = min(max(compute_s, 0.0), elapsed_s)
        self._compute_s = _smooth(self._compute_s, compute_s / steps)
        self._transfer_s = _smooth(self._transfer_s, elapsed_s - compute_s)

    def steps(self) -> int:
        if self._fixed:
            return self._fixed
        if self._compute_s is None or self._transfer_s is None:
            return FIRST
        wanted = COMPUTING * self._transfer_s / max(self._compute_s, 1e-9)
        return min(max(1 << max(round(wanted) - 1, 0).bit_length(), 1), MOST)


def _smooth(before: float | None, found: float) -> float:
    return found if before is None else before + 0.2 * (found - before)
