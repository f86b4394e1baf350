"""PyTorch's torch.testing: assert_close, with its bounds for each dtype and its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .dtypes import DType
from .errors import NotCloseError, ShapeError
from .tensor import Tensor

BOUNDS = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """|actual - expected| <= atol + rtol |expected|, for tensors, numbers, arrays, and sequences and mappings of them.

    Without bounds those of the wider dtype: see BOUNDS; integers are equal. Raises NotCloseError, an AssertionError.
    """
    if (rtol is None) != (atol is None):
        lost = "rtol" if rtol is None else "atol"
        raise ShapeError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {lost}.")
    fault = _fault(actual, expected, rtol, atol, equal_nan, check_dtype, "")
    if fault:
        raise NotCloseError(msg(fault) if callable(msg) else msg or fault)


def _fault(actual: Any, expected: Any, rtol: float | None, atol: float | None, nan: bool, dtypes: bool, place: str) -> str:
    """What is not close; empty where all is."""
    where = f"\n\nThe failure occurred for item {place}" if place else ""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            return f"The keys of the mappings do not match: {sorted(map(str, actual))} and {sorted(map(str, expected))}" + where
        parts = [(f"{place}[{key!r}]", actual[key], expected[key]) for key in actual]
    elif _is_row(actual) and _is_row(expected):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}" + where
        parts = [(f"{place}[{n}]", one, two) for n, (one, two) in enumerate(zip(actual, expected, strict=True))]
    else:
        found = _unlike(actual, expected, rtol, atol, nan, dtypes)
        return found + where if found else ""
    return next((found for at, one, two in parts if (found := _fault(one, two, rtol, atol, nan, dtypes, at))), "")


def _is_row(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _unlike(actual: Any, expected: Any, rtol: float | None, atol: float | None, nan: bool, dtypes: bool) -> str:
    if actual is None and expected is None:
        return ""
    scalars = not any(isinstance(value, (Tensor, np.ndarray)) for value in (actual, expected))
    if not scalars and type(actual) is not type(expected) and not (isinstance(actual, Tensor) and isinstance(expected, Tensor)):
        return f"Types must be related, got {type(actual).__name__} and {type(expected).__name__}"
    (one, kind), (two, other) = _numbers(actual), _numbers(expected)
    if one.shape != two.shape:
        return f"The values for attribute 'shape' do not match: torch.Size({[*one.shape]}) != torch.Size({[*two.shape]})."
    if dtypes and not scalars and kind is not other:
        return f"The values for attribute 'dtype' do not match: {kind} != {other}."
    bounds = [BOUNDS.get(str(name).removeprefix("torch."), (0.0, 0.0)) for name in (kind, other)]
    widest = [max(pair) for pair in zip(*bounds, strict=True)]
    relative, absolute = (known if given is None else given for known, given in zip(widest, (rtol, atol), strict=True))
    close = np.isclose(one, two, relative, absolute, nan)
    return "" if close.all() else _told(one, two, close, relative, absolute, scalars)


def _numbers(value: Any) -> tuple[np.ndarray, DType | str]:
    if isinstance(value, Tensor):
        return value.detach().double().numpy() if value.is_floating_point() else value._array(), value.dtype
    array = np.asarray(value)
    kind = "float64" if isinstance(value, float) else array.dtype.name
    return array, kind


def _told(one: np.ndarray, two: np.ndarray, close: np.ndarray, rtol: float, atol: float, scalars: bool) -> str:
    with np.errstate(all="ignore"):
        gap = np.abs(one.astype(np.float64) - two.astype(np.float64))
        share = gap / np.abs(two.astype(np.float64))
    if scalars:
        words = "equal" if rtol == atol == 0 else "close"
        return (
            f"Scalars are not {words}!\n\nExpected {two.item()} but got {one.item()}.\n"
            f"Absolute difference: {gap.item()} (up to {atol} allowed)\nRelative difference: {share.item()} (up to {rtol} allowed)"
        )
    lines = [f"Mismatched elements: {(~close).sum()} / {close.size} ({(~close).sum() / close.size:.1%})"]
    for word, values, bound in (("absolute", gap, atol), ("relative", share, rtol)):
        known = np.where(close, 0.0, values)
        place = np.unravel_index(int(np.nan_to_num(known, nan=np.inf).argmax()), close.shape)
        lines.append(f"Greatest {word} difference: {known[place]} at index {tuple(map(int, place))} (up to {bound} allowed)")
    return f"Tensor-likes are not {'equal' if rtol == atol == 0 else 'close'}!\n\n" + "\n".join(lines)
