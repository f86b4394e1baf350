"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .module import Module


class Sequential(Module):
    """Each module's output is the next one's input. Names are "0", "1"..."""

    def __init__(self, *modules: Module):
        super().__init__()
        for number, module in enumerate(modules):
            setattr(self, str(number), module)

    def forward(self, input: Any) -> Any:
        for module in self.children():
            input = module(input)
        return input

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, number: int | slice) -> Module:
        chosen = list(self.children())[number]
        return Sequential(*chosen) if isinstance(chosen, list) else chosen
