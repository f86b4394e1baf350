"""Where a coordinator listens, what it is called there, and what comes to it by IPv6."""

import errno
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from distml_py import wire
from distml_server import listening
from distml_server.addresses import in_links, owner_of
from distml_server.app import ENGINE_PATH
from distml_server.listening import ListenError, allow_files, listen, reach
from distml_server.worker import address
from peers import Served, has_ipv6, serving, start, weights

NO_IPV6 = "this machine has no IPv6"


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {socket.AF_INET: "192.168.1.5", socket.AF_INET6: "2606:2800:21f::5"}
    monkeypatch.setattr(listening, "lan_address", lambda family=socket.AF_INET: known[family])


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served | None]:
    """A coordinator at ::1; None, when this machine has no IPv6, which is said."""
    if has_ipv6():
        async with serving(tmp_path, host="::1") as found:
            yield found
    else:
        with pytest.raises(ListenError, match=NO_IPV6):
            listen("::1", 0)
        yield None


@pytest.mark.parametrize(
    ("host", "lan", "bound", "shown", "local"),
    [
        (None, False, "127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("localhost", False, "127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("0:0::1", False, "::1", "::1", "::1"),
        (None, True, "0.0.0.0", "192.168.1.5", "127.0.0.1"),
        ("::", True, "::", "192.168.1.5", "::1"),
        ("FD00::7", True, "fd00::7", "fd00::7", "fd00::7"),
        ("10.0.0.7", True, "10.0.0.7", "10.0.0.7", "10.0.0.7"),
        ("127.0.0.1", True, "127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_it_is_known_by(host: str | None, lan: bool, bound: str, shown: str, local: str) -> None:
    found = reach(host, lan)
    assert (found.bound, found.shown, found.local) == (bound, shown, local)


def test_at_every_address_of_a_machine_without_ipv4_its_links_have_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "fd00::5"}
    monkeypatch.setattr(listening, "lan_address", lambda family=socket.AF_INET: known[family])
    assert reach("::", True).shown == "fd00::5"


@pytest.mark.parametrize(
    ("host", "lan", "words"),
    [
        ("teacher", True, "an address of this machine such as 192.168.1.5, ::1 or ::, got 'teacher'"),
        ("", False, "got ''"),
        ("[::1]", False, "got '\\[::1\\]'"),
        ("fe80::1%eth0", True, "no link can name it"),
        ("::", False, "lets others in: add --lan"),
        ("0.0.0.0", False, "lets others in: add --lan"),
        ("192.168.1.5", False, "lets others in: add --lan"),
    ],
)
def test_an_address_is_refused_that(host: str, lan: bool, words: str) -> None:
    with pytest.raises(ListenError, match=words):
        reach(host, lan)


@pytest.mark.fault("S35")
def test_at_every_address_a_public_one_counts_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A home has a private address behind its router, and often a public one by IPv6."""
    listening.warn_of_listeners(reach(None, True).faces, False)
    with pytest.raises(ListenError, match="2606:2800:21f::5 is a public address"):
        listening.warn_of_listeners(reach("::", True).faces, False)


@pytest.mark.parametrize(
    ("remote", "owner"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("::ffff:192.168.1.7", "192.168.1.7"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("2606:2800:21f:1:aaaa::7", "2606:2800:21f:1::/64"),
        ("2606:2800:21f:1:bbbb:1:2:3", "2606:2800:21f:1::/64"),
        ("2606:2800:21f:2::7", "2606:2800:21f:2::/64"),
        ("fd00::7", "fd00::7"),
        ("fe80::7%eth0", "fe80::7%eth0"),
        ("/run/socket", "/run/socket"),
        (None, ""),
    ],
)
@pytest.mark.fault("S26")
def test_what_comes_from_an_address_answers_to(remote: str | None, owner: str) -> None:
    assert owner_of(remote) == owner


async def test_by_ipv6_a_link_lets_in_and_a_page_without_one_is_nobody(served: Served | None) -> None:
    """A recipe's Python has the page's own rights to sockets there, for no policy can name the address: but it has no token."""
    if served is None:
        return
    served.coordinator.begin(start(), weights())
    assert served.coordinator.join_url.startswith(f"http://[::1]:{served.port}/#t=")
    url, token = address(served.coordinator.invitation)
    assert (url, token) == (f"ws://[::1]:{served.port}/ws", served.access.worker_token)
    async with served.worker() as worker, served.peer(served.access.host_token) as host:
        assert (worker.welcome.role, host.welcome.role) == ("worker", "host")
        assert host.welcome.join_url.startswith(f"http://[::1]:{served.port}/#t=")
        await worker.join()
        await worker.get(wire.Lease)
    for headers in ({}, {"Origin": "null"}):
        with pytest.raises((ConnectionError, aiohttp.WSServerHandshakeError), match="4401|403"):
            async with served.peer("", "host", **headers):
                pass


async def test_by_ipv6_pages_have_a_policy_that_browsers_read(served: Served | None) -> None:
    if served is None:
        return
    for path in ("/", ENGINE_PATH):
        async with served.client.get(served.url + path) as response:
            assert response.status == 200 and "connect-src 'self';" in response.headers["Content-Security-Policy"]
    for host, status in ((f"[::1]:{served.port}", 200), ("[::2]", 421), ("[::1", 421)):
        async with served.client.get(f"{served.url}/api/status", headers={"Host": host}) as response:
            assert response.status == status, host
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        async with served.socket(Origin=f"http://[::2]:{served.port}"):
            pass


async def test_at_every_address_ipv4_is_answered_too_and_is_this_machine_when_it_is(tmp_path: Path) -> None:
    if not has_ipv6():
        with pytest.raises(ListenError, match=NO_IPV6):
            listen("::", 0)
        return
    async with serving(tmp_path, lan=True, host="::") as served:
        for here in ("127.0.0.1", "::1"):
            url = f"http://{in_links(here)}:{served.port}"
            async with served.client.get(f"{url}/api/status") as response:
                assert response.status == 200, "this machine's own needs no token"
        served.host = "127.0.0.1"
        async with served.worker():
            (connection,) = served.coordinator.carrier.connections.values()
            assert connection.address == "127.0.0.1"


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_a_machine_without_ipv6_says_so(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def without(*given: object) -> socket.socket:
        raise OSError(number, "as a machine without IPv6 answers")

    monkeypatch.setattr(listening.socket, "socket", without)
    with pytest.raises(ListenError, match=f"cannot listen at ::1: {NO_IPV6}, or not this address; name another with --host"):
        listen("::1", 0)
    with pytest.raises(ListenError, match="cannot listen at 10.9.8.7: this machine has no such address"):
        listen("10.9.8.7", 0)


def test_as_many_sockets_may_be_open_as_are_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells begin with 256 or 1024 files; a limit that cannot be raised is taken as it is."""

    class Limits:
        RLIMIT_NOFILE, RLIM_INFINITY = 7, -1
        now = (256, 4096)

        def getrlimit(self, which: int) -> tuple[int, int]:
            return self.now

        def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
            assert limits[0] >= self.now[0] and limits[1] == self.now[1]
            if limits[0] > 10_240:
                raise ValueError("current limit exceeds maximum limit")
            self.now = limits

    limits = Limits()
    monkeypatch.setattr(listening, "resource", limits)
    assert (allow_files(1000), limits.now) == (1000, (1000, 4096))
    assert (allow_files(100), limits.now) == (1000, (1000, 4096))
    assert (allow_files(8000), limits.now) == (4096, (4096, 4096))
    limits.now = (256, -1)
    assert (allow_files(8000), limits.now) == (8000, (8000, -1))
    limits.now = (256, -1)
    assert (allow_files(12_000), limits.now) == (256, (256, -1))
    limits.now = (-1, -1)
    assert (allow_files(8000), limits.now) == (8000, (-1, -1))
    monkeypatch.setattr(listening, "resource", None)
    assert allow_files(8000) == 8000
