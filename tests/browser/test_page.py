"""The page as a person meets it: layout, keyboard, errors, consent and what it lets out. Training itself is judged elsewhere."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, Worker

from driving import ENGINE_TIMEOUT_S, VIOLATIONS, code_of, complaints, edit, status, train, until, until_editor, until_state

KEYS = {
    "state", "step", "steps", "loss", "val_loss", "accuracy", "train_accuracy",
    "test_accuracy", "backend", "workers", "workers_contributing",
    "join_url", "error", "run", "recipe", "weights_version", "weights_sha256", "cpu_ops", "mode",
}  # fmt: skip


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(VIOLATIONS)
    yield context
    context.close()


@pytest.fixture
def host(context: BrowserContext, coordinator: Any) -> Page:
    """A tab with the host's rights; its engine is still loading."""
    page = context.new_page()
    page.goto(coordinator.host_link)
    until_editor(page)
    return page


@pytest.mark.ux(2)
def test_the_first_screen_is_complete_before_the_engine_is_ready(host: Page) -> None:
    assert host.get_by_role("heading", level=1).is_visible()
    for name in ("Train", "Pause", "Step", "Stop", "Reset", "Copy"):
        assert host.get_by_role("button", name=name, exact=True).is_visible()
    assert host.get_by_role("button", name="Train").is_enabled()
    assert host.get_by_role("button", name="Stop").is_disabled()
    assert host.get_by_label("Example").evaluate("picker => picker.options.length") >= 2
    assert status(host)["state"] == "loading"
    assert host.get_by_role("progressbar", name="engine").count() + host.locator("#boot-stage:visible").count() >= 1


def test_the_status_has_every_documented_key_and_null_where_nothing_is_known(host: Page) -> None:
    until_state(host, "ready")
    found = status(host)
    assert found.keys() == KEYS
    assert found["backend"].startswith("WebGL2: ")
    assert host.get_by_text(found["backend"]).first.is_visible()
    assert "/#t=" in found["join_url"]
    assert [found[key] for key in ("step", "loss", "accuracy", "run", "weights_sha256", "error")] == [None] * 6


@pytest.mark.ux(3)
def test_loading_tells_its_stages_by_name_and_its_bar_never_runs_backwards(context: BrowserContext, coordinator: Any) -> None:
    watch = """addEventListener('DOMContentLoaded', () => {
      window.seen = [];
      const stage = document.getElementById('boot-stage'), bar = document.getElementById('boot-bar');
      new MutationObserver(() => seen.push([stage.textContent, +bar.value]))
        .observe(stage.parentElement, {subtree: true, childList: true, characterData: true, attributes: true});
    })"""
    page = context.new_page()
    page.add_init_script(watch)
    page.goto(coordinator.host_link)
    until_state(page, "ready")
    seen = page.evaluate("seen")
    texts = " | ".join(text for text, _ in seen)
    assert all(stage in texts for stage in ("Python engine", "NumPy", "library", "GPU")), texts
    assert " MB" in texts
    shares = [share for _, share in seen]
    assert shares == sorted(shares)


