"""One coordinator's time of leading: the lease that says so. Who has it decides; that it is lost the store says first."""

import asyncio
import contextlib
import secrets

from .transport import BEAT_S, Transport, Unreachable

LEADER = "leader"


class Term:
    """name: no other time of leading has it, of this coordinator or another one."""

    def __init__(self, transport: Transport, name: str, revision: int) -> None:
        self.name, self._transport, self._revision = name, transport, revision

    @classmethod
    async def begin(cls, transport: Transport, coordinator: str) -> "Term | None":
        """None when somebody else was first."""
        name = f"{coordinator}-{secrets.token_hex(3)}"
        revision = await transport.hold(LEADER, name.encode())
        return cls(transport, name, revision) if revision is not None else None

    @property
    def mark(self) -> str:
        """What makes names of this time other names."""
        return f"-{self.name.rpartition('-')[2]}"

    async def hold(self) -> bool:
        """Keeps the lease; whether it is still this one's. Where an answer was lost what is there tells. Raises Unreachable."""
        value = self.name.encode()
        revision = await self._transport.hold(LEADER, value, self._revision)
        if revision is None:
            found = await self._transport.holder(LEADER)
            revision = found.revision if found is not None and found.value == value else None
        self._revision = revision or self._revision
        return revision is not None

    async def keep(self) -> None:
        """Holds it again and again, until it is lost."""
        while True:
            with contextlib.suppress(Unreachable):
                if not await self.hold():
                    return
            await asyncio.sleep(BEAT_S)

    async def end(self) -> None:
        """Somebody else may lead at once."""
        await self._transport.let_go(LEADER, self.name.encode())
