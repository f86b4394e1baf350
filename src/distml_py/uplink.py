"""What a worker sends of a gradient: encoded by the run's codec, with what was left out kept for the next one. No messages.

Where a GPU computes, it is encoded there: what is sent is read back, at once, and the rest never leaves it.
"""

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from . import codecs, encoders, engine
from .capture import compile
from .errors import NonFiniteError
from .manifest import Manifest
from .tensor import Tensor, cat, no_grad

KEPT = 2  # answers on their way whose rests stay on the GPU


class Uplink:
    """One run's way up. on_gpu: whether tensors live there."""

    def __init__(self, codec: str, manifest: Manifest, on_gpu: bool) -> None:
        self.manifest = manifest
        self.codec = codecs.UP[codec]
        self.on_gpu = on_gpu
        self._fp16, self._int8, self._topk = (compile(encode) for encode in (encoders.fp16, encoders.int8, encoders.topk))
        self.forget()

    def forget(self) -> None:
        """Nothing is left over: a new run, or a GPU that was lost with it."""
        self._feedback = codecs.Feedback(self.codec, self.manifest.size)
        self._rest: Tensor | None = None
        self._sent: OrderedDict[str, tuple[Tensor | None, Tensor]] = OrderedDict()  # the rest before and after an answer
        self._step, self._answers, self._usual = -1, 0, 1

    def owed(self, step: int) -> Tensor | None:
        """For work on this step: what it took away from the weights and has not sent, as much as the run will make of it.

        Of most of what topk changes nobody hears for long. A worker that began at the run's weights would find the same slope
        again and change the same once more: it begins where the run will be. Each answer is one of a step's: who gives several
        for a step owes as much less. None while nothing is owed, and for the other codecs, which owe roundings.
        """
        if self.codec.name != "topk":
            return None
        if step != self._step:
            self._step, self._answers, self._usual = step, 0, max(self._answers, 1)
        self._answers += 1
        if self.on_gpu:
            return None if self._rest is None else self._rest / self._usual
        return Tensor(self._feedback.rest / np.float32(self._usual)) if self._feedback.rest.any() else None

    def encode(self, key: str, gradient: Mapping[str, Tensor], progress: float, steps: int = 1) -> dict[str, np.ndarray]:
        """The arrays of an answer; key: its lease; progress: how much of the run is done; steps: of how many steps it is.

        Raises NonFiniteError unless the codec is fp32, which sends all there is.
        """
        if self.codec.name == "fp32":
            return {name: gradient[name].numpy() for name in self.manifest.shapes}
        if self.on_gpu:
            with no_grad():
                return self._on_gpu(key, cat([gradient[name].reshape(-1) for name in self.manifest.shapes]), progress, steps)
        vector = self.manifest.join({name: gradient[name].numpy() for name in self.manifest.shapes})
        return self._feedback.encode(vector, key, progress, steps)

    def refused(self, key: str) -> None:
        """The answer to this lease does not count: what it left out is not owed."""
        self._feedback.refused(key)
        if key in self._sent and self._rest is not None:
            before, after = self._sent.pop(key)
            self._rest = self._rest - after if before is None else self._rest - after + before
            _keep(self._rest)

    def _on_gpu(self, key: str, vector: Tensor, progress: float, steps: int) -> dict[str, np.ndarray]:
        vector = vector if self._rest is None else vector + self._rest
        parts, rest = self._encoded(vector, progress, steps)
        _keep(rest)
        self._sent[key] = self._rest, rest
        while len(self._sent) > KEPT:
            self._sent.popitem(last=False)
        self._rest = rest
        return {codecs.PREFIX + name: part for name, part in parts.items()}

    def _encoded(self, vector: Tensor, progress: float, steps: int) -> tuple[dict[str, np.ndarray], Tensor]:
        size = self.manifest.size
        match self.codec:
            case codecs.TopK():
                count = self.codec.count(size, progress, steps)
                slots = codecs.BLOCK << max(0, -(-count // codecs.BLOCK) - 1).bit_length()  # few sizes: each has kernels of its own
                words, rest = self._topk(vector, Tensor(np.array([count], np.int32)), slots)
                places, quantised = np.split(_read(words), [slots])
                return {"gaps": codecs.gaps(places[:count])} | _octets(quantised, slots, count), rest
            case codecs.Int8():
                words, rest = self._int8(vector)
                return _octets(_read(words), -(-size // codecs.BLOCK) * codecs.BLOCK, size), rest
            case _:
                words, rest = self._fp16(vector)
                found = _read(words)
                _check(found[-1:].view("<f4"))
                return {"values": found.view("<f2")[:size]}, rest


def _keep(rest: Tensor) -> None:
    """Computed, and without its history: each rest is made of the one before, so all of them would live as long as the run."""
    engine.realize([rest.node])
    rest._settle()


def _read(words: Tensor) -> np.ndarray:
    return words.numpy().astype("<i4")


def _octets(words: np.ndarray, slots: int, count: int) -> dict[str, np.ndarray]:
    """encoders.int8's words of so many slots as the parts of a codec, of which count numbers are sent."""
    scales = words[slots // 4 :].view("<f4")[: -(-count // codecs.BLOCK)]
    _check(scales)
    return {"values": words.view(np.uint8)[:count], "scales": scales}


def _check(numbers: np.ndarray) -> None:
    if not np.isfinite(numbers).all():
        raise NonFiniteError("the gradient holds a NaN or an infinity")
