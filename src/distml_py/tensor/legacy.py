"""size_average and reduce, which PyTorch deprecated and still has in its losses: where they stand and what they mean."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ..errors import DtypeError

WORDS = ("size_average", "reduce")
# their places among PyTorch's arguments; those of a layer count from its own first one
_FUNCTIONS = {
    **dict.fromkeys(("l1_loss", "mse_loss", "smooth_l1_loss", "kl_div", "multilabel_margin_loss", "soft_margin_loss"), (2, 3)),
    **dict.fromkeys(("cross_entropy", "nll_loss"), (3, 5)),
    **dict.fromkeys(("binary_cross_entropy", "binary_cross_entropy_with_logits", "multilabel_soft_margin_loss"), (3, 4)),
    **{"hinge_embedding_loss": (3, 4), "poisson_nll_loss": (4, 6), "margin_ranking_loss": (4, 5), "cosine_embedding_loss": (4, 5)},
    **{"multi_margin_loss": (5, 6), "triplet_margin_loss": (7, 8)},
}
_LAYERS = {
    **dict.fromkeys(("L1Loss", "MSELoss", "SmoothL1Loss", "KLDivLoss", "MultiLabelMarginLoss", "SoftMarginLoss"), (0, 1)),
    **dict.fromkeys(("CrossEntropyLoss", "NLLLoss"), (1, 3)),
    **dict.fromkeys(("BCELoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss", "HingeEmbeddingLoss"), (1, 2)),
    **{"PoissonNLLLoss": (2, 4), "MarginRankingLoss": (1, 2), "CosineEmbeddingLoss": (1, 2)},
    **{"MultiMarginLoss": (3, 4), "TripletMarginLoss": (4, 5)},
}
SLOTS = _FUNCTIONS | {name: (first + 1, second + 1) for name, (first, second) in _LAYERS.items()}  # after self


def is_used(name: str, args: Sequence[Any], words: Sequence[str]) -> bool:
    """Whether one of the two is given, by place or by name."""
    return name in SLOTS and (len(args) > SLOTS[name][0] or not set(WORDS).isdisjoint(words))


def taken_out(name: str, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments without those two, and what they are. Raises DtypeError where one is a text, as reduction is."""
    slots = SLOTS[name]
    found = {word: args[place] for word, place in zip(WORDS, slots, strict=True) if place < len(args)}
    for word, value in found.items():
        if isinstance(value, str):
            raise DtypeError(f"{name}: this argument is {word} in PyTorch, got {value!r}; write reduction={value!r}")
    return tuple(value for place, value in enumerate(args) if place not in slots), found


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """What they mean: a reduction, which is warned about, or the one that is there where both are None."""
    if size_average is None and reduce is None:
        return reduction
    least = reduce is not None and not reduce
    found = "none" if least else "sum" if size_average is not None and not size_average else "mean"
    warnings.warn(f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.", stacklevel=5)
    return found
