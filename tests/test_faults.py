"""docs/faults.md has every row once, and the tests that it names are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| ([RS]\d+) \| [^|]+ \| (?:`([^`:]+)::(test_\w+)`|none yet) \|$", re.MULTILINE)


def test_every_fault_and_attack_has_its_row_and_the_tests_exist() -> None:
    rows = ROW.findall((ROOT / "docs" / "faults.md").read_text(encoding="utf-8"))
    assert [name for name, _, _ in rows] == [f"R{n}" for n in range(1, 41)] + [f"S{n}" for n in range(1, 37)]
    for name, path, test in rows:
        assert not path or re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name
