"""What PyTorch's torch.backends are asked and told by scripts: none of its libraries is here, and no setting changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Settings:
    """Attributes can be set and read; is_available() is False."""

    enabled = benchmark = deterministic = allow_tf32 = False

    def __init__(self, **known: Any):
        vars(self).update(known)

    def is_available(self) -> bool:
        return False

    is_built = is_available

    def version(self) -> None:
        """None: it is not here."""

    @contextmanager
    def flags(self, *args: Any, **named: Any) -> Iterator[None]:
        """A context in which nothing changes."""
        yield


class Attention(Settings):
    """torch.backends.cuda: which attention is taken is the backend's choice, see ARCHITECTURE.md."""

    def enable_flash_sdp(self, enabled: bool) -> None:
        """Nothing."""

    enable_math_sdp = enable_mem_efficient_sdp = enable_cudnn_sdp = enable_flash_sdp

    def flash_sdp_enabled(self) -> bool:
        return False

    mem_efficient_sdp_enabled = cudnn_sdp_enabled = flash_sdp_enabled
    sdp_kernel = Settings.flags


cudnn, mps, mkl, mkldnn, openmp, opt_einsum = (Settings() for _ in range(6))
cuda = Attention(matmul=Settings(allow_fp16_reduced_precision_reduction=False, allow_bf16_reduced_precision_reduction=False))
