"""LBFGS: steps along directions that remember the curvature of earlier ones. It reads the loss and the gradient each time the
closure runs, and does its vector arithmetic on the host; so it waits for the device, and cannot be part of a captured step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import engine
from ..errors import RecipeError
from ..tensor import Tensor, enable_grad, no_grad
from .line_search import Point, strong_wolfe
from .optimizer import Optimizer, Options, not_negative

Closure = Callable[[], Any]
_told: set[str] = set()  # what may change in this module, in one place


class LBFGS(Optimizer):
    """Limited-memory BFGS, one parameter group. step(closure): up to max_iter iterations.

    line_search_fn: None (steps of lr) or "strong_wolfe". Source: Nocedal and Wright 2006, algorithms 7.4 and 7.5.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        not_negative("LBFGS", lr=lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise RecipeError(f"LBFGS: line_search_fn is None or 'strong_wolfe', got {line_search_fn!r}")
        options = {"lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval}
        options |= {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size}
        super().__init__(params, {**options, "line_search_fn": line_search_fn})
        if len(self.param_groups) != 1:
            raise RecipeError("LBFGS takes one parameter group: its directions are of all parameters together")

    def step(self, closure: Closure | None = None) -> Any:
        """closure: computes the loss anew, and its gradients. Returns the loss before the step."""
        if closure is None:
            raise RecipeError("LBFGS.step() needs a closure that computes the loss and its gradients")
        if engine.backend().on_gpu and "LBFGS" not in _told:
            _told.add("LBFGS")
            warnings.warn("LBFGS waits for the GPU at each evaluation: its directions are computed on the host", stacklevel=3)
        search = _Search(self, closure)
        first = search.evaluate()
        if not _flat(search.gradient, self.param_groups[0]["tolerance_grad"]):
            search.iterate(self._states.setdefault(0, {"func_evals": 0, "n_iter": 0}))
        return first

    def _saved(self) -> Options:
        """PyTorch's names; the history as lists of tensors."""
        group = self.param_groups[0]
        saved = {**{k: v for k, v in group.items() if k != "params"}, "params": list(range(len(group["params"])))}
        state = {0: {name: _told_as(Tensor, value) for name, value in self._states[0].items()}} if self._states else {}
        return {"state": state, "param_groups": [saved]}

    def _load(self, state_dict: Options) -> None:
        for saved in state_dict["param_groups"]:
            self.param_groups[0].update({name: value for name, value in saved.items() if name != "params"})
        loaded = {name: _told_as(_array, value) for name, value in state_dict["state"].get(0, {}).items()}
        self._states = {0: loaded} if loaded else {}


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().numpy() if hasattr(value, "detach") else value)


def _told_as(kind: Callable[[Any], Any], value: Any) -> Any:
    """Arrays, and lists of them, as another kind of array; numbers as they are."""
    if isinstance(value, list):
        return [_told_as(kind, one) for one in value]
    return kind(value) if hasattr(value, "shape") and value.shape != () else value


def _flat(gradient: np.ndarray, tolerance: float) -> bool:
    return bool(np.abs(gradient).max(initial=0.0) <= tolerance)


class _Search:
    """The parameters of one step() as one line of numbers, with the loss and the gradient there."""

    def __init__(self, optimizer: LBFGS, closure: Closure):
        self.group, self.closure = optimizer.param_groups[0], closure
        self.tensors: list[Tensor] = self.group["params"]
        self.loss, self.gradient = 0.0, np.zeros(0, np.float32)

    def here(self) -> np.ndarray:
        """The parameters as they are: a closure may have moved them, as those do that clamp an image."""
        return np.concatenate([tensor.detach().numpy().reshape(-1) for tensor in self.tensors])

    def evaluate(self) -> Any:
        with enable_grad():
            found = self.closure()
        self.loss = float(found)
        parts = [np.zeros(t.shape, t.dtype.dtype) if t.grad is None else t.grad.detach().numpy() for t in self.tensors]
        self.gradient = np.concatenate([part.reshape(-1) for part in parts])
        return found

    def move_to(self, x: np.ndarray) -> None:
        first = 0
        with no_grad():
            for tensor in self.tensors:
                tensor.copy_(Tensor(x[first : first + tensor.numel()].reshape(tensor.shape), tensor.dtype))
                first += tensor.numel()

    def at(self, start: np.ndarray, t: float, d: np.ndarray) -> Point:
        """The loss and its gradient at start + t * d."""
        self.move_to(start + np.asarray(t, d.dtype) * d)
        self.evaluate()
        return Point(t, self.loss, self.gradient, float(self.gradient @ d))

    def iterate(self, state: Options) -> None:
        group, evaluations = self.group, 1
        state["func_evals"] += 1
        for number in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = _direction(state, self.gradient, group["history_size"])
            state["prev_flat_grad"], state["prev_loss"], before = self.gradient.copy(), self.loss, self.loss
            steepest = min(1.0, 1.0 / float(np.abs(self.gradient).sum())) if state["n_iter"] == 1 else 1.0
            t, slope = steepest * group["lr"], float(self.gradient @ d)
            state["d"], state["t"] = d, t
            if slope > -group["tolerance_change"]:
                break
            state["t"], used = self._along(t, d, slope, number < group["max_iter"], group["max_eval"] - evaluations)
            evaluations += used
            state["func_evals"] += used
            done = number == group["max_iter"] or evaluations >= group["max_eval"] or _flat(self.gradient, group["tolerance_grad"])
            moved = float(np.abs(d * np.asarray(state["t"], d.dtype)).max(initial=0.0))
            if done or moved <= group["tolerance_change"] or abs(self.loss - before) < group["tolerance_change"]:
                break

    def _along(self, t: float, d: np.ndarray, slope: float, again: bool, most: int) -> tuple[float, int]:
        """Moves along d. Returns how far, and how often the loss was computed. again: it is needed where this ends; most: times."""
        start = self.here()
        if self.group["line_search_fn"] is None:
            self.move_to(start + np.asarray(t, d.dtype) * d)
            if again:
                self.evaluate()
            return t, int(again)
        here = Point(0.0, self.loss, self.gradient, slope)
        best, used = strong_wolfe(lambda far: self.at(start, far, d), here, t, float(np.abs(d).max()), most)
        self.move_to(start + np.asarray(best.t, d.dtype) * d)
        self.loss, self.gradient = best.loss, best.gradient
        return best.t, used


def _direction(state: Options, gradient: np.ndarray, most: int) -> np.ndarray:
    """Down the gradient, corrected by what the last steps told of the curvature: the two-loop recursion."""
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
        return -gradient
    change = gradient - state["prev_flat_grad"]
    moved = state["d"] * np.asarray(state["t"], gradient.dtype)
    curvature = float(change @ moved)
    if curvature > 1e-10:
        for name, value in (("old_dirs", change), ("old_stps", moved), ("ro", 1.0 / curvature)):
            state[name] = [*state[name], value][-most:]
        state["H_diag"] = curvature / float(change @ change)
    d, shares = -gradient, []
    history = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
    for y, s, ro in reversed(history):
        shares.append(float(s @ d) * ro)
        d = d - np.asarray(shares[-1], d.dtype) * y
    d = d * np.asarray(state["H_diag"], d.dtype)
    for (y, s, ro), share in zip(history, reversed(shares), strict=True):
        d = d + s * np.asarray(share - float(y @ d) * ro, d.dtype)
    assert math.isfinite(float(state["H_diag"]))
    return d