@pytest.mark.ux(32, 34, 35)
def test_nothing_scrolls_sideways_at_320_pixels(browser: Browser, coordinator: Any) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    host, guest = context.new_page(), context.new_page()
    host.goto(coordinator.host_link)
    until_state(host, "ready")
    train(host, 20)
    until_state(host, "finished", timeout_s=120)
    host.get_by_text("The charts as a table").click()
    guest.goto(coordinator.join_link)
    until(guest, "document.getElementById('join').offsetWidth > 0")
    for page, scheme in itertools.product((host, guest), ("light", "dark")):
        page.bring_to_front()  # else its colours stay on their way
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_timeout(1000)  # colours pass over into each other
        ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (int(ground.split("(")[1].split(",")[0]) < 80) == (scheme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        small = page.evaluate(
            "[...document.querySelectorAll('button, input, select, summary')].filter(e => e.offsetWidth"
            " && !e.classList.contains('unseen') && e.getBoundingClientRect().height < 24).map(e => e.id || e.textContent)"
        )
        assert small == []
        assert complaints(page) == []
    context.close()


@pytest.mark.ux(31, 32)
def test_every_control_has_a_name_and_is_reached_and_left_with_the_tab_key(host: Page) -> None:
    unnamed = "[...document.querySelectorAll('input, select, textarea')].filter(e => !e.labels.length).map(e => e.id)"
    assert host.evaluate(unnamed) == []
    until_state(host, "ready")  # while the engine loads, what can be reached changes under the keys
    reached: list[str] = []
    for _ in range(60):
        if reached[-1:] == ["code"]:
            host.keyboard.press("Escape")  # Tab indents there
        host.keyboard.press("Tab")
        focus = host.evaluate(
            "(() => { const e = document.activeElement;"
            " const ring = e.id === 'code' ? e.closest('.code') : e.type === 'file' ? e.parentElement : e;"
            " const s = getComputedStyle(ring);"
            " return [e.id, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2] })()"
        )
        reached.append(focus[0])
        assert focus[1] or focus[0] == "", f"no focus ring on #{focus[0]}"
    wanted = ["train", "recipe", "steps", "seed", "knob-lr", "code", "log-scale", "join-link", "copy"]
    assert [name for name in reached if name in wanted][: len(wanted)] == wanted


@pytest.mark.ux(1, 31)
def test_a_run_is_started_from_the_keyboard_while_the_engine_still_loads(host: Page) -> None:
    host.get_by_label("Steps", exact=True).fill("30")
    host.get_by_role("button", name="Train").focus()
    host.keyboard.press("Enter")
    until(host, "document.getElementById('hint').textContent.includes('as soon as the engine is ready')", 5)
    until(host, "(distml.status().step ?? 0) >= 1", ENGINE_TIMEOUT_S)
    until_state(host, "finished", timeout_s=120)


@pytest.mark.ux(13)
def test_a_run_is_paused_resumed_and_stopped(host: Page) -> None:
    until_state(host, "ready")
    train(host, 100_000)
    until(host, "(distml.status().step ?? 0) >= 20", 60)  # captured by then: a step is short
    host.get_by_role("button", name="Pause").click()
    until_state(host, "paused", timeout_s=20)
    host.wait_for_timeout(500)  # the step that was under way may end
    stood = status(host)["step"]
    host.wait_for_timeout(1000)
    assert status(host)["step"] == stood
    host.get_by_role("button", name="Resume").click()
    until(host, f"distml.status().step > {stood}", 30)
    host.get_by_role("button", name="Stop").click()
    until_state(host, "stopped", timeout_s=30)
    assert host.get_by_role("button", name="Train").is_enabled()


@pytest.mark.fault("S27")
@pytest.mark.ux(26, 30)
def test_no_request_leaves_the_origin_and_nothing_breaks_the_policy(context: BrowserContext, coordinator: Any) -> None:
    asked: list[str] = []
    said: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    context.on("console", lambda message: said.append(message.text))
    page = context.new_page()
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(coordinator.host_link)
    until_state(page, "ready")
    train(page, 20)
    until_state(page, "finished", timeout_s=120)
    origin = coordinator.url.rstrip("/")
    allowed = (f"{origin}/", f"ws{origin.removeprefix('http')}/ws", "data:", "blob:")
    assert any(url.endswith("/ws") for url in asked) and any(url.endswith(".wasm") for url in asked)
    assert [url for url in asked if not url.startswith(allowed)] == []
    assert page.evaluate("window.violations ?? []") == []
    assert [text for text in said if "Content Security Policy" in text or "Error" in text] == []
    policy = page.request.get(coordinator.url).headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy and "'unsafe-eval'" not in policy


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("boom = undefined_name\n", "NameError: name 'undefined_name' is not defined"),
        ("boom = = 1\n", "SyntaxError"),
        ("import distml_py\ndistml_py.Tensor([[1.0, 2.0]]) @ distml_py.Tensor([[1.0, 2.0]])\n", "ShapeError"),
        ("name = input('name? ')\n", "input() asks at a terminal, and a tab has none"),
    ],
)
@pytest.mark.ux(27)
def test_an_error_in_the_recipe_names_marks_and_selects_its_line(host: Page, fault: str, words: str) -> None:
    until_state(host, "ready")
    lines = code_of(host).split("\n")
    lines[6:6] = fault.rstrip("\n").split("\n")
    bad = 6 + fault.count("\n")
    edit(host, "\n".join(lines[:6]) + "\n" + "\n".join(lines[6:]))
    host.get_by_role("button", name="Train").click()
    until_state(host, "error", timeout_s=30)
    found = status(host)
    assert f"Line {bad}" in found["error"] and words in found["error"]
    alert = host.get_by_role("alert").filter(has_text=words)
    assert alert.is_visible()
    assert "press Train again" in alert.inner_text()
    assert host.locator(".cm-marked").inner_text() == lines[bad - 1]
    assert host.evaluate("getSelection().toString()") == lines[bad - 1]
    assert not host.locator("#problem-traceback").is_visible()
    host.get_by_text("Python's traceback").click()
    assert "Traceback (most recent call last)" in host.locator("#problem-traceback").inner_text()


