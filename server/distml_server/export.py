"""``distml export-site``: the page as a folder for any web server. There is no coordinator in it: each tab trains alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from distml_py.errors import DistmlError

from . import assets, wheel
from .app import POLICY, code_version
from .recipes import listing

LEFT_OUT = shutil.ignore_patterns("__pycache__", "bench", "index.html", "trainer.js")
NOT_IN_META = "frame-ancestors"  # browsers take it from a header alone


class ExportError(DistmlError, RuntimeError):
    """A folder that cannot be written."""


def export_site(folder: Path, cache: Path | None = None, say: Callable[[str], None] = print) -> None:
    """Writes the page, its recipes, Pyodide, NumPy and the library. Raises ExportError when the folder holds something else."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} is not an empty folder: name a new one, or empty it")
    found = assets.resolve(cache, say)
    web = assets.shipped_folder("web")
    shutil.copytree(web, folder / "web", ignore=LEFT_OUT)
    shutil.copytree(assets.shipped_folder("webgl_bridge"), folder / "bridge")
    shutil.move(folder / "web" / "recipes", folder / "recipes")
    _write(folder / "recipes" / "index.json", json.dumps(listing(folder / "recipes")))
    _write(folder / "web" / "version.json", json.dumps({"version": code_version(), "recipe": None, "steps": None, "seed": 0}))
    _write(folder / "index.html", _page((web / "index.html").read_text("utf-8")))
    (folder / "assets").mkdir()
    for name in assets.read_lock().files:
        shutil.copyfile(found / name, folder / "assets" / name)
    library = wheel.library_wheel()
    (folder / "assets" / library.path).parent.mkdir(parents=True)
    (folder / "assets" / library.path).write_bytes(library.data)
    _write(folder / "assets" / "pyodide-lock.json", json.dumps(wheel.pyodide_lock()))
    say(f"The page is in {folder}: give this folder to any web server, such as `python3 -m http.server -d {folder}`.")
    say(f"Its policy stands in a meta tag. A meta tag cannot hold {NOT_IN_META}: to keep other sites from showing the page in a")
    say("frame, have the web server send the header `Content-Security-Policy: frame-ancestors 'none'`.")


def _page(html: str) -> str:
    policy = POLICY.format(connect="'self'", frames="")
    kept = "; ".join(part.strip() for part in policy.split(";") if not part.strip().startswith(NOT_IN_META))
    mark = f'<meta http-equiv="Content-Security-Policy" content="{kept}">\n  <meta name="distml-static" content="">'
    return html.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n  {mark}', 1)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
