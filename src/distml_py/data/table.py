"""Tables as CSV text: columns of numbers, and a column that is to be told from them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import FormatError
from .dataset import TensorDataset


class CSVDataset(TensorDataset):
    """Rows of a CSV file, with names in the first row. A sample is (features float32, target).

    text: what the file holds, or its path. target: the column to tell, None for none. Numbers make a float32 target, words
    a class number (int64), in the order of `classes`; classification=True does so for numbers, too. columns: the
    features, by default all others. Raises FormatError naming the line and column of what is no number.
    """

    def __init__(
        self,
        text: str | Path,
        target: str | None = None,
        columns: Sequence[str] | None = None,
        delimiter: str = ",",
        classification: bool = False,
    ):
        content = Path(text).read_text(encoding="utf-8-sig") if isinstance(text, Path) or "\n" not in text else text
        rows = [row for row in csv.reader(io.StringIO(content), delimiter=delimiter) if row]
        if len(rows) < 2:
            raise FormatError(f"CSVDataset: a row of names and a row of values are needed, {len(rows)} rows are there")
        names = [name.strip() for name in rows[0]]
        self.columns = [name for name in names if name != target] if columns is None else list(columns)
        for name in [*self.columns, *([] if target is None else [target])]:
            if name not in names:
                raise FormatError(f"CSVDataset: there is no column {name!r}; there are {', '.join(names)}")
        for number, row in enumerate(rows[1:], 2):
            if len(row) != len(names):
                raise FormatError(f"CSVDataset: row {number} has {len(row)} values, {len(names)} names are given")
        features = np.stack([_numbers(rows, names.index(name), name) for name in self.columns], axis=1)
        self.classes: list[str] = []
        if target is None:
            super().__init__(features)
            return
        values = [row[names.index(target)].strip() for row in rows[1:]]
        if classification or not all(map(_is_number, values)):
            self.classes = sorted(
                set(values), key=lambda value: (not _is_number(value), float(value) if _is_number(value) else 0, value)
            )
            numbers = {value: number for number, value in enumerate(self.classes)}
            super().__init__(features, np.asarray([numbers[value] for value in values], np.int64))
        else:
            super().__init__(features, np.asarray([float(value) for value in values], np.float32))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(rows: list[list[str]], place: int, name: str) -> np.ndarray:
    found = np.empty(len(rows) - 1, np.float32)
    for number, row in enumerate(rows[1:]):
        if not _is_number(row[place]):
            raise FormatError(f"CSVDataset: row {number + 2}, column {name!r} holds {row[place]!r}, which is no number")
        found[number] = float(row[place])
    return found
