"""Every message's bytes, and every kind of frame that must be refused."""

# ruff: noqa: E501 (golden bytes stay on one line)

import json
import struct
import zlib
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from distml_py import wire
from distml_py.errors import FormatError

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"
WEIGHTS = {"w": np.array([1, -2], np.float32)}
STATE = {"weights/w": np.array([1, -2], np.float32), "optimizer/step/0": np.array(3, np.int64)}
WEIGHTS_BYTES = (
    b'8\x00\x00\x00\x00\x00\x00\x00{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  \x00\x00\x80?\x00\x00\x00\xc0'
)
STATE_BYTES = (
    b'\x88\x00\x00\x00\x00\x00\x00\x00{"weights/w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
    b'"optimizer/step/0":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}      '
    b"\x00\x00\x80?\x00\x00\x00\xc0\x03\x00\x00\x00\x00\x00\x00\x00"
)

INT8 = {"codec/values": np.array([255, 1], np.uint8), "codec/scales": np.array([0.5], np.float32)}
BUFFERS = {"buffers/mean": np.array([0.5], np.float32)}
FIELDS: dict[str, Any] = {
    "recipe": "r", "code": "c", "seed": 0, "steps": 9, "batch_size": 8, "shards": 2, "train_size": 10, "evaluate_every": 3,
    "checkpoint_every": 4, "optimizer": {"name": "SGD", "lr": 0.1}, "parameters": ["w"], "exchange": {"codec": "int8"},
}  # fmt: skip

# of each message of docs/protocol.md, in its order: the message and its tensors
EXAMPLES: dict[str, tuple[Any, Any]] = {
    "Hello": (wire.Hello(4, "t", "host", "n", "s", 4), None),
    "Start": (wire.Start(**FIELDS), STATE),
    "Join": (wire.Join("a", "webgl", "d", "p", 4, "0badc0de"), None),
    "Gradient": (wire.Gradient("a", 1, 1, 0, "w1.1", 4, 0.5, 0, 0.25), WEIGHTS),
    "Gradient, int8, of shard 0": (wire.Gradient("a", 1, 1, 0, "w1.1", 4, 0.5, 0, 0.25), INT8 | BUFFERS),
    "Evaluation": (wire.Evaluation("a", 3, "validation", "w1.2", 0.5, 0.25, 4, 0.5), None),
    "Progress": (wire.Progress("a", 2, 0.5, None, None, None, 0, 10.0), None),
    "Checkpoint": (wire.Checkpoint("a", 4, "periodic", None), STATE),
    "Command": (wire.Command("pause"), None),
    "Problem": (wire.Problem("a", "no", 7), None),
    "Resync": (wire.Resync("a", 4), None),
    "Goodbye": (wire.Goodbye(), None),
    "Welcome": (wire.Welcome(4, "w1", "host", "http://h/#t=x"), None),
    "Run": (wire.Run(run="a", code_sha256="f", deterministic=False, **FIELDS), None),
    "Weights": (wire.Weights("a", 1, "f", ""), WEIGHTS),
    "Delta": (wire.Delta("a", 2, 1, "9f3a04c1"), INT8),
    "Lease": (wire.Lease("a", 1, 1, "w1.1", 0, 0, 4, 5.0, 1, False), None),
    "Evaluate": (wire.Evaluate("a", 3, 3, "w1.2", "test"), None),
    "Solo": (wire.Solo("a", 0), STATE),
    "Yield": (wire.Yield("a"), None),
    "Status": (wire.Status({"state": "ready"}), None),
    "Rejected": (wire.Rejected("stale", "late", "w1.1"), None),
    "Ended": (wire.Ended("a", "finished", 9, "f"), None),
}


def golden() -> dict[str, str | bytes]:
    """The frames that docs/protocol.md prints: text as it is, binary frames in hexadecimal."""
    block = DOCUMENT.read_text().split("```vectors\n")[1].split("```")[0]
    found: dict[str, str | bytes] = {}
    for line in block.splitlines():
        name, _, frame = line.partition(": ")
        found[name] = frame if frame.startswith("{") else bytes.fromhex(frame)
    return found


VECTORS = golden()
GOLDEN = [(message, tensors, VECTORS[name]) for name, (message, tensors) in EXAMPLES.items()]
NAMES = list(EXAMPLES)


