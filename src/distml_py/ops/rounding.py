"""Element-wise rows of whole numbers: rounding, the rest of a division, bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Node, apply, full
from ..op import Elementwise, bool_


def _flat(g: Node, *_: Any) -> tuple[Node]:
    return (full(0, g.shape, g.dtype),)


ROUND = Elementwise("round", lambda x: np.rint(x) if x.dtype.kind == "f" else x, _flat, glsl="roundEven({0})", integer_glsl="{0}")
TRUNC = Elementwise("trunc", np.trunc, _flat, glsl="trunc({0})", integer_glsl="{0}")
FMOD = Elementwise(
    name="fmod",
    numpy=np.fmod,
    glsl="{0} - {1} * trunc({0} / {1})",
    integer_glsl="rest_of({0}, {1})",
    # GLSL leaves % of negative numbers and by 0 open; NumPy says the dividend's sign, and 0
    helper="int rest_of(int x, int y) { return y == 0 ? 0 : x - y * (x / y); }",
    vjp=lambda g, out, x, y: (g, -g * apply(TRUNC, x / y)),
)
ISNAN = Elementwise("isnan", np.isnan, glsl="isnan({0})", result=bool_)
BITWISE_AND = Elementwise("bitwise_and", np.bitwise_and, glsl="{0} & {1}")
BITWISE_OR = Elementwise("bitwise_or", np.bitwise_or, glsl="{0} | {1}")
BITWISE_XOR = Elementwise("bitwise_xor", np.bitwise_xor, glsl="{0} ^ {1}")
LEFT_SHIFT = Elementwise("bitwise_left_shift", np.left_shift, glsl="{0} << {1}")
RIGHT_SHIFT = Elementwise("bitwise_right_shift", np.right_shift, glsl="{0} >> {1}")
