"""Links with a role, an end and a run; taking one back; the code that is said aloud; no token in addresses or logs."""

import asyncio
import json
import logging
import stat
import time
from pathlib import Path

import aiohttp
import pytest

from distml_py import wire
from distml_py.errors import DistmlError
from distml_server import access as rules
from distml_server import coordinator as coordinating
from distml_server import invites as links
from distml_server.access import Access
from distml_server.app import CODE_HEADER
from distml_server.cli import main
from distml_server.invites import Invite, InviteError
from distml_server.listening import warn_of_listeners
from distml_server.spoken import LENGTH, SIGNS, Spoken
from peers import CODE, serving, start, weights


@pytest.mark.fault("S3")
def test_a_token_is_good_until_its_end_and_for_its_run_alone() -> None:
    ends, bound, always = Invite("worker", until_s=100.0), Invite("viewer", run="r1"), Invite("host")
    invites = [ends, bound, always]
    assert links.role_of(invites, ends.token, now_s=99.9) == "worker" and links.role_of(invites, ends.token, now_s=100.0) is None
    assert links.role_of(invites, bound.token, "r1") == "viewer"
    assert links.role_of(invites, bound.token, "r2") is None and links.role_of(invites, bound.token, None) is None
    assert links.role_of(invites, always.token, "r2") == "host" and links.role_of(invites, always.token + "x") is None
    assert len({invite.token for invite in invites}) == 3 and not any(invite.token in repr(invites) for invite in invites)


@pytest.mark.fault("S3")
def test_every_token_is_compared_in_constant_time_also_after_one_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    whole = links.hmac.compare_digest
    monkeypatch.setattr(links.hmac, "compare_digest", lambda a, b: compared.append(b) or whole(a, b))
    invites = [Invite("host"), Invite("worker"), Invite("viewer")]
    for token in ("", "x", invites[0].token):
        compared.clear()
        links.role_of(invites, token)
        assert len(compared) == 3


@pytest.mark.fault("S3")
@pytest.mark.parametrize("how", ["ended", "taken back", "of another run"])
async def test_a_link_that_is_no_longer_good_is_refused_with_4401_and_no_data(tmp_path: Path, how: str) -> None:
    until_s, run = (1.0 if how == "ended" else None), ("other" if how == "of another run" else "")
    old = Invite("worker", until_s=until_s, run=run)
    access = Access(True, invites=[Invite("host"), *([] if how == "taken back" else [old])])
    async with serving(tmp_path, access=access) as served:
        served.coordinator.begin(start(), weights())
        async with served.socket(Origin=served.url) as raw:
            await raw.send_str(str(wire.encode(wire.Hello(wire.PROTOCOL, old.token, "", "x", ""))))
            rejected = await raw.receive()
            assert '"reason": "token"' in rejected.data and CODE not in rejected.data and old.token not in rejected.data
            assert (await raw.receive()).data == 4401


@pytest.mark.fault("S3")
async def test_a_link_for_one_run_hears_nothing_of_the_next(tmp_path: Path) -> None:
    access = Access(True, invites=[Invite("host"), Invite("worker")])
    async with serving(tmp_path, access=access) as served:
        served.coordinator.begin(start(), weights())
        access.invites.append(Invite("viewer", run=str(access.run)))
        async with served.peer(access.invites[-1].token) as guest:
            first = await guest.get(wire.Run)
            served.coordinator.begin(start(seed=1), weights())
            heard = []
            async with asyncio.timeout(5):
                while (received := await guest.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    heard.append(received.data)
            assert guest.socket.close_code == 4401 and first.run == access.invites[-1].run != access.run
            assert not any('"type": "run"' in text for text in heard)


@pytest.mark.fault("S3")
async def test_who_came_with_a_link_that_is_taken_back_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinating, "ADMITTED_S", 0.05)
    access = rules.load(tmp_path / "access.json", True, [], keep=False)
    async with serving(tmp_path, access=access) as served, served.worker() as worker, served.peer(access.host_token) as host:
        served.coordinator.begin(start(), weights())
        await worker.get(wire.Run)
        id = next(invite.id for invite in access.invites if invite.role == "worker")
        assert main(["invite", "--revoke", id, "--run-dir", str(tmp_path)]) == 0
        assert await worker.closed() == 4401
        await host.get(wire.Status)
        with pytest.raises(ConnectionError, match="4401"):
            async with served.worker():
                pass


