"""Joining, the projector, the host's hand over the workers, lessons, languages, colours, and what screen readers get."""

import re
import time

import pytest
import zxingcpp
from playwright.sync_api import Page, expect

from distml_py.data.png import read_png
from driving import complaints, speeds, status, train, until, until_editor, until_state
from page_desk import Desk

NOT_JAPANESE = """() => {
    const names = /distml|Python|NumPy|Jupyter|PyTorch|torchvision|torch|import|safetensors|ONNX|WebGL2|Enter|https|localhost/g;
    const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const node = walk.currentNode, text = node.data.trim();
        if (!node.parentElement.closest('[data-raw]:not(#recipe-about), script, noscript, #run-keys, #output, [hidden], .shut')
            && /[A-Za-z]{5}/.test(text.replaceAll(names, '')))
                found.push(text);
    }
    return found;
}"""
SMALL = """[...document.querySelectorAll('button, input:not([type=checkbox], [type=radio]), select, summary, a[href], [role=tab]')]
    .filter(e => e.offsetWidth && !e.closest('.unseen, .skip') && getComputedStyle(e).display !== 'inline')
    .filter(e => { const box = e.getBoundingClientRect(); return box.width < 24 || box.height < 24; })
    .map(e => e.id || e.textContent)"""

REMOVE = """() => new Promise((tell) => {
    const began = performance.now();
    [...document.querySelectorAll('#workers button')].find(e => !e.hidden).click();
    const look = () => {
        const passed = performance.now() - began;
        if (distml.status().workers === 1 || passed > 10_000) tell(passed);
        else setTimeout(look, 5);
    };
    look();
})"""


def door(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def seen_by_a_phone(picture: bytes) -> list[str]:
    """What a reader of codes makes of a screenshot."""
    return [code.text for code in zxingcpp.read_barcodes(read_png(picture)[..., :3].copy())]


@pytest.mark.ux(32, 33, 34)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_behind_any_door(desk: Desk, scheme: str) -> None:
    page = desk.page
    page.locator("#theme").select_option(scheme)
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (int(ground.split("(")[1].split(",")[0]) < 80) == (scheme == "dark")
    page.get_by_label("Example", exact=True).select_option("digits_mlp")  # a model does not outlive the reload at the end
    until(page, "distml.code().includes('multilayer')")
    train(page, 40)
    until(page, "document.querySelector('#look-confusion') !== null", 60)
    until_state(page, "finished", timeout_s=90)
    page.get_by_role("tab", name="Confusion").click()
    until(page, "document.querySelector('.confusion button[data-kind=right]') !== null")
    for name in ("Projector", "Lessons", "Workshop"):
        door(page, name)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") == (page.viewport_size or {})["width"], name
        assert complaints(page) == [], name
        assert page.evaluate(SMALL) == [], name
    page.reload()
    until_editor(page)
    assert page.locator("#theme").input_value() == scheme, "the choice is kept"
    page.locator("#theme").select_option("system")


@pytest.mark.ux(33)
def test_who_wants_less_motion_gets_none(desk: Desk) -> None:
    page = desk.page
    page.emulate_media(reduced_motion="reduce")
    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0"
        " && !e.closest('.cm-editor')).length"
    )
    page.emulate_media(reduced_motion="no-preference")
    assert moving == 0


@pytest.mark.ux(38)
def test_the_page_speaks_japanese_and_nothing_of_it_stays_english(desk: Desk) -> None:
    page = desk.page
    page.locator("#language").select_option("ja")
    try:
        until(page, "document.documentElement.lang === 'ja'")
        expect(page.locator("#train")).to_have_text("学習する")
        page.wait_for_timeout(300)
        assert page.evaluate(NOT_JAPANESE) == []
        page.reload()
        until(page, "document.documentElement.lang === 'ja'")
        expect(page.locator("#train")).to_have_text("学習する")
    finally:  # the tests after this one read English
        page.locator("#language").select_option("en")
    expect(page.locator("#train")).to_have_text("Train")


def invites(page: Page) -> None:
    """The link as a phone reads it, and whether one could open it."""
    link, end = status(page)["join_url"], time.monotonic() + 10
    # a narrow page moves while the first numbers of a run come in above it: a phone looks again, too
    while seen_by_a_phone(page.locator("#invite-qr").screenshot()) != [link]:
        assert time.monotonic() < end
    assert page.locator("#invite-local").is_visible() == ("//127." in link)


