"""Working on the library: an edit of src/ shows after a page reload, without a build or a restart."""

import shutil
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from driving import edit, until_editor
from served import Coordinator
from tabs import Tab

ROOT = Path(__file__).parents[2]
PRINTING = """
import distml_py
print("library says", distml_py.__version__)
"""


def test_an_edit_of_the_library_shows_after_a_reload(tmp_path: Path, context: BrowserContext) -> None:
    copy = tmp_path / "checkout"
    for folder in ("src", "server", "web", "webgl_bridge"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    coordinator = Coordinator(tmp_path, source=copy)
    try:
        tab = Tab(context, coordinator.url)
        assert "library says 0.1.0" in said(tab)
        edited = copy / "src" / "distml_py" / "__init__.py"
        edited.write_text(edited.read_text() + '__version__ = "edited"\n')
        tab.page.reload()
        assert "library says edited" in said(tab)
    finally:
        coordinator.stop()


def said(tab: Tab) -> str:
    """What a script prints in the tab, on the GPU."""
    tab.until("the engine", lambda s: s["backend"], 60)
    until_editor(tab.page)
    edit(tab.page, PRINTING)
    tab.page.get_by_role("button", name="Train").click()
    printed = tab.page.locator("#printed")
    expect(printed).to_contain_text("library says", timeout=30_000)
    return printed.text_content() or ""
