"""PyTorch's detect_anomaly: the first NaN of a backward pass is an error that names the step whose derivative made it.

While it is on, each derivative is computed and read as soon as it is known, which waits for the device.
"""

from __future__ import annotations

import warnings
from types import TracebackType

from . import differentiation
from .errors import GradientError
from .graph import Node
from .tensor import Tensor
from .tensor.grad_fn import GradFn

SLOW = "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging."


def _looked_at(node: Node, number: int, part: Node) -> None:
    """Raises GradientError where node's derivative for its input of this number has a NaN."""
    if part.dtype.kind == "f" and bool(Tensor(part).isnan().any().item()):
        raise GradientError(
            f"Function '{GradFn(node).name()}' returned nan values in its {number}th output; "
            f"{node.op.name} of shape {node.shape} was the step: look at the numbers that go into it"
        )


_checks = [True]  # whether NaN is looked for while the mode is on; what may change in this module, in one place


def is_anomaly_enabled() -> bool:
    return differentiation.watch[0] is not None or not _checks[0]


def is_anomaly_check_nan_enabled() -> bool:
    return _checks[0]


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """From now on, the first NaN of a backward pass is an error, or not any more. check_nan=False: it is not looked for."""
    _checks[0] = check_nan or not enabled
    differentiation.watch[0] = _looked_at if enabled and check_nan else None


class set_detect_anomaly:
    """set_anomaly_enabled(), or a context of that."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = is_anomaly_enabled(), is_anomaly_check_nan_enabled()
        set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        """It is on since it was made, as in PyTorch."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        set_anomaly_enabled(*self._before)


class detect_anomaly:
    """A context in which the first NaN of a backward pass is a GradientError."""

    def __init__(self, check_nan: bool = True):
        self._before = is_anomaly_enabled(), is_anomaly_check_nan_enabled()
        self.check_nan = check_nan
        warnings.warn(SLOW, stacklevel=2)

    def __enter__(self) -> None:
        self._before = is_anomaly_enabled(), is_anomaly_check_nan_enabled()
        set_anomaly_enabled(True, self.check_nan)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        set_anomaly_enabled(*self._before)
