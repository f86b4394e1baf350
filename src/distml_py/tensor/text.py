"""Tensors as text, as PyTorch prints them: one width for all numbers, long ones cut in the middle. No numbers are computed here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Options:
    """precision: digits after the point. threshold: numbers from which the middle is left out. sci_mode: None decides by size."""

    precision: int = 4
    threshold: int = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=2**62),
}
_state = [Options()]  # what may change in this module, in one place


def set_options(profile: str | None = None, **given: Any) -> None:
    """torch.set_printoptions: what is not given stays."""
    start = _state[0] if profile is None else PROFILES[profile]
    _state[0] = replace(start, **{name: value for name, value in given.items() if value is not None or name == "sci_mode"})


def shown(array: np.ndarray, indent: int) -> str:
    """The numbers in brackets. indent: how much stands before them in their first line."""
    options = _state[0]
    cut = array.size > options.threshold
    seen = _edges(array, options.edgeitems) if cut else array
    return _rows(array, indent, _Style(seen, options), options, cut)


def with_suffixes(text: str, indent: int, suffixes: list[str]) -> str:
    """tensor(text, suffix, ...): each suffix in the same line where it fits."""
    parts = [text]
    length = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if length + len(suffix) + 2 > _state[0].linewidth:
            parts.append(",\n" + " " * indent + suffix)
            length = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            length += len(suffix) + 2
    return "".join(parts)


def _edges(array: np.ndarray, edge: int) -> np.ndarray:
    """The numbers that are not left out."""
    for axis, size in enumerate(array.shape):
        if size > 2 * edge:
            array = np.take(array, [*range(edge), *range(size - edge, size)], axis)
    return array


class _Style:
    """How numbers are written, decided by all that are seen."""

    def __init__(self, array: np.ndarray, options: Options):
        self.precision, self.floating, self.whole, self.scientific = options.precision, array.dtype.kind == "f", True, False
        flat = array.reshape(-1)
        if self.floating:
            seen = flat[np.isfinite(flat) & (flat != 0)]
            sizes = np.abs(seen.astype(np.float64))
            self.whole = bool(np.all(sizes == np.ceil(sizes)))
            if sizes.size:
                low, high = float(sizes.min()), float(sizes.max())
                wide = high / low > 1000 or high > 1e8
                self.scientific = wide or (not self.whole and low < 1e-4)
            if options.sci_mode is not None:
                self.scientific = options.sci_mode and bool(sizes.size or options.sci_mode)
        else:
            seen = flat
        self.width = max((len(self.bare(value)) for value in seen.tolist()), default=1)

    def bare(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{self.precision}e}"
        if not self.whole:
            return f"{value:.{self.precision}f}"
        return f"{value:.0f}" + ("" if math.isinf(value) or math.isnan(value) else ".")

    def __call__(self, value: Any) -> str:
        return self.bare(value).rjust(self.width)


def _rows(array: np.ndarray, indent: int, style: _Style, options: Options, cut: bool) -> str:
    if array.ndim == 0:
        return style(array.item())
    edge, size = options.edgeitems, array.shape[0]
    short = cut and size > 2 * edge
    if array.ndim == 1:
        words = [style(value) for value in (array[:edge].tolist() if short else array.tolist())]
        if short:
            words += [" ...", *(style(value) for value in array[-edge:].tolist())]
        room = max(1, (options.linewidth - indent) // (style.width + 2))
        lines = [", ".join(words[begin : begin + room]) for begin in range(0, len(words), room)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    places: list[int | None] = [*range(edge), None, *range(size - edge, size)] if short else list(range(size))
    rows = ["..." if place is None else _rows(array[place], indent + 1, style, options, cut) for place in places]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(rows) + "]"
