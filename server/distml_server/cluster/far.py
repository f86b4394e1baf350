"""A worker whose socket ends at another coordinator, as the leader's Coordinator sees it: a Connection without a socket."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from distml_py import wire

from ..aggregate import Taken
from ..sockets import NEVER, Connection, Content, Traffic
from . import messages as m

RESTART = 1012


@dataclass(frozen=True)
class Elsewhere(Taken):
    """A gradient that counts and waits at the follower `place` under `key`. norm: its length."""

    place: str = ""
    key: int = 0
    norm: float = 0.0


class Far(Connection):
    """tell: says something to the follower. deliver: sees that these weights come there, too, and gives their hash."""

    def __init__(self, who: int, place: str, tell: Callable[[m.DownThing], None], deliver: Callable[[int], str]) -> None:
        super().__init__(cast(Any, None), None, Traffic())  # what would use a socket is replaced below
        self.who, self.place, self._tell, self._deliver = who, place, tell, deliver
        self.gone = False

    def send(self, kind: type, frame: Content, version: int = -1) -> None:
        if self.gone or kind is wire.Status:
            return  # the status goes to all at once
        if kind is wire.Weights:
            self._tell(m.Deliver(self.who, version, self._deliver(version)))
        elif isinstance(frame, str):
            self._tell(m.Say(self.who, kind.__name__.lower(), version, frame))
        elif isinstance(frame, bytes):
            self._tell(m.Hand(self.who, kind.__name__.lower(), frame))

    def say(self, message: wire.FromCoordinator) -> None:
        version = NEVER if getattr(message, "newest", False) else getattr(message, "version", -1)
        self.send(type(message), str(wire.encode(message)), version)

    def close(self, code: int, reason: str) -> None:
        """A leader that ends is followed by another one: then nobody else's tabs need to know."""
        if not self.gone and code != RESTART:
            self._tell(m.Shut(self.who, code, reason))
        self.gone = True

    def abort(self) -> None:
        self.close(1008, "")
