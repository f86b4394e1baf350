"""Connections to NATS: which servers, what is a passing failure, and how a message larger than NATS takes is cut. Imports nats."""

import asyncio
import itertools
import re
import secrets
import struct
from collections.abc import Callable
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig
from nats.js.errors import APIError, KeyWrongLastSequenceError, NoStreamResponseError, NotFoundError, ServiceUnavailableError
from nats.js.kv import KeyValue

from .transport import ClusterError

CONNECT_S = 10.0
ANSWER_S = 3.0  # then it is asked again
AGAIN_S = 0.2
SETTLE_S = 30.0  # a cluster of servers that just started has to choose its own leaders first
PENDING_BYTES = 256 << 20
CHUNK_BYTES = 512 << 10
MOST_PARTIAL = 64  # messages that are being put together at once
NAME = "distml"
WRONG_SEQUENCE = (10071, 10164)

PASSING = (NoStreamResponseError, ServiceUnavailableError, NatsError, OSError, asyncio.TimeoutError)


def addresses(text: str) -> list[str]:
    """The servers of --cluster nats://HOST:PORT[,...]. Raises ClusterError."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    for address in found:
        if not re.fullmatch(r"(nats|tls)://([^\s/@,]+@)?[^\s/@,]+", address):
            raise ClusterError(f"--cluster takes nats://HOST:PORT, several with commas between them, got {address!r:.80}")
    if not found:
        raise ClusterError("--cluster names no server: it takes nats://HOST:PORT, several with commas between them")
    return found


def shown(servers: list[str]) -> str:
    """The servers for people: without what lets somebody in."""
    return ",".join(re.sub(r"//[^/@]*@", "//", server) for server in servers)


async def connect(servers: list[str], **how: Any) -> Client:
    """A connection that comes back by itself, to whichever server is there. Raises ClusterError when none answers at first."""

    refusals: list[str] = []

    async def note(error: Exception) -> None:
        """What fails is said by who needed it; but a server that wants a password hangs up, as one that is not there."""
        if not refusals and "authorization" in str(error).lower():
            refusals.append(str(error))

    client = Client()
    options: dict[str, Any] = {
        "reconnect_time_wait": AGAIN_S, "max_reconnect_attempts": -1, "ping_interval": 2, "max_outstanding_pings": 2,
    }  # fmt: skip
    asked = client.connect(
        servers=servers, connect_timeout=2, error_cb=note, pending_size=PENDING_BYTES, name=NAME, **options, **how
    )
    try:
        await asyncio.wait_for(asked, CONNECT_S)
    except (TimeoutError, OSError, NatsError) as error:
        if refusals:
            words = f"the NATS server at {shown(servers)} lets nobody in like this ({refusals[0]})"
            raise ClusterError(f"{words}: give it its password, nats://USER:PASSWORD@HOST:PORT") from None
        raise ClusterError(
            f"no NATS server answers at {shown(servers)} ({type(error).__name__}): start one with `nats-server -js`"
        ) from None
    if not client._server_info.get("jetstream"):
        await client.close()
        raise ClusterError(f"the NATS server at {shown(servers)} has no JetStream: start it with `nats-server -js`")
    return client


async def settled(make: Callable[[], Any], what: str) -> Any:
    """What `make` gives once the servers can; they may still be choosing who of them leads. Raises ClusterError."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    while True:
        try:
            return await make()
        except PASSING as error:
            if asyncio.get_running_loop().time() > deadline or isinstance(error, APIError) and error.code == 400:
                raise ClusterError(f"NATS does not give {what}: {error}; is JetStream on (`nats-server -js`)?") from None
        await asyncio.sleep(AGAIN_S)


def replicas(client: Client) -> int:
    """Of all that is stored: three, where there are as many servers, so that one of them may be lost."""
    return 3 if len({server.uri.netloc.rpartition("@")[2] for server in client._server_pool}) >= 3 else 1


async def bucket(client: Client, stream: JetStreamContext, name: str, **how: Any) -> KeyValue:
    """The key-value bucket of this name; made when there is none."""

    async def make() -> KeyValue:
        try:
            return await stream.key_value(name)
        except NotFoundError:
            return await stream.create_key_value(KeyValueConfig(name, history=1, replicas=replicas(client), direct=False, **how))

    found: KeyValue = await settled(make, f"a bucket {name}")
    return found


def is_conflict(error: Exception) -> bool:
    """Whether a change was refused because somebody else's came first."""
    return isinstance(error, KeyWrongLastSequenceError) or isinstance(error, APIError) and error.err_code in WRONG_SEQUENCE


_HEAD = struct.Struct("<8sIII")  # who cut it, which message, which chunk, of how many


class Cutter:
    """Messages of any size -> chunks that NATS takes."""

    def __init__(self) -> None:
        self._mark, self._count = secrets.token_bytes(8), itertools.count()

    def cut(self, data: bytes) -> list[bytes]:
        number, view = next(self._count) & 0xFFFFFFFF, memoryview(data)
        parts = range(0, max(len(data), 1), CHUNK_BYTES)
        return [
            b"".join((_HEAD.pack(self._mark, number, place, len(parts)), view[begin : begin + CHUNK_BYTES]))
            for place, begin in enumerate(parts)
        ]


class Joiner:
    """Chunks -> messages, whole or not at all."""

    def __init__(self) -> None:
        self._open: dict[tuple[bytes, int], list[bytes]] = {}

    def put(self, chunk: bytes) -> bytes | None:
        """The message that this chunk completes. Chunks of one message come in order; one that is missing loses it."""
        if len(chunk) < _HEAD.size:
            return None
        mark, number, place, count = _HEAD.unpack_from(chunk)
        if count == 1:
            return chunk[_HEAD.size :]
        if place == 0:
            self._open[mark, number] = []
            while len(self._open) > MOST_PARTIAL:
                del self._open[next(iter(self._open))]
        parts = self._open.get((mark, number))
        if parts is None or len(parts) != place:
            self._open.pop((mark, number), None)
            return None
        parts.append(chunk[_HEAD.size :])
        return b"".join(self._open.pop((mark, number))) if len(parts) == count else None
