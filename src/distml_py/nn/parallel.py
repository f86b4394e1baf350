"""PyTorch's nn.DataParallel on a machine without CUDA: the module itself, one level deeper."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError
from .module import Module


class DataParallel(Module):
    """module(*inputs); the module is .module, and its names in state_dict() begin with "module."."""

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0):
        super().__init__()
        self.module, self.device_ids, self.dim = module, device_ids or [], dim

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.module(*inputs, **named)


def DistributedDataParallel(*args: Any, **named: Any) -> Any:
    """Raises UnsupportedError."""
    raise UnsupportedError("not implemented: torch.nn.parallel.DistributedDataParallel; nearest is a recipe for `distml serve`")
