"""The page as plain files: what is in the folder, and what its policy says."""

import json
from pathlib import Path

import pytest

from distml_server.export import ExportError, export_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder, said = tmp_path_factory.mktemp("site") / "out", list[str]()
    export_site(folder, say=said.append)
    return folder, said


def test_the_folder_holds_all_that_the_page_asks_for(site: tuple[Path, list[str]]) -> None:
    folder, _ = site
    lock = json.loads((folder / "assets" / "pyodide-lock.json").read_text())
    for package in lock["packages"].values():
        assert (folder / "assets" / package["file_name"]).is_file(), package["file_name"]
    names = [recipe["name"] for recipe in json.loads((folder / "recipes" / "index.json").read_text())]
    assert len(names) >= 6 and all((folder / "recipes" / f"{name}.py").is_file() for name in names)
    for path in ("web/app.js", "web/engine_worker.js", "web/vendor/codemirror.esm.js", "bridge/bridge.js", "assets/pyodide.mjs"):
        assert (folder / path).is_file(), path
    assert json.loads((folder / "web" / "version.json").read_text())["version"]


def test_the_policy_stands_in_the_page_and_what_it_cannot_do_is_said(site: tuple[Path, list[str]]) -> None:
    folder, said = site
    html = (folder / "index.html").read_text()
    assert "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'" in html and "frame-ancestors" not in html
    assert 'name="distml-static"' in html
    assert "cannot hold frame-ancestors" in " ".join(said)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="not an empty folder"):
        export_site(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
