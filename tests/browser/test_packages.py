"""A recipe's packages in real tabs: served by the coordinator, installed by micropip, and nowhere else to be had."""

from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext

from driving import edit, until_editor
from tabs import Tab

MLP = (Path(__file__).parents[2] / "web" / "recipes" / "digits_mlp.py").read_text()
TURN = """class Turn(nn.Module):
    def forward(self, x):
        return rearrange(x, "n c h w -> n (w h c)")


class DigitsMLP(Recipe):
    packages = ["einops"]
"""
# the digits' images are turned round by einops inside the model
TURNED = (
    MLP.replace("class DigitsMLP(Recipe):\n", TURN)
    .replace("from distml_py import", "from einops import rearrange\n\nfrom distml_py import", 1)
    .replace("nn.Flatten(),", "Turn(),")
)


def typed(tab: Tab, code: str) -> None:
    """Puts a recipe into the editor and presses Train."""
    tab.until("the engine", lambda s: s["backend"], 90)
    until_editor(tab.page)
    edit(tab.page, code)
    tab.page.locator("#steps").fill("30")
    tab.page.get_by_role("button", name="Train").click()


def test_a_recipe_uses_a_package_that_the_coordinator_serves(serve: Any, context: BrowserContext, monkeypatch: Any) -> None:
    serve("--with", "einops").stop()
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # what was fetched once is kept
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    coordinator = serve("--with", "einops")
    host = Tab(context, coordinator.host_link)
    typed(host, TURNED)
    guest = Tab(context, coordinator.join_link)
    guest.join()
    for tab in (host, guest):
        end = tab.until("the end", lambda s: s["state"] in ("finished", "error"), 120)
        assert end["state"] == "finished" and end["error"] is None, end
        assert end["cpu_ops"] in (0, None) and end["backend"].startswith("WebGL2")
        assert any("/assets/" in url and "/with/" in url and "/einops-" in url for url in tab.requests)
        assert tab.foreign_requests(coordinator.url) == []


def test_a_package_that_is_not_served_is_told_with_what_to_type(coordinator: Any, context: BrowserContext) -> None:
    tab = Tab(context, coordinator.host_link)
    typed(tab, TURNED)
    end = tab.until("the error", lambda s: s["state"] == "error", 60)
    assert "this recipe needs the package einops, which this coordinator does not serve" in end["error"]
    assert "`distml serve --with einops`, then reload this page" in end["error"]
    assert tab.foreign_requests(coordinator.url) == []