@pytest.mark.ux(16, 17, 18, 20, 21, 36)
def test_a_guest_joins_and_the_projector_shows_tabs_and_their_speed(desk: Desk) -> None:
    page = desk.page
    until_editor(page)
    until(page, "distml.status().backend !== null", 60)
    page.get_by_label("Example", exact=True).select_option("digits_mlp")
    until(page, "distml.code().includes('multilayer')")
    train(page, 100_000)
    until(page, "distml.status().state === 'training' && distml.status().step >= 10", 60)
    invites(page)
    door(page, "Projector")
    assert page.locator("#qr-link").inner_text() == status(page)["join_url"]
    page.locator("#qr").scroll_into_view_if_needed()
    box = page.locator("#qr svg").bounding_box()
    assert box is not None and box["width"] == box["height"] >= 240, "large enough for a phone at the back of a room"
    assert seen_by_a_phone(page.locator("#qr").screenshot()) == [status(page)["join_url"]]
    expect(page.locator("#projector-chart canvas")).to_be_visible()
    expect(page.locator("#projector-chart")).to_have_attribute("aria-label", re.compile(r"At step \d.*training \d"))
    page.wait_for_timeout(6000)
    guest = desk.open(desk.coordinator.join_link)
    loaded: list[str] = guest.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    assert not [name for name in loaded if "codemirror" in name], "no heavy assets"
    expect(guest.get_by_text("Raw data never leaves this device")).to_be_visible(timeout=20_000)
    assert guest.evaluate("document.documentElement.scrollWidth") == (guest.viewport_size or {})["width"]
    guest.get_by_role("button", name="Join").click()
    until(page, "distml.status().workers_contributing === 2", 90)
    until(guest, "parseInt(document.getElementById('own-shards').textContent) >= 2", 30)
    until(guest, "/\\d/.test(document.getElementById('own-rate').textContent)", 10)
    until(page, "document.querySelectorAll('.speed-row').length >= 2", 30)
    assert set(speeds(page)) == {1, 2}
    assert page.locator("#projector-workers").inner_text() == "2"
    door(page, "Workshop")


@pytest.mark.ux(18, 36)
def test_a_guest_says_what_its_browser_does_to_it_and_may_rest(desk: Desk) -> None:
    page, guest = desk.page, desk.context.pages[-1]
    guest.locator("#duty").fill("50")
    assert guest.locator("#duty-value").inner_text() == "50 %"
    guest.evaluate("""() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true});
        document.dispatchEvent(new Event('visibilitychange')); }""")
    assert "in the background" in guest.locator("#hidden-note").inner_text()
    guest.evaluate("""() => { Object.defineProperty(document, 'hidden', {value: false, configurable: true});
        document.dispatchEvent(new Event('visibilitychange')); }""")
    assert "this tab computed" in guest.locator("#hidden-note").inner_text()
    guest.get_by_role("button", name="Pause my tab").click()
    until(page, "distml.status().workers === 1", 10)
    guest.get_by_role("button", name="Go on").click()
    until(page, "distml.status().workers === 2", 20)
    assert complaints(guest) == []


@pytest.mark.ux(19, 17)
def test_the_host_removes_a_worker_and_locks_the_run(desk: Desk) -> None:
    page = desk.page
    guest = desk.context.pages[-1]
    assert guest is not page
    try:
        page.get_by_role("button", name="Lock the run").click()
        expect(page.get_by_role("button", name="Unlock the run")).to_be_visible(timeout=2000)
        other = desk.open(desk.coordinator.join_link)
        expect(other.locator("#problem")).to_contain_text("lets nobody else join", timeout=20_000)
        other.close()
        assert page.evaluate(REMOVE) < 2000
        expect(guest.locator("#problem")).to_contain_text("removed this tab", timeout=5000)
        page.get_by_role("button", name="Unlock the run").click()
        guest.close()
        page.get_by_role("button", name="Pause", exact=True).click()
        until_state(page, "paused", timeout_s=10)
    finally:  # the tests after this one train themselves
        page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", timeout_s=10)


