"""Weights with a mask over them, so that some stay zero. PyTorch's torch.nn.utils.prune.

A pruned parameter `weight` becomes the parameter `weight_orig` and the buffer `weight_mask`; their product is computed anew before
each forward().
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, Self

from ...errors import ArgumentError, ShapeError
from ...missing import getter as _getter
from ...sampling import rand_like
from ...tensor import Tensor, cat, no_grad
from ..module import Module

KINDS = ("unstructured", "structured", "global")


class BasePruningMethod(ABC):
    """A rule that says which entries stay. Subclasses define PRUNING_TYPE and compute_mask(t, default_mask).

    t: the importance of the entries that may still be pruned; default_mask: ones for them. Returns: ones for what stays.
    """

    PRUNING_TYPE: ClassVar[str] = "unstructured"
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor: ...

    def apply_mask(self, module: Module) -> Tensor:
        """The parameter with its mask over it."""
        mask, original = (getattr(module, f"{self._tensor_name}_{part}") for part in ("mask", "orig"))
        found: Tensor = mask.to(original.dtype) * original
        return found

    @classmethod
    def apply(cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **named: Any) -> Any:
        """Prunes module.name by this rule, in addition to what was pruned before. Returns what computes its mask."""
        method: Any = cls(*args, **named)
        method._tensor_name = name
        before = _method_of(module, name)
        scores = _scores(importance_scores, getattr(module, name), cls.__name__)
        if before is None:
            mask = method.compute_mask(scores, _ones(scores))
            original = module._parameters[name]
            delattr(module, name)
            module.register_parameter(f"{name}_orig", original)
            module.register_buffer(f"{name}_mask", mask)
        else:
            hook, container = before
            if not isinstance(container, PruningContainer):
                container = PruningContainer(container)
            container.add_pruning_method(method)
            method = container
            setattr(module, f"{name}_mask", method.compute_mask(scores, getattr(module, f"{name}_mask").clone()))
            del module._hooks.before[hook]
        method(module, None)
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """t with this rule's mask over it; no module is changed."""
        scores = _scores(importance_scores, t, type(self).__name__)
        return t * self.compute_mask(scores, _ones(t) if default_mask is None else default_mask)

    def remove(self, module: Module) -> None:
        """The parameter is a plain one again, as the mask left it."""
        name = self._tensor_name
        value, original = self.apply_mask(module), module._parameters[f"{name}_orig"]
        assert original is not None
        with no_grad():
            original.data = value.detach()
        for old in (name, f"{name}_orig", f"{name}_mask"):
            delattr(module, old)
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Several rules for one parameter, one after another: each prunes what those before it left."""

    def __init__(self, *methods: BasePruningMethod):
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        for method in methods:
            self._tensor_name = method._tensor_name if not self._pruning_methods else self._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """One more, for the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise ArgumentError(f"add_pruning_method takes a BasePruningMethod, got {type(method).__name__}")
        if method._tensor_name != self._tensor_name:
            raise ArgumentError(f"these rules are for {self._tensor_name!r}, not for {method._tensor_name!r}")
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, number: int) -> BasePruningMethod:
        return self._pruning_methods[number]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The last rule's mask on what the mask so far leaves."""
        method = self._pruning_methods[-1]
        mask = default_mask.clone()
        if method.PRUNING_TYPE not in KINDS:
            raise ArgumentError(f"PRUNING_TYPE is one of {', '.join(KINDS)}, got {method.PRUNING_TYPE!r}")
        left: Any = slice(None)
        if method.PRUNING_TYPE == "unstructured":
            left = mask == 1
        elif method.PRUNING_TYPE == "structured":
            dim = method.dim % t.ndim  # type: ignore[attr-defined]
            alive = mask.sum([axis for axis in range(t.ndim) if axis != dim]) != 0 if t.ndim > 1 else mask != 0
            left = (*[slice(None)] * dim, alive)
        mask[left] = method.compute_mask(t[left], mask[left]).to(mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing: the mask is made, for others to fill."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> Self:  # type: ignore[override]
        found: Self = super().apply(module, name)
        return found


class _Some(BasePruningMethod):
    """amount: how many entries or channels to prune, or, as a float from 0 to 1, which share of those that are left."""

    amount: Any

    def __init__(self, amount: Any):
        if not isinstance(amount, Real):
            raise ArgumentError(f"prune: amount is a number, got {type(amount).__name__}")
        if float(amount) < 0 or (not isinstance(amount, Integral) and float(amount) > 1):
            raise ArgumentError(f"prune: amount is a count, or a share from 0.0 to 1.0, got {amount}")
        self.amount = amount

    def _count(self, of: int) -> int:
        if not isinstance(self.amount, Integral):
            return round(self.amount * of)
        if int(self.amount) > of:
            raise ArgumentError(f"prune: amount={self.amount} is more than the {of} that there are")
        return int(self.amount)

    @staticmethod
    def _without_least(scores: Tensor, mask: Tensor, count: int) -> Tensor:
        flat = mask.flatten().clone()
        if count:
            flat[scores.flatten().topk(count, largest=False).indices] = 0
        return flat.reshape(mask.shape)


class RandomUnstructured(_Some):
    """Entries by chance."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return self._without_least(rand_like(t), default_mask, self._count(t.numel()))


class L1Unstructured(_Some):
    """The entries nearest to zero."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return self._without_least(t.abs(), default_mask, self._count(t.numel()))


class _Channels(_Some):
    """Whole slices along dim."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1):
        super().__init__(amount)
        self.dim = dim

    def _worth(self, t: Tensor, dim: int) -> Tensor:
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim < 2:
            raise ShapeError(f"structured pruning needs at least 2 dimensions, got {t.shape}")
        dim = self.dim % t.ndim
        worth = self._worth(t, dim)
        kept = self._without_least(worth, _ones(worth), self._count(t.shape[dim]))
        return default_mask * kept.reshape([-1 if axis == dim else 1 for axis in range(t.ndim)])


class RandomStructured(_Channels):
    """Channels by chance."""

    def _worth(self, t: Tensor, dim: int) -> Tensor:
        return rand_like(t.select(0, 0).flatten()[:1].expand(t.shape[dim]))


class LnStructured(_Channels):
    """The channels with the smallest n-norm."""

    def __init__(self, amount: float, n: Any, dim: int = -1):
        super().__init__(amount, dim)
        self.n = n

    def _worth(self, t: Tensor, dim: int) -> Tensor:
        found: Tensor = t.movedim(dim, 0).flatten(1).norm(p=self.n, dim=1)
        return found


class CustomFromMask(BasePruningMethod):
    """What a mask of one's own says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor):
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise ShapeError(f"custom_from_mask: the mask has shape {self.mask.shape}, the parameter {default_mask.shape}")
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module: Module, name: str) -> Module:
    """A mask of ones."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount: float, importance_scores: Tensor | None = None) -> Module:
    """importance_scores: prune where these are smallest, not where the parameter is."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None) -> Module:
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]], pruning_method: type[BasePruningMethod], importance_scores: Any = None, **named: Any
) -> None:
    """One rule over the entries of all these parameters together. importance_scores: {(module, name): tensor}, where given."""
    pairs, given = list(parameters), importance_scores or {}
    scores = [_scores(given.get((module, name)), getattr(module, name), "global_unstructured") for module, name in pairs]
    masks = [getattr(module, f"{name}_mask", None) for module, name in pairs]
    joined = cat([score.flatten() for score in scores])
    before = cat([(_ones(score) if mask is None else mask).flatten() for score, mask in zip(scores, masks, strict=True)])
    method = PruningContainer()
    method._tensor_name = "temp"
    rule: Any = pruning_method(**named)
    rule._tensor_name = "temp"
    if rule.PRUNING_TYPE != "unstructured":
        raise ArgumentError(f"global_unstructured needs an unstructured method, {pruning_method.__name__} is {rule.PRUNING_TYPE}")
    method.add_pruning_method(rule)
    parts = method.compute_mask(joined, before).split([score.numel() for score in scores])
    for (module, name), score, part in zip(pairs, scores, parts, strict=True):
        custom_from_mask(module, name, part.reshape(score.shape))


def remove(module: Module, name: str) -> Module:
    """The parameter is a plain one again, as its mask left it. Raises ArgumentError where it is not pruned."""
    found = _method_of(module, name)
    if found is None:
        raise ArgumentError(f"{name!r} of {type(module).__name__} is not pruned")
    hook, method = found
    method.remove(module)
    del module._hooks.before[hook]
    return module


def is_pruned(module: Module) -> bool:
    """Whether a parameter of it, or of a module inside, is pruned."""
    return any(isinstance(hook, BasePruningMethod) for part in module.modules() for hook in part._hooks.before.values())


def _method_of(module: Module, name: str) -> tuple[int, BasePruningMethod] | None:
    for number, hook in module._hooks.before.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return number, hook
    return None


def _ones(like: Tensor) -> Tensor:
    return like.detach() * 0 + 1


def _scores(given: Tensor | None, of: Tensor, asked: str) -> Tensor:
    if given is not None and given.shape != of.shape:
        raise ShapeError(f"{asked}: importance_scores {given.shape} must have the parameter's shape {of.shape}")
    return (of if given is None else given).detach()


__getattr__ = _getter("torch.nn.utils.prune", globals())
__all__ = [name for name in dir() if not name.startswith("_") and name not in ("Any", "annotations")]
