"""PyTorch's torch.amp, for scripts that ask: numbers stay float32, so nothing is cast and no loss needs scaling."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any


class autocast:
    """A context and a decorator in which everything stays as it is, as enabled=False is in PyTorch."""

    def __init__(self, device_type: Any = "cpu", dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None):
        self.device, self.fast_dtype, self._enabled = device_type, dtype, enabled

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inside(*args: Any, **named: Any) -> Any:
            return function(*args, **named)

        return inside


class GradScaler:
    """What PyTorch's is where there is no CUDA: disabled, so losses and steps pass through."""

    def __init__(
        self,
        device: Any = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        pass

    def scale(self, outputs: Any) -> Any:
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing: gradients have no scale."""

    def step(self, optimizer: Any, *args: Any, **named: Any) -> Any:
        return optimizer.step(*args, **named)

    def update(self, new_scale: Any = None) -> None:
        """Nothing: the scale stays 1."""

    def get_scale(self) -> float:
        return 1.0

    def is_enabled(self) -> bool:
        return False

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: there is no state."""


def is_autocast_enabled(device_type: str = "cpu") -> bool:
    """False: numbers stay what they are."""
    return False


def is_autocast_available(device_type: str) -> bool:
    return False


def custom_fwd(fwd: Any = None, *, device_type: str = "cpu", cast_inputs: Any = None) -> Any:
    """The function itself."""
    return fwd if fwd is not None else lambda function: function


custom_bwd = custom_fwd
