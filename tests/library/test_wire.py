"""Every message's bytes, and every kind of frame that must be refused."""

# ruff: noqa: E501 (golden bytes stay on one line)

import json
import struct
import zlib
from typing import Any, get_args

import numpy as np
import pytest

from distml_py import wire
from distml_py.errors import FormatError

WEIGHTS = {"w": np.array([1, -2], np.float32)}
STATE = {"weights/w": np.array([1, -2], np.float32), "optimizer/step/0": np.array(3)}
WEIGHTS_BYTES = (
    b'8\x00\x00\x00\x00\x00\x00\x00{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  \x00\x00\x80?\x00\x00\x00\xc0'
)
STATE_BYTES = (
    b'\x88\x00\x00\x00\x00\x00\x00\x00{"weights/w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
    b'"optimizer/step/0":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}      '
    b"\x00\x00\x80?\x00\x00\x00\xc0\x03\x00\x00\x00\x00\x00\x00\x00"
)

# message, its tensors, its frame: text, or the parts of a binary frame
GOLDEN: list[tuple[Any, Any, Any]] = [
    (
        wire.Hello(1, "t", "host", "n", "s"),
        None,
        '{"type": "hello", "protocol": 1, "token": "t", "role": "host", "name": "n", "session": "s"}',
    ),  # fmt: skip
    (
        wire.Start(
            recipe="r",
            code="c",
            seed=0,
            steps=9,
            batch_size=8,
            shards=2,
            train_size=10,
            evaluate_every=3,
            checkpoint_every=4,
            optimizer={"name": "SGD", "lr": 0.1},
            parameters=["w"],
        ),
        STATE,
        (
            b"DML1\xde\x00\x00\x00\xdf\xcdI\xfe",
            b'{"type": "start", "recipe": "r", "code": "c", "seed": 0, "steps": 9, "batch_size": 8, "shards": 2, "train_size": 10, "evaluate_every": 3, "checkpoint_every": 4, "optimizer": {"name": "SGD", "lr": 0.1}, "parameters": ["w"]}',
            STATE_BYTES,
        ),
    ),  # fmt: skip
    (
        wire.Join("a", "webgl", "d", "p"),
        None,
        '{"type": "join", "run": "a", "backend": "webgl", "device": "d", "platform": "p"}',
    ),  # fmt: skip
    (
        wire.Gradient("a", 1, 1, 0, "w1.1", 4, 0.5, 0),
        WEIGHTS,
        (
            b"DML1\x7f\x00\x00\x00\xe9\xa4Q3",
            b'{"type": "gradient", "run": "a", "step": 1, "version": 1, "shard": 0, "lease": "w1.1", "samples": 4, "loss": 0.5, "cpu_ops": 0}',
            WEIGHTS_BYTES,
        ),
    ),  # fmt: skip
    (
        wire.Evaluation("a", 3, "validation", "w1.2", 0.5, 0.25, 4, 0.5),
        None,
        '{"type": "evaluation", "run": "a", "step": 3, "split": "validation", "lease": "w1.2", "loss": 0.5, "accuracy": 0.25, "samples": 4, "train_accuracy": 0.5}',
    ),  # fmt: skip
    (
        wire.Progress("a", 2, 0.5, None, None, None, 0, 10.0),
        None,
        '{"type": "progress", "run": "a", "step": 2, "loss": 0.5, "val_loss": null, "accuracy": null, "train_accuracy": null, "cpu_ops": 0, "steps_per_s": 10.0}',
    ),  # fmt: skip
    (
        wire.Checkpoint("a", 4, "periodic", None),
        STATE,
        (
            b"DML1Q\x00\x00\x00%\xee\xba\xc5",
            b'{"type": "checkpoint", "run": "a", "step": 4, "reason": "periodic", "loss": null}',
            STATE_BYTES,
        ),
    ),  # fmt: skip
    (wire.Command("pause"), None, '{"type": "command", "action": "pause", "worker": ""}'),  # fmt: skip
    (wire.Problem("a", "no", 7), None, '{"type": "problem", "run": "a", "message": "no", "line": 7}'),  # fmt: skip
    (wire.Goodbye(), None, '{"type": "goodbye"}'),  # fmt: skip
    (
        wire.Welcome(1, "w1", "host", "http://h/#t=x"),
        None,
        '{"type": "welcome", "protocol": 1, "worker": "w1", "role": "host", "join_url": "http://h/#t=x"}',
    ),  # fmt: skip
    (
        wire.Run(
            run="a",
            recipe="r",
            code="c",
            code_sha256="f",
            seed=0,
            steps=9,
            batch_size=8,
            shards=2,
            train_size=10,
            evaluate_every=3,
            checkpoint_every=4,
            optimizer={"name": "SGD", "lr": 0.1},
            parameters=["w"],
            deterministic=False,
        ),
        None,
        '{"type": "run", "run": "a", "recipe": "r", "code": "c", "code_sha256": "f", "seed": 0, "steps": 9, "batch_size": 8, "shards": 2, "train_size": 10, "evaluate_every": 3, "checkpoint_every": 4, "optimizer": {"name": "SGD", "lr": 0.1}, "parameters": ["w"], "deterministic": false}',
    ),  # fmt: skip
    (
        wire.Weights("a", 1, "f"),
        WEIGHTS,
        (b"DML1<\x00\x00\x00\xeb\xc0\xe6I", b'{"type": "weights", "run": "a", "version": 1, "sha256": "f"}', WEIGHTS_BYTES),
    ),  # fmt: skip
    (
        wire.Lease("a", 1, 1, "w1.1", 0, 0, 4, 5.0),
        None,
        '{"type": "lease", "run": "a", "step": 1, "version": 1, "lease": "w1.1", "shard": 0, "start": 0, "count": 4, "deadline_s": 5.0}',
    ),  # fmt: skip
    (
        wire.Evaluate("a", 3, 3, "w1.2", "test"),
        None,
        '{"type": "evaluate", "run": "a", "step": 3, "version": 3, "lease": "w1.2", "split": "test"}',
    ),  # fmt: skip
    (
        wire.Solo("a", 0),
        STATE,
        (b"DML1'\x00\x00\x00\x1b\xe5[B", b'{"type": "solo", "run": "a", "step": 0}', STATE_BYTES),
    ),  # fmt: skip
    (wire.Yield("a"), None, '{"type": "yield", "run": "a"}'),  # fmt: skip
    (wire.Status({"state": "ready"}), None, '{"type": "status", "status": {"state": "ready"}}'),  # fmt: skip
    (wire.Rejected("stale", "late"), None, '{"type": "rejected", "reason": "stale", "detail": "late"}'),  # fmt: skip
    (
        wire.Ended("a", "finished", 9, "f"),
        None,
        '{"type": "ended", "run": "a", "state": "finished", "step": 9, "sha256": "f"}',
    ),  # fmt: skip
]
NAMES = [type(message).__name__ for message, _, _ in GOLDEN]


