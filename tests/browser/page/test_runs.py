"""Runs beside each other: a seed stands for one curve, the last five are laid over each other, each has both its lines."""

import json
import time

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from driving import code_of, edit, status, train, until, until_editor, until_state
from served import Coordinator

EVERY_LOSS = """
    compile = False

    def loss(self, model, x, y):
        found = super().loss(model, x, y)
        print(f"loss {found.item():.9g}")
        return found
"""
NO_GPU = "export function createBridge() { throw new Error('this browser offers no WebGL2 here') }"


def opened(context: BrowserContext, coordinator: Coordinator) -> Page:
    page = context.new_page()
    page.goto(coordinator.host_link)
    until_editor(page)
    until_state(page, "ready")
    page.get_by_label("Example", exact=True).select_option("digits_mlp")
    until(page, "distml.code().includes('multilayer')")
    return page


def finish(page: Page, seed: int, steps: int) -> None:
    run = status(page)["run"]
    page.get_by_label("Seed").fill(str(seed))
    train(page, steps)
    until(page, f"distml.status().state === 'finished' && distml.status().run !== {json.dumps(run)}", 60)


@pytest.mark.parametrize("backend", ["WebGL2", "reference"])
@pytest.mark.ux(14)
def test_a_seed_stands_for_one_curve_and_another_seed_for_another(
    context: BrowserContext, coordinator: Coordinator, backend: str
) -> None:
    """Every loss of three runs, to the last digit."""

    def without_gpu(route: Route) -> None:
        route.fulfill(body=NO_GPU, content_type="text/javascript")

    if backend == "reference":
        context.route("**/bridge/bridge.js", without_gpu)
    page = opened(context, coordinator)
    assert str(status(page)["backend"]).startswith(backend)
    edit(page, code_of(page).replace("\n    def data(self):", EVERY_LOSS + "\n    def data(self):"))
    curves = []
    for seed in (3, 3, 4):
        finish(page, seed, 25)
        said = [line for line in str(page.locator("#printed").text_content()).splitlines() if line.startswith("loss ")]
        assert len(said) >= 25
        curves.append(said)
    assert curves[0] == curves[1] != curves[2]


@pytest.mark.ux(4, 20)
def test_a_page_that_comes_later_sees_the_curve_from_its_beginning(context: BrowserContext, coordinator: Coordinator) -> None:
    page = opened(context, coordinator)
    train(page, 100_000)
    until(page, "(distml.status().step ?? 0) >= 300", 60)
    later = context.new_page()
    later.goto(coordinator.host_link)
    later.get_by_text("The charts as a table").click()
    first = "parseInt(document.querySelector('#table-rows td')?.textContent.replaceAll(',', '') ?? '1000000000')"
    until(later, f"{first} < 100", 20)
    before = later.locator("#table-rows tr").count()
    assert before > 3
    later.close()
    page.reload()  # the run's own page, too
    until_editor(page)
    page.get_by_text("The charts as a table").click()
    until(page, f"{first} < 100", 20)
    page.get_by_role("button", name="Stop").click()
    until(page, "distml.status().state === 'stopped'", 20)
    finish(page, 0, 60)
    last = context.new_page()  # nothing more comes: what it is told at the beginning must be drawn
    last.route("**/api/curve*", lambda route: (time.sleep(0.4), route.continue_()))  # after the chart's first drawing
    last.goto(coordinator.host_link)
    last.get_by_text("The charts as a table").click()
    until(last, f"{first} < 100", 20)
    last.wait_for_timeout(500)
    drawn = "document.querySelector('#accuracy-chart canvas').toDataURL()"
    seen = last.evaluate(drawn)
    last.get_by_label("Logarithmic loss").check()  # draws all anew
    last.wait_for_timeout(300)
    assert last.evaluate(drawn) == seen


@pytest.mark.ux(5, 37)
def test_the_last_five_runs_lie_over_each_other_and_each_can_be_hidden(context: BrowserContext, coordinator: Coordinator) -> None:
    page = opened(context, coordinator)
    page.get_by_text("The charts as a table").click()
    for seed in range(6):
        finish(page, seed, 40)
        # an evaluation every 20 steps: a pass over the data has 17
        steps = "[...document.getElementById('table-rows').children].map((row) => row.children[0].textContent)"
        until(page, f"{steps}.join() === '20,40'", 5)
        rows = [row.split("\t") for row in page.locator("#table-rows tr").all_inner_texts()]
        assert all(float(training) > 0 and float(validation) > 0 for _, training, validation, *_ in rows), rows
    keys = page.locator("#run-keys li")
    assert keys.all_inner_texts() == [f"{number}. digits_mlp" for number in (2, 3, 4, 5, 6)]
    drawn = "document.querySelector('#loss-chart canvas').toDataURL()"
    five = page.evaluate(drawn)
    keys.first.get_by_role("checkbox").uncheck()
    page.wait_for_timeout(300)
    four = page.evaluate(drawn)
    keys.first.get_by_role("checkbox").check()
    page.wait_for_timeout(300)
    assert page.evaluate(drawn) == five != four
