"""Where the numbers of an array lie on a GPU: four to a texel, row-major, in textures whose rows follow the array's own."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .view import Shape

LEAST_ROWS = 4  # a draw of fewer rows keeps only one core of a software renderer busy
LEAST_WIDTH = 8
MOST_WIDTH = 1024
SURE_SIDE = 2048  # of textures, on every WebGL2 device
MOST_SIDE = 8192  # of textures, where the device does not say less
MOST_ROWS = 4096  # half of the smallest side that WebGL2 devices with float targets are known to have


@dataclass(frozen=True)
class Layout:
    """Texel n of a layer lies at (n % width, n // width); the numbers run through layer after layer.

    height is that of the texture, which may hold more than the array. stack: an array that is larger than a texture takes so
    many layers; of a kernel that writes several arrays at once, the layers of the first come first. whole: (width, height) of
    the texture where these texels are a rectangle of it, whose place is known only when it is drawn.
    """

    width: int
    height: int
    layers: int = 1
    stack: int = 1
    whole: tuple[int, int] | None = None

    @property
    def size_bytes(self) -> int:
        return self.width * self.height * self.layers * 16

    @property
    def layer_size(self) -> int:
        """Numbers in one layer, or in one stack of layers."""
        return self.width * self.height * self.stack * 4

    def rows(self, size: int) -> int:
        """Rows of texels that hold `size` numbers in each layer, or stack of layers; at least one."""
        return max(1, -(-size // (4 * self.width)))


def layout_of(shape: Shape, layers: int = 1, side: int = MOST_SIDE) -> Layout:
    """The layout of an array; with several layers, of the part of it that each layer holds. side: the longest of a texture.

    A texture row is a row of the array (its last sizes, as many as leave LEAST_ROWS), or several: whoever walks along
    a row then counts one coordinate up. Where that does not go into whole texels, the texture is about square.
    """
    size = math.prod(shape)
    texels = max(1, -(-size // 4))
    width = _row(shape, texels, min(MOST_WIDTH, side))
    if width is None:
        width = 1 << ((texels - 1).bit_length() + 1) // 2 if texels > 4 else texels
        width = min(width, max(1, -(-texels // LEAST_ROWS)), side)
    while width < LEAST_WIDTH and texels >= 2 * width * LEAST_ROWS and 2 * width <= side:
        width *= 2
    while texels > width * min(MOST_ROWS, side) and 2 * width <= side:
        width *= 2
    rows = -(-texels // width)
    stack = -(-rows // side)
    return Layout(width, side, layers * stack, stack) if stack > 1 else Layout(width, min(_height(rows), side), layers)


def _row(shape: Shape, texels: int, most: int) -> int | None:
    """The longest end of the shape that fills whole texels and leaves enough rows; None when there is none."""
    found, length = None, 1
    for size in reversed(shape):
        length *= size
        if length % 4 == 0 and 0 < length // 4 <= min(texels // LEAST_ROWS, most):
            found = length // 4
    return found


def _height(rows: int) -> int:
    """Rounded up to 1, 2, 3, 4, 6, 8, 12, 16...: textures of one size class are interchangeable."""
    power = 1 << (rows - 1).bit_length()
    return power * 3 // 4 if rows <= power * 3 // 4 and power > 2 else power
