"""python run.py torch|ours FOLDER: every program of this folder, one after the other, what each printed as JSON on the last line.

Both begin with the same weights and draw the same numbers: those of NumPy, instead of each library's own. FOLDER holds data/.
"""

import contextlib
import importlib
import io
import json
import os
import runpy
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PROGRAMS = sorted(path for path in HERE.glob("*.py") if path.name != "run.py")


def start(torch, parameters, known):
    """The same weights in every library; ones and zeros stay."""
    draws = np.random.RandomState(1)
    for parameter in parameters:
        if id(parameter) in known:
            continue
        known[id(parameter)] = parameter
        array = parameter.detach().numpy()
        if array.size > 1 and array.std() == 0 and array.ndim < 2:
            continue
        bound = 1 / np.sqrt(max(np.prod(array.shape[1:]), 1)) if array.ndim > 1 else 0.1
        with torch.no_grad():
            parameter.copy_(torch.tensor(draws.uniform(-bound, bound, array.shape).astype(np.float32)))


def same_chance(torch):
    """torch.randn and its kin, shuffles and starting weights from NumPy."""
    draws = np.random.RandomState(0)
    top, data = sys.modules["torch"], importlib.import_module("torch.utils.data")
    top.randn = lambda *size: torch.tensor(draws.randn(*size).astype(np.float32))
    top.randn_like = lambda x: torch.tensor(draws.randn(*x.shape).astype(np.float32))
    top.randint = lambda high, size: torch.tensor(draws.randint(0, high, size))
    data.RandomSampler.__iter__ = lambda self: iter(draws.permutation(len(self.data_source)).tolist())
    optimizer, known = torch.optim.Optimizer, {}
    begin = optimizer.__init__

    def init(self, params, *args, **named):
        params = list(params)
        groups = params if isinstance(params[0], dict) else [{"params": params}]
        start(torch, [p for group in groups for p in group["params"]], known)
        begin(self, params, *args, **named)

    optimizer.__init__ = init


def main(which, folder):
    os.chdir(folder)
    if which == "ours":
        importlib.import_module("distml_py").as_torch()
    else:
        sys.path.insert(0, str(HERE / "judge"))
    torch = importlib.import_module("torch")
    same_chance(torch)
    found = {}
    for path in PROGRAMS:
        told, began = io.StringIO(), time.perf_counter()
        sys.argv = [str(path)]
        with contextlib.redirect_stdout(told):
            runpy.run_path(str(path), run_name="__main__")
        found[path.stem] = [told.getvalue(), time.perf_counter() - began]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
