"""One connection: hello in time, size and rate limits, a bounded outbox with a send deadline. Frames mean nothing here."""

import asyncio
import contextlib
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import WSMessage, WSMsgType, web

from distml_py import wire
from distml_py.errors import DistmlError, FormatError

from . import arrivals, decoding
from .access import tokenless
from .addresses import owner_of
from .effects import Reject

HELLO_S = 5.0
SEND_S = 10.0
FLOODED_S = 1.0  # so long a close frame has to be read by who sends too much
HEARTBEAT_S = 20.0
WATCH_S = 5.0
MOST_WAITING = 256
MOST_BAD = 3
MOST_FORBIDDEN = 2
CONTROL_PER_S, CONTROL_BURST = 20.0, 60.0
REFUSED, FORBIDDEN, REPLACED = 4401, 4403, 4409
THREAD_BYTES = 1 << 20  # a frame of so many is decoded and checked outside the event loop; below, going there costs more
AT_ONCE_BYTES = 16 * 1024  # a frame below that is handed over whole where no other waits; far below what asyncio's transports hold
TEXT, BINARY = WSMsgType.TEXT.value, WSMsgType.BINARY.value
FREE_OF_CHARGE = (wire.Gradient, wire.Evaluation, wire.Checkpoint)  # each answers something that was asked for


@dataclass(frozen=True)
class Inspected:
    """A decoded frame. opened: of a gradient, its checked numbers, and their sketch; error: why there are none."""

    frame: wire.Frame
    opened: Any = None
    error: DistmlError | None = None
    sketch: Any = None


def inspected(frame: wire.Frame, model: Any, sketcher: Any) -> Inspected:
    """A decoded frame and, of a gradient for this model, its numbers, checked; sketcher: None where there are no audits."""
    if model is None or not isinstance(frame.message, wire.Gradient):
        return Inspected(frame)
    try:
        opened = model.open(frame.tensors, frame.message.shard)
        return Inspected(frame, opened, sketch=sketcher.of(opened.vector) if sketcher else None)
    except DistmlError as error:
        return Inspected(frame, error=error)


@dataclass
class Traffic:
    """Bytes of all frames so far, of connections that are gone as well."""

    received: int = 0
    sent: int = 0


class Coordinator(Protocol):
    """What a connection needs of the coordinator. inspect() may be called from any thread; it raises FormatError."""

    traffic: Traffic

    def welcome(self, connection: "Connection", hello: wire.Hello, origin: str | None) -> wire.Rejected | None: ...

    def inspect(self, data: bytes | str) -> Inspected: ...

    def receive(self, connection: "Connection", inspected: Inspected) -> Reject | None: ...

    def damaged(self, connection: "Connection", detail: str) -> None: ...

    def largest_frame(self, role: str) -> int: ...

    def leave(self, connection: "Connection") -> None: ...


Content = bytes | str | Callable[[], Sequence[bytes]]
NEVER = 1 << 62  # work that no newer weights make void


