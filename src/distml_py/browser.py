"""The border to JavaScript inside Pyodide: the only module that imports `js` or `pyodide`."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import engine
from .backends.reference import ReferenceBackend
from .backends.webgl import WebGLBackend
from .errors import BackendError


class JsBridge:
    """backends.webgl.Bridge over the JavaScript object: arrays become typed arrays and back."""

    def __init__(self, js_bridge: Any):
        from pyodide.ffi import to_js

        self._to_js = to_js
        self._js = js_bridge
        self.limits = js_bridge.limits
        self.texture = js_bridge.texture
        self.release = js_bridge.release
        self.compile = js_bridge.compile
        self.stats = js_bridge.stats
        self.read_later = js_bridge.read_later
        self.drop = js_bridge.drop

    def upload(self, texture: int, columns: int, rows: int, data: np.ndarray) -> None:
        self._js.upload(texture, columns, rows, self._to_js(data))

    def run(self, commands: np.ndarray) -> None:
        self._js.run(self._to_js(commands))

    def read(self, texture: int, columns: int, rows: int, kind: int) -> np.ndarray:
        return np.frombuffer(self._js.read(texture, columns, rows).to_bytes(), np.int32 if kind else np.float32)

    def poll(self, ticket: int, wait: bool, kind: int) -> np.ndarray | None:
        found = self._js.poll(ticket, wait)
        return None if found is None else np.frombuffer(found.to_bytes(), np.int32 if kind else np.float32)


def start(js_bridge: Any, reason: str = "") -> str:
    """Choose the backend of this tab and return its line for people.

    js_bridge: webgl_bridge's object, or None with the reason why there is none; then the reference backend computes.
    A GPU that fails the self-check is not used either.
    """
    if js_bridge is not None:
        try:
            backend = WebGLBackend(JsBridge(js_bridge))
            engine.use_backend(backend)
            _self_check()
            return backend.name
        except BackendError as error:
            reason = str(error)
    engine.use_backend(ReferenceBackend())
    return f"reference (NumPy): {reason}"


def _self_check() -> None:
    """A small matrix product and sum, compared with NumPy. Raises BackendError when this GPU computes wrong numbers."""
    from .tensor import Tensor

    x = np.linspace(-1, 1, 35, dtype=np.float32).reshape(5, 7)
    found = ((Tensor(x) @ Tensor(x).T).relu().sum(dim=0)).numpy()
    wanted = np.maximum(x @ x.T, 0).sum(axis=0)
    if not np.allclose(found, wanted, rtol=1e-5, atol=1e-6):
        raise BackendError(f"this GPU fails the self-check: expected {wanted}, found {found}")
