"""What several tests of the page share: a coordinator, a browser profile, and the host's page in it."""

from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Page

from served import Coordinator


@dataclass
class Desk:
    """A coordinator, a browser profile, and the host's page in it; `secure`: localhost, else plain http under another name."""

    coordinator: Coordinator
    context: BrowserContext
    page: Page
    secure: bool
    sent: list[str]

    def link(self, link: str) -> str:
        return link if self.secure else link.replace("127.0.0.1", "classroom.test")

    def open(self, link: str) -> Page:
        page = self.context.new_page()
        page.goto(self.link(link))
        return page