@pytest.mark.fault("S4")
async def test_a_viewer_looks_on_and_takes_no_part(tmp_path: Path) -> None:
    viewer = Invite("viewer")
    access = Access(True, invites=[Invite("host"), Invite("worker"), viewer])
    async with serving(tmp_path, access=access) as served:
        served.coordinator.begin(start(), weights())
        async with served.peer(viewer.token) as peer:
            assert (peer.welcome.role, peer.welcome.join_url) == ("viewer", "")
            run = await peer.get(wire.Run)
            await peer.get(wire.Status)
            await peer.send(wire.Join(run.run, "reference", "d", "p"))
            assert (await peer.get(wire.Rejected)).reason == "forbidden"
            await peer.send(wire.Command("stop"))
            assert await peer.closed() == 4403
        assert served.coordinator.status()["workers"] == 0
        async with served.peer(access.worker_token, "viewer") as peer:
            assert peer.welcome.role == "viewer", "a worker's link may be used to look on"


def test_links_are_listed_made_and_taken_back_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--run-dir", str(tmp_path)]
    assert main(["invite", *at]) == 2 and "has no links: start `distml serve`" in capsys.readouterr().err
    access = rules.load(tmp_path / "access.json", True, [], keep=False, hours=2)
    assert main(["invite", "viewer", "--hours", "1", "--run", "r7", *at]) == 0
    token = capsys.readouterr().out.split("#t=")[1].strip()
    assert access.role_of_token(token) is None
    access.refresh()
    access.run = "r7"
    assert access.role_of_token(token) == "viewer"
    assert stat.S_IMODE((tmp_path / "access.json").stat().st_mode) == 0o600
    assert main(["invite", *at]) == 0
    listed = capsys.readouterr().out
    assert listed.count("until") == 2 and ", for run r7" in listed and token not in listed and access.host_token not in listed
    assert main(["invite", "--revoke", access.invites[0].id, *at]) == 2 and "the host's only link" in capsys.readouterr().err
    assert main(["invite", "--revoke", "nothing", *at]) == 2 and "there is no invitation 'nothing'" in capsys.readouterr().err
    assert main(["invite", "worker", "--hours", "-1", *at]) == 2 and "more than 0 hours" in capsys.readouterr().err
    with pytest.raises(InviteError, match="a role is host, worker, viewer, got 'king'"):
        links.made([], "king")


def test_the_join_link_ends_after_its_hours(tmp_path: Path) -> None:
    access = rules.load(tmp_path / "access.json", True, [], keep=False, hours=1)
    assert access.role_of_token(access.worker_token) == "worker"
    later = time.time() + 3601
    assert links.role_of(access.invites, access.worker_token, now_s=later) is None
    assert links.role_of(access.invites, access.host_token, now_s=later) == "host"


@pytest.mark.parametrize("text", ["{", "[]", '{"invites": [{"role": "king", "token": "x", "until_s": null, "run": ""}]}'])
def test_a_damaged_file_of_links_changes_nothing(tmp_path: Path, text: str) -> None:
    access = rules.load(tmp_path / "access.json", True, [], keep=False)
    before = access.host_token
    (tmp_path / "access.json").write_text(text)
    access.refresh()
    assert access.host_token == before


# ---------------------------------------------------------------- the code


