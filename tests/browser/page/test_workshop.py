"""The workshop as a person uses it: examples, controls, code, buttons, curves, and views into the model."""

import re
import time

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from driving import code_of, edit, status, train, until, until_state
from page_desk import Desk

LOOP = """
    compile = False
    calls = 0

    def loss(self, model, x, y):
        self.calls += 1
        while self.calls > 20:
            pass
        return super().loss(model, x, y)
"""
ONE_SECOND = 1.5  # a second, and what a test needs to see it


def choose(page: Page, recipe: str) -> None:
    page.locator(f"#gallery [data-recipe={recipe}]").click()
    until(page, f"document.getElementById('recipe').value === '{recipe}' && !document.querySelector('#train').disabled")
    page.wait_for_timeout(200)


def look(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def ended(page: Page) -> None:
    if page.get_by_role("button", name="Stop").is_enabled():
        page.get_by_role("button", name="Stop").click()
        until_state(page, "stopped", "finished", timeout_s=30)


@pytest.mark.ux(11)
def test_six_examples_with_pictures_are_picked_by_a_click(page: Page) -> None:
    cards = page.locator("#gallery button")
    assert cards.count() >= 6
    until(page, "[...document.querySelectorAll('#gallery img')].every(e => e.naturalWidth > 0 && e.src.includes('/pictures/'))")
    choose(page, "spiral")
    until(page, "distml.code().includes('Two spirals')")
    assert page.locator("#gallery [data-recipe=spiral]").get_attribute("aria-pressed") == "true"


@pytest.mark.ux(10, 12)
def test_a_control_edits_the_code_and_an_edit_moves_the_control(page: Page) -> None:
    choose(page, "digits_mlp")
    until(page, "distml.code().includes('multilayer')")
    lines = {"width": ("48", "    width = 48\n"), "batch": ("32", "    batch_size = 32\n"), "lr": ("0.05", "lr=0.05,")}
    for knob, (value, line) in lines.items():
        page.locator(f"#knob-{knob}").fill(value)
        page.locator(f"#knob-{knob}").press("Tab")
        assert line in code_of(page)
    page.locator("#knob-optimizer").select_option("Adam")
    assert "return optim.Adam(parameters, lr=0.003)\n" in code_of(page)
    assert page.locator("#knob-lr").input_value() == "0.003"
    edit(page, code_of(page).replace("width = 48", "width = 20").replace("lr=0.003", "lr=0.007"))
    assert page.locator("#knob-width").input_value() == "20" and page.locator("#knob-lr").input_value() == "0.007"
    page.get_by_role("button", name="Original code").click()
    until(page, "distml.code().includes('width = 32') && distml.code().includes('optim.SGD')")
    assert page.locator("#knob-optimizer").input_value() == "SGD"


@pytest.mark.ux(31)
def test_tab_indents_and_escape_then_tab_leaves_the_code(page: Page) -> None:
    before = code_of(page)
    page.locator("#code").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Tab")
    assert code_of(page) == "    " + before
    page.keyboard.press("Control+z")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") != "code" and code_of(page) == before


def go(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


@pytest.mark.ux(31)
def test_an_example_is_picked_changed_trained_looked_into_and_left_with_the_keys_alone(page: Page) -> None:
    focus = "document.activeElement"
    page.locator("#gallery [data-recipe=spiral]").focus()
    go(page, "Enter")
    until(page, "distml.code().includes('Two spirals')")
    for _ in range(80):  # Tab by Tab to the learning rate, past the code's way in
        if page.evaluate(f"{focus}.id") == "knob-lr":
            break
        go(page, "Tab")
    go(page, "ControlOrMeta+a", *"0.02", "Enter")
    assert "lr=0.02" in code_of(page)
    go(page, "Control+Enter")
    until(page, "distml.status().recipe === 'spiral' && (distml.status().step ?? 0) >= 10", 60)
    until(page, "document.querySelector('#look-boundary') !== null", 20)
    page.locator("#look-boundary").focus()
    go(page, "ArrowRight")
    assert page.evaluate(f"{focus}.getAttribute('aria-selected')") == "true"
    assert page.evaluate(f"{focus}.id") == "look-confusion"
    until(page, "document.querySelector('.confusion button[data-kind=right]') !== null", 20)
    for _ in range(40):
        go(page, "Tab")
        if page.evaluate(f"{focus}.dataset.cell ?? ''"):
            break
    go(page, "Enter")
    expect(page.locator(".behind p")).to_contain_text("answered", timeout=10_000)
    page.locator("#stop").focus()
    go(page, "Enter")
    until_state(page, "stopped", timeout_s=10)
    page.locator("#doors [data-door=lessons]").focus()
    go(page, "Enter")
    assert page.locator("#lessons").is_visible()
    page.locator("#doors [data-door=train]").focus()
    go(page, "Enter")


@pytest.mark.ux(11, 13, 4, 5)
def test_control_enter_runs_and_every_button_answers_within_a_second(page: Page) -> None:
    choose(page, "digits_mlp")
    page.get_by_label("Steps", exact=True).fill("100000")
    page.locator("#code").focus()
    page.keyboard.press("Control+Enter")
    until(page, "(distml.status().step ?? 0) >= 60", 60)  # captured by then: a step is short
    assert status(page)["val_loss"] is not None, "training and validation from the first evaluation on"
    first = page.evaluate("drawn")
    page.wait_for_timeout(3000)
    assert page.evaluate("drawn") - first >= 15, "five drawings a second"
    began = time.monotonic()
    page.get_by_role("button", name="Pause", exact=True).click()
    until_state(page, "paused", timeout_s=10)
    assert time.monotonic() - began < ONE_SECOND
    page.wait_for_timeout(700)
    stood = status(page)["step"]
    page.get_by_role("button", name="Step", exact=True).click()
    until(page, f"distml.status().step === {stood + 1} && distml.status().state === 'paused'", 10)
    page.get_by_role("button", name="Resume").click()
    until(page, f"distml.status().step > {stood + 3}", 10)
    began = time.monotonic()
    page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", timeout_s=10)
    assert time.monotonic() - began < ONE_SECOND
    assert status(page)["weights_sha256"], "stop keeps the model"


@pytest.mark.ux(6)
def test_a_cell_of_the_confusion_matrix_shows_its_samples(page: Page) -> None:
    look(page, "Confusion")
    until(page, "document.querySelectorAll('.confusion button[data-kind=right]').length >= 5")
    counts = page.evaluate("[...document.querySelectorAll('.confusion button')].map(e => +e.textContent)")
    assert sum(counts) == 360
    page.locator(".confusion button[data-kind=right]").first.click()
    expect(page.locator(".behind li").first).to_be_visible()
    assert page.locator(".behind canvas").count() >= 1


@pytest.mark.ux(7)
def test_samples_and_the_worst_mistakes_tell_truth_answer_and_confidence(page: Page) -> None:
    look(page, "Samples")
    expect(page.locator("#look .samples li").first).to_contain_text("%")
    assert page.locator("#look .samples canvas").count() == 24
    look(page, "Worst mistakes")
    expect(page.locator("#look .quiet").first).to_contain_text("validation samples are answered wrongly")
    count = int(page.locator("#look .quiet").first.inner_text().split(" of ")[0])
    rows = page.locator("#look .samples li")
    assert rows.count() == min(count, 24) and page.locator("#look .samples li canvas").count() == rows.count()
    told = [text.split("\n") for text in rows.all_inner_texts()]
    assert all(re.fullmatch(r"(\d), not (?!\1)\d", words) for words, _ in told), told
    sure = [float(percent.split()[0]) for _, percent in told]
    assert sure == sorted(sure, reverse=True), "the surest mistakes come first"


@pytest.mark.ux(8)
def test_a_drawing_is_answered_while_the_model_trains_and_can_be_typed(page: Page) -> None:
    train(page, 100_000)
    until(page, "distml.status().state === 'training' && distml.status().step >= 200", 60)
    look(page, "Draw")
    page.locator("#typed-drawing").fill("\n".join(["..###...", ".##.##..", *[".#...#.."] * 4, ".##.##..", "..###..."]))
    expect(page.locator(".said")).to_contain_text("It says: 0")
    assert page.locator(".bars li").count() == 10 and "%" in page.locator(".bars").inner_text()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".said")).to_contain_text("Nothing is drawn yet")
    page.locator(".drawing").scroll_into_view_if_needed()
    box = page.locator(".drawing").bounding_box()
    assert box is not None
    x, y, side = box["x"], box["y"], box["width"]
    page.mouse.move(x + side * 0.5, y + side * 0.15)
    page.mouse.down()
    for part in range(20):
        page.mouse.move(x + side * 0.5, y + side * (0.15 + part * 0.035))
    page.mouse.up()
    expect(page.locator(".said")).to_contain_text("It says: 1")
    step = status(page)["step"]
    until(page, f"distml.status().state === 'training' && distml.status().step > {step}", 10)
    ended(page)
    assert "#" in page.locator("#typed-drawing").input_value()