def test_training_works_again_after_the_broken_line_is_mended(host: Page) -> None:
    until_state(host, "ready")
    good = code_of(host)
    edit(host, "broken = undefined_name\n" + good)
    host.get_by_role("button", name="Train").click()
    until_state(host, "error", timeout_s=30)
    edit(host, good + "\nprint('hello from the recipe')\n")
    train(host, 10)
    until_state(host, "finished", timeout_s=120)
    assert status(host)["error"] is None
    host.get_by_text("What the recipe printed").click()
    assert "hello from the recipe" in host.locator("#printed").inner_text()


@pytest.mark.fault("S30")
@pytest.mark.ux(16, 18)
def test_a_tab_on_the_join_link_shows_what_it_will_run_and_waits_for_the_click(
    host: Page, context: BrowserContext, coordinator: Any
) -> None:
    until_state(host, "ready")
    train(host, 100_000)
    until(host, "(distml.status().step ?? 0) >= 1", 60)
    guest = context.new_page()
    sent: list[str | bytes] = []
    guest.on("websocket", lambda socket: socket.on("framesent", lambda payload: sent.append(payload)))
    guest.goto(status(host)["join_url"])
    until_state(guest, "ready")
    assert guest.get_by_role("heading", name=status(host)["recipe"]).is_visible()
    assert "100,000 steps" in guest.locator("#invite").inner_text()
    assert "Raw data never leaves this device" in guest.locator("#invite").inner_text()
    assert guest.locator("#plain-code").text_content() == code_of(host)
    assert not guest.locator("#code").count(), "a worker loads no editor"
    assert not guest.get_by_role("button", name="Train").is_visible()
    guest.wait_for_timeout(1500)
    assert [frame for frame in sent if '"hello"' not in str(frame)] == []
    assert status(host)["workers"] == 1
    assert status(guest)["join_url"] is None
    guest.get_by_role("button", name="Join").click()
    until(host, "distml.status().workers === 2 && distml.status().workers_contributing === 2", 60)
    until(guest, "distml.status().state === 'training'", 30)
    until(guest, "parseInt(document.getElementById('own-shards').textContent) >= 1", 30)
    guest.get_by_role("button", name="Leave").click()
    until(host, "distml.status().workers === 1", 20)
    until(guest, "document.getElementById('join').offsetWidth > 0", 20)  # once it is connected again and has seen the run
    host.get_by_role("button", name="Stop").click()
    until_state(host, "stopped", timeout_s=30)


def test_a_second_host_tab_shows_the_run_with_join_and_the_hosts_controls(
    host: Page, context: BrowserContext, coordinator: Any
) -> None:
    until_state(host, "ready")
    train(host, 100_000)
    until(host, "(distml.status().step ?? 0) >= 1", 60)
    other = context.new_page()
    other.goto(coordinator.host_link)
    until(other, "document.getElementById('join').offsetWidth > 0", 20)
    assert other.get_by_role("button", name="Train").is_disabled()
    until_state(other, "training")
    other.get_by_role("button", name="Stop").click()
    until_state(host, "stopped", timeout_s=30)


@pytest.mark.fault("S29")
def test_python_in_the_engine_cannot_send_the_hosts_commands(host: Page) -> None:
    host.close()
    page = host.context.new_page()
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda payload: sent.append(str(payload)[:400])))
    page.goto(host.url)
    until_state(page, "ready")
    until_editor(page)
    attack = (
        "import js, pyodide.ffi\n"
        "for kind in ('frame', 'prepared'):\n"
        '    data = \'{"type": "command", "action": "stop"}\'\n'
        "    js.self.postMessage(pyodide.ffi.to_js({'kind': kind, 'data': data}, dict_converter=js.Object.fromEntries))\n"
    )
    edit(page, attack + code_of(page))
    train(page, 20)
    until_state(page, "finished", "error", timeout_s=120)
    assert status(page)["state"] == "finished", status(page)["error"]
    assert any('"start"' in frame for frame in sent)
    assert [frame for frame in sent if '"command"' in frame and '"start"' not in frame] == []