@pytest.mark.ux(17)
def test_two_hundred_rows_of_workers_change_without_jank(desk: Desk) -> None:
    longest = desk.page.evaluate("""async () => {
        const { WorkerList } = await import("/web/workers.js");
        const list = new WorkerList();
        const rows = (done) => Array.from({length: 200}, (_, n) => ({id: `w${n}`, name: `tab ${n}`, backend: "webgl", device: "d",
            role: "worker", shards_done: done + n, contributing: true, last_seen_s: n === 5 ? 30 : 0, strikes: n === 5 ? 2 : 0,
            samples_per_s: 9}));
        const times = [];
        for (let turn = 0; turn < 20; turn++) {
            const began = performance.now();
            list.show({coordinator: {state: "training", worker_list: rows(turn), workers: 200, locked: false},
                worker: "w0", role: "host"});
            document.body.getBoundingClientRect();
            times.push(performance.now() - began);
        }
        const shown = document.querySelectorAll('#workers li').length;
        const silent = document.querySelectorAll('#workers li')[5].textContent;
        list.show({coordinator: {state: "finished", worker_list: rows(20), workers: 200}, worker: "w0", role: "host"});
        const over = document.querySelectorAll('#workers li')[5].textContent;
        list.show({coordinator: {worker_list: [], workers: 0, locked: false}, worker: "w0", role: "host"});
        return {shown, silent, over, median: times.sort((a, b) => a - b)[10]};
    }""")
    assert longest["shown"] >= 200 and longest["median"] < 50, longest
    for part in ("tab 5", "silent for 30 s", "9 samples/s", "2 refused", "webgl", "24 shards"):
        assert part in longest["silent"], longest
    assert "connected" in longest["over"] and "silent" not in longest["over"], "a tab that has nothing to do is sound"


@pytest.mark.ux(40)
def test_the_first_lesson_is_done_from_beginning_to_end(desk: Desk) -> None:
    page = desk.page
    door(page, "Lessons")
    assert page.locator(".lesson-card").count() == 3
    page.get_by_role("button", name="Begin: A first neuron").click()
    until(page, "distml.code().includes('A first neuron')")
    next_ = page.get_by_role("button", name="Next")
    assert next_.is_disabled()
    page.get_by_role("button", name="Train").click()
    until(page, "!document.getElementById('lesson-next').disabled", 60)
    next_.click()
    until_state(page, "finished", timeout_s=90)
    until(page, "!document.getElementById('lesson-next').disabled", 10)
    next_.click()
    page.locator("#knob-lr").fill("0.01")
    page.locator("#knob-lr").press("Tab")
    page.get_by_role("button", name="Train").click()
    until(page, "!document.getElementById('lesson-next').disabled", 90)
    next_.click()
    page.get_by_role("button", name="Finish").click()
    assert not page.locator("#lesson").is_visible()


@pytest.mark.ux(40)
def test_the_lesson_of_the_digits_is_done(desk: Desk) -> None:
    page = desk.page
    page.get_by_role("button", name="Begin: A digit classifier").click()
    until(page, "distml.code().includes('multilayer')")
    page.get_by_role("button", name="Train").click()
    for _ in range(2):
        until(page, "!document.getElementById('lesson-next').disabled", 90)
        page.get_by_role("button", name="Next").click()
    page.get_by_role("tab", name="Confusion").click()
    until(page, "document.querySelector('.confusion button[data-kind=right]') !== null")
    page.locator(".confusion button[data-kind=right]").first.click()
    until(page, "!document.getElementById('lesson-next').disabled", 20)
    page.get_by_role("button", name="Next").click()
    page.get_by_role("tab", name="Draw").click()
    page.locator("#typed-drawing").fill("..##....\n" * 8)
    until(page, "!document.getElementById('lesson-next').disabled", 20)
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Finish").click()
    door(page, "Workshop")
    until_state(page, "finished", timeout_s=90)


@pytest.mark.ux(40)
def test_the_lesson_of_the_class_room_is_done(desk: Desk) -> None:
    page = desk.page
    door(page, "Lessons")
    page.get_by_role("button", name="Begin: A class-room cluster").click()
    until(page, "distml.code().includes('convolutional')")
    page.get_by_label("Steps", exact=True).fill("100000")
    page.get_by_role("button", name="Train").click()
    until(page, "!document.getElementById('lesson-next').disabled", 90)
    page.get_by_role("button", name="Next").click()
    guest = desk.open(desk.coordinator.join_link)
    guest.get_by_role("button", name="Join").click(timeout=30_000)
    for _ in range(2):
        until(page, "!document.getElementById('lesson-next').disabled", 90)
        page.get_by_role("button", name="Next").click()
    guest.close()
    until(page, "!document.getElementById('lesson-next').disabled", 20)
    page.get_by_role("button", name="Finish").click()
    door(page, "Workshop")
    page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", timeout_s=20)