@pytest.mark.ux(9)
def test_filters_and_the_border_of_a_plane_are_drawn(page: Page) -> None:
    look(page, "Filters")
    until(page, "document.querySelectorAll('#look .samples canvas').length === 32")
    choose(page, "spiral")
    train(page, 100_000)
    until(page, "distml.status().recipe === 'spiral' && (distml.status().step ?? 0) >= 10", 60)
    until(page, "document.querySelector('#look-boundary') !== null")
    look(page, "Border")
    until(page, "(document.querySelector('.plane')?.getAttribute('aria-label') ?? '').includes('%')")
    colours = page.evaluate("new Set(document.querySelector('.plane').getContext('2d').getImageData(0,0,360,360).data).size")
    assert colours > 10
    ended(page)


@pytest.mark.ux(37, 14)
def test_runs_are_laid_over_each_other_and_reset_forgets_them(page: Page) -> None:
    keys = page.locator("#run-keys input")
    assert keys.count() >= 2
    keys.first.uncheck()
    page.locator("#log-scale").check()
    page.locator("#smoothing").fill("0.5")
    page.get_by_text("The charts as a table").click()
    expect(page.locator("#table-rows tr").first).to_be_visible()
    page.locator("#log-scale").uncheck()
    page.get_by_role("button", name="Reset").click()
    until(page, "distml.status().run === null && distml.status().state === 'ready'", 10)
    assert page.locator("#n-step").inner_text() == "–" and page.locator("#run-keys input").count() == 0
    assert page.locator("#table-rows tr").count() == 0, "the table forgets with the charts"


