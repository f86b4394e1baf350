"""Whose an address is: an IPv4 one written as IPv6 is IPv4, and all that an IPv6 home may call itself is one. No sockets."""

import ipaddress

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
HOME_BITS = 64  # of an IPv6 address: the rest is what a machine chooses for itself, as often as it likes


def owner_of(remote: str | None) -> str:
    """The address that answers for what comes from a peer's; "" of none. In a network of one's own each machine has its own."""
    try:
        found = ipaddress.ip_address(remote or "")
    except ValueError:
        return remote or ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    if found.is_private:  # loopback, link-local and unique local ones
        return str(found)
    return str(ipaddress.IPv6Network((int(found), HOME_BITS), strict=False))


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def in_links(address: str) -> str:
    """As a URL has it."""
    return f"[{address}]" if ":" in address else address
