"""The join links of a cluster: each coordinator lets in who holds one that any of them made, or that `distml invite` made."""

import json
from dataclasses import asdict

from .. import invites
from ..access import Access
from ..invites import Invite
from .transport import Entry, Transport

NAME = "access"
TRIES = 5


class Links:
    """Keeps access.json of this coordinator and the value that all have in common the same."""

    def __init__(self, transport: Transport, access: Access) -> None:
        self._transport, self._access = transport, access
        self._known: list[Invite] | None = None
        self._revision = 0

    async def agree(self) -> None:
        """Takes over what has changed there, else tells there what has changed here. Of two changes at once the first counts,
        and whoever made the other one has the first one's when this returns: links that are printed now must be good.
        """
        for _ in range(TRIES):
            found = await self._transport.get(NAME)
            if found is not None and found.revision != self._revision:
                self._take(found)
                return
            self._access.refresh()
            if self._access.invites == self._known:
                return
            changed = await self._transport.put(NAME, _packed(self._access.invites), self._revision)
            if changed is not None:
                self._known, self._revision = list(self._access.invites), changed
                return

    def _take(self, found: Entry) -> None:
        self._known = invites.unpacked(found.value)
        self._revision = found.revision
        self._access.invites = list(self._known)
        if self._access.path is not None:
            invites.write(self._access.path, self._known)
            self._access.refresh()


def _packed(found: list[Invite]) -> bytes:
    return json.dumps({"invites": [asdict(invite) for invite in found]}).encode()
