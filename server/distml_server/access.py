"""Who may do what: tokens and roles, and which Origin and Host a request may carry. No sockets, no protocol."""

import hmac
import ipaddress
import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from distml_py.errors import DistmlError


class AccessError(DistmlError, ValueError):
    """A rule that cannot be kept."""


LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Access:
    """The rules of one coordinator. Tokens are 128 random bits; repr never shows them."""

    lan: bool
    allowed_hosts: tuple[str, ...] = ()
    embed: tuple[str, ...] = field(default=(), kw_only=True)  # origins whose pages may show this one
    host_token: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    worker_token: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)

    def role_of_token(self, token: str) -> str | None:
        """ "host" or "worker"; None for a wrong token. Both are compared always, in constant time."""
        host = hmac.compare_digest(token.encode(errors="replace"), self.host_token.encode())
        worker = hmac.compare_digest(token.encode(errors="replace"), self.worker_token.encode())
        return "host" if host else "worker" if worker else None

    def role(self, token: str, wanted: str, origin: str | None) -> str | None:
        """The role of a connection whose Origin was checked; None: refused.

        Without --lan a page on this machine needs no token and is the host; a program without a token is a worker.
        wanted "worker" gives up what a token would allow.
        """
        if token:
            allowed = self.role_of_token(token)
        elif self.lan:
            allowed = None
        else:
            # a page that embeds this one is another's: it needs a token, as other machines do
            allowed = "host" if origin is not None and not self.embeds(origin) else "worker"
        return "worker" if allowed == "host" and wanted == "worker" else allowed

    def may_read(self, authorization: str, peer: str | None = None, host: str = "") -> bool:
        """Whether a request without a socket may see the status: from this machine always, else with `Bearer <token>`.

        From this machine: the peer's address and the Host header both say so; behind a proxy only the first does.
        """
        local = peer in LOOPBACK_NAMES and host_name(host) in LOOPBACK_NAMES
        return not self.lan or local or self.role_of_token(authorization.removeprefix("Bearer ")) is not None

    def may_steer(self, authorization: str, peer: str | None = None, host: str = "") -> bool:
        """The same for what is the host's alone, such as the join link: another machine needs the host's token."""
        local = peer in LOOPBACK_NAMES and host_name(host) in LOOPBACK_NAMES
        return not self.lan or local or self.role_of_token(authorization.removeprefix("Bearer ")) == "host"

    def host_allowed(self, host: str) -> bool:
        """Whether the Host header names this coordinator. A foreign name could be an attacker's that points here."""
        name = host_name(host)
        if name is None:
            return False
        if name in LOOPBACK_NAMES or name in self.allowed_hosts:
            return True
        # an address cannot be rebound to another one
        return self.lan and (_is_address(name) or name == socket.gethostname().lower())

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


def load(path: Path, lan: bool, allowed_hosts: Sequence[str], keep: bool, embed: Sequence[str] = ()) -> Access:
    """The rules with fresh tokens, or, to `keep` the links of a coordinator that is started again, with stored ones."""
    hosts, origins = tuple(host.lower() for host in allowed_hosts), tuple(map(origin_of, embed))
    if keep and path.exists():
        try:
            stored = json.loads(path.read_bytes())
            return Access(lan, hosts, str(stored["host"]), str(stored["worker"]), embed=origins)
        except (ValueError, KeyError, TypeError):
            pass  # damaged: new links are better than none
    access = Access(lan, hosts, embed=origins)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        json.dump({"host": access.host_token, "worker": access.worker_token}, file)
    return access


def lan_address() -> str:
    """This machine's address in its network, as others reach it; 127.0.0.1 when it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: connecting a datagram socket sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
