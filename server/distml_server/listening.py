"""Where a coordinator listens, and what it is called from there: by others, and by this machine. Speaks no HTTP."""

import errno
import ipaddress
import socket
import sys
from dataclasses import dataclass

from distml_py.errors import DistmlError

from .addresses import LOOPBACK_NAMES

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

WAITING = 1024  # connections that the system keeps until they are taken
HERE, HERE_6 = "127.0.0.1", "::1"
EVERYWHERE, EVERYWHERE_6 = "0.0.0.0", "::"
# connecting a datagram socket to an address of the documentation's sends nothing
FAR = {socket.AF_INET: ("192.0.2.1", HERE), socket.AF_INET6: ("2001:db8::1", HERE_6)}


class ListenError(DistmlError, RuntimeError):
    """An address that cannot be listened at, or had better not be."""


@dataclass(frozen=True)
class Reach:
    """bound: listened at; shown: in links for others; local: for what runs on this machine; faces: all it may be known by."""

    bound: str
    shown: str
    local: str
    faces: tuple[str, ...]


def reach(host: str | None, lan: bool) -> Reach:
    """host: --host, None: this machine alone, or with `lan` each of its IPv4 addresses. Raises ListenError."""
    bound = {None: EVERYWHERE if lan else HERE, "localhost": HERE}.get(host, host or "")
    try:
        found = ipaddress.ip_address(bound)
    except ValueError:
        raise ListenError(f"--host takes an address of this machine such as 192.168.1.5, ::1 or ::, got {bound!r:.60}") from None
    if "%" in bound:
        raise ListenError(f"--host {bound}: no link can name it; take an address without %")
    bound = str(found)
    if not lan and bound not in LOOPBACK_NAMES:
        raise ListenError(f"--host {bound} lets others in: add --lan, and everybody needs a link with a token")
    if not found.is_unspecified:
        return Reach(bound, bound, bound, (bound,))
    faces = (lan_address(),) if bound == EVERYWHERE else (lan_address(), lan_address(socket.AF_INET6))
    shown = next((face for face in faces if face not in LOOPBACK_NAMES), faces[0])
    return Reach(bound, shown, HERE if bound == EVERYWHERE else HERE_6, faces)


def lan_address(family: socket.AddressFamily = socket.AF_INET) -> str:
    """This machine's address in its network, as others reach it; that of this machine alone when it has none."""
    far, here = FAR[family]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return here


def warn_of_listeners(faces: tuple[str, ...], accepted: bool) -> None:
    """Tokens travel readable: in a network of one's own that may do. Raises ListenError for a public address, unless accepted."""
    for address in faces:
        if ipaddress.ip_address(address).is_private:
            continue
        if not accepted:
            raise ListenError(
                f"{address} is a public address, and without TLS everybody on the way reads the tokens: put a proxy with TLS before"
                " a coordinator without --lan (--allow-host NAME), or add --insecure-public"
            )
        print(f"Warning: {address} is public and there is no TLS: who listens on the way can join and steer.", file=sys.stderr)


def listen(bound: str, port: int) -> socket.socket:
    """The listening socket; at :: for IPv4 as well. Raises ListenError naming the port when it is taken."""
    listening = None
    try:
        listening = socket.socket(socket.AF_INET6 if ":" in bound else socket.AF_INET)
        if sys.platform != "win32":  # there it would let two coordinators share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in bound:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bound != EVERYWHERE_6))
        listening.bind((bound, port))
        listening.listen(WAITING)
    except (OSError, OverflowError) as error:
        if listening is not None:
            listening.close()
        raise _refused(bound, port, error) from None
    listening.setblocking(False)
    return listening


def _refused(bound: str, port: int, error: OSError | OverflowError) -> ListenError:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return ListenError(f"port {port} is in use: stop what listens there, or choose another with --port")
    if number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        why = "this machine has no IPv6, or not this address" if ":" in bound else "this machine has no such address"
        return ListenError(f"cannot listen at {bound}: {why}; name another with --host, or leave it away")
    return ListenError(f"cannot listen on port {port}: {error}; choose another with --port")


def allow_files(most: int) -> int:
    """Lets this process have so many files and sockets open, as far as it may: shells and services begin with 256 or 1024.

    How many it may have then.
    """
    if resource is None:
        return most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return soft  # macOS says "no limit" and has one
        return wanted
    return most if soft == resource.RLIM_INFINITY else soft
