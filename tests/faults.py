"""The rows of docs/faults.md, and what their tests came to: `@pytest.mark.fault("S13")`. Printed after `pytest --faults S`."""

import re
from collections import defaultdict
from pathlib import Path

PATH = Path(__file__).parents[1] / "docs" / "faults.md"
ROW = re.compile(r"^\| ([RS]\d+) \| ([^|]+) \| (?:`([^`:]+)::(test_\w+)`|none yet) \|$", re.MULTILINE)
WIDTH = 44


def rows() -> list[tuple[str, str, str, str]]:
    """(row, what it is, path, test) in the document's order; without a test the last two are empty."""
    return ROW.findall(PATH.read_text(encoding="utf-8"))


class FaultTable:
    """Collects outcomes by row."""

    def __init__(self) -> None:
        self.passed: dict[str, list[bool]] = defaultdict(list)
        self.places: dict[str, dict[str, None]] = defaultdict(dict)

    def note(self, names: list[str], node: str, passed: bool) -> None:
        for name in names:
            self.passed[name].append(passed)
            self.places[name][node.split("[")[0]] = None

    def lines(self, kind: str) -> list[str]:
        """A line for each row of this letter: its outcome, how many tests, and where they live."""
        return [
            f"{name:3}  {self.word(name):15}  {what.strip():{WIDTH}.{WIDTH}}  {', '.join(self.places[name])}"
            for name, what, _, _ in rows()
            if name.startswith(kind)
        ]

    def word(self, name: str) -> str:
        found = self.passed.get(name)
        return "fail (no test)" if not found else f"pass ({len(found)})" if all(found) else "fail"
