"""What a run must be to be begun, and how its workers will exchange. No state."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from distml_py import wire
from distml_py.errors import FormatError
from distml_py.exchange import Exchange, exchange_of

from .decoding import NAME_CHARACTERS, printable

MOST_STEPS = 10**8
MOST_SHARDS = 4096


def settled(start: wire.Start, asked: Mapping[str, Any], deterministic: bool) -> Exchange:
    """As the recipe says, but for what was asked of this coordinator. Raises FormatError where a deterministic run cannot."""
    exchange = exchange_of({**start.exchange, **asked})
    if not deterministic:
        return exchange.settled()
    kept = exchange.deterministic()
    for name, value in asked.items():
        if getattr(kept, name) != value:
            raise FormatError(f"a deterministic run has {name} {getattr(kept, name)}, not {value}: leave one of them away")
    return kept


def check(start: wire.Start, weights: Mapping[str, np.ndarray]) -> None:
    """Raises FormatError, naming what is not possible."""
    limits = {
        "steps": (start.steps, MOST_STEPS),
        "batch_size": (start.batch_size, min(start.train_size, 2**31)),
        "shards": (start.shards, min(start.batch_size, MOST_SHARDS)),
        "evaluate_every": (start.evaluate_every, MOST_STEPS),
        "checkpoint_every": (start.checkpoint_every, MOST_STEPS),
    }
    for name, (value, most) in limits.items():
        if not 1 <= value <= most:
            raise FormatError(f"a run's {name} is 1 to {most}, got {value}")
    try:
        json.dumps(start.optimizer, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise FormatError(f"the optimizer's settings travel as JSON numbers and text, got {start.optimizer}: {error}") from None
    if list(weights) != start.parameters:
        raise FormatError("a run's parameters are its weights' names, in order")
    if start.recipe != printable(start.recipe, NAME_CHARACTERS) or not start.recipe:
        raise FormatError(f"a recipe's name is 1-{NAME_CHARACTERS} printable characters, got {start.recipe!r:.80}")
