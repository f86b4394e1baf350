"""What the codecs make of a vector, as tensors: where a GPU holds it, only what is sent is read back. Numbers as in codecs.py.

Each gives what is to be read, int32, and what is left over, float32 of the vector's shape. Nothing depends on the numbers but
numbers: shapes follow from sizes, so a step of it can be captured.
"""

from __future__ import annotations

from . import codecs
from .creation import arange
from .dtypes import INT32
from .nn import functional as F
from .tensor import Tensor, cat, minimum, stack, where

DIGIT = 4  # bits of a threshold found at a time: 15 candidates are counted against in one pass
LEAST_NORMAL = 0x38800000  # float32's bits of 2^-14: float16 keeps what is smaller in steps of 2^-24
BIAS = 112 << 10  # of the exponents, where float16 has it


def fp16(vector: Tensor) -> tuple[Tensor, Tensor]:
    """Two numbers to a word, the first one lower; in the last word the bits of the largest magnitude there was."""
    size = vector.shape[0]
    kept = F.pad(vector, (0, size % 2)).clamp(-float(codecs.HALF), float(codecs.HALF)).half().float()
    bits = kept.view(INT32)
    magnitude = bits & 0x7FFFFFFF
    tiny = (kept.abs().clamp(max=2.0**-14) * 2.0**24).int()
    halves = (bits >> 16 & 0x8000) | where(magnitude < LEAST_NORMAL, tiny, (magnitude >> 13) - BIAS)
    pairs = halves.reshape(-1, 2)
    return cat([pairs[:, 0] | pairs[:, 1] << 16, vector.abs().amax(0, keepdim=True).view(INT32)]), vector - kept[:size]


def int8(vector: Tensor) -> tuple[Tensor, Tensor]:
    """Four numbers to a word, the first one lowest, for whole blocks; then each block's scale, its bits."""
    words, scales, restored = _quantised(vector)
    return cat([words, scales.view(INT32)]), vector - restored[: vector.shape[0]]


def topk(vector: Tensor, count: Tensor, slots: int) -> tuple[Tensor, Tensor]:
    """The `count` largest magnitudes (int32, of one element) in order of place, in `slots` >= count, whole blocks.

    Their places, then what int8 gives for them. What lies behind count means nothing.
    """
    size = vector.shape[0]
    bits = vector.abs().view(INT32)  # magnitudes as whole numbers, in the same order
    least = _at_rank(bits, count)
    bits = F.pad(bits, (0, -size % codecs.BLOCK))  # its zeros come after all that can be chosen
    sorts = stack([bits > least, bits == least])
    above, equal = _running(sorts)
    missing = count - above[-1]
    chosen = sorts[0] | (sorts[1] & (equal <= missing))
    rank = above + minimum(equal, missing)
    number = arange(1, slots + 1, dtype=INT32)
    places = _first_at(rank, number).clamp(max=size - 1)
    words, scales, restored = _quantised(where(number <= count, vector[places], 0.0))
    sent = where(chosen, restored[(rank - 1).clamp(0, slots - 1)], 0.0)[:size]
    return cat([places, words, scales.view(INT32)]), vector - sent


def _quantised(vector: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(words, scales, what they stand for), of the blocks that the vector begins."""
    blocks = F.pad(vector, (0, -vector.shape[0] % codecs.BLOCK)).reshape(-1, codecs.BLOCK)
    scales = blocks.abs().amax(1) / 127
    divisors = where(scales > 0, scales, 1.0).reshape(-1, 1)
    steps = (blocks / divisors).round().clamp(-127, 127)
    octets = (steps.int() + codecs.OFFSET).reshape(-1, 4)
    words = octets[:, 0] | octets[:, 1] << 8 | octets[:, 2] << 16 | octets[:, 3] << 24
    return words, scales, (steps * scales.reshape(-1, 1)).reshape(-1)


def _at_rank(bits: Tensor, count: Tensor) -> Tensor:
    """The count-th largest of whole numbers from 0 on: digit by digit, the highest first."""
    found = count * 0
    for shift in range(32 - DIGIT, -1, -DIGIT):
        candidates = found + arange(1, min(1 << DIGIT, 1 << 31 - shift), dtype=INT32) * (1 << shift)
        as_many = (bits.reshape(1, -1) >= candidates.reshape(-1, 1)).int().sum(1) >= count
        found = found + (as_many.int().sum(0, keepdim=True) << shift)
    return found


def _running(flags: Tensor) -> Tensor:
    """How many of each line of flags (lines, whole blocks) hold up to each place: within a block, then over the blocks."""
    lines = flags.shape[0]
    inside = flags.int().reshape(lines, -1, codecs.BLOCK).cumsum(2)
    blocks = inside[:, :, -1]
    return (inside + (blocks.cumsum(1) - blocks).unsqueeze(2)).reshape(lines, -1)


def _first_at(rank: Tensor, number: Tensor) -> Tensor:
    """For each number the first place whose rank, which never falls, is as high; by halves."""
    size = rank.shape[0]
    found = number * 0
    for bit in reversed(range(size.bit_length())):
        probe = found + (1 << bit)
        lower = rank[(probe - 1).clamp(max=size - 1)] < number
        found = where((probe <= size) & lower, probe, found)
    return found
