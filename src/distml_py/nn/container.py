"""Modules made of modules. Containers of parameters are in parameters.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from ..errors import IndexRangeError
from .module import Module
from .slots import OWN


class _Numbered(Module):
    """Modules named "0", "1"..., and what a list can do with them."""

    def _put(self, modules: Iterable[Module]) -> None:
        """These modules and no others."""
        given = list(modules)
        for name in list(self._modules):
            delattr(self, name)
        for number, module in enumerate(given):
            self.add_module(str(number), module)

    def _name(self, number: int) -> str:
        names = list(self._modules)
        if not -len(names) <= number < len(names):
            raise IndexRangeError(f"{type(self).__name__} of {len(names)} modules has no module {number}")
        return names[number]

    def append(self, module: Module) -> Self:
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        modules = list(self)
        modules.insert(index, module)
        self._put(modules)
        return self

    def pop(self, key: int | slice) -> Any:
        found = self[key]
        del self[key]
        return found

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        """The modules, and None where a place is kept for one."""
        return iter(list(self._modules.values()))

    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return type(self)._of(list(self._modules.items())[number])
        return self._modules[self._name(number)]

    def __setitem__(self, number: int, module: Module) -> None:
        setattr(self, self._name(number), module)

    def __delitem__(self, number: int | slice) -> None:
        names = list(self._modules)[number] if isinstance(number, slice) else [self._name(number)]
        for name in names:
            delattr(self, name)
        if all(name.isdigit() for name in self._modules):
            self._put(self)

    @classmethod
    def _of(cls, named: list[tuple[str, Any]]) -> Any:
        raise NotImplementedError


class Sequential(_Numbered):
    """Each module's output is the next one's input. Names are "0", "1"..., or those of the one dictionary that is given."""

    def __init__(self, *modules: Any):
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self._put(modules)

    @classmethod
    def _of(cls, named: list[tuple[str, Any]]) -> Any:
        return cls(dict(named))

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *other)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules, named "0", "1"... It has no forward()."""

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self._put(modules or ())

    @classmethod
    def _of(cls, named: list[tuple[str, Any]]) -> Any:
        return cls(module for _, module in named)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        """Equal neighbours are one line, as in PyTorch: (0-2): 3 x Linear(...)."""
        runs: list[tuple[str, int, int]] = []
        for number, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][0] == text:
                runs[-1] = (text, runs[-1][1], number)
            else:
                runs.append((text, number, number))
        if not runs:
            return "ModuleList()"
        lines = [
            f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}"
            for text, first, last in runs
        ]
        body = "\n".join(lines).replace("\n", "\n  ")
        return f"{self._get_name()}(\n  {body}\n)"


class ModuleDict(Module):
    """Modules by name: `parts["name"]`, or `parts.name`. It has no forward()."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None):
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        for name, module in modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules:
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def __getitem__(self, name: str) -> Module:
        found = self._modules.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __getattr__(self, name: str) -> Any:
        for slot in OWN:
            if name in self.__dict__.get(slot, ()):
                return self.__dict__[slot][name]
        raise AttributeError(f"ModuleDict has no module {name!r}; it has {', '.join(self._modules) or 'none'}")

    def pop(self, key: str) -> Module:
        found = self[key]
        del self[key]
        return found

    def clear(self) -> None:
        for name in list(self._modules):
            delattr(self, name)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def keys(self) -> Iterable[str]:
        return self._modules.keys()

    def items(self) -> Iterable[tuple[str, Module]]:
        return [(name, module) for name, module in self._modules.items() if module is not None]

    def values(self) -> Iterable[Module]:
        return [module for _, module in self.items()]
