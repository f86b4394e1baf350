"""Links beside the two that `distml serve` prints: tokens with a role, an end and perhaps one run, and those that were taken back.

Kept in the run directory's access.json. ``distml invite`` writes there; a coordinator that runs reads it again. No sockets.
"""

import argparse
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from distml_py.errors import DistmlError

ROLES = ("host", "worker", "viewer")  # a viewer sees the run and computes nothing


class InviteError(DistmlError, ValueError):
    """An invitation that cannot be made or taken back."""


@dataclass(frozen=True)
class Invite:
    """A token. until_s: time.time() when it ends, None: with the coordinator; run: "" for any."""

    role: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    until_s: float | None = None
    run: str = ""

    @property
    def id(self) -> str:
        """What it is called where the token must not be seen."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:8]

    def good(self, run: str | None, now_s: float) -> bool:
        return (self.until_s is None or now_s < self.until_s) and self.run in ("", run)


def role_of(invites: Iterable[Invite], token: str, run: str | None = None, now_s: float | None = None) -> str | None:
    """The role that a token gives now; None for a wrong one, or one that has ended. All are compared, in constant time."""
    given, now_s = token.encode(errors="replace"), time.time() if now_s is None else now_s
    found = None
    for invite in invites:
        same = hmac.compare_digest(given, invite.token.encode())
        found = invite.role if same and invite.good(run, now_s) else found
    return found


def read(path: Path) -> list[Invite] | None:
    """The invitations in a file; None when it is not there or damaged."""
    try:
        return unpacked(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def unpacked(data: bytes) -> list[Invite]:
    """Raises ValueError, KeyError or TypeError for what is none."""
    return [_invite(row) for row in json.loads(data)["invites"]]


def write(path: Path, invites: Iterable[Invite]) -> None:
    """Readable by its owner alone, and whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        json.dump({"invites": [asdict(invite) for invite in invites]}, file)
    os.replace(fresh, path)


def made(invites: list[Invite], role: str, hours: float | None = None, run: str = "") -> list[Invite]:
    """With one more, the last. Raises InviteError for what is no role or no time."""
    if role not in ROLES:
        raise InviteError(f"a role is {', '.join(ROLES)}, got {role!r:.40}")
    if hours is not None and not 0 < hours < 1e6:
        raise InviteError(f"a link is good for more than 0 hours, got {hours:g}")
    until_s = None if hours is None else time.time() + 3600 * hours
    return [*invites, Invite(role, until_s=until_s, run=run)]


def without(invites: list[Invite], id: str) -> list[Invite]:
    """Without the one of this id. The host's last link stays: nobody could steer any more."""
    left = [invite for invite in invites if invite.id != id]
    if len(left) == len(invites):
        known = ", ".join(f"{invite.id} ({invite.role})" for invite in invites) or "none"
        raise InviteError(f"there is no invitation {id!r:.40}; there are {known}")
    if not any(invite.role == "host" for invite in left):
        raise InviteError("this is the host's only link: make another with `distml invite host` first")
    return left


def main(options: argparse.Namespace) -> int:
    """`distml invite`. Tokens are shown once, when they are made."""
    path = Path(options.run_dir) / "access.json"
    invites = read(path)
    if invites is None:
        raise InviteError(f"{path.parent} has no links: start `distml serve` with this --run-dir first")
    if options.revoke:
        write(path, without(invites, options.revoke))
        print(f"{options.revoke} is no longer good.")
    elif options.role:
        invites = made(invites, options.role, options.hours, options.run)
        write(path, invites)
        print(f"{invites[-1].id}: the coordinator's address, then /#t={invites[-1].token}")
    else:
        for invite in invites:
            until = "" if invite.until_s is None else f", until {time.strftime('%Y-%m-%d %H:%M', time.localtime(invite.until_s))}"
            print(f"{invite.id}  {invite.role}{until}{f', for run {invite.run}' if invite.run else ''}")
    return 0


def _invite(row: dict[str, Any]) -> Invite:
    until_s = row["until_s"]
    if row["role"] not in ROLES or not isinstance(row["token"], str) or not isinstance(until_s, float | int | None):
        raise ValueError("no invitation")
    return Invite(row["role"], row["token"], until_s, str(row["run"]))
