"""Who may come in beside those who hold the right link: the host can lock joining and send a tab away. No sockets."""

from collections.abc import Callable, Iterable

from distml_py import wire

MOST_REMEMBERED = 10_000


class Door:
    """Sessions are "role text", as the coordinator keeps them, "" of who has none, whom nobody can know again.

    A locked door lets those back in who were here before.

    on_ban: told when somebody was sent away.
    """

    def __init__(self) -> None:
        self.on_ban: Callable[[], None] = lambda: None
        self.locked = False
        self._known: dict[str, None] = {}
        self._banned: dict[str, None] = {}

    def refusal(self, session: str, role: str) -> wire.Rejected | None:
        """Why this session may not come in; None, and it is remembered, when it may. The host always may."""
        if role != "host" and session and session in self._banned:
            return wire.Rejected("kicked", "the host removed this tab from the run")
        if role != "host" and self.locked and session not in self._known:
            return wire.Rejected("locked", "the host lets nobody else join now; ask the host to unlock joining, then reload")
        if session:
            _remember(self._known, session)
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
            _remember(self._banned, session)
        self.on_ban()

    def recognise(self, sessions: Iterable[str]) -> None:
        """They were here before, as another coordinator tells."""
        for session in sessions:
            _remember(self._known, session)


def _remember(sessions: dict[str, None], session: str) -> None:
    sessions[session] = None
    while len(sessions) > MOST_REMEMBERED:
        del sessions[next(iter(sessions))]
