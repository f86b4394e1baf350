"""Who may come in beside those who hold the right link: the host can lock joining and send a tab away. No sockets."""

from collections.abc import Callable, Iterable
from typing import Any

from distml_py import wire

MOST_REMEMBERED = 10_000


class Door:
    """Sessions are "role text", as the coordinator keeps them, "" of who has none, whom nobody can know again.

    A locked door lets those back in who were here before. Owners are addresses of strangers, "" of everybody else: a session is
    what a tab says it is, so where one of a stranger's was sent away, only those that were there beside it may come from.

    on_ban: told when somebody was sent away.
    """

    def __init__(self) -> None:
        self.on_ban: Callable[[], None] = lambda: None
        self.locked = False
        self._known: dict[str, None] = {}
        self._banned: dict[str, None] = {}
        self._shut: dict[str, frozenset[str]] = {}  # owner -> its sessions that may come back

    def refusal(self, session: str, role: str, owner: str = "") -> wire.Rejected | None:
        """Why this session may not come in; None, and it is remembered, when it may. The host always may."""
        if role != "host" and session and session in self._banned:
            return wire.Rejected("kicked", "the host removed this tab from the run")
        if role != "host" and session not in self._shut.get(owner, (session,)):
            return wire.Rejected("kicked", "the host removed a tab of this address from the run: no other one is let in from there")
        if role != "host" and self.locked and session not in self._known:
            return wire.Rejected("locked", "the host lets nobody else join now; ask the host to unlock joining, then reload")
        if session:
            _remember(self._known, session, None)
        return None

    @property
    def banned(self) -> list[str]:
        """Sessions that were sent away, the last one last."""
        return [*self._banned]

    @property
    def known(self) -> list[str]:
        """Sessions that were here, the newest last: they may come in when the door is locked."""
        return [*self._known]

    def ban(self, sessions: Iterable[str]) -> None:
        for session in sessions:
            _remember(self._banned, session, None)
        self.on_ban()

    @property
    def shut(self) -> dict[str, list[str]]:
        """Owners that somebody was sent away from, the last one last, and which of their sessions may come back."""
        return {owner: sorted(sessions) for owner, sessions in self._shut.items()}

    def close_to(self, owner: str, beside: Iterable[str]) -> None:
        """One of this owner's was sent away; those beside it were here then, and may stay and come back."""
        if owner:
            stay = frozenset(session for session in beside if session)
            _remember(self._shut, owner, stay & self._shut.get(owner, stay))
            self.on_ban()

    def recognise(self, sessions: Iterable[str]) -> None:
        """They were here before, as another coordinator tells."""
        for session in sessions:
            _remember(self._known, session, None)


def _remember(known: dict[str, Any], name: str, what: Any) -> None:
    known[name] = what
    while len(known) > MOST_REMEMBERED:
        del known[next(iter(known))]