@pytest.mark.ux(28)
def test_a_lost_connection_is_shown_and_training_goes_on_when_it_is_back(context: BrowserContext, coordinator: Any) -> None:
    routes: list[WebSocketRoute] = []

    def relay(route: WebSocketRoute) -> None:
        route.connect_to_server()
        routes.append(route)

    page = context.new_page()
    page.route_web_socket("**/ws", relay)
    page.goto(coordinator.host_link)
    until_state(page, "ready")
    train(page, 100_000)
    until(page, "(distml.status().step ?? 0) >= 60", 60)  # a checkpoint has been stored
    run = status(page)["run"]
    page.evaluate(
        "window.links = []; new MutationObserver(() => links.push(document.getElementById('link').textContent))"
        ".observe(document.getElementById('link'), {childList: true})"
    )
    routes[0].close(code=1011, reason="test")
    until(page, "links.some((text) => /Connection lost, trying again in \\d+ s/.test(text))", 10)
    until(page, "document.getElementById('link').textContent === 'Connected'", 20)
    until(page, "distml.status().state === 'training' && distml.status().step >= 70", 60)
    assert status(page)["run"] == run
    assert status(page)["workers"] == 1
    page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped")


@pytest.mark.ux(2, 5)
def test_train_counts_before_the_coordinator_has_answered_and_only_for_a_host(context: BrowserContext, coordinator: Any) -> None:
    hellos: list[tuple[WebSocketRoute, str]] = []

    def hold(route: WebSocketRoute) -> None:
        route.on_message(lambda said: hellos.append((route, str(said))))

    def asks_for_training_first(link: str, answer: str = "Connected") -> Page:
        page = context.new_page()
        page.route_web_socket("**/ws", hold)
        page.goto(link)
        until(page, "distml.code().length > 100")
        page.get_by_label("Steps", exact=True).fill("5")
        page.keyboard.press("Control+Enter")
        until(page, "document.getElementById('train').textContent === 'Starting soon'", 5)
        assert page.get_by_role("button", name="Stop").is_enabled()
        route, hello = hellos.pop()
        server = route.connect_to_server()
        route.on_message(server.send)
        server.send(hello)
        until(page, f"document.getElementById('link').textContent === '{answer}'", 10)
        return page

    stranger = asks_for_training_first(f"{coordinator.url}#t=not-a-token", "Not let in")
    assert stranger.locator("#train").inner_text() == "Train"
    guest = asks_for_training_first(coordinator.join_link)
    until_state(guest, "ready")
    assert coordinator.status()["run"] is None
    host = asks_for_training_first(coordinator.host_link)
    until_state(host, "finished")
    assert status(host)["step"] == 5


@pytest.mark.ux(2)
def test_buttons_of_a_page_whose_scripts_have_not_come_take_no_clicks(context: BrowserContext, coordinator: Any) -> None:
    page = context.new_page()
    page.route("**/app.js", lambda route: route.abort())
    page.goto(coordinator.url)
    assert page.locator("#controls button").evaluate_all("all => all.map((one) => one.disabled)") == [True] * 5


@pytest.mark.ux(27)
def test_a_wrong_token_is_refused_in_words(context: BrowserContext, coordinator: Any) -> None:
    page = context.new_page()
    page.goto(f"{coordinator.url.rstrip('/')}/#t=not-a-token")
    until(page, "!document.getElementById('problem').hidden", 20)
    assert "did not let this tab in" in page.locator("#problem").inner_text()
    assert "link" in page.locator("#problem-next").inner_text()
    page.wait_for_timeout(1500)
    assert page.locator("#link").inner_text() == "Not let in"


@pytest.mark.fault("R29")
def test_without_webgl_the_tab_says_why_and_trains_all_the_same(context: BrowserContext, coordinator: Any) -> None:
    page = context.new_page()
    stand_in = "export function createBridge() { throw new Error('this browser offers no WebGL2 here') }"
    page.route("**/bridge/bridge.js", lambda route: route.fulfill(body=stand_in, content_type="text/javascript"))
    page.goto(coordinator.host_link)
    until_state(page, "ready")
    assert status(page)["backend"] == "reference (NumPy): this browser offers no WebGL2 here"
    assert page.locator("#backend").inner_text() == status(page)["backend"]
    train(page, 10)
    until_state(page, "finished", timeout_s=120)
    assert status(page)["cpu_ops"] > 0


