"""docs/faults.md has every row once, and the tests that it names are there and carry its mark."""

import re
from pathlib import Path

from faults import FaultTable, rows

ROOT = Path(__file__).parents[1]


def test_every_fault_and_attack_has_its_row_and_the_tests_exist() -> None:
    found = rows()
    assert [name for name, *_ in found] == [f"R{n}" for n in range(1, 41)] + [f"S{n}" for n in range(1, 37)]
    for name, _, path, test in found:
        assert not path or re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name


def test_the_tests_of_rows_carry_their_marks() -> None:
    """`nox -s security` and `nox -s chaos` find tests by their marks."""
    marked = re.compile(r"^@pytest\.mark\.fault\((.*)\)\n(?:(?!^(?:async )?def ).*\n)*^(?:async )?def (test_\w+)", re.MULTILINE)
    for name, _, path, test in rows():
        assert path or name.startswith("R"), f"{name} has no test"
        if path:
            marks = {found: row for row, found in marked.findall((ROOT / path).read_text(encoding="utf-8"))}
            assert f'"{name}"' in marks.get(test, ""), f"{name}: {test} lacks its mark"


def test_a_row_passes_when_all_its_tests_do_and_fails_without_any() -> None:
    table = FaultTable()
    table.note(["S1", "S2"], "a.py::test_a[one]", True)
    table.note(["S2"], "a.py::test_b", False)
    lines = {line.split()[0]: line for line in table.lines("S")}
    assert len(lines) == 36 and lines["S1"].split()[1:3] == ["pass", "(1)"] and lines["S1"].endswith("a.py::test_a")
    assert lines["S2"].split()[1] == "fail" and "test_b" in lines["S2"] and "no test" not in lines["S2"]
    assert "fail (no test)" in lines["S3"]
