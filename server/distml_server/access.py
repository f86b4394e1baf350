"""Who may do what: tokens and roles, and which Origin and Host a request may carry. No sockets, no protocol."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from distml_py.errors import DistmlError

from . import invites as links
from .addresses import LOOPBACK_NAMES, is_address
from .invites import Invite
from .spoken import Spoken


class AccessError(DistmlError, ValueError):
    """A rule that cannot be kept."""


@dataclass
class Access:
    """The rules of one coordinator. Tokens are 128 random bits; repr never shows them. run: the one that there is now."""

    lan: bool
    allowed_hosts: tuple[str, ...] = ()
    embed: tuple[str, ...] = field(default=(), kw_only=True)  # origins whose pages may show this one
    invites: list[Invite] = field(default_factory=lambda: [Invite("host"), Invite("worker")], repr=False)
    path: Path | None = field(default=None, kw_only=True)  # where `distml invite` changes them
    spoken: Spoken | None = field(default=None, kw_only=True, compare=False)
    run: str | None = field(default=None, kw_only=True, compare=False)
    _read_ns: int = field(default=0, kw_only=True, compare=False, repr=False)

    @property
    def host_token(self) -> str:
        return self._first("host")

    @property
    def worker_token(self) -> str:
        """Of the join link; "" when it was taken back and no other was made."""
        return self._first("worker")

    def _first(self, role: str) -> str:
        return next((invite.token for invite in self.invites if invite.role == role), "")

    def refresh(self) -> None:
        """Reads again what `distml invite` has changed. A damaged file changes nothing."""
        try:
            changed_ns = self.path.stat().st_mtime_ns if self.path is not None else self._read_ns
        except OSError:
            return
        if self.path is not None and changed_ns != self._read_ns:
            self.invites = links.read(self.path) or self.invites
            self._read_ns = changed_ns

    def role_of_token(self, token: str) -> str | None:
        """ "host", "worker" or "viewer"; None for a wrong token, or one that has ended or is for another run."""
        return links.role_of(self.invites, token, self.run)

    def role(self, token: str, wanted: str, origin: str | None, here: bool = True) -> str | None:
        """The role of a connection whose Origin was checked; None: refused.

        Without --lan a page on this machine needs no token and is the host; a program without a token is a worker.
        here: what tokenless() says of the name it called this machine by.
        wanted "worker" or "viewer" gives up what a token would allow.
        """
        if token:
            allowed = self.role_of_token(token)
        elif self.lan or not here:
            allowed = None
        else:
            # a page that embeds this one is another's: it needs a token, as other machines do
            allowed = "host" if origin is not None and not self.embeds(origin) else "worker"
        steps_back = wanted == "viewer" or wanted == "worker" and allowed == "host"
        return wanted if allowed is not None and steps_back else allowed

    def may_read(self, authorization: str, peer: str | None = None, host: str = "localhost") -> bool:
        """Whether a request without a socket may see the status: from this machine always, else with `Bearer <token>`.

        From this machine: the peer's address and the Host header both say so; behind a proxy only the first does.
        """
        local = (not self.lan or peer in LOOPBACK_NAMES) and called_here(host)
        return local or self.role_of_token(authorization.removeprefix("Bearer ")) is not None

    def holds_link(self, authorization: str) -> bool:
        """Whether a request has a token that lets others in. Needed also on this machine: recipes run here that must not see it."""
        return self.role_of_token(authorization.removeprefix("Bearer ")) in ("host", "worker")

    def host_allowed(self, host: str) -> bool:
        """Whether the Host header names this coordinator. A foreign name could be an attacker's that points here."""
        name = host_name(host)
        if name is None:
            return False
        if name in LOOPBACK_NAMES or name in self.allowed_hosts:
            return True
        # an address cannot be rebound to another one
        return self.lan and (is_address(name) or name == socket.gethostname().lower())

    def origin_allowed(self, origin: str | None, host: str) -> bool:
        """Whether a browser page of this origin may open a socket: only one that this very coordinator served."""
        if origin is None:
            return True  # not a browser
        parts = urlsplit(origin)
        return self.embeds(origin) or parts.scheme in ("http", "https") and origin == f"{parts.scheme}://{host}"

    def embeds(self, page: str | None) -> bool:
        """Whether a page of this address may show this coordinator's in itself (--embed)."""
        parts = urlsplit(page or "")
        return f"{parts.scheme}://{parts.netloc}" in self.embed


def host_name(host: str) -> str | None:
    """The lower-case name in a Host header, without port and brackets; None when it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.username is not None or parts.path or parts.query or parts.fragment or not parts.hostname:
        return None
    return parts.hostname.lower()


def called_here(host: str) -> bool:
    """Whether the Host header is a name that means this machine on each machine: nobody else can have used it."""
    return host_name(host) in LOOPBACK_NAMES


def is_v6(host: str) -> bool:
    """Whether the Host header is an IPv6 address, which no source in a browser's policy can be."""
    return ":" in (host_name(host) or "")


def tokenless(host: str) -> bool:
    """Whether who used this Host header may do without a token: only this machine does, no proxy passed it on.

    By an IPv6 address nobody may: there a page's policy cannot keep a recipe's Python from opening a socket of its own.
    """
    return called_here(host) and not is_v6(host)


def origin_of(text: str) -> str:
    """An origin as browsers write it. Raises AccessError for what is none."""
    try:
        parts = urlsplit(text)
        plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
        known = parts.scheme in ("http", "https") and host_name(parts.netloc) is not None
    except ValueError:
        plain = known = False
    if not plain or not known or any(sign in text for sign in " ;,*'\""):
        raise AccessError(f"--embed takes an origin such as https://school.example, got {text!r}")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def load(
    path: Path, lan: bool, allowed_hosts: Sequence[str], keep: bool, embed: Sequence[str] = (), hours: float | None = None
) -> Access:
    """The rules with fresh tokens, or, to `keep` the links of a coordinator that is started again, with stored ones.

    hours: how long the join link is good; None: as long as the coordinator. A damaged file: new links are better than none.
    """
    hosts, origins = tuple(host.lower() for host in allowed_hosts), tuple(map(origin_of, embed))
    found = (links.read(path) if keep else None) or links.made([Invite("host")], "worker", hours)
    links.write(path, found)
    return Access(lan, hosts, found, embed=origins, path=path, _read_ns=path.stat().st_mtime_ns)
