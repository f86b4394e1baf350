"""A tab of the page, driven as a person does: links, clicks, and window.distml.status() to look on."""

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

from served import Holds, first_status


class Tab:
    """One tab; every request it makes is noted in `requests`, every uncaught error in `errors`."""

    def __init__(self, context: BrowserContext, link: str):
        self.page: Page = context.new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(link)

    def train(self, recipe: str, steps: int | None = None, seed: int = 0) -> None:
        """Picks a recipe and presses Train."""
        self.page.locator("#recipe").select_option(recipe)
        if steps is not None:
            self.page.locator("#steps").fill(str(steps))
        self.page.locator("#seed").fill(str(seed))
        self.page.get_by_role("button", name="Train").click()

    def join(self) -> None:
        """As soon as there is a run whose code is shown."""
        self.page.get_by_role("button", name="Join").click(timeout=60_000)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.page.evaluate("window.distml.status()")
        return found

    def until(self, what: str, holds: Holds, timeout_s: float = 60) -> dict[str, Any]:
        """The first status for which holds(status). Fails with the last one."""
        return first_status(what, self.status, holds, timeout_s, lambda: f"page errors: {self.errors}")

    def foreign_requests(self, url: str) -> list[str]:
        """Requests that left the coordinator's origin."""
        own = urlsplit(url).netloc
        return [r for r in self.requests if urlsplit(r).scheme not in ("data", "blob") and urlsplit(r).netloc != own]
