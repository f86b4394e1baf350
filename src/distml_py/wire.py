"""Every message that tabs, headless workers and the coordinator exchange, and their bytes. No sockets, no clocks.

A message without tensors travels as one JSON text frame. A message with tensors travels as one binary frame:
magic ``DML1`` | header length (u32, little-endian) | CRC-32 of all that follows (u32) | JSON header | safetensors.
The header ends with spaces, so that the numbers lie at a multiple of 8 and can be used where they are. See docs/protocol.md.
"""

import json
import struct
import types
import typing
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import nesting, safetensors
from .errors import FormatError

PROTOCOL = 4  # what is spoken here
OLDEST = 4  # what is still understood
MAGIC = b"DML1"
MAX_HEADER_BYTES = 1 << 20
_PREFIX = struct.Struct("<4sII")
_ENCODER = json.JSONEncoder(allow_nan=False)  # json.dumps makes one for each call that is not its usual one

Tensors = Mapping[str, np.ndarray]

# ---------------------------------------------------------------- from a tab or a headless worker


@dataclass(frozen=True)
class Hello:
    """The first frame of a connection. role: "host", "worker" or "viewer"; session: random text, kept across reconnects.

    protocol: the newest one that the worker speaks; oldest: the oldest one.
    """

    protocol: int
    token: str
    role: str
    name: str
    session: str
    oldest: int = OLDEST


@dataclass(frozen=True)
class Start:
    """The host asks for a new run. Tensors: ``weights/<name>``, the initial parameters, in manifest order; ``buffers/<name>``.

    exchange: mode, codec and their numbers, see exchange.Exchange; what is missing has its default.
    """

    recipe: str
    code: str
    seed: int
    steps: int
    batch_size: int
    shards: int
    train_size: int
    evaluate_every: int
    checkpoint_every: int
    optimizer: dict[str, Any]
    parameters: list[str]
    exchange: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Join:
    """This worker has loaded the run's code and takes leases from now on.

    version: of the weights it still has from before, -1 for none; rolling: their rolling hash, or SHA-256 in a run with fp32.
    """

    run: str
    backend: str
    device: str
    platform: str
    version: int = -1
    rolling: str = ""


@dataclass(frozen=True)
class Gradient:
    """Mean gradient over one shard, or in local mode the weights before less those after its steps.

    Tensors: ``<parameter name>``, float32, the manifest's shapes, or with another codec than fp32 its parts; of shard 0 also
    ``buffers/<name>``: the model's buffers after this shard, which began with the round's.
    version: of the weights it was computed at; compute_s: how long that took.
    """

    run: str
    step: int
    version: int
    shard: int
    lease: str
    samples: int
    loss: float
    cpu_ops: int
    compute_s: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """The answer to Evaluate: mean loss and accuracy (0-1) over a whole split.

    train_accuracy: with "validation", on the training samples of the last step; else None.
    """

    run: str
    step: int
    split: str
    lease: str
    loss: float
    accuracy: float
    samples: int
    train_accuracy: float | None


@dataclass(frozen=True)
class Progress:
    """A solo worker's report, a few a second; it commits nothing. steps_per_s is measured by the worker."""

    run: str
    step: int
    loss: float
    val_loss: float | None
    accuracy: float | None
    train_accuracy: float | None
    cpu_ops: int
    steps_per_s: float


@dataclass(frozen=True)
class Checkpoint:
    """A solo worker's state after `step` steps. Tensors: ``weights/<name>``, ``buffers/<name>``, ``optimizer/<slot>/<index>``.

    reason: "periodic", "yield" (the answer to Yield) or "final" (all steps are done).
    """

    run: str
    step: int
    reason: str
    loss: float | None


@dataclass(frozen=True)
class Command:
    """The host's own controls. action: "pause", "resume", "step", "stop"; "kick" `worker`; "lock" and "unlock" joining."""

    action: str
    worker: str = ""


@dataclass(frozen=True)
class Problem:
    """This worker cannot go on with the run: what happened, and where in the recipe (line 0: nowhere in it)."""

    run: str
    message: str
    line: int


@dataclass(frozen=True)
class Resync:
    """A Delta did not lead to the weights it should have, or began at others: this worker needs them whole."""

    run: str
    version: int


