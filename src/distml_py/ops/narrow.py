"""Rows of float32's bits: rounded to those that float16 and bfloat16 have, to the nearest, ties to even; or read as an integer."""

from __future__ import annotations

import numpy as np

from ..graph import Node, apply
from ..op import Elementwise, float32, int32


def _half(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return x.astype(np.float16).astype(x.dtype)


def _brain(x: np.ndarray) -> np.ndarray:
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> np.uint32(16)) & np.uint32(1)))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(x), x, rounded.view(np.float32).reshape(x.shape)).astype(x.dtype)


def _half_vjp(g: Node, out: Node, x: Node) -> tuple[Node]:
    return (apply(HALF, g),)


def _brain_vjp(g: Node, out: Node, x: Node) -> tuple[Node]:
    return (apply(BRAIN, g),)


HALF: Elementwise = Elementwise(
    name="half",
    numpy=_half,
    vjp=_half_vjp,
    glsl="to_half({0})",
    # below 2^-14 numbers are multiples of 2^-24; above, 13 of the 23 bits go
    helper="""float to_half(float x) {
    float a = abs(x);
    uint bits = floatBitsToUint(x);
    float found = uintBitsToFloat((bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u);
    found = mix(found, roundEven(x * 16777216.0) * 5.9604644775390625e-8, a < 6.103515625e-5);
    found = mix(found, sign(x) * uintBitsToFloat(0x7f800000u), a >= 65520.0);
    return mix(found, x, isnan(x) || isinf(x));
}""",
)
BRAIN: Elementwise = Elementwise(
    name="bfloat",
    numpy=_brain,
    vjp=_brain_vjp,
    glsl="to_bfloat({0})",
    helper="""float to_bfloat(float x) {
    uint bits = floatBitsToUint(x);
    float found = uintBitsToFloat((bits + 0x7fffu + ((bits >> 16u) & 1u)) & 0xffff0000u);
    return mix(found, x, isnan(x) || isinf(x));
}""",
)
BITS: Elementwise = Elementwise(
    "bits", lambda x: np.asarray(x, np.float32).view(np.int32), glsl="floatBitsToInt({0})", result=int32
)
FROM_BITS: Elementwise = Elementwise(
    "from_bits", lambda x: np.asarray(x).view(np.float32), glsl="intBitsToFloat({0})", result=float32
)