@pytest.mark.ux(3)
def test_a_download_that_fails_is_named_and_can_be_tried_again(context: BrowserContext, coordinator: Any) -> None:
    page = context.new_page()
    page.route("**/python_stdlib.zip", lambda route: route.abort())
    page.goto(coordinator.host_link)
    until_state(page, "error")
    assert "python_stdlib.zip" in status(page)["error"]
    assert "load the engine again" in page.get_by_role("alert").inner_text()
    page.unroute("**/python_stdlib.zip")
    page.get_by_role("button", name="Load the engine again").click()
    until_state(page, "ready")
    assert status(page)["error"] is None


@pytest.mark.fault("R35")
@pytest.mark.ux(13)
def test_a_recipe_that_never_returns_is_ended_by_stop(host: Page) -> None:
    until_state(host, "ready")
    edit(host, "while True:\n    pass\n")
    host.get_by_role("button", name="Train").click()
    until(host, "document.getElementById('hint').textContent.includes('Stop ends it')", 10)
    busy, ended = host.workers, list[Worker]()
    for worker in busy:
        worker.on("close", lambda gone: ended.append(gone))
    host.get_by_role("button", name="Stop").click()
    until_state(host, "ready")
    for _ in range(50):  # Chromium may let a worker go on for two seconds
        if ended != busy:
            host.wait_for_timeout(100)
    assert ended == busy, "what never returns is not left to run on unseen"


def test_train_right_after_picking_a_recipe_trains_that_recipe(context: BrowserContext, coordinator: Any) -> None:
    page = context.new_page()
    page.goto(coordinator.host_link)
    until_state(page, "ready")
    other = "digits_mlp" if page.get_by_label("Example").input_value() == "digits_cnn" else "digits_cnn"
    page.route(f"**/recipes/{other}.py", lambda route: (page.wait_for_timeout(500), route.continue_())[1])
    page.get_by_label("Example").select_option(other)
    train(page, 5)
    until_state(page, "finished", timeout_s=120)
    assert status(page)["recipe"] == other
    assert "multilayer perceptron" in code_of(page) if other == "digits_mlp" else "convolution" in code_of(page)
    code = page.evaluate("fetch('/recipes/' + distml.status().recipe + '.py').then((answer) => answer.text())")
    assert code_of(page) == code


@pytest.mark.ux(27)
def test_code_written_while_a_recipe_is_on_its_way_stays(context: BrowserContext, coordinator: Any) -> None:
    page = context.new_page()
    page.route("**/recipes/*.py", lambda route: (page.wait_for_timeout(500), route.continue_())[1])
    with page.expect_response("**/recipes/digits_cnn.py"):
        page.goto(coordinator.host_link)
        page.locator("#code").fill("mine = 1\n")
    page.wait_for_timeout(300)
    assert code_of(page) == "mine = 1\n"
    with page.expect_response("**/recipes/digits_mlp.py"):
        page.get_by_label("Example").select_option("digits_mlp")
    until(page, "distml.code().includes('multilayer perceptron')")


def test_a_layer_that_does_not_fit_names_the_line_of_the_model(host: Page) -> None:
    until_state(host, "ready")
    edit(host, code_of(host).replace("nn.Linear(16 * self.width, 10)", "nn.Linear(127, 10)"))
    line = code_of(host).split("\n").index("    def model(self):") + 1
    host.get_by_role("button", name="Train").click()
    until_state(host, "error", timeout_s=30)
    assert status(host)["error"].startswith(f"Line {line}: ShapeError")


def test_code_without_a_recipe_is_told_so_and_an_edit_of_its_steps_counts(host: Page) -> None:
    until_state(host, "ready")
    good = code_of(host)
    edit(host, "print('no recipe here')\n")
    host.get_by_role("button", name="Train").click()
    until_state(host, "error", timeout_s=30)
    assert "must define one subclass of Recipe" in status(host)["error"]
    assert "Change the recipe and press Train again." in host.locator("#problem").inner_text()
    for steps in (3, 5):
        edit(host, good.replace("steps = 300", f"steps = {steps}"))
        host.get_by_role("button", name="Train").click()
        until(host, f"distml.status().state === 'finished' && distml.status().step === {steps}", 60)
