"""Vectors of float32 <-> fewer bytes: fp32, fp16, int8 by blocks, and the largest few. Pure NumPy; no messages, no engine.

A codec turns a vector into named arrays, its parts, and back; decode() trusts nothing. docs/protocol.md has their bytes.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from .errors import FormatError, NonFiniteError

BLOCK = 256  # numbers that share a scale
OFFSET = 128  # of the bytes that stand for -127 to 127
ESCAPE = 255  # a gap goes on in the next byte
UP_FRACTION = 0.01
DOWN_FRACTION = 0.045  # a step moves what several workers chose, and each worker's choice is another
WARM_FRACTION, WARM_HALF = 0.05, 0.03  # what a run begins with, halved in each such part of it
WIDER = 0.75  # what several steps changed is so much wider: this power of their number
PREFIX = "codec/"
HALF = np.float32(65504)  # the largest float16

Parts = Mapping[str, np.ndarray]


class Codec(Protocol):
    """progress: how much of the run is done, 0 to 1; steps: of how many steps the vector is what changed. encode() raises
    NonFiniteError, decode() FormatError for parts that encode() never makes and NonFiniteError for NaN.
    """

    name: str

    def encode(self, vector: np.ndarray, progress: float = 1.0, steps: int = 1) -> dict[str, np.ndarray]: ...

    def decode(self, parts: Parts, size: int) -> np.ndarray: ...


class Fp32:
    """All of it: 4 bytes a number."""

    name = "fp32"

    def encode(self, vector: np.ndarray, progress: float = 1.0, steps: int = 1) -> dict[str, np.ndarray]:
        return {PREFIX + "values": _finite(vector, "the vector")}

    def decode(self, parts: Parts, size: int) -> np.ndarray:
        (values,) = _parts(parts, values=("<f4", size))
        return _finite(values, "codec/values")


class Fp16:
    """IEEE half precision, 2 bytes a number; what is larger than 65504 is cut to it."""

    name = "fp16"

    def encode(self, vector: np.ndarray, progress: float = 1.0, steps: int = 1) -> dict[str, np.ndarray]:
        return {PREFIX + "values": np.clip(_finite(vector, "the vector"), -HALF, HALF).astype("<f2")}

    def decode(self, parts: Parts, size: int) -> np.ndarray:
        (values,) = _parts(parts, values=("<f2", size))
        return _finite(values, "codec/values").astype(np.float32)


class Int8:
    """A byte a number, and for each block of 256 the float32 that 1/127 of its largest magnitude is.

    A byte b stands for (b - 128) * scale; 0 is never sent.
    """

    name = "int8"

    def encode(self, vector: np.ndarray, progress: float = 1.0, steps: int = 1) -> dict[str, np.ndarray]:
        values, scales = _quantised(_finite(vector, "the vector"))
        return {PREFIX + "values": values, PREFIX + "scales": scales}

    def decode(self, parts: Parts, size: int) -> np.ndarray:
        values, scales = _parts(parts, values=("u1", size), scales=("<f4", -(-size // BLOCK)))
        return _restored(values, scales)


class TopK:
    """The share of the numbers that is largest in magnitude, in order of place, each a byte as in int8, with the gap before it.

    fraction: how many of them, for one step; of several steps more, since what they changed is wider; also while a run begins.

    A gap g is g // 255 bytes of 255 and one of g % 255, counted from the place after the number before.
    """

    name = "topk"

    def __init__(self, fraction: float = UP_FRACTION) -> None:
        self.fraction = fraction

    def count(self, size: int, progress: float, steps: int) -> int:
        """How many of `size` numbers are sent."""
        fraction = max(self.fraction * steps**WIDER, WARM_FRACTION * 0.5 ** (progress / WARM_HALF))
        return min(max(1, round(fraction * size)), size)

    def encode(self, vector: np.ndarray, progress: float = 1.0, steps: int = 1) -> dict[str, np.ndarray]:
        vector = _finite(vector, "the vector")
        count = self.count(vector.size, progress, steps)
        places = np.sort(np.argpartition(np.abs(vector), vector.size - count)[vector.size - count :])
        values, scales = _quantised(vector[places])
        return {PREFIX + "gaps": gaps(places), PREFIX + "values": values, PREFIX + "scales": scales}

    def decode(self, parts: Parts, size: int) -> np.ndarray:
        count = parts[PREFIX + "values"].size if PREFIX + "values" in parts else 0
        coded, values, scales = _parts(
            parts, gaps=("u1", None), values=("u1", count), scales=("<f4", -(-count // BLOCK))
        )  # fmt: skip
        last = coded < ESCAPE
        places = np.cumsum(coded, dtype=np.int64)[last] + np.arange(int(last.sum()))
        if not 1 <= count <= size or len(places) != count or not last[-1] or places[-1] >= size:
            raise FormatError(f"the parts of topk are {count} numbers at rising places below {size}; these are not")
        vector = np.zeros(size, np.float32)
        vector[places] = _restored(values, scales)
        return vector


UP: dict[str, Codec] = {codec.name: codec for codec in (Fp32(), Fp16(), Int8(), TopK())}
DOWN: dict[str, Codec] = UP | {"topk": TopK(DOWN_FRACTION)}


def gaps(places: np.ndarray) -> np.ndarray:
    """Rising places as topk writes them."""
    steps = np.diff(places, prepend=-1) - 1
    lengths = steps // ESCAPE + 1
    coded = np.full(int(lengths.sum()), ESCAPE, np.uint8)
    coded[np.cumsum(lengths) - 1] = steps % ESCAPE
    return coded


def _quantised(vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    blocks = np.zeros((-(-vector.size // BLOCK), BLOCK), np.float32)
    blocks.reshape(-1)[: vector.size] = vector
    scales = np.abs(blocks).max(1) / np.float32(127)
    steps = np.rint(blocks / np.where(scales > 0, scales, 1)[:, None])
    # of a subnormal scale too much may be found
    return (np.clip(steps, -127, 127) + OFFSET).astype(np.uint8).reshape(-1)[: vector.size], scales.astype("<f4")


def _restored(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    _finite(scales, "codec/scales")
    if (scales < 0).any() or (values == 0).any():
        raise FormatError("a scale is at least 0, and a byte of a number at least 1")
    steps = values.astype(np.float32) - np.float32(OFFSET)
    with np.errstate(over="ignore"):
        return _finite(steps * np.repeat(scales, BLOCK)[: values.size], "what the codec stands for")


def _parts(parts: Parts, **wanted: tuple[str, int | None]) -> list[np.ndarray]:
    """The arrays of these names, in this order. Raises FormatError unless they are there, flat and of this dtype and size."""
    if list(parts) != [PREFIX + name for name in wanted]:
        raise FormatError(f"expected the parts {', '.join(wanted)} of a codec, got {', '.join(parts)!r:.200}")
    for (name, (dtype, size)), array in zip(wanted.items(), parts.values(), strict=True):
        if array.dtype != np.dtype(dtype) or array.ndim != 1 or size is not None and array.size != size or not array.size:
            raise FormatError(f"{PREFIX}{name} should be {np.dtype(dtype)} ({size},), got {array.dtype} {array.shape}")
    return list(parts.values())


def _finite(array: np.ndarray, what: str) -> np.ndarray:
    if not np.isfinite(array).all():
        raise NonFiniteError(f"{what} holds a NaN or an infinity")
    return array


class Feedback:
    """Encodes, and adds what an encoding left out to the next one, so that nothing is lost, only late.

    key: a name for what was encoded; when it turns out not to count, refused(key) takes its part of the rest away.
    """

    KEPT = 8  # answers that may be under way

    def __init__(self, codec: Codec, size: int) -> None:
        self.codec = codec
        self.rest = np.zeros(size, np.float32)
        self._added: dict[str, np.ndarray] = {}

    def encode(self, vector: np.ndarray, key: str = "", progress: float = 1.0, steps: int = 1) -> dict[str, np.ndarray]:
        wanted = vector + self.rest
        parts = self.codec.encode(wanted, progress, steps)
        rest = wanted - self.codec.decode(parts, vector.size)
        self._added[key] = rest - self.rest
        while len(self._added) > self.KEPT:
            del self._added[next(iter(self._added))]
        self.rest = rest
        return parts

    def refused(self, key: str) -> None:
        if key in self._added:
            self.rest = self.rest - self._added.pop(key)
