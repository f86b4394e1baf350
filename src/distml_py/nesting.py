"""JSON that strangers wrote, read only where it is not nested deeper than any text of ours.

In a tab nothing else stops it: too many levels end the whole interpreter there, not with a RecursionError.
"""

import functools
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np

Hook = Callable[[Any], Any]  # a function of a module, not one made for a call: each is kept
MOST_LEVELS = 64
STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)  # one without an end, too: then nothing is scanned twice
STEPS = np.zeros(256, np.int8)
STEPS[[ord("["), ord("{")]] = 1
STEPS[[ord("]"), ord("}")]] = -1


def loads(text: str | bytes, parse_constant: Hook | None = None, object_pairs_hook: Hook | None = None) -> Any:
    """json.loads. Raises ValueError, also for what is nested too deep."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") > MOST_LEVELS and _levels(STRINGS.sub(b"", data)) > MOST_LEVELS:
        raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")
    plain = text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass")
    return _decoder(parse_constant, object_pairs_hook).decode(plain)


@functools.cache
def _decoder(parse_constant: Hook | None, object_pairs_hook: Hook | None) -> json.JSONDecoder:
    """json.loads makes one each time, which takes as long as a short message."""
    return json.JSONDecoder(parse_constant=parse_constant, object_pairs_hook=object_pairs_hook)


def _levels(data: bytes) -> int:
    return int(STEPS[np.frombuffer(data, np.uint8)].cumsum(dtype=np.int32).max(initial=0))
