"""Every feature of the page's table has a test that carries its number, and no test carries another number."""

import re
from pathlib import Path

from ux_table import FEATURES

BROWSER = Path(__file__).parent / "browser"


def test_every_feature_of_the_page_has_a_test() -> None:
    marks = [mark for path in BROWSER.rglob("test_*.py") for mark in re.findall(r"mark\.ux\(([\d, ]+)\)", path.read_text())]
    assert {int(number) for mark in marks for number in mark.split(",")} == set(FEATURES) == set(range(1, 41))
