"""The safetensors reader and writer: golden bytes, round trips, and everything that must be refused."""

import json
import struct

import numpy as np
import pytest

from distml_py import safetensors
from distml_py.errors import FormatError

GOLDEN_HEADER = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BOOL","shape":[],"data_offsets":[8,9]}}'
GOLDEN = struct.pack("<Q", 112) + GOLDEN_HEADER.ljust(112) + b"\x00\x00\x80\x3f\x00\x00\x00\xc0" + b"\x01"


def file_of(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_the_bytes_of_a_file_are_the_golden_ones() -> None:
    assert safetensors.dumps({"w": np.array([1, -2], np.float32), "b": np.array(True)}) == GOLDEN


def test_the_golden_bytes_load_in_the_headers_order() -> None:
    arrays = safetensors.loads(GOLDEN)
    assert list(arrays) == ["w", "b"]
    assert arrays["w"].tolist() == [1, -2] and arrays["w"].dtype == np.float32
    assert arrays["b"].shape == () and arrays["b"].dtype == np.bool_


@pytest.mark.parametrize("dtype", list(safetensors.DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_every_dtype_and_shape_survives_a_round_trip(dtype: str, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape)).reshape(shape) % 2).astype(safetensors.DTYPES[dtype])
    back = safetensors.loads(safetensors.dumps({"before": np.ones(1, np.uint8), "x": array}))["x"]
    assert back.dtype == array.dtype and back.shape == array.shape and np.array_equal(back, array)
    assert back.flags.aligned and back.flags.writeable


def test_a_transposed_or_big_endian_array_is_stored_row_major_and_little_endian() -> None:
    array = np.arange(6, dtype=">f4").reshape(2, 3).T
    assert safetensors.loads(safetensors.dumps({"x": array}))["x"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_bits_survive_also_for_nan_and_negative_zero() -> None:
    array = np.array([0x7FC00001, 0x80000000, 0x00000001], np.uint32).view(np.float32)
    assert safetensors.loads(safetensors.dumps({"x": array}))["x"].tobytes() == array.tobytes()


def test_metadata_is_accepted_and_dropped() -> None:
    assert list(safetensors.loads(file_of({"__metadata__": {"a": "b"}, "x": entry()}, bytes(8)))) == ["x"]


REFUSED = {
    "fewer than eight bytes": (b"\x01\x00", "at least 8 bytes"),
    "a header of 2**62 bytes": (struct.pack("<Q", 2**62) + b"{}", "the header claims 4611686018427387904 bytes"),
    "a header longer than the file": (struct.pack("<Q", 9) + b"{}", "the header claims 9 bytes"),
    "a header longer than allowed": (file_of(b"{" + b" " * (1 << 20) + b"}"), "at most 1048576 are allowed"),
    "a header that is a list": (file_of(b"[]"), "starts with '{'"),
    "a header that is not JSON": (file_of(b"{nope}"), "not valid JSON"),
    "a header that is not UTF-8": (file_of(b'{"\xff":1}'), "not valid JSON"),
    "very deep nesting": (file_of(b'{"a":' * 100_000), "not valid JSON"),
    "a key that appears twice": (
        file_of(b'{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
        "appears twice",
    ),
    "a pickle": (b"\x80\x04\x95" + bytes(20), "the header claims"),
    "a zip": (b"PK\x03\x04" + bytes(20), "the header claims"),
    "an unknown dtype": (file_of({"x": entry("F8_E4M3")}, bytes(8)), "unknown dtype 'F8_E4M3'"),
    "a dtype that is a list": (file_of({"x": entry([1])}, bytes(8)), "unknown dtype"),
    "a missing field": (file_of({"x": {"dtype": "F32", "shape": [2]}}, bytes(8)), "needs exactly"),
    "an extra field": (file_of({"x": {**entry(), "more": 1}}, bytes(8)), "needs exactly"),
    "an entry that is a number": (file_of({"x": 3}), "needs exactly"),
    "a negative axis": (file_of({"x": entry(shape=[-2])}, bytes(8)), "whole numbers >= 0"),
    "a fractional axis": (file_of({"x": entry(shape=[2.0])}, bytes(8)), "whole numbers >= 0"),
    "a boolean axis": (file_of({"x": entry(shape=[True, 2])}, bytes(8)), "whole numbers >= 0"),
    "too many axes": (file_of({"x": entry(shape=[1] * 17)}, bytes(4)), "at most 16"),
    "an overflowing shape": (file_of({"x": entry(shape=[2**40, 2**40], offsets=[0, 0])}), "too large"),
    "an overflowing empty shape": (file_of({"x": entry(shape=[0, 2**40, 2**40], offsets=[0, 0])}), "too large"),
    "a shape that its bytes do not fill": (file_of({"x": entry(shape=[3])}, bytes(8)), "needs 12 bytes"),
    "offsets that run backwards": (file_of({"x": entry(offsets=[8, 0])}, bytes(8)), "needs 8 bytes"),
    "three offsets": (file_of({"x": entry(offsets=[0, 4, 8])}, bytes(8)), "two whole numbers"),
    "a hole": (file_of({"x": entry(), "y": entry(offsets=[12, 20])}, bytes(20)), "a hole or an overlap"),
    "an overlap": (file_of({"x": entry(), "y": entry(offsets=[4, 12])}, bytes(12)), "a hole or an overlap"),
    "trailing bytes": (file_of({"x": entry()}, bytes(9)), "describes 8 data bytes, the file has 9"),
    "missing bytes": (file_of({"x": entry()}, bytes(7)), "describes 8 data bytes, the file has 7"),
    "a name that climbs out of a folder": (file_of({"../../x": entry()}, bytes(8)), "not possible as a name"),
    "an absolute name": (file_of({"/etc/passwd": entry()}, bytes(8)), "not possible as a name"),
    "a name with a control character": (file_of({"a\x00b": entry()}, bytes(8)), "printable"),
    "an empty name": (file_of({"": entry()}, bytes(8)), "printable"),
    "a boolean that is neither": (file_of({"x": entry("BOOL", [1], [0, 1])}, b"\x02"), "neither 0 nor 1"),
    "metadata that is not text": (file_of({"__metadata__": {"a": 1}}), "maps text to text"),
}


@pytest.mark.fault("S16")
@pytest.mark.parametrize("name", list(REFUSED))
def test_it_refuses(name: str) -> None:
    data, words = REFUSED[name]
    with pytest.raises(FormatError, match="safetensors") as caught:
        safetensors.loads(data)
    assert words in str(caught.value)


def test_any_single_flipped_header_bit_is_refused_or_still_describes_the_same_bytes() -> None:
    for position in range(8 + 112):
        for bit in range(8):
            damaged = bytearray(GOLDEN)
            damaged[position] ^= 1 << bit
            try:
                arrays = safetensors.loads(bytes(damaged))
            except FormatError:
                continue
            assert sum(array.nbytes for array in arrays.values()) == 9


def test_a_dtype_without_a_name_is_refused_when_written() -> None:
    with pytest.raises(FormatError, match="'x' has dtype complex128"):
        safetensors.dumps({"x": np.zeros(1, np.complex128)})
    with pytest.raises(FormatError, match="'x' has dtype int16"):
        safetensors.dumps({"x": np.zeros(1, np.int16)})


def test_a_name_that_could_not_be_read_back_is_refused_when_written() -> None:
    for name in ("", "a\nb", "../x", "__metadata__", "x" * 513):
        with pytest.raises(FormatError):
            safetensors.dumps({name: np.zeros(1, np.float32)})
