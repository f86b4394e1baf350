"""distml_py as a contender of the benchmark: eager, captured, captured and tuned, and on NumPy (the reference backend)."""

import json

import numpy as np

import distml_py as dm
from distml_py import browser, engine


class Contender:
    """One row's work in one way of running it. way: "eager", "captured", "tuned" or "numpy". tune_s: for "tuned"."""

    def __init__(self, way, work, js_bridge=None, tune_s=0.0):
        self.work = work
        self.tune_s = tune_s if way == "tuned" else 0.0
        self.report = None
        if way == "numpy":
            dm.use_backend("reference")
        else:
            backend = browser.start(js_bridge)
            if not backend.startswith("WebGL2"):
                raise RuntimeError(backend)
        self.inputs = work.tensors()
        self.call = dm.compile(work.call) if way in ("captured", "tuned") else work.call
        self.out = None
        self.plan_s = engine.counters().plan_s

    def first(self):
        """The first unit, numbers read: nothing of it was planned or compiled before."""
        self.repeat(1, 1)
        spent = engine.counters().plan_s - self.plan_s
        if self.tune_s:
            self.report = dm.tune(budget_s=self.tune_s)
            if not self.work.model:  # the numbers that are compared come from the winners
                self.repeat(1, 1)
        return spent

    def choices(self):
        """What was tuned, as lines for people."""
        return "" if self.report is None else str(self.report)

    def repeat(self, units, rounds):
        """rounds times: that many units, then one number read, so that all of them are done."""
        for _ in range(rounds):
            self.run(units)
            first = self.out if self.out.ndim == 0 else self.out[(0,) * self.out.ndim]
            first.item()

    def run(self, units):
        if self.work.model and hasattr(self.call, "many"):  # many() holds on to every result: an op's is large
            self.out = self.call.many([self.inputs] * units)[-1]
            return
        for _ in range(units):
            self.out = self.call(*self.inputs)
            self.out.realize()

    def stats(self):
        """JSON: draws, bytes of textures, so far."""
        found = engine.backend().stats()
        return json.dumps({name: int(found.get(name, 0)) for name in ("draws", "texture_bytes")})

    def result(self):
        """What the last unit returned: the output of an op, the loss of a step."""
        return flat(self.out.numpy())

    def weights(self):
        return {name: flat(tensor.numpy()) for name, tensor in self.work.weights().items()}


def arrays(work):
    """[[name, shape, kind, numbers]] of the inputs, then of the weights, as float32: what rivals begin with."""
    dm.use_backend("reference")
    given = [("input", name, array) for name, array in work.inputs.items()]
    given += [("weight", name, tensor.numpy()) for name, tensor in work.weights().items()]
    return [[name, list(array.shape), kind, flat(array)] for kind, name, array in given]


def flat(array):
    return np.ascontiguousarray(array, np.float32).reshape(-1)
