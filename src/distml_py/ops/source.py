"""Sources: arrays made from their own element numbers. Random bits are counter-based: the same on every backend."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Source, float32, int32
from ..view import Shape, contiguous_strides


def _iota(shape: Shape, axis: int, *_: int) -> np.ndarray:
    column = [-1 if a == axis else 1 for a in range(len(shape))]
    return np.broadcast_to(np.arange(shape[axis], dtype=int32).reshape(column), shape)


IOTA = Source("iota", _iota, glsl="({i} / {a2}) % {a3}", result=int32)


def iota_attrs(shape: Shape, axis: int) -> tuple[Any, ...]:
    """IOTA's attributes for the coordinate along axis; the last two are for the GPU text."""
    return (shape, axis, max(contiguous_strides(shape)[axis], 1), max(shape[axis], 1))


_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry2x32(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """20 rounds of Threefry-2x32 on uint32 arrays.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; checked against their test vectors.
    """
    with np.errstate(over="ignore"):
        keys = (key[0], key[1], key[0] ^ key[1] ^ np.uint32(0x1BD11BDA))
        x, y = np.atleast_1d(counter[0] + keys[0]), np.atleast_1d(counter[1] + keys[1])
        for begin in range(0, x.size, _BLOCK):
            _rounds(keys, x[begin : begin + _BLOCK], y[begin : begin + _BLOCK])
    return x.reshape(np.shape(counter[0])), y.reshape(np.shape(counter[0]))


_BLOCK = 1 << 14  # numbers that stay in the processor's cache through all rounds


def _rounds(keys: tuple[Any, Any, Any], x: np.ndarray, y: np.ndarray) -> None:
    """All rounds, in place."""
    high = np.empty_like(y)
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            x += y
            np.left_shift(y, np.uint32(bits), out=high)
            y >>= np.uint32(32 - bits)
            y |= high
            y ^= x
        x += keys[(group + 1) % 3]
        y += keys[(group + 2) % 3] + np.uint32(group + 1)


def _glsl_rounds() -> str:
    lines = []
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            lines.append(f"    c.x += c.y; c.y = (c.y << {bits}) | (c.y >> {32 - bits}); c.y ^= c.x;")
        lines.append(f"    c.x += k[{(group + 1) % 3}]; c.y += k[{(group + 2) % 3}] + {group + 1}u;")
    return "\n".join(lines)


def _uniform_numpy(seed: Any, step: Any, stream: Any, first: Any, shape: Shape) -> np.ndarray:
    count = np.arange(math.prod(shape), dtype=np.uint32) + np.asarray(first).astype(np.uint32)
    words = [np.asarray(word).astype(np.uint32) for word in (seed, step, stream)]
    bits, _ = threefry2x32((words[0], words[1]), (count, np.broadcast_to(words[2], count.shape)))
    return ((bits >> np.uint32(8)).astype(float32) * float32.type(2.0**-24)).reshape(shape)


# inputs: seed, step, stream (int32 scalars: the key and the second counter word) and the number of the first element
UNIFORM = Source(
    name="uniform",
    numpy=_uniform_numpy,
    glsl="uniform_bits({i} + {3}, {2}, {0}, {1})",
    helper=f"""float uniform_bits(int number, int stream, int seed, int step) {{
    uvec2 c = uvec2(uint(number), uint(stream));
    uint k[3] = uint[3](uint(seed), uint(step), uint(seed) ^ uint(step) ^ 0x1BD11BDAu);
    c += uvec2(k[0], k[1]);
{_glsl_rounds()}
    return float(c.x >> 8) * 5.9604644775390625e-8;
}}""",
)