class Connection:
    """A worker's socket. send() never waits: a peer that does not read loses superseded frames, then the connection."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, traffic: Traffic) -> None:
        self.id = ""
        self.role = ""
        self.token = self.address = ""  # address: whose it is
        self.here = True  # see access.tokenless
        self.place = ""  # the coordinator that it ends at, when there are several
        self._socket, self._transport, self._traffic = socket, transport, traffic
        self._outbox: deque[tuple[type, int, Content]] = deque()  # message type, weights version, frame or what makes it
        self._wake = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._bad = self._forbidden = 0
        self._tokens, self._filled_s = CONTROL_BURST, time.monotonic()
        self._received = arrivals.Received.of(transport)
        self._watch: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ out

    def send(self, kind: type, frame: "Content", version: int = -1) -> None:
        """Queues a frame of this message type; version: of weights, and of the work to be done with them.

        frame: or a function that is asked for frames when it is their turn, so that a slow reader gets the newest.
        """
        if self._closing is not None:
            return
        if kind is wire.Status:
            self._outbox = deque(item for item in self._outbox if item[0] is not wire.Status)
        if kind is wire.Weights:
            self._drop_superseded(version)
        self._outbox.append((kind, version, frame))
        if len(self._outbox) > MOST_WAITING:
            self.abort()
        self._wake.set()

    def _drop_superseded(self, newer: int) -> None:
        """Unsent leases on older weights would be answered `stale`; older weights are needed for evaluations alone."""
        evaluated = {version for kind, version, _ in self._outbox if kind is wire.Evaluate}
        self._outbox = deque(
            (kind, version, frame)
            for kind, version, frame in self._outbox
            if version >= newer or not (kind is wire.Lease or kind is wire.Weights and version not in evaluated)
        )

    def say(self, message: wire.FromCoordinator) -> None:
        version = NEVER if getattr(message, "newest", False) else getattr(message, "version", -1)
        self.send(type(message), wire.encode(message), version)

    def close(self, code: int, reason: str) -> None:
        """Closes after what is queued has been sent."""
        self._closing = self._closing or (code, reason)
        self._wake.set()

    def abort(self) -> None:
        """Cuts the connection without a word: the peer does not read, so a close frame would wait as well."""
        if self._transport is not None:
            self._transport.abort()

    async def write(self) -> None:
        """Sends what is queued until the connection closes."""
        try:
            while self._closing is None or self._outbox:
                await self._wake.wait()
                self._wake.clear()
                while self._outbox:
                    if self._send_small():
                        continue
                    _, _, content = self._outbox.popleft()
                    for frame in content() if callable(content) else (content,):
                        await self._send(frame)
            code, reason = self._closing
            await asyncio.wait_for(self._socket.close(code=code, message=reason.encode()[:120]), SEND_S)
        except TimeoutError:
            self.abort()
        except (ConnectionError, RuntimeError):
            pass  # it closed on us; the reader notices as well

    def _send_small(self) -> bool:
        """Sends what is at the outbox's beginning and small in one piece, where no other waits: weights and the lease on them.

        Each send would be a call into the system, which takes longer than all that is done for it here. Whether it sent any.
        """
        transport = self._transport
        if transport is None or self._socket.closed or transport.is_closing() or transport.get_write_buffer_size():
            return False
        pieces: list[bytes] = []
        size = 0
        while self._outbox and size < AT_ONCE_BYTES:
            _, _, content = self._outbox[0]
            frames = content() if callable(content) else (content,)
            if sum(map(len, frames)) >= AT_ONCE_BYTES:
                if callable(content):  # they were asked for, so this is their turn
                    self._outbox[0] = (*self._outbox[0][:2], lambda frames=frames: frames)  # type: ignore[misc]
                break
            self._outbox.popleft()
            for frame in frames:
                data = frame.encode() if isinstance(frame, str) else frame
                pieces += (_head(TEXT if isinstance(frame, str) else BINARY, len(data)), data)
                size += len(data)
                self._traffic.sent += len(frame)
        if pieces:
            transport.write(b"".join(pieces))
        return bool(pieces)

    async def _send(self, frame: bytes | str) -> None:
        """One frame. A timer and not wait_for, which takes as long as sending a small one; none where nothing can be waited for."""
        self._traffic.sent += len(frame)
        sending = self._socket.send_str(frame) if isinstance(frame, str) else self._socket.send_bytes(frame)
        if len(frame) < AT_ONCE_BYTES and self._transport is not None and not self._transport.get_write_buffer_size():
            await sending
            return
        timer = asyncio.get_running_loop().call_later(SEND_S, self.abort)
        try:
            await sending
        finally:
            timer.cancel()

    # ------------------------------------------------------------ in

    async def read(self, coordinator: Coordinator, origin: str | None) -> None:
        """Handles frames until the connection closes. Nothing a peer sends raises out of here."""
        self._received.most, self._received.on_flood = lambda: decoding.TEXT_BYTES, self._flooded
        if not await self._hello(coordinator, origin):
            return
        self._received.most = lambda: max(decoding.TEXT_BYTES, coordinator.largest_frame(self.role))
        self._watch_frames()
        try:
            while self._closing is None:
                received = await self._receive()
                if received.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    return
                await self._handle(coordinator, received.data)
        finally:
            if self._watch is not None:
                self._watch.cancel()

    async def _receive(self) -> WSMessage:
        """The next frame that is no ping or pong; those are whole frames, too, for whoever watches the time."""
        while True:
            received = await self._socket.receive()
            if received.type is WSMsgType.PING or received.type is WSMsgType.PONG:
                self._received.whole(len(received.data))
            else:
                self._received.whole()
            if received.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await self._socket.pong(received.data)
            elif received.type is not WSMsgType.PONG:
                return received

    def _watch_frames(self) -> None:
        """Who sends a byte now and then keeps aiohttp's heartbeat quiet and a frame's place for good: its time is measured."""
        if self._received.crawls(time.monotonic()):
            self.close(1008, f"a frame of less than {arrivals.LEAST_BYTES_PER_S} bytes a second for {arrivals.RECEIVE_S:g} s")
            self.abort()
        self._watch = asyncio.get_running_loop().call_later(WATCH_S, self._watch_frames)

    def _flooded(self) -> None:
        """More came than a frame may have: nothing of it is kept, and the rest is not waited for."""
        self.close(1009, f"a frame has at most {self._received.most()} bytes here")
        asyncio.get_running_loop().call_later(FLOODED_S, self.abort)

    async def _hello(self, coordinator: Coordinator, origin: str | None) -> bool:
        try:
            received = await asyncio.wait_for(self._receive(), HELLO_S)
        except TimeoutError:
            self.close(1008, f"no hello within {HELLO_S:g} s")
            return False
        if received.type is not WSMsgType.TEXT:
            self.close(1008, "the first frame is a hello")
            return False
        if len(received.data) > decoding.TEXT_BYTES:
            self.close(1009, f"a hello has at most {decoding.TEXT_BYTES} bytes, got {len(received.data)}")
            return False
        spoken = wire.protocol_of(received.data)
        if spoken is not None and wire.agree(*spoken) is None:  # before anything else of another version is read
            detail = f"this page speaks protocol {spoken[0]}, the coordinator {wire.PROTOCOL}: reload the page"
            self.say(wire.Rejected("protocol", detail))
            self.close(FORBIDDEN, detail)
            return False
        try:
            hello = decoding.decode(received.data).message
        except FormatError as error:
            self.say(wire.Rejected("format", str(error)))
            self.close(1007, "the first frame is a hello")
            return False
        if not isinstance(hello, wire.Hello):
            self.close(1008, "the first frame is a hello")
            return False
        self.token = hello.token
        refusal = coordinator.welcome(self, hello, origin)
        if refusal is not None:
            self.say(refusal)
            self.close(REFUSED if refusal.reason == "token" else FORBIDDEN, refusal.detail)
        return refusal is None

    async def _handle(self, coordinator: Coordinator, data: bytes | str) -> None:
        self._traffic.received += len(data)
        most = decoding.TEXT_BYTES if isinstance(data, str) else coordinator.largest_frame(self.role)
        if len(data) > most:
            self.close(1009, f"a frame has at most {most} bytes here, got {len(data)}")
            return
        try:
            small = len(data) < THREAD_BYTES
            inspected = coordinator.inspect(data) if small else await asyncio.to_thread(coordinator.inspect, data)
        except FormatError as error:
            coordinator.damaged(self, str(error)[:500])
            self._strike(1007)
            return
        if not isinstance(inspected.frame.message, FREE_OF_CHARGE) and not self._afford():
            return
        refusal = coordinator.receive(self, inspected)
        if refusal is not None:
            self.judge(refusal)

    def judge(self, refusal: Reject) -> None:
        """What it costs to have been refused."""
        if refusal.reason == "forbidden":
            self._forbidden += 1
            if self._forbidden >= MOST_FORBIDDEN:
                self.close(FORBIDDEN, refusal.detail)
        elif refusal.bad:
            self._strike(1008)
        self._afford()

    def _strike(self, code: int) -> None:
        self._bad += 1
        if self._bad >= MOST_BAD:
            self.close(code, f"{MOST_BAD} messages that no correct worker sends")

    def _afford(self) -> bool:
        """A token bucket: 20 control messages or refused answers a second, 60 at once."""
        now = time.monotonic()
        self._tokens = min(CONTROL_BURST, self._tokens + (now - self._filled_s) * CONTROL_PER_S)
        self._filled_s = now
        self._tokens -= 1
        if self._tokens < 0:
            self.close(1008, f"more than {CONTROL_PER_S:g} control messages a second")
        return self._tokens >= 0


def _head(opcode: int, length: int) -> bytes:
    """Of a whole, unmasked message shorter than 64 KiB (RFC 6455, 5.2)."""
    return bytes((0x80 | opcode, length)) if length < 126 else struct.pack(">BBH", 0x80 | opcode, 126, length)


async def serve(
    request: web.Request, coordinator: Coordinator, connections: set[Connection], largest_bytes: int
) -> web.WebSocketResponse:
    """Runs one connection from handshake to end. The Host and Origin of the request were checked before."""
    # every limit is explicit: aiohttp's own are 4 MiB, no heartbeat, and compression on
    socket = web.WebSocketResponse(max_msg_size=largest_bytes, heartbeat=HEARTBEAT_S, compress=False, autoping=False)
    await socket.prepare(request)
    transport = request.transport
    connection = Connection(socket, transport if isinstance(transport, asyncio.Transport) else None, coordinator.traffic)
    connection.address, connection.here = owner_of(request.remote), tokenless(request.host)
    connections.add(connection)
    writer = asyncio.create_task(connection.write())
    try:
        await connection.read(coordinator, request.headers.get("Origin"))
    finally:
        connections.discard(connection)
        coordinator.leave(connection)
        connection.close(1000, "")
        await asyncio.wait([writer], timeout=SEND_S)
        writer.cancel()
    return socket