@pytest.mark.fault("S5")
def test_a_code_has_forty_bits_and_is_heard_however_it_is_written() -> None:
    spoken = Spoken("2B4D6F8H")
    assert len(set(SIGNS)) == 32 and LENGTH == 8 and not set(SIGNS) & set("01IO") and str(spoken) == "2B4D-6F8H"
    assert all(spoken.right(text, "a", 0.0) for text in ("2B4D6F8H", "2b4d-6f8h", " 2b4d 6f8h "))
    assert not spoken.right("2B4D6F8", "a", 0.0) and not spoken.right("", "a", 0.0) and "2B4D" not in repr(spoken)


@pytest.mark.fault("S5")
def test_five_wrong_codes_a_minute_and_fifty_an_hour_are_all() -> None:
    spoken, guesses = Spoken(), 0
    for second in range(3600):
        for address in ("a", "b"):
            if spoken.locked_s(address, float(second)) == 0:
                assert not spoken.right("wrong", address, float(second))
                guesses += 1
        if second == 59:
            assert guesses == 10 and 0 < spoken.locked_s("a", 59.0) <= 60
    assert guesses == 50 and spoken.locked_s("somebody else", 3599.0) > 0
    assert spoken.locked_s("a", 7300.0) == 0


@pytest.mark.fault("S5")
async def test_the_code_is_exchanged_for_the_token_and_guessing_it_is_locked(tmp_path: Path) -> None:
    access = Access(True)
    access.spoken = Spoken("2B4D6F8H")
    async with serving(tmp_path, access=access) as served:
        url = f"{served.url}/api/code"
        async with served.client.get(url, headers={CODE_HEADER: "2b4d 6f8h"}) as answer:
            assert (await answer.json()) == {"token": access.worker_token}
        async with served.client.get(f"{served.url}/code") as answer:
            assert answer.status == 200 and "web/code.js" in await answer.text()
        async with served.client.get(url, headers={CODE_HEADER: "2B4D6F8H", "Origin": "http://evil.example"}) as answer:
            assert answer.status == 403
        for status in (403, 403, 403, 403, 403, 429):
            async with served.client.get(url, headers={CODE_HEADER: "22222222"}) as answer:
                assert answer.status == status and access.worker_token not in await answer.text()
        async with served.client.get(url, headers={CODE_HEADER: "2B4D6F8H"}) as answer:
            assert answer.status == 429 and int(answer.headers["Retry-After"]) > 50, "also the right one waits"
    async with serving(tmp_path / "alone") as served, served.client.get(f"{served.url}/api/code") as answer:
        assert answer.status == 404


# ---------------------------------------------------------------- where tokens must not be


@pytest.mark.fault("S6")
async def test_a_token_in_an_address_is_refused_whatever_it_is_called_and_no_log_has_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(tmp_path, lan=True) as served:
        tokens = served.access.host_token, served.access.worker_token
        for path in ("/", "/ws", "/api/status", "/api/info"):
            for query in (f"?t={tokens[0]}", f"?token={tokens[1]}", "?t=anything"):
                async with served.client.get(served.url + path + query) as answer:
                    assert answer.status == 400 and tokens[0] not in await answer.text()
        async with served.worker() as worker, served.peer(tokens[0]):
            await worker.raw("rubbish")
            await worker.get(wire.Rejected)
        await asyncio.sleep(0.05)
    logged = caplog.text + json.dumps([str(record.__dict__) for record in caplog.records])
    assert not any(token in logged for token in tokens)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "access.json"]
    assert not any(token.encode() in path.read_bytes() for path in files for token in tokens)


@pytest.mark.fault("S35")
def test_a_public_address_without_tls_needs_its_option_and_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    for address in ("192.168.1.5", "10.0.0.1", "127.0.0.1", "fd00::1"):
        warn_of_listeners((address,), False)
    assert capsys.readouterr().err == ""
    for address in ("93.184.215.14", "2606:2800:21f::1"):
        with pytest.raises(DistmlError, match="is a public address, and without TLS .* or add --insecure-public"):
            warn_of_listeners((address,), False)
        warn_of_listeners((address,), True)
        assert f"Warning: {address} is public and there is no TLS" in capsys.readouterr().err
