"""How tests drive a page by hand: waiting without eval, reading the status, and writing into the code editor."""

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page

from axe_finder import axe_source

ENGINE_TIMEOUT_S = 90
VIOLATIONS = (
    "addEventListener('securitypolicyviolation', e => (window.violations ??= []).push(e.violatedDirective + ' ' + e.blockedURI))"
)
SERIOUS = """() => axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations
    .filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => v.id + ': ' + v.nodes.slice(0, 4).map(n => n.target + ' ' + (n.any[0]?.message ?? '')).join(' | ')))"""
PASTE = """(text) => {
    const data = new DataTransfer();
    data.setData("text/plain", text);
    const paste = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
    document.getElementById("code").dispatchEvent(paste);
}"""


def until(page: Page, expression: str, timeout_s: float = 30) -> None:
    """Waits until a JavaScript expression is true. Playwright's own way polls with eval, which the page's policy forbids."""
    end = time.monotonic() + timeout_s
    while not page.evaluate(expression):
        if time.monotonic() > end:
            pytest.fail(f"not within {timeout_s} s: {expression}\nstatus: {status(page)}")
        page.wait_for_timeout(50)


def until_state(page: Page, *states: str, timeout_s: float = ENGINE_TIMEOUT_S) -> None:
    until(page, f"{list(states)}.includes(distml.status().state)", timeout_s)


def until_editor(page: Page) -> None:
    until(page, "distml.code().length > 100 && document.getElementById('code') !== null", 20)


def status(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("distml.status()")
    return found


def edit(page: Page, code: str) -> None:
    """Replaces the code as a person does: select all, paste."""
    page.locator("#code").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.evaluate(PASTE, code)


def code_of(page: Page) -> str:
    found: str = page.evaluate("distml.code()")
    return found


def train(page: Page, steps: int) -> None:
    page.get_by_label("Steps", exact=True).fill(str(steps))
    page.get_by_role("button", name="Train", exact=True).click()


def complaints(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical."""
    page.evaluate(axe_source())
    found: list[str] = page.evaluate(SERIOUS)
    return found


def speeds(page: Page) -> dict[int, list[float]]:
    """The projector's bars: by number of tabs samples a second, how many times as fast as one, efficiency in percent."""
    rows = [re.findall(r"\d[\d.,]*\d|\d", text) for text in page.locator(".speed-row").all_inner_texts()]
    found = {int(tabs): [float(one.replace(",", "")) for one in rest] for tabs, *rest in rows}
    for tabs, (rate, factor, efficiency) in found.items():
        assert factor == pytest.approx(rate / found[1][0], rel=0.02, abs=0.01), found
        assert efficiency == pytest.approx(100 * factor / tabs, abs=1), found
    return found
