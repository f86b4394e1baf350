"""Every sentence that the page says through its string table has its Japanese; the table holds no other."""

import html.parser
import json
import re
from pathlib import Path

WEB = Path(__file__).parents[1] / "web"
TEXT = r'"((?:[^"\\]|\\.)*)"'
STATES = ("loading", "ready", "waiting", "training", "paused", "stopped", "finished", "error")
NAMES = {"distml"}


class Sentences(html.parser.HTMLParser):
    """The texts and labels of index.html that are the page's own."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._raw: list[bool] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        inside = bool(self._raw and self._raw[-1])
        if not inside:
            self.found |= {given[name] or "" for name in ("aria-label", "placeholder", "title") if given.get(name)}
        if tag not in ("meta", "link", "input", "img", "br"):
            self._raw.append(inside or "data-raw" in given or tag in ("script", "title"))

    def handle_endtag(self, tag: str) -> None:
        if self._raw:
            self._raw.pop()

    def handle_data(self, data: str) -> None:
        if self._raw and not self._raw[-1] and re.search("[A-Za-z]{2}", data):
            self.found.add(data.strip())


def said_by_the_page() -> set[str]:
    page = Sentences()
    page.feed((WEB / "index.html").read_text())
    return page.found - NAMES


def said_by_scripts() -> set[str]:
    """First arguments of t(...) that are plain text."""
    found = set()
    for path in WEB.rglob("*.js"):
        if not {"vendor", "bench", "strings"} & set(path.parts):
            found |= {json.loads(f'"{text}"') for text in re.findall(rf"\bt\({TEXT}", path.read_text())}
    return found


def japanese() -> set[str]:
    keys = set()
    for path in sorted((WEB / "strings").glob("ja*.js")):
        for quoted, plain in re.findall(rf"^  (?:{TEXT}|(\w+)): ", path.read_text(), re.MULTILINE):
            keys.add(json.loads(f'"{quoted}"') if quoted else plain)
    return keys


def test_every_sentence_has_its_japanese() -> None:
    wanted = said_by_the_page() | said_by_scripts() | set(STATES)
    assert len(wanted) > 200
    assert sorted(wanted - japanese()) == []


def test_lessons_views_and_reasons_have_theirs() -> None:
    texts = {path.read_text().split('"""')[1] for path in (WEB / "recipes").glob("*.py")}  # a recipe's title
    for path in [*(WEB / "lessons").glob("*.js"), *WEB.glob("look_*.js")]:
        texts |= set(re.findall(rf"(?:title|about|text): {TEXT}", path.read_text()))
    for name in ("own_part.js", "problems.js"):
        texts |= set(re.findall(rf'\["[\w ]+", {TEXT}\]', (WEB / name).read_text()))
    assert len(texts) > 30
    assert sorted(texts - japanese()) == []


def test_places_for_numbers_are_the_same_in_both_languages() -> None:
    for path in (WEB / "strings").glob("ja*.js"):
        for key, value in re.findall(rf"^  {TEXT}: {TEXT},$", path.read_text(), re.MULTILINE):
            assert sorted(re.findall(r"\{\w+\}", key)) == sorted(re.findall(r"\{\w+\}", value)), key