def frame_of(parts: str | tuple[bytes, ...]) -> str | bytes:
    return parts if isinstance(parts, str) else b"".join(parts)


def binary(header: bytes | dict[str, Any], payload: bytes = WEIGHTS_BYTES) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return b"DML1" + struct.pack("<II", len(text), zlib.crc32(text + payload)) + text + payload


def test_every_message_has_golden_bytes() -> None:
    assert sorted(NAMES) == sorted(cls.__name__ for cls in get_args(wire.Message))


@pytest.mark.parametrize(("message", "tensors", "parts"), GOLDEN, ids=NAMES)
def test_a_message_has_its_golden_bytes(message: Any, tensors: Any, parts: Any) -> None:
    assert wire.encode(message, tensors) == frame_of(parts)


@pytest.mark.parametrize(("message", "tensors", "parts"), GOLDEN, ids=NAMES)
def test_the_golden_bytes_decode_to_the_message(message: Any, tensors: Any, parts: Any) -> None:
    frame = wire.decode(frame_of(parts))
    assert frame.message == message
    assert list(frame.tensors) == list(tensors or {})
    for name, array in (tensors or {}).items():
        assert np.array_equal(frame.tensors[name], array)


@pytest.mark.parametrize(("message", "tensors", "parts"), GOLDEN, ids=NAMES)
def test_a_message_with_a_field_too_many_or_too_few_is_refused(message: Any, tensors: Any, parts: Any) -> None:
    header = json.loads(parts if isinstance(parts, str) else parts[1])
    wrong = [header | {"extra": 1}] + [{k: v for k, v in header.items() if k != name} for name in header]
    for fields in wrong:
        with pytest.raises(FormatError):
            wire.decode(json.dumps(fields) if tensors is None else binary(fields))


@pytest.mark.parametrize(("message", "tensors", "parts"), GOLDEN, ids=NAMES)
def test_a_field_of_another_type_is_refused_by_its_name(message: Any, tensors: Any, parts: Any) -> None:
    header = json.loads(parts if isinstance(parts, str) else parts[1])
    for name, value in header.items():
        if name == "type":
            continue
        wrong = [1] if not isinstance(value, list) else {"a": 1}
        fields = header | {name: wrong}
        with pytest.raises(FormatError, match=rf"{type(message).__name__}.{name}"):
            wire.decode(json.dumps(fields) if tensors is None else binary(fields))


def test_any_flipped_bit_of_a_gradient_frame_is_refused() -> None:
    frame = frame_of(GOLDEN[3][2])
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
    "nesting of 200,000 levels": ("[" * 200_000, "one JSON object"),
    "nested objects of 200,000 levels": ('{"a":' * 200_000, "one JSON object"),
    "no type": ("{}", "unknown message type None"),
    "an unknown type": ('{"type": "nope"}', "unknown message type 'nope'"),
    "a type that is a list": ('{"type": ["hello"]}', "unknown message type"),
    "a boolean for a number": ('{"type": "problem", "run": "a", "message": "m", "line": true}', "Problem.line"),
    "a fraction for a whole number": ('{"type": "problem", "run": "a", "message": "m", "line": 1.0}', "Problem.line"),
    "text for a binary message": ('{"type": "weights", "run": "a", "version": 1, "sha256": "f"}', "travels as a binary frame"),
    "a binary frame for a text message": (binary({"type": "goodbye"}), "travels as a text frame"),
    "a payload that is not safetensors": (
        binary({"type": "weights", "run": "a", "version": 1, "sha256": "f"}, b"xx"),
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
