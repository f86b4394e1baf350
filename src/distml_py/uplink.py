"""What a worker sends of a gradient: encoded by the run's codec, with what was left out kept for the next one. No messages.

Where a GPU computes, int8 is quantised there: a byte a number is read back, four in a word, and the rest never leaves it.
"""

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from . import codecs, engine
from .errors import NonFiniteError
from .manifest import Manifest
from .nn import functional as F
from .tensor import Tensor, cat, where

KEPT = 2  # answers on their way whose rests stay on the GPU


class Uplink:
    """One run's way up. on_gpu: whether tensors live there."""

    def __init__(self, codec: str, manifest: Manifest, on_gpu: bool) -> None:
        self.manifest = manifest
        self.codec = codecs.UP[codec]
        self.on_gpu = on_gpu and codec == "int8"
        self.forget()

    def forget(self) -> None:
        """Nothing is left over: a new run, or a GPU that was lost with it."""
        self._feedback = codecs.Feedback(self.codec, self.manifest.size)
        self._rest: Tensor | None = None
        self._sent: OrderedDict[str, tuple[Tensor | None, Tensor]] = OrderedDict()  # the rest before and after an answer
        self._step, self._answers, self._usual = -1, 0, 1

    def owed(self, step: int) -> np.ndarray | None:
        """For work on this step: what it took away from the weights and has not sent, as much as the run will make of it.

        Of most of what topk changes nobody hears for long. A worker that began at the run's weights would find the same slope
        again and change the same once more: it begins where the run will be. Each answer is one of a step's: who gives several
        for a step owes as much less. None for the other codecs, which owe roundings.
        """
        if self.codec.name != "topk":
            return None
        if step != self._step:
            self._step, self._answers, self._usual = step, 0, max(self._answers, 1)
        self._answers += 1
        return self._feedback.rest / np.float32(self._usual)

    def encode(self, key: str, gradient: Mapping[str, Tensor], progress: float, steps: int = 1) -> dict[str, np.ndarray]:
        """The arrays of an answer; key: its lease; progress: how much of the run is done; steps: of how many steps it is.

        Raises NonFiniteError unless the codec is fp32, which sends all there is.
        """
        if self.codec.name == "fp32":
            return {name: gradient[name].numpy() for name in self.manifest.shapes}
        if self.on_gpu:
            return self._on_gpu(key, cat([gradient[name].reshape(-1) for name in self.manifest.shapes]))
        vector = self.manifest.join({name: gradient[name].numpy() for name in self.manifest.shapes})
        return self._feedback.encode(vector, key, progress, steps)

    def refused(self, key: str) -> None:
        """The answer to this lease does not count: what it left out is not owed."""
        self._feedback.refused(key)
        if key in self._sent and self._rest is not None:
            before, after = self._sent.pop(key)
            self._rest = self._rest - after if before is None else self._rest - after + before
            _keep(self._rest)

    def _on_gpu(self, key: str, vector: Tensor) -> dict[str, np.ndarray]:
        words, scales, rest = quantise(vector if self._rest is None else vector + self._rest)
        engine.realize([words.node, scales.node, rest.node])
        _keep(rest)
        found = scales.numpy()
        if not np.isfinite(found).all():
            raise NonFiniteError("the gradient holds a NaN or an infinity")
        self._sent[key] = self._rest, rest
        while len(self._sent) > KEPT:
            self._sent.popitem(last=False)
        self._rest = rest
        values = words.numpy().astype("<i4").view(np.uint8)[: self.manifest.size]
        return {codecs.PREFIX + "values": values, codecs.PREFIX + "scales": found}


def _keep(rest: Tensor) -> None:
    """Computed, and without its history: each rest is made of the one before, so all of them would live as long as the run."""
    engine.realize([rest.node])
    rest._settle()


def quantise(vector: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(words, scales, rest): codecs.Int8 in tensors, its bytes four to an int32, the first one lowest, and what they leave out."""
    size = vector.shape[0]
    blocks = F.pad(vector, (0, -size % codecs.BLOCK)).reshape(-1, codecs.BLOCK)
    scales = blocks.abs().amax(1) / 127
    divisors = where(scales > 0, scales, 1.0).reshape(-1, 1)
    steps = (blocks / divisors).round().clamp(-127, 127)
    rest = vector - (steps * scales.reshape(-1, 1)).reshape(-1)[:size]
    octets = (steps.int() + codecs.OFFSET).reshape(-1, 4)
    words = octets[:, 0] | octets[:, 1] << 8 | octets[:, 2] << 16 | octets[:, 3] << 24
    return words, scales, rest