def test_a_language_model_writes_while_it_trains(page: Page) -> None:
    choose(page, "char_gpt")
    train(page, 100_000)
    until(page, "distml.status().recipe === 'char_gpt' && (distml.status().step ?? 0) >= 2", 90)
    until(page, "document.querySelector('#look-text') !== null", 30)
    until(page, "(document.querySelector('.told')?.textContent ?? '').length > 60", 60)
    assert page.locator(".told strong").inner_text() == "def "
    ended(page)


@pytest.mark.ux(13)
def test_an_endless_loop_in_a_running_recipe_is_ended_by_stop(page: Page) -> None:
    choose(page, "digits_mlp")
    loop = LOOP
    edit(page, code_of(page).replace("\n    def data(self):", loop + "\n    def data(self):"))
    train(page, 1000)
    until(page, "(distml.status().step ?? 0) >= 1", 60)
    page.wait_for_timeout(3000)
    page.get_by_role("button", name="Stop").click()
    until(page, "document.getElementById('boot').hidden === false", 6)
    until_state(page, "stopped", timeout_s=60)


@pytest.mark.ux(15)
def test_a_link_carries_code_and_settings_within_8_kb(desk: Desk) -> None:
    page = desk.page
    until_state(page, "stopped", "ready", timeout_s=60)
    edit(page, "# of a colleague\n" + code_of(page))
    code = code_of(page)
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Steps", exact=True).fill("12")
    page.evaluate("addEventListener('copy', () => window.copied = getSelection().toString() || document.activeElement.value)")
    page.get_by_role("button", name="Link to this code").click()
    expect(page.locator("#share-code")).to_have_text("Copied", timeout=2000)
    link = page.evaluate("navigator.clipboard?.readText() ?? copied")
    assert link.startswith("http") and len(link) <= 8192 and "#t=" not in link
    other = desk.context.new_page()
    routes: list[WebSocketRoute] = []
    if desk.secure:
        other.route_web_socket("**/ws", lambda route: (routes.append(route), route.connect_to_server()))
    other.goto(link)
    until(other, "distml.code().startsWith('# of a colleague')", 30)
    # it gives no rights on other machines
    expect(other.locator("#link")).to_have_text("Connected" if desk.secure else "Not let in", timeout=20_000)
    assert code_of(other) == code
    assert other.get_by_label("Seed").input_value() == "7" and other.get_by_label("Steps", exact=True).input_value() == "12"
    assert other.locator("#recipe").input_value() == page.locator("#recipe").input_value()
    if desk.secure:
        edit(other, "mine = 1\n")
        routes[0].close(code=1011, reason="test")
        until(other, "document.getElementById('link').textContent !== 'Connected'", 10)
        expect(other.locator("#link")).to_have_text("Connected", timeout=20_000)
        assert code_of(other) == "mine = 1\n", "a connection that is back brings no code again"
    other.close()
    long = page.evaluate("""import("/web/share_link.js").then(m => new Promise(tell => m.linkWith(
        {chosen: () => ({name: "x", code: "# " + "long ".repeat(4000), seed: 0, steps: null})}, false, "", {tell})))""")
    assert "8,192" in long["message"] and long["next"]


@pytest.mark.ux(35)
def test_nothing_scrolls_sideways_and_targets_are_large(page: Page) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") == width
