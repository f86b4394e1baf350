"""PNG files to arrays, with zlib and NumPy alone. Source: the PNG specification, ISO/IEC 15948; interlaced ones are refused."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from ..errors import FormatError, UnsupportedError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type: grey, RGB, palette, grey and alpha, RGB and alpha
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
MOST_PIXELS = 2**26


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    depth: int
    colour: int


def read_png(data: bytes, name: str = "the file") -> np.ndarray:
    """(height, width) uint8 for grey images, (height, width, channels) otherwise: RGB, or with alpha. 16 bits become 8.

    Raises FormatError for damaged files, UnsupportedError for interlaced ones.
    """
    if not data.startswith(SIGNATURE):
        raise FormatError(f"{name} is no PNG file: it begins with {data[:8].hex() or 'nothing'}")
    header: _Header | None = None
    palette, packed = b"", b""
    for kind, body in _chunks(data, name):
        if kind == b"IHDR":
            header = _header(body, name)
        elif kind == b"PLTE":
            palette = body
        elif kind == b"IDAT":
            packed += body
    if header is None:
        raise FormatError(f"{name} has no header")
    return _coloured(_samples(header, _pixels(header, packed, name)), header, palette, name)


def _chunks(data: bytes, name: str) -> list[tuple[bytes, bytes]]:
    found, place = [], len(SIGNATURE)
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        check = data[place + 8 + length : place + 12 + length]
        if len(check) < 4 or struct.unpack(">I", check)[0] != zlib.crc32(kind + body):
            raise FormatError(f"{name} is damaged: its part {kind!r} is cut off or was changed")
        found.append((kind, body))
        place += 12 + length
        if kind == b"IEND":
            return found
    raise FormatError(f"{name} is cut off: it has no end")


def _header(body: bytes, name: str) -> _Header:
    if len(body) != 13:
        raise FormatError(f"{name}: the header has {len(body)} bytes instead of 13")
    width, height, depth, colour, packing, filtering, interlace = struct.unpack(">IIBBBBB", body)
    if colour not in CHANNELS or depth not in DEPTHS[colour] or packing or filtering:
        raise FormatError(f"{name}: colour type {colour} with {depth} bits is not a PNG's")
    if not 0 < width * height <= MOST_PIXELS:
        raise FormatError(f"{name}: {width} x {height} pixels; up to {MOST_PIXELS} are read")
    if interlace:
        raise UnsupportedError(f"not implemented: {name} is an interlaced PNG; nearest is to save it without interlacing")
    return _Header(width, height, depth, colour)


def _pixels(header: _Header, packed: bytes, name: str) -> np.ndarray:
    """(height, bytes a row): the rows, each told from the one above and what is left of it."""
    bits = CHANNELS[header.colour] * header.depth
    stride, step = -(-header.width * bits // 8), max(1, bits // 8)
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(packed, header.height * (stride + 1) + 1)
    except zlib.error as error:
        raise FormatError(f"{name} is damaged: {error}") from None
    if len(raw) != header.height * (stride + 1):
        raise FormatError(f"{name}: {header.height} rows of {stride} bytes are needed, {len(raw)} bytes are there")
    rows = np.frombuffer(raw, np.uint8).reshape(header.height, stride + 1)
    found = np.zeros((header.height, stride), np.uint8)
    above = np.zeros(stride, np.uint8)
    for number in range(header.height):
        above = found[number] = _unfiltered(int(rows[number, 0]), rows[number, 1:], above, step, name)
    return found


def _unfiltered(kind: int, row: np.ndarray, above: np.ndarray, step: int, name: str) -> np.ndarray:
    if kind == 0:
        return row
    if kind == 2:
        return row + above
    if kind == 1:  # each byte is a sum of those before it, channel by channel
        wide = -(-len(row) // step) * step
        sums = np.pad(row, (0, wide - len(row))).reshape(-1, step).cumsum(0, np.uint64)
        return sums.reshape(-1)[: len(row)].astype(np.uint8)
    if kind not in (3, 4):
        raise FormatError(f"{name} is damaged: a row has filter {kind}")
    out, up = bytearray(row.tobytes()), above.tobytes()
    for place in range(len(out)):
        left = out[place - step] if place >= step else 0
        if kind == 3:
            guess = (left + up[place]) // 2
        else:
            corner = up[place - step] if place >= step else 0
            guess = _nearest(left, up[place], corner)
        out[place] = (out[place] + guess) & 255
    return np.frombuffer(bytes(out), np.uint8)


def _nearest(left: int, up: int, corner: int) -> int:
    """Paeth's: whichever of the three is nearest to left + up - corner."""
    far_left, far_up, far_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if far_left <= far_up and far_left <= far_corner:
        return left
    return up if far_up <= far_corner else corner


def _samples(header: _Header, rows: np.ndarray) -> np.ndarray:
    """(height, width, channels) uint8; palette numbers stay as they are, other depths are spread to 0..255."""
    channels = CHANNELS[header.colour]
    if header.depth == 16:
        return rows.reshape(header.height, header.width, channels, 2)[..., 0]
    if header.depth == 8:
        return rows.reshape(header.height, header.width, channels)
    bits = np.unpackbits(rows, axis=1).reshape(header.height, -1, header.depth)[:, : header.width]
    values = (bits * (1 << np.arange(header.depth - 1, -1, -1))).sum(-1).astype(np.uint8)[..., None]
    return values if header.colour == 3 else values * np.uint8(255 // (2**header.depth - 1))


def _coloured(samples: np.ndarray, header: _Header, palette: bytes, name: str) -> np.ndarray:
    if header.colour != 3:
        return np.ascontiguousarray(samples[..., 0] if header.colour == 0 else samples)
    colours = np.frombuffer(palette[: len(palette) // 3 * 3], np.uint8).reshape(-1, 3)
    if samples.size and int(samples.max()) >= len(colours):
        raise FormatError(f"{name}: a pixel has colour {int(samples.max())} of a palette of {len(colours)}")
    return colours[samples[..., 0]]
