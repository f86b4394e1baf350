"""Tabs that the host does not want: what they are told, and that they promise nothing."""

import pytest
from playwright.sync_api import expect

from driving import train, until, until_state
from page_desk import Desk, choose


@pytest.mark.ux(18, 19, 28)
def test_a_tab_that_was_sent_away_says_so_and_computes_no_more(desk: Desk) -> None:
    host = desk.page
    choose(host, "digits_mlp", "multilayer")
    train(host, 100_000)
    until(host, "distml.status().step > 3", 60)
    worker = desk.open(host.locator("#join-link").input_value())
    until_state(worker, "ready")
    worker.get_by_role("button", name="Join", exact=True).click()
    until_state(worker, "training")
    host.locator("#workers").get_by_role("button", name="Remove").first.click()
    expect(worker.locator("#problem")).to_contain_text("the host removed this tab from the run")
    expect(worker.locator("#problem")).to_contain_text("this tab takes part in nothing any more")
    until_state(worker, "error", timeout_s=2)
    expect(worker.locator("#invite")).to_be_hidden()
    expect(worker.locator("#own")).to_be_hidden()
    worker.close()
    host.get_by_role("button", name="Stop", exact=True).click()
    until_state(host, "stopped")


@pytest.mark.ux(19, 28)
def test_a_tab_that_comes_to_a_locked_run_is_not_told_to_press_train(desk: Desk) -> None:
    host = desk.page
    host.locator("#lock").click()
    expect(host.locator("#lock")).to_have_attribute("aria-pressed", "true")
    late = desk.context.browser.new_page()  # type: ignore[union-attr]  # of another profile: it was never here
    late.goto(desk.link(desk.coordinator.join_link))
    expect(late.locator("#problem")).to_contain_text("reload this page when the host has unlocked joining", timeout=20_000)
    assert late.get_by_role("button", name="Train", exact=True).is_disabled()
    expect(late.locator("#hint")).to_have_text("")
    host.locator("#lock").click()
    expect(host.locator("#lock")).to_have_attribute("aria-pressed", "false")
    late.reload()
    until_state(late, "ready", "stopped")
    expect(late.locator("#problem")).to_be_hidden()
    late.close()
