"""PyTorch's torch.utils._pytree, as far as libraries use it: the leaves of nested lists, tuples and dictionaries, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class TreeSpec:
    """The shape of nested groups, without their leaves. None stands for a leaf."""

    def __init__(self, kind: type | None, keys: Any, children: list[TreeSpec]):
        self.kind, self.keys, self.children = kind, keys, children

    @property
    def num_leaves(self) -> int:
        return 1 if self.kind is None else sum(child.num_leaves for child in self.children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and vars(self) == vars(other)


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """(leaves, what tree_unflatten() needs beside them)."""
    if isinstance(tree, (list, tuple, dict)) and not (is_leaf is not None and is_leaf(tree)):
        values = list(tree.values()) if isinstance(tree, dict) else list(tree)
        parts = [tree_flatten(value, is_leaf) for value in values]
        leaves = [leaf for part, _ in parts for leaf in part]
        return leaves, TreeSpec(type(tree), list(tree) if isinstance(tree, dict) else None, [spec for _, spec in parts])
    return [tree], TreeSpec(None, None, [])


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The tree again, with these leaves."""
    if treespec.kind is None:
        return next(iter(leaves))
    rest, values = list(leaves), []
    for child in treespec.children:
        values.append(tree_unflatten(rest[: child.num_leaves], child))
        rest = rest[child.num_leaves :]
    if treespec.keys is not None:
        return treespec.kind(zip(treespec.keys, values, strict=True))
    return treespec.kind(*values) if hasattr(treespec.kind, "_fields") else treespec.kind(values)


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any) -> Any:
    """The tree of func(leaf); rests: more trees of that shape, whose leaves func gets, too."""
    leaves, spec = tree_flatten(tree)
    more = [tree_flatten(rest)[0] for rest in rests]
    return tree_unflatten([func(*group) for group in zip(leaves, *more, strict=True)], spec)


def tree_leaves(tree: Any) -> list[Any]:
    return tree_flatten(tree)[0]
