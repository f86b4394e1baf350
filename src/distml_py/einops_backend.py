"""What einops must know of our tensors, told to it when it is imported. It is not needed here, and not imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from .tensor import Tensor, cat, functions

PLACE = "einops._backends"


def teach(module: ModuleType) -> None:
    """Defines our backend in einops' module of backends, where it finds all subclasses of AbstractBackend by itself."""
    base: Any = vars(module)["AbstractBackend"]

    class DistmlBackend(base):  # type: ignore[misc]
        framework_name = __package__

        def is_appropriate_type(self, tensor: Any) -> bool:
            return isinstance(tensor, Tensor)

        def reduce(self, x: Tensor, operation: str, axes: Sequence[int]) -> Tensor:
            if operation in ("min", "max"):
                operation = f"a{operation}"
            if operation in ("any", "all", "prod"):  # PyTorch's take one dimension
                for axis in sorted(axes, reverse=True):
                    x = getattr(x, operation)(dim=axis)
                return x
            reduced: Tensor = getattr(x, operation)(dim=tuple(axes))
            return reduced

        def transpose(self, x: Tensor, axes: Sequence[int]) -> Tensor:
            return x.permute(*axes)

        def stack_on_zeroth_dimension(self, tensors: list[Tensor]) -> Tensor:
            return cat([tensor.unsqueeze(0) for tensor in tensors])

        def add_axis(self, x: Tensor, new_position: int) -> Tensor:
            return x.unsqueeze(new_position)

        def add_axes(self, x: Tensor, n_axes: int, pos2len: dict[int, int]) -> Tensor:
            for position in pos2len:
                x = x.unsqueeze(position)
            return x.expand(*(pos2len.get(axis, -1) for axis in range(n_axes)))

        def tile(self, x: Tensor, repeats: Sequence[int]) -> Tensor:
            return x.repeat(*repeats)

        def concat(self, tensors: list[Tensor], axis: int) -> Tensor:
            return cat(tensors, axis)

        def is_float_type(self, x: Tensor) -> bool:
            return x.is_floating_point()

        def einsum(self, pattern: str, *x: Tensor) -> Tensor:
            product: Tensor = functions()["einsum"](pattern, *x)
            return product

    vars(module)[f"backend of {__package__}"] = DistmlBackend  # subclasses are known only while they live


class Watch:
    """Waits in sys.meta_path for einops' module of backends."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != PLACE:
            return None
        found = PathFinder.find_spec(name, path)
        if found is None or found.loader is None:
            return found
        found.loader = Taught(found.loader)  # type: ignore[assignment]
        return found


class Taught:
    """A loader that teaches the module which it loads."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        teach(module)


def start() -> None:
    """Teaches einops, now when it has been imported before, else when it is."""
    if PLACE in sys.modules:
        teach(sys.modules[PLACE])
    elif not any(isinstance(finder, Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, Watch())