@dataclass(frozen=True)
class Goodbye:
    """This worker leaves on purpose; its leases are free at once."""


# ---------------------------------------------------------------- from the coordinator


@dataclass(frozen=True)
class Welcome:
    """The answer to Hello. protocol: the one to be spoken. join_url is empty unless the role is host."""

    protocol: int
    worker: str
    role: str
    join_url: str


@dataclass(frozen=True)
class Run:
    """The run as it stands: sent after Welcome when there is one, and to everybody when a new one starts."""

    run: str
    recipe: str
    code: str
    code_sha256: str
    seed: int
    steps: int
    batch_size: int
    shards: int
    train_size: int
    evaluate_every: int
    checkpoint_every: int
    optimizer: dict[str, Any]
    parameters: list[str]
    deterministic: bool
    exchange: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Weights:
    """Parameters after `version` committed steps. Tensors: ``<parameter name>``, ``buffers/<name>``.

    sha256: of the run's weights, which with a codec that leaves something out are not quite these; rolling: what the
    hash of the next Delta goes on from.
    """

    run: str
    version: int
    sha256: str
    rolling: str = ""


@dataclass(frozen=True)
class Delta:
    """What is to be added to the weights `base` to have `version`. Tensors: the codec's parts, ``buffers/<name>``.

    rolling: the hash (manifest.rolling) of what the sum must be.
    """

    run: str
    version: int
    base: int
    rolling: str


@dataclass(frozen=True)
class Lease:
    """Compute the gradient of positions [start, start + count) of step's global batch, at weights `version`.

    steps: in local mode, how many steps to take from there. newest: at the newest weights at hand; `version` is the oldest
    that counts.
    """

    run: str
    step: int
    version: int
    lease: str
    shard: int
    start: int
    count: int
    deadline_s: float
    steps: int = 1
    newest: bool = False


@dataclass(frozen=True)
class Evaluate:
    """Evaluate weights `version` on a split: "validation" or "test"."""

    run: str
    step: int
    version: int
    lease: str
    split: str


@dataclass(frozen=True)
class Solo:
    """Step alone, at full speed, from this state on. Tensors as in Checkpoint."""

    run: str
    step: int


@dataclass(frozen=True)
class Yield:
    """Stop stepping alone at the next step boundary and answer with Checkpoint(reason="yield")."""

    run: str


@dataclass(frozen=True)
class Status:
    """The coordinator's view, a few times a second: the same dictionary as GET /api/status."""

    status: dict[str, Any]


@dataclass(frozen=True)
class Rejected:
    """Something this peer sent was not accepted. reason: one word, stable; detail: a sentence for people.

    lease: the one it answered, if it did.
    """

    reason: str
    detail: str
    lease: str = ""


@dataclass(frozen=True)
class Ended:
    """The run is over. state: "finished" or "stopped"; sha256 of the final weights."""

    run: str
    state: str
    step: int
    sha256: str


FromWorker = Hello | Start | Join | Gradient | Evaluation | Progress | Checkpoint | Command | Problem | Resync | Goodbye
FromCoordinator = Welcome | Run | Weights | Delta | Lease | Evaluate | Solo | Yield | Status | Rejected | Ended
Message = FromWorker | FromCoordinator

TYPES: dict[str, type] = {cls.__name__.lower(): cls for cls in typing.get_args(Message)}
WITH_TENSORS = frozenset({Start, Gradient, Checkpoint, Weights, Delta, Solo})


@dataclass(frozen=True)
class Frame:
    """One decoded frame: a message and, where its type has them, its tensors."""

    message: Message
    tensors: Tensors = field(default_factory=dict)


def encode(message: Message, tensors: Tensors | None = None) -> bytes | str:
    """The frame of a message: str is a text frame, bytes a binary one. Raises FormatError when tensors don't fit."""
    if (tensors is not None) != (type(message) in WITH_TENSORS):
        raise FormatError(f"{type(message).__name__} {'needs' if tensors is None else 'takes no'} tensors")
    # vars, not asdict: that copies dictionaries to their depth
    header = _ENCODER.encode({"type": type(message).__name__.lower(), **vars(message)})
    if tensors is None:
        return header
    text = header.encode()
    text += b" " * (-(_PREFIX.size + len(text)) % 8)
    chunks = [text, *safetensors.chunks(tensors)]
    checksum = 0
    for chunk in chunks:
        checksum = zlib.crc32(chunk, checksum)
    return b"".join([_PREFIX.pack(MAGIC, len(text), checksum), *chunks])


