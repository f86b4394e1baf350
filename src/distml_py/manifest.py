"""A run's parameters as one vector: their names, shapes and order, and the hash that grows with every version. NumPy only."""

import math
import zlib
from collections.abc import Mapping

import numpy as np


class Manifest:
    """Names and shapes, in order: named arrays <-> one vector of float32."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        self.size = 0
        self.places: dict[str, slice] = {}
        for name, shape in self.shapes.items():
            end = self.size + math.prod(shape)
            self.places[name] = slice(self.size, end)
            self.size = end

    def join(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """A vector of its own; arrays of other names are left out."""
        return np.concatenate([np.asarray(arrays[name], np.float32).reshape(-1) for name in self.shapes])

    def part(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Views into the vector."""
        return {name: vector[place].reshape(self.shapes[name]) for name, place in self.places.items()}


def rolling(vector: np.ndarray, before: str) -> str:
    """8 hex digits: the CRC-32 of the vector's little-endian bytes, going on from that of the version before ("" at first).

    Equal only for who holds equal numbers now and held them all along.
    """
    return f"{zlib.crc32(np.ascontiguousarray(vector, '<f4').data, int(before or '0', 16)):08x}"
