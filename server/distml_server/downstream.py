"""What workers are sent of the weights: whole, or what is to be added to those they have. Frames are made once, for all.

With another codec than fp32 all workers have the same, slightly older, numbers: `shown`. A version is what the codec keeps
of the difference between the weights and those; what it leaves out is in the next difference. The last version is exact.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from distml_py import codecs, wire
from distml_py.exchange import exchange_of
from distml_py.manifest import Manifest, rolling

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Shown:
    """What workers have at one version. sha256: of the run's weights."""

    version: int
    arrays: Arrays
    buffers: Arrays
    sha256: str
    rolling: str


class Downstream:
    """One run's way down. publish() may run in another thread; then nobody else calls anything meanwhile."""

    def __init__(self, run: wire.Run, manifest: Manifest) -> None:
        self._run, self._manifest = run.run, manifest
        self._last = run.steps
        self._codec = codecs.DOWN[exchange_of(run.exchange).codec]
        self._shown: dict[int, Shown] = {}
        self._whole: dict[int, bytes] = {}  # frames of whole weights
        self._deltas: deque[tuple[int, int, bytes]] = deque()  # base, version, frame: a chain that ends at the newest
        self._vector: np.ndarray | None = None
        self._newest = -1

    def publish(self, version: int, weights: Arrays, buffers: Arrays, sha256: str, needed: set[int], whole: bool = False) -> None:
        """The weights after `version` steps; needed: older versions that may still be asked for.

        whole: somebody has just these, so all others get them as they are.
        """
        shown, delta = Shown(version, weights, buffers, sha256, ""), None
        if self._codec.name != "fp32":
            vector, base = self._manifest.join(weights), self._newest
            if self._vector is not None and base < version < self._last and not whole:
                parts = self._codec.encode(vector - self._vector, steps=version - base)
                vector = self._vector + self._codec.decode(parts, vector.size)
                mark = rolling(vector, self._shown[base].rolling)
                message = wire.Delta(self._run, version, base, mark)
                delta = (base, version, _binary(message, {**parts, **buffers}))
            else:
                mark = rolling(vector, "")
            self._vector = vector
            shown = Shown(version, self._manifest.part(vector), buffers, sha256, mark)
        self._newest = version
        self._shown = {v: kept for v, kept in self._shown.items() if v in needed} | {version: shown}
        self._whole = {v: kept for v, kept in self._whole.items() if v in self._shown and v != version}
        self._remember(delta)

    def _remember(self, delta: tuple[int, int, bytes] | None) -> None:
        """Deltas, as long as a chain of them is shorter than the weights themselves."""
        if delta is None:
            self._deltas.clear()
            return
        self._deltas.append(delta)
        while sum(len(frame) for _, _, frame in self._deltas) > 4 * self._manifest.size:
            self._deltas.popleft()

    def has(self, version: int, mark: str) -> bool:
        """Whether a worker that names its weights so has what it should have."""
        shown = self._shown.get(version)
        return shown is not None and mark == (shown.rolling or shown.sha256)

    def frames(self, base: int, version: int) -> list[bytes]:
        """What brings a worker that has `base` (-1: nothing) to `version`; nothing, when that version is gone by now."""
        if version not in self._shown:
            return []
        chain = [(begin, end, frame) for begin, end, frame in self._deltas if begin >= base and end <= version]
        if chain and chain[0][0] == base and chain[-1][1] == version:
            return [frame for _, _, frame in chain]
        if version not in self._whole:
            shown = self._shown[version]
            message = wire.Weights(self._run, version, shown.sha256, shown.rolling)
            self._whole[version] = _binary(message, {**shown.arrays, **shown.buffers})
        return [self._whole[version]]


def _binary(message: wire.Message, tensors: Arrays) -> bytes:
    frame = wire.encode(message, tensors)
    assert isinstance(frame, bytes)
    return frame
