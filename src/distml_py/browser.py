"""The border to JavaScript inside Pyodide: the only module that imports `js` or `pyodide`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import engine, tuning
from .backends.reference import ReferenceBackend
from .backends.textures import CAP_BYTES
from .backends.webgl import WebGLBackend
from .errors import BackendError
from .selftest import self_test


class JsBridge:
    """backends.textures.Bridge over the JavaScript object: arrays become typed arrays and back."""

    def __init__(self, js_bridge: Any):
        from pyodide.ffi import to_js

        self._to_js = to_js
        self._js = js_bridge
        self.limits = js_bridge.limits
        self.texture = js_bridge.texture
        self.release = js_bridge.release
        self.compile = js_bridge.compile
        self.discard = js_bridge.discard
        self.stats = js_bridge.stats
        self.read_later = js_bridge.read_later
        self.drop = js_bridge.drop

    def upload(self, texture: int, columns: int, rows: int, data: np.ndarray) -> None:
        self._js.upload(texture, columns, rows, self._to_js(data))

    def upload_all(self, places: np.ndarray, data: np.ndarray) -> None:
        self._js.upload_all(self._to_js(places), self._to_js(data))

    def run(self, commands: np.ndarray) -> None:
        self._js.run(self._to_js(commands))

    def read(self, texture: int, columns: int, rows: int, kind: int) -> np.ndarray:
        return np.frombuffer(self._js.read(texture, columns, rows).to_bytes(), np.int32 if kind == 1 else np.float32)

    def poll(self, ticket: int, wait: bool, kind: int) -> np.ndarray | None:
        found = self._js.poll(ticket, wait)
        return None if found is None else np.frombuffer(found.to_bytes(), np.int32 if kind == 1 else np.float32)


def start(
    js_bridge: Any,
    reason: str = "",
    cap_bytes: int = CAP_BYTES,
    remembered: str = "",
    remember: Callable[[str], None] | None = None,
    tested: bool = False,
) -> str:
    """Choose the backend of this tab and return its line for people.

    js_bridge: webgl_bridge's object, or None with the reason why there is none; then the reference backend computes.
    A GPU that fails the self-test is not used either. cap_bytes: the most that all textures together may take.
    remembered: what `remember` was given on this device before, by tune(); text that does not fit changes nothing.
    tested: this version has passed the self-test on this device before; it is left to complaint(), when there is time.
    """
    tuning.remember_with(remember)
    if js_bridge is not None:
        try:
            line = _on_gpu(js_bridge, cap_bytes, tested)
            tuning.load_tuning(remembered)
            return line
        except BackendError as error:
            reason = str(error)
    engine.use_backend(ReferenceBackend())
    return f"reference (NumPy): {reason}"


def complaint() -> str:
    """What the self-test finds wrong on the backend that computes now; empty when all is well."""
    faults = [str(check) for check in self_test() if not check.passed]
    if not faults:
        return ""
    return f"{engine.backend().name} fails the self-test, {len(faults)} of its checks: {'; '.join(faults[:3])}"


def _on_gpu(js_bridge: Any, cap_bytes: int, tested: bool) -> str:
    """The backend's line. Raises BackendError when this GPU cannot be used, or computes wrong numbers."""
    backend = WebGLBackend(JsBridge(js_bridge), cap_bytes)
    engine.use_backend(backend)
    wrong = "" if tested else complaint()
    if wrong:
        raise BackendError(wrong)
    return backend.name
