"""Tokens, roles, and which Origin and Host are let in."""

import stat
from pathlib import Path

import pytest

from distml_server import access as rules
from distml_server.access import Access, AccessError, origin_of

PAGE = "http://127.0.0.1:8000"


@pytest.mark.fault("S3")
@pytest.mark.parametrize(
    ("lan", "token", "wanted", "origin", "role"),
    [
        (False, "", "host", PAGE, "host"),
        (False, "", "", PAGE, "host"),
        (False, "", "worker", PAGE, "worker"),
        (False, "", "host", None, "worker"),
        (False, "HOST", "", None, "host"),
        (False, "HOST", "worker", None, "worker"),
        (False, "WORKER", "host", PAGE, "worker"),
        (False, "wrong", "host", PAGE, None),
        (True, "", "host", PAGE, None),
        (True, "", "worker", None, None),
        (True, "WORKER", "", PAGE, "worker"),
        (True, "HOST", "host", PAGE, "host"),
        (True, "HOST ", "host", PAGE, None),
        (True, "h\udc80", "host", PAGE, None),
    ],
)
def test_a_token_gives_its_role_and_a_plain_page_is_the_host_only_without_lan(
    lan: bool, token: str, wanted: str, origin: str | None, role: str | None
) -> None:
    access = Access(lan)
    tokens = {"HOST": access.host_token, "WORKER": access.worker_token, "HOST ": access.host_token + " "}
    assert access.role(tokens.get(token, token), wanted, origin) == role


@pytest.mark.fault("S3", "S35")
def test_behind_a_proxy_nobody_is_the_host_or_a_worker_without_a_token() -> None:
    """A proxy on this machine, as is advised for public addresses: it calls on the loopback for everybody."""
    access = Access(False, ("class.example",), embed=("https://school.example",))
    for origin in ("https://class.example", "https://school.example", None):
        assert access.role("", "host", origin, here=False) is None
        assert access.role(access.host_token, "host", origin, here=False) == "host"
        assert access.role(access.worker_token, "host", origin, here=False) == "worker"
    assert not access.may_read("", "127.0.0.1", "class.example")
    assert access.may_read(f"Bearer {access.worker_token}", "127.0.0.1", "class.example")
    assert access.may_read("", "127.0.0.1", "127.0.0.1:8000")


@pytest.mark.fault("S2")
@pytest.mark.parametrize(
    ("host", "plain", "lan"),
    [
        ("127.0.0.1:8000", True, True),
        ("localhost:8000", True, True),
        ("LOCALHOST", True, True),
        ("[::1]:8000", True, True),
        ("192.168.1.7:8000", False, True),
        ("classroom.test:8000", True, True),
        ("evil.example:8000", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("localhost.", False, False),
        ("", False, False),
        ("127.0.0.1:port", False, False),
        ("127.0.0.1@evil.example", False, False),
        ("evil.example#127.0.0.1", False, False),
    ],
)
def test_only_this_machines_names_are_answered(host: str, plain: bool, lan: bool) -> None:
    assert Access(False, ("classroom.test",)).host_allowed(host) is plain
    assert Access(True, ("classroom.test",)).host_allowed(host) is lan


@pytest.mark.fault("S1")
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://127.0.0.1:8000", True),
        ("https://127.0.0.1:8000", True),
        ("null", False),
        ("", False),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:8001", False),
        ("http://127.0.0.1:8000.evil.example", False),
        ("http://evil.example", False),
        ("file://127.0.0.1:8000", False),
        ("http://127.0.0.1:8000/", False),
    ],
)
def test_only_pages_that_this_coordinator_served_may_open_a_socket(origin: str | None, allowed: bool) -> None:
    assert Access(False).origin_allowed(origin, "127.0.0.1:8000") is allowed


@pytest.mark.fault("S6")
def test_tokens_are_new_each_time_and_never_shown() -> None:
    one, two = Access(True), Access(True)
    tokens = {one.host_token, one.worker_token, two.host_token, two.worker_token}
    assert len(tokens) == 4 and all(len(token) >= 22 for token in tokens)  # 128 bits in base64
    assert not any(token in repr(one) + str(one) for token in tokens)


def test_the_links_stay_good_when_a_coordinator_is_started_again(tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    first = rules.load(path, False, [], keep=False)
    assert rules.load(path, False, [], keep=True) == first
    assert rules.load(path, False, [], keep=False).host_token != first.host_token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_damaged_token_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    path.write_text("{")
    assert rules.load(path, False, [], keep=True).host_token


@pytest.mark.fault("S28")
def test_with_lan_the_status_needs_a_token_in_its_header() -> None:
    access = Access(True)
    assert not access.may_read("") and not access.may_read("Bearer wrong")
    assert access.may_read(f"Bearer {access.worker_token}")
    assert access.may_read("", "127.0.0.1", "localhost:8000"), "this machine may always look on"
    assert not access.may_read("", "127.0.0.1", "192.168.1.5:8000"), "a proxy's request is somebody else's"
    assert not access.may_read("", "192.168.1.7", "localhost:8000")
    assert Access(False).may_read("")


def test_a_site_that_may_embed_the_page_passes_the_origin_check_and_still_needs_a_token() -> None:
    access = Access(False, embed=("https://school.example",))
    assert access.origin_allowed("https://school.example", "127.0.0.1:8000")
    assert not access.origin_allowed("https://other.example", "127.0.0.1:8000")
    assert not Access(False).origin_allowed("https://school.example", "127.0.0.1:8000")
    assert access.role("", "host", "https://school.example") == "worker"
    assert access.role("", "host", "http://127.0.0.1:8000") == "host"
    assert access.embeds("https://school.example/lesson.html") and not access.embeds("https://school.example.evil/")


NO_ORIGINS = ["school.example", "https://a.example/path", "*", "https://a.example https://b.example", "ftp://a", ""]


@pytest.mark.parametrize("text", NO_ORIGINS)
def test_what_is_no_origin_cannot_be_named_for_embedding(text: str) -> None:
    with pytest.raises(AccessError, match="--embed takes an origin"):
        origin_of(text)
    assert origin_of("HTTPS://School.Example:8443/") == "https://school.example:8443"


@pytest.mark.fault("S28")
def test_the_join_link_is_shown_to_who_has_a_link_alone_also_on_this_machine() -> None:
    access = Access(False)
    assert access.holds_link(f"Bearer {access.host_token}") and access.holds_link(f"Bearer {access.worker_token}")
    assert not access.holds_link("") and not access.holds_link("Bearer wrong")
