"""Embedding: a table of vectors, looked up by integers."""

from __future__ import annotations

from typing import Any

from ..errors import ExpectedError, ShapeError
from ..tensor import Tensor, no_grad
from . import functional as F
from .init import normal_
from .module import Module, Parameter
from .starts import normal


def _table(name: str, given: Tensor | None, rows: int, width: int, zero_row: int | None) -> Parameter:
    """The given numbers, or drawn ones."""
    if given is None:
        return normal((rows, width), zero_row=zero_row)
    if given.shape != (rows, width):
        raise ShapeError(f"{name}: _weight has shape {given.shape}, not {(rows, width)}")
    return Parameter(given)


class Embedding(Module):
    """Integers of any shape -> (..., embedding_dim); weight (num_embeddings, embedding_dim), standard normal at first.

    padding_idx: a row that is zeros at first and gets no gradient.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
    ):
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = max_norm, norm_type, scale_grad_by_freq, sparse
        self.padding_idx = _row("Embedding", padding_idx, num_embeddings)
        self.weight = _table("Embedding", _weight, num_embeddings, embedding_dim, self.padding_idx).requires_grad_(not _freeze)

    def reset_parameters(self) -> None:
        """The first numbers again, drawn anew."""
        normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        sparse = ", sparse=True" if self.sparse else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{_options(self)}{sparse}"

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A table that is there already, (rows, width); freeze: it is not trained."""
        if embeddings.ndim != 2:
            raise ShapeError(f"Embedding.from_pretrained needs (rows, width), got {embeddings.shape}")
        rows, width = embeddings.shape
        layer = cls(rows, width, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer


def _row(name: str, padding_idx: int | None, rows: int) -> int | None:
    """padding_idx, which may count from the end, as a row. Raises IndexRangeError."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ExpectedError(f"{name}: padding_idx must be within num_embeddings {rows}, got {padding_idx}")
    return padding_idx % rows


class EmbeddingBag(Module):
    """Integers (bags, n), or (n,) with offsets -> (bags, embedding_dim). See functional.embedding_bag."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ):
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.mode = num_embeddings, embedding_dim, mode
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = max_norm, norm_type, scale_grad_by_freq, sparse
        self.include_last_offset = include_last_offset
        self.padding_idx = _row("EmbeddingBag", padding_idx, num_embeddings)
        self.weight = _table("EmbeddingBag", _weight, num_embeddings, embedding_dim, self.padding_idx)

    def reset_parameters(self) -> None:
        """The first numbers again, drawn anew."""
        normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        limits = {"max_norm": self.max_norm, "norm_type": self.norm_type, "scale_grad_by_freq": self.scale_grad_by_freq}
        options: Any = {**limits, "mode": self.mode, "per_sample_weights": per_sample_weights, "padding_idx": self.padding_idx}
        return F.embedding_bag(input, self.weight, offsets, include_last_offset=self.include_last_offset, **options)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{_options(self)}, mode={self.mode!r}{padding}"

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A table that is there already, (rows, width); freeze: it is not trained."""
        if embeddings.ndim != 2:
            raise ShapeError(f"EmbeddingBag.from_pretrained needs (rows, width), got {embeddings.shape}")
        rows, width = embeddings.shape
        limits: Any = {"max_norm": max_norm, "norm_type": norm_type, "scale_grad_by_freq": scale_grad_by_freq}
        kept: Any = {"_weight": embeddings, "include_last_offset": include_last_offset, "padding_idx": padding_idx}
        layer = cls(rows, width, mode=mode, sparse=sparse, **limits, **kept)
        layer.weight.requires_grad_(not freeze)
        return layer


def _options(layer: Embedding | EmbeddingBag) -> str:
    """The options that are not their defaults, in PyTorch's text."""
    limit = "" if layer.max_norm is None else f", max_norm={layer.max_norm}"
    kind = "" if layer.norm_type == 2 else f", norm_type={layer.norm_type}"
    return limit + kind + (", scale_grad_by_freq=True" if layer.scale_grad_by_freq else "")
