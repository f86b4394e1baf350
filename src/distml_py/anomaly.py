"""PyTorch's detect_anomaly: the first NaN of a backward pass is an error that names the step whose derivative made it, and a
warning that shows the call which made that step.

While it is on, each derivative is computed and read as soon as it is known, which waits for the device.
"""

from __future__ import annotations

import sys
import traceback
import warnings
import weakref
from types import FrameType, TracebackType

from . import differentiation, graph
from .errors import GradientError
from .graph import Node
from .tensor import Tensor
from .tensor.grad_fn import GradFn

SLOW = "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging."


Place = tuple[str, int, str]  # file, line, function
_places: weakref.WeakKeyDictionary[Node, list[Place]] = weakref.WeakKeyDictionary()
"""where each node was made while the mode was on"""


def _calls() -> list[Place]:
    """The calls outside this library that are at work, the first one first."""
    found: list[Place] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] != __name__.partition(".")[0]:
            found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return found[::-1]


def _made(node: Node) -> None:
    _places[node] = _calls()


def _warn_of(node: Node) -> None:
    """Shows the call that made a node; it is often not the line that asked for the gradient."""
    name, places, now = GradFn(node).name(), _places.get(node), _calls()
    if places is None:
        told = (
            f"Error detected in {name}. No forward pass information available. Enable detect anomaly during forward pass for more "
            "information."
        )
    else:
        lines = traceback.format_list([traceback.FrameSummary(file, line, function) for file, line, function in places])
        told = f"Error detected in {name}. Traceback of forward call that caused the error:\n{''.join(lines)}"
    file, line, _ = now[-1] if now else (__file__, 1, "")
    warnings.warn_explicit(told.rstrip(), UserWarning, file, line)


def _looked_at(node: Node, number: int, part: Node) -> None:
    """Raises GradientError where node's derivative for its input of this number has a NaN, after _warn_of()."""
    if part.dtype.kind == "f" and bool(Tensor(part).isnan().any().item()):
        _warn_of(node)
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
    if enabled and _made not in graph.watching:
        graph.watching.append(_made)
    elif not enabled and _made in graph.watching:
        graph.watching.remove(_made)


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
