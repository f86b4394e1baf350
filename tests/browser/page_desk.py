"""What several tests of the page share: a coordinator, a browser profile, and the host's page in it."""

import struct
import zlib
from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Page

from driving import until
from served import Coordinator

CSV = "height,width,kind\n" + "".join(
    f"{1 + n % 7 * 0.1:.2f},{2 + n % 5 * 0.1 + (n % 2) * 3:.2f},{'tall' if n % 2 else 'SECRETWIDE'}\n" for n in range(120)
)


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


def png(grey: int) -> bytes:
    """An 8 x 8 picture of one grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + bytes([grey]) * 8 for _ in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def choose(page: Page, recipe: str, words: str) -> None:
    page.locator(f"#gallery [data-recipe={recipe}]").click()
    until(page, f"distml.code().includes({words!r})")
