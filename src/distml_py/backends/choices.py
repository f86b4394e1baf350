"""Which contraction or reduction is computed in which variant: what plans depend on beside their graph, and its text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from ..steps import Graph
from ..variant import DEFAULT, Variant
from .problems import name_of

FORMAT = 3  # of the record; goes up when a field of Variant or the name of a problem means something else
LAYERS = (1, 2, 4, 6, 8)
FOLDS = (32, 64, 128, 256, 512, 1024)  # a loop of more turns is one tree no longer


def bounded(variant: Variant, layers: int) -> Variant:
    """variant on a device of so many layers: 4 where 8 are too many, since rows are mostly multiples of 4."""
    if variant.layers <= layers:
        return variant
    return dataclasses.replace(variant, layers=1 << max(layers, 1).bit_length() - 1)


class Choices:
    """layers: targets that a draw of this device can have. variants: by the problem's name; others take the default.

    Never changed once made; equal ones make equal plans. A problem that was measured and stays with the default is in
    `variants`, too.
    """

    def __init__(self, layers: int = 8, variants: Mapping[str, Variant] | None = None):
        self.layers = layers
        self.variants = dict(variants or {})
        self._key = (self.layers, frozenset(pair for pair in self.variants.items() if pair[1] != DEFAULT))
        self._hash = hash(self._key)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Choices) and self._key == other._key)

    def __hash__(self) -> int:
        return self._hash

    def of(self, graph: Graph, number: int) -> Variant:
        """The variant of a contraction or a reduction."""
        return bounded(self.variants.get(name_of(graph, number), DEFAULT) if self.variants else DEFAULT, self.layers)

    def with_(self, found: Mapping[str, Variant]) -> Choices:
        return Choices(self.layers, {**self.variants, **found})


def written(choices: Choices, device: str, version: str) -> str:
    """choices as JSON, for this device and this version of the library."""
    variants = {name: dataclasses.asdict(variant) for name, variant in sorted(choices.variants.items())}
    return json.dumps({"format": FORMAT, "device": device, "version": version, "variants": variants})


def read(text: str, device: str, version: str) -> dict[str, Variant] | None:
    """The variants of written(); None where the text is damaged, or another device's, version's or format's."""
    try:
        record = json.loads(text)
        if (record["format"], record["device"], record["version"]) != (FORMAT, device, version):
            return None
        return {str(name): _variant(fields) for name, fields in record["variants"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _variant(fields: dict[str, Any]) -> Variant:
    found = Variant(**fields)
    counts = (found.layers, found.enough, found.prologue, found.fold)
    whole = all(type(number) is int for number in counts) and type(found.fetch) is bool
    if not whole or found.layers not in LAYERS or not all(0 <= number <= 1 << 20 for number in counts) or found.fold not in FOLDS:
        raise ValueError(f"no such variant: {fields}")
    return found
