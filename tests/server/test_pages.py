"""The page's files at an address of their version: kept for good by browsers, and never older than the page."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from posixpath import normpath

import pytest
import pytest_asyncio

from distml_server.assets import shipped_folder
from distml_server.pages import Pages
from peers import Served, serving

LINK = re.compile(r'(?:src|href)="(v/[^"]+)"')


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as found:
        yield found


async def test_what_the_page_names_is_there_and_kept_for_good(served: Served) -> None:
    async with served.client.get(served.url + "/") as response:
        assert response.headers["Cache-Control"] == "no-cache"
        names = LINK.findall(await response.text())
    assert len(names) > 40 and len({name.split("/")[1] for name in names}) == 1
    for name in names:
        async with served.client.get(f"{served.url}/{name}") as response:
            assert response.status == 200 and "immutable" in response.headers["Cache-Control"], name


async def test_every_module_that_the_page_imports_is_named_ahead_and_no_other(served: Served) -> None:
    """Vendored ones, too, but for the editor, which a worker's page does not load."""
    async with served.client.get(served.url + "/") as response:
        ahead = re.findall(r'<link rel="modulepreload" href="v/\w+/web/([^"]+)"', await response.text())
    assert len(ahead) == len(set(ahead)) and "app.js" not in ahead and "vendor/codemirror.esm.js" not in ahead
    web = shipped_folder("web")
    for name in ("app.js", *ahead):
        for line in (web / name).read_text("utf-8").splitlines():
            if line.startswith(("import ", "export ")) and ' from "' in line and "/vendor/" not in name:
                path = normpath((Path(name).parent / line.split(' from "')[1].split('"')[0]).as_posix())
                assert path in ahead, f"{name} imports {path}"


async def test_an_older_page_gets_the_files_of_today_and_keeps_none(served: Served) -> None:
    for path in ("web/app.js", "bridge/bridge.js"):
        async with served.client.get(f"{served.url}/v/0123456789ab/{path}") as response:
            assert response.status == 200 and response.headers["Cache-Control"] == "no-cache"


async def test_the_engines_policy_is_the_same_at_every_address(served: Served) -> None:
    """People's Python runs there: it opens no socket."""
    async with served.client.get(served.url + "/") as response:
        version = LINK.findall(await response.text())[0].split("/")[1]
    for prefix in ("", f"/v/{version}"):
        async with served.client.get(f"{served.url}{prefix}/web/engine_worker.js") as response:
            assert " ws:" not in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["web/../../pyproject.toml", "web/%2e%2e/pyproject.toml", "server/distml_server/app.py", "web/"])
async def test_no_version_leads_out_of_the_page(served: Served, path: str) -> None:
    async with served.client.get(f"{served.url}/v/0123456789ab/{path}") as response:
        assert response.status == 404


def test_an_edit_of_any_file_is_another_version_and_its_undoing_the_first_one_again(tmp_path: Path) -> None:
    web, bridge = tmp_path / "web", tmp_path / "bridge"
    for folder in (web / "deep", bridge):
        folder.mkdir(parents=True)
    for name in ("web/index.html", "web/app.js", "web/deep/one.js", "bridge/gl.js"):
        (tmp_path / name).write_text(f"// {name}")
    pages = Pages(web, bridge)
    first = pages.version
    for name in ("web/deep/one.js", "bridge/gl.js"):
        before = (tmp_path / name).read_text()
        (tmp_path / name).write_text("// another")
        assert pages.version != first
        (tmp_path / name).write_text(before)
        assert pages.version == first
    assert (
        pages.has(first, "web", "deep/one.js")
        and not pages.has(first, "web", "deep/two.js")
        and not pages.has("0", "web", "app.js")
    )
    (web / "deep" / "one.js").write_text("// edited after the page was sent")
    assert not pages.has(first, "web", "deep/one.js") and pages.has(first, "web", "app.js")
    (web / "deep" / "one.js").unlink()
    assert not pages.has(first, "web", "deep/one.js")
    assert Pages(web, bridge, "another policy").version != first
    (web / "new.js").write_text("")
    assert pages.version != first