def split_frame(data: bytes | memoryview) -> tuple[bytes, memoryview]:
    """A binary frame's JSON header and its safetensors part, after magic, lengths and checksum. Raises FormatError."""
    view = memoryview(data)
    if len(view) < _PREFIX.size:
        raise FormatError(f"a binary frame has at least {_PREFIX.size} bytes, got {len(view)}")
    magic, header_bytes, checksum = _PREFIX.unpack_from(view)
    if magic != MAGIC:
        raise FormatError(f"a binary frame starts with {MAGIC!r}, got {magic!r}")
    if header_bytes > min(MAX_HEADER_BYTES, len(view) - _PREFIX.size):
        raise FormatError(f"the frame's header claims {header_bytes} bytes, the frame has {len(view)}")
    body = view[_PREFIX.size :]
    if zlib.crc32(body) != checksum:
        raise FormatError("the frame's checksum does not match its bytes: it was damaged on its way; send it again")
    return bytes(body[:header_bytes]), body[header_bytes:]


def decode(data: bytes | memoryview | str) -> Frame:
    """The message and tensors of one frame. Raises FormatError naming the field that does not fit."""
    if isinstance(data, str):
        message = message_from(parse_json(data))
        if type(message) in WITH_TENSORS:
            raise FormatError(f"{type(message).__name__} travels as a binary frame, got text")
        return Frame(message)
    header, payload = split_frame(data)
    message = message_from(parse_json(header))
    if type(message) not in WITH_TENSORS:
        raise FormatError(f"{type(message).__name__} travels as a text frame, got a binary one")
    return Frame(message, safetensors.loads(payload))


def agree(protocol: int, oldest: int, ours: int = PROTOCOL, our_oldest: int = OLDEST) -> int | None:
    """The newest protocol that both sides speak; None when there is none: then one of them has to be updated."""
    newest = min(protocol, ours)
    return newest if newest >= max(oldest, our_oldest) else None


def protocol_of(data: bytes | str) -> tuple[int, int] | None:
    """(protocol, oldest) of any version's Hello, whatever else is in it; None for what is none."""
    try:
        fields = parse_json(data) if isinstance(data, str) else {}
    except FormatError:
        return None
    protocol, oldest = fields.get("protocol"), fields.get("oldest", fields.get("protocol"))
    if fields.get("type") != "hello" or type(protocol) is not int or type(oldest) is not int:
        return None
    return protocol, oldest


def parse_json(text: str | bytes) -> dict[str, Any]:
    """A JSON object without NaN, infinities or duplicate keys; nesting too deep is a FormatError as well."""
    try:
        value = nesting.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique_keys)
    except ValueError as error:
        raise FormatError(f"a message is one JSON object: {error}") from None
    if not isinstance(value, dict):
        raise FormatError(f"a message is one JSON object, got {type(value).__name__}")
    return value


def message_from(fields: dict[str, Any]) -> Message:
    """The dataclass of a parsed JSON object; every field present, none unknown, each of its type."""
    cls = TYPES.get(fields.get("type", "")) if isinstance(fields.get("type"), str) else None
    if cls is None:
        raise FormatError(f"unknown message type {fields.get('type')!r}; known: {', '.join(sorted(TYPES))}")
    hints = typing.get_type_hints(cls)
    given = {name: value for name, value in fields.items() if name != "type"}
    for name in given.keys() ^ hints.keys():
        raise FormatError(f"{cls.__name__}.{name}: {'unknown field' if name in given else 'missing'}")
    for name, value in given.items():
        if not _fits(value, hints[name]):
            raise FormatError(f"{cls.__name__}.{name}: expected {hints[name]}, got {type(value).__name__}")
    message: Message = cls(**given)
    return message


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key appears twice")
    return unique


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    if isinstance(hint, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(hint))
    origin = typing.get_origin(hint)
    if origin is list:
        return isinstance(value, list) and all(_fits(item, typing.get_args(hint)[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
