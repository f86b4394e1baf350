"""PyTorch's torch.cuda.amp: torch.amp under its earlier name."""

from __future__ import annotations

from typing import Any

from ..amp import GradScaler as GradScaler
from ..amp import autocast as _autocast
from ..amp import custom_bwd as custom_bwd
from ..amp import custom_fwd as custom_fwd


class autocast(_autocast):
    """amp.autocast("cuda"): nothing is cast."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True):
        super().__init__("cuda", dtype, enabled, cache_enabled)