def header_of(frame: str | bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(frame if isinstance(frame, str) else wire.split_frame(frame)[0])
    return found


def binary(header: bytes | dict[str, Any], payload: bytes = WEIGHTS_BYTES) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return b"DML1" + struct.pack("<II", len(text), zlib.crc32(text + payload)) + text + payload


def test_every_message_has_golden_bytes() -> None:
    assert list(VECTORS) == list(EXAMPLES)
    assert {type(message).__name__ for message, _ in EXAMPLES.values()} == {cls.__name__ for cls in get_args(wire.Message)}


@pytest.mark.parametrize(("message", "tensors", "parts"), GOLDEN, ids=NAMES)
def test_a_message_has_its_golden_bytes(message: Any, tensors: Any, parts: Any) -> None:
    assert wire.encode(message, tensors) == parts


@pytest.mark.parametrize(("message", "tensors", "parts"), GOLDEN, ids=NAMES)
def test_the_golden_bytes_decode_to_the_message(message: Any, tensors: Any, parts: Any) -> None:
    frame = wire.decode(parts)
    assert frame.message == message
    assert list(frame.tensors) == list(tensors or {})
    for name, array in (tensors or {}).items():
        assert np.array_equal(frame.tensors[name], array)


@pytest.mark.parametrize(("message", "tensors", "parts"), GOLDEN, ids=NAMES)
def test_a_message_with_a_field_too_many_or_too_few_is_refused(message: Any, tensors: Any, parts: Any) -> None:
    header = header_of(parts)
    wrong = [header | {"extra": 1}] + [{k: v for k, v in header.items() if k != name} for name in header]
    for fields in wrong:
        with pytest.raises(FormatError):
            wire.decode(json.dumps(fields) if tensors is None else binary(fields))


@pytest.mark.parametrize(("message", "tensors", "parts"), GOLDEN, ids=NAMES)
def test_a_field_of_another_type_is_refused_by_its_name(message: Any, tensors: Any, parts: Any) -> None:
    header = header_of(parts)
    for name, value in header.items():
        if name == "type":
            continue
        wrong = [1] if not isinstance(value, list) else {"a": 1}
        fields = header | {name: wrong}
        with pytest.raises(FormatError, match=rf"{type(message).__name__}.{name}"):
            wire.decode(json.dumps(fields) if tensors is None else binary(fields))


def test_any_flipped_bit_of_a_gradient_frame_is_refused() -> None:
    frame = VECTORS["Gradient"]
    assert isinstance(frame, bytes)
    for position in range(len(frame)):
        for bit in range(8):
            damaged = bytearray(frame)
            damaged[position] ^= 1 << bit
            with pytest.raises(FormatError):
                wire.decode(bytes(damaged))


REFUSED = {
    "an empty binary frame": (b"", "at least 12 bytes"),
    "a frame of another protocol": (b"GIF89a" + bytes(20), "starts with"),
    "a header longer than the frame": (b"DML1" + struct.pack("<II", 99, 0) + b"{}", "claims 99 bytes"),
    "a header of 4 GB": (b"DML1" + struct.pack("<II", 2**32 - 1, 0) + bytes(64), "claims 4294967295 bytes"),
    "a wrong checksum": (binary({"type": "weights"})[:-1] + b"\x01", "checksum"),
    "text that is not JSON": ("hello", "one JSON object"),
    "JSON that is not an object": ("[1, 2]", "got list"),
    "NaN": ('{"type": "command", "action": NaN}', "NaN is not JSON"),
    "an infinity": ('{"type": "command", "action": -Infinity}', "-Infinity is not JSON"),
    "a number of 5,000 digits": ('{"type": "command", "action": ' + "9" * 5000 + "}", "one JSON object"),
    "a key that appears twice": ('{"type": "goodbye", "type": "goodbye"}', "a key appears twice"),
    "nesting of 65 levels": ("[" * 65 + "]" * 65, "nested more than 64 levels deep"),
    "nesting of 200,000 levels": ("[" * 200_000, "one JSON object"),
    "nested objects of 200,000 levels": ('{"a":' * 200_000, "one JSON object"),
    "no type": ("{}", "unknown message type None"),
    "an unknown type": ('{"type": "nope"}', "unknown message type 'nope'"),
    "a type that is a list": ('{"type": ["hello"]}', "unknown message type"),
    "a boolean for a number": ('{"type": "problem", "run": "a", "message": "m", "line": true}', "Problem.line"),
    "a fraction for a whole number": ('{"type": "problem", "run": "a", "message": "m", "line": 1.0}', "Problem.line"),
    "text for a binary message": (
        '{"type": "weights", "run": "a", "version": 1, "sha256": "f", "rolling": ""}',
        "travels as a binary frame",
    ),
    "a binary frame for a text message": (binary({"type": "goodbye"}), "travels as a text frame"),
    "a payload that is not safetensors": (
        binary({"type": "weights", "run": "a", "version": 1, "sha256": "f", "rolling": ""}, b"xx"),
        "safetensors",
    ),
    "bytes that are not UTF-8": (binary(b"\xff\xfe"), "one JSON object"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_it_refuses(name: str) -> None:
    data, words = REFUSED[name]
    with pytest.raises(FormatError) as caught:
        wire.decode(data)
    assert words in str(caught.value)


def test_a_message_that_needs_tensors_is_not_encoded_without_them_nor_the_reverse() -> None:
    with pytest.raises(FormatError, match="Weights needs tensors"):
        wire.encode(wire.Weights("a", 1, "f"))
    with pytest.raises(FormatError, match="Goodbye takes no tensors"):
        wire.encode(wire.Goodbye(), WEIGHTS)


def test_a_loss_that_is_not_a_number_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        wire.encode(wire.Progress("a", 1, float("nan"), None, None, None, 0, 1.0))
