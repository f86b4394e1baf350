"""What coordinators of a cluster say to each other, and its bytes (MessagePack, strictly typed). No network."""

from typing import TypeVar

import msgspec

from distml_py import wire
from distml_py.errors import FormatError


class Thing(msgspec.Struct, frozen=True, tag_field="is", tag=str.lower):
    """A part of an envelope. who: one of the follower's connections, by the follower's number."""


# ---------------------------------------------------------------- from a follower


class Came(Thing, frozen=True):
    """Somebody said hello. Also of those who are there when the leader is another one."""

    who: int
    hello: wire.Hello
    origin: str | None
    address: str


class Text(Thing, frozen=True):
    """A frame without tensors, as it came."""

    who: int
    text: str


class Whole(Thing, frozen=True):
    """A frame with tensors of a message other than Gradient."""

    who: int
    frame: bytes


class Answer(Thing, frozen=True):
    """A gradient that was decoded and checked and waits at the follower under `key`, or why there is none (reason, error).

    sketch: float64 of an audit; norm: of the gradient.
    """

    who: int
    message: wire.Gradient
    key: int
    norm: float = 0.0
    sketch: bytes = b""
    reason: str = ""
    error: str = ""


class Damaged(Thing, frozen=True):
    who: int
    detail: str


class Left(Thing, frozen=True):
    who: int


class Bye(Thing, frozen=True):
    """This side ends on purpose: the other need not wait for its silence."""


# ---------------------------------------------------------------- from the leader


class Refuse(Thing, frozen=True):
    """The answer to Came: the connection is to be closed."""

    who: int
    reason: str
    detail: str


class Say(Thing, frozen=True):
    """A frame for a connection. kind: type of its message; version: see sockets.Connection.send."""

    who: int
    kind: str
    version: int
    text: str


class Hand(Thing, frozen=True):
    """The same with tensors: Solo."""

    who: int
    kind: str
    frame: bytes


class Judge(Thing, frozen=True):
    """What the connection last sent was refused; that is counted where the connection is. key: of the gradient, 0: it was none."""

    who: int
    reason: str
    detail: str
    bad: bool
    key: int = 0


class Shut(Thing, frozen=True):
    who: int
    code: int
    reason: str


class Deliver(Thing, frozen=True):
    """These weights are for this connection. sha256: theirs, if they are the newest."""

    who: int
    version: int
    sha256: str


class Told(Thing, frozen=True):
    """The status, for people and for all connections. over: the run is."""

    text: str
    over: bool


class Total(Thing, frozen=True):
    """Add up what waits under these keys, (place, key, factor) of a step of `count` parts, and send it.

    rows: as they are, since another rule than the mean needs each.
    """

    ticket: int
    count: int
    items: list[tuple[int, int, float]]
    rows: bool


class Shown(Thing, frozen=True):
    """The weights that all are to have: frames that lead there from those before, or whole ones.

    run: its Run frame; needed: older versions that may still be asked for; largest: the
    norm that a gradient is compared with; secret: of audits' sketches, "" for none.
    """

    run: str
    version: int
    sha256: str
    frames: list[bytes]
    needed: list[int]
    largest: float
    secret: str


UpThing = Came | Text | Whole | Answer | Damaged | Left | Bye
DownThing = Refuse | Say | Hand | Judge | Shut | Deliver | Told | Total | Shown | Bye


class Up(msgspec.Struct, frozen=True):
    """sender: the follower; link: this time's connection to the leader; number: 0, 1, ... on it, so that nothing lost stays unseen.

    reply: the subject for the leader's answers.
    """

    sender: str
    link: str
    number: int
    reply: str
    things: list[UpThing]


class Down(msgspec.Struct, frozen=True):
    """number -1: the leader has no such link, or something was lost on it: begin again."""

    term: str
    link: str
    number: int
    things: list[DownThing]


class Partial(msgspec.Struct, frozen=True):
    """The answer to Total: nodes (level, index) as float64, and rows by their places as float32, one after another.

    complete: whether all was there. buffers: safetensors of the model's buffers that the part at buffers_place left; -1: none did.
    """

    ticket: int
    sender: str
    complete: bool
    nodes: list[tuple[int, int]]
    rows: list[int]
    data: bytes
    buffers: bytes
    buffers_place: int


class Share(msgspec.Struct, frozen=True):
    """Shown, for all followers at once. term: whose."""

    term: str
    shown: Shown


M = TypeVar("M", Up, Down, Partial, Share)


def pack(message: Up | Down | Partial | Share) -> bytes:
    return msgspec.msgpack.encode(message)


def unpack(data: bytes, kind: type[M]) -> M:
    """Raises FormatError for anything else."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise FormatError(f"not a {kind.__name__} of a coordinator of this version: {error!s:.300}") from None
