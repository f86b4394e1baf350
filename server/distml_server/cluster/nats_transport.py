"""The Transport over NATS: core subjects for messages; two key-value buckets, of leases that end by themselves and of what stays.

A lease is a key of a bucket whose values live LEASE_S: that is how old a value can get, for servers of 2.9 know no time of
life of a single key. It is taken and kept by compare-and-set on the key's revision.
"""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import TypeVar

from nats.aio.msg import Msg
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from .servers import ANSWER_S, NAME, PASSING, Client, Cutter, Joiner, bucket, connect, is_conflict
from .transport import LEASE_S, Entry, Stop, Take, Unreachable

T = TypeVar("T")
LET_GO_TRIES = 3


class NatsTransport:
    """Two connections: a lease must not wait for megabytes. Subjects and names begin with the cluster's name by themselves."""

    def __init__(self, client: Client, keeper: Client, leases: KeyValue, values: KeyValue, name: str) -> None:
        self._client, self._keeper, self._leases, self._values, self._name = client, keeper, leases, values, name
        self._cutter = Cutter()

    @classmethod
    async def open(cls, servers: list[str], name: str = NAME) -> "NatsTransport":
        """Raises ClusterError when there is no server, or none with JetStream."""
        client, keeper = await connect(servers), await connect(servers)
        stream = keeper.jetstream(timeout=ANSWER_S)
        leases = await bucket(keeper, stream, f"{name}_leases", ttl=LEASE_S)
        return cls(client, keeper, leases, await bucket(keeper, stream, f"{name}_values"), name)

    async def publish(self, subject: str, data: bytes) -> None:
        try:
            for chunk in self._cutter.cut(data):
                await self._client.publish(f"{self._name}.{subject}", chunk)
        except PASSING as error:
            raise Unreachable(f"NATS does not take a message: {error}") from None

    async def subscribe(self, subject: str, take: Take) -> Stop:
        joiner = Joiner()

        async def taken(message: Msg) -> None:
            data = joiner.put(message.data)
            if data is not None:
                take(data)

        subscription = await _asked(self._client.subscribe(f"{self._name}.{subject}", cb=taken))
        await _asked(self._client.flush())  # what is published from now on comes here

        async def stop() -> None:
            await _asked(subscription.unsubscribe())

        return stop

    async def hold(self, name: str, value: bytes, revision: int = 0) -> int | None:
        return await self._change(self._leases, name, value, revision)

    async def holder(self, name: str) -> Entry | None:
        return await self._read(self._leases, name)

    async def let_go(self, name: str, value: bytes) -> None:
        for _ in range(LET_GO_TRIES):  # a hold() that was still on its way may come in between
            try:
                found = await self.holder(name)
                if found is None or found.value != value:
                    return
                await asyncio.wait_for(self._leases.delete(name, last=found.revision), ANSWER_S)
            except PASSING as error:
                if not is_conflict(error):
                    return  # it ends by itself

    async def put(self, name: str, value: bytes, revision: int = 0) -> int | None:
        return await self._change(self._values, name, value, revision)

    async def get(self, name: str) -> Entry | None:
        return await self._read(self._values, name)

    async def close(self) -> None:
        for client in (self._client, self._keeper):
            with contextlib.suppress(*PASSING):
                await asyncio.wait_for(client.close(), ANSWER_S)

    async def _change(self, values: KeyValue, name: str, value: bytes, revision: int) -> int | None:
        """Where the answer was lost, what is there tells whether the change was made."""
        try:
            changed = values.update(name, value, last=revision) if revision else values.create(name, value)
            return await asyncio.wait_for(changed, ANSWER_S)
        except PASSING as error:
            if is_conflict(error):
                return None
            found = await self._read(values, name)
            if found is not None and found.value == value and found.revision > revision:
                return found.revision
            raise Unreachable(f"NATS does not answer: {error}") from None

    async def _read(self, values: KeyValue, name: str) -> Entry | None:
        try:
            found = await asyncio.wait_for(values.get(name), ANSWER_S)
        except KeyNotFoundError:
            return None
        except PASSING as error:
            raise Unreachable(f"NATS does not answer: {error}") from None
        return Entry(found.value or b"", found.revision or 0)


async def _asked(asked: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(asked, ANSWER_S)
    except PASSING as error:
        raise Unreachable(f"NATS does not answer: {error}") from None
