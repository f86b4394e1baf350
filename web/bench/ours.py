"""distml_py as a contender of the benchmark: eager, captured, captured and tuned, and on NumPy (the reference backend)."""

import json
from functools import partial

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

    def roofline(self):
        """JSON: each kernel of one unit, the longest first, beside a plain copy and the best product of this device.

        ms, bytes and flops: of all draws of that kernel and op; each draw is awaited, which adds a fraction of a millisecond to it.
        of_copy: the share of a copy's bytes a second; of_matmul: of the best product's operations a second.
        """
        copied = dm.tensor(np.ones((1024, 1024), np.float32)).realize()
        (copy,) = measured(lambda: (copied * 2.0).realize())
        squares = [square(size) for size in (512, 1024)]
        products = [measured(partial(product, one)) for one in squares]
        best = max(row["flops"] / row["ms"] for rows in products for row in rows if row["kernel"] == "Product")
        rows = measured(lambda: self.run(1))
        for row in rows:
            row["of_copy"] = row["bytes"] / row["ms"] / (copy["bytes"] / copy["ms"])
            row["of_matmul"] = row["flops"] / row["ms"] / best
        kernels = sorted(rows, key=lambda row: -row["ms"])
        return json.dumps({"copy_gb_per_s": copy["bytes"] / copy["ms"] / 1e6, "matmul_gflops": best / 1e6, "kernels": kernels})

    def stats(self):
        """JSON: draws, bytes of textures, so far."""
        found = engine.backend().stats()
        return json.dumps({name: int(found.get(name, 0)) for name in ("draws", "texture_bytes")})

    def result(self):
        """What the last unit returned: the output of an op, the loss of a step."""
        return flat(self.out.detach().numpy())

    def weights(self):
        return {name: flat(tensor.detach().numpy()) for name, tensor in self.work.weights().items()}


CLOCK_MS = 0.005  # browsers round their clocks
PROFILES = 3  # of which each kernel's shortest time counts, after one that plans and compiles


def square(size):
    return dm.tensor(np.random.default_rng(0).random((size, size), np.float32)).realize()


def product(a):
    (a @ a).realize()


def measured(work):
    """What work() draws: one row for each kernel and op."""
    work()
    shortest = {}
    for _ in range(PROFILES + 1):
        found = {}
        with dm.profile() as p:
            work()
        for row in p.rows:
            sums = found.setdefault((row.kernel, row.op), {"ms": 0.0, "bytes": 0, "flops": 0, "draws": 0})
            for name in sums:
                sums[name] += getattr(row, name)
        for key, sums in found.items():
            sums["ms"] = max(sums["ms"], CLOCK_MS)
            if key not in shortest or sums["ms"] < shortest[key]["ms"]:
                shortest[key] = sums
    return [{"kernel": kernel, "op": op, **sums} for (kernel, op), sums in shortest.items()]


def arrays(work):
    """[[name, shape, kind, numbers]] of the inputs, then of the weights, as float32: what rivals begin with."""
    dm.use_backend("reference")
    given = [("input", name, array) for name, array in work.inputs.items()]
    given += [("weight", name, tensor.detach().numpy()) for name, tensor in work.weights().items()]
    return [[name, list(array.shape), kind, flat(array)] for kind, name, array in given]


def flat(array):
    return np.ascontiguousarray(array, np.float32).reshape(-1)
