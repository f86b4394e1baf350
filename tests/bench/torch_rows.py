"""PyTorch on the CPU as a contender of the benchmark: the same arrays, the same work, the judge of everybody's numbers."""

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from test_models_against_torch import TorchGPT, TorchResNet18

THREADS = 2
SAMPLES = 2048  # as in web/bench/compare.js
WORKLOADS = Path(__file__).parents[2] / "web" / "bench" / "workloads.py"
Unit = Callable[[], torch.Tensor]


def workloads() -> ModuleType:
    spec = importlib.util.spec_from_file_location("workloads", WORKLOADS)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digest(array: np.ndarray) -> dict[str, Any]:
    flat = np.asarray(array, np.float32).reshape(-1)
    count = min(SAMPLES, flat.size)
    places = np.arange(count) * flat.size // count
    rms = float(np.sqrt(np.mean(np.square(flat, dtype=np.float64))))
    return {"size": flat.size, "rms": rms, "samples": flat[places].tolist()}


class TorchContender:
    """answer(message) as web/bench/worker.js answers: verbs check, repeat and close."""

    def __init__(self) -> None:
        torch.set_num_threads(THREADS)
        self.work = workloads().WORK
        self.model: nn.Module | None = None
        self.unit: Unit = lambda: torch.zeros(())

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            match message["verb"]:
                case "check":
                    return {"answer": self.check(message["row"], int(message["checked"]))}
                case "repeat":
                    return {"answer": self.repeat(int(message["units"]) * int(message["rounds"]))}
                case _:
                    self.model, self.unit = None, lambda: torch.zeros(())
                    return {"answer": None}
        except Exception as error:  # the row goes on without us, with the reason
            return {"error": f"{type(error).__name__}: {error}"}

    def check(self, row: str, checked: int) -> dict[str, Any]:
        work = self.work[row]()
        self.model, self.unit = prepare(work)
        began = time.perf_counter()
        outputs = [self.unit()]
        spent = time.perf_counter() - began
        outputs += [self.unit() for _ in range(checked - 1)]
        if self.model is None:
            return {"first_step_ms": spent * 1e3, "found": {"output": digest(outputs[0].detach().numpy())}}
        found = {"losses": digest(np.array([loss.item() for loss in outputs]))}
        state = self.model.state_dict()
        found |= {f"weight {name}": digest(state[name].detach().numpy()) for name in work.weights()}
        return {"first_step_ms": spent * 1e3, "found": found}

    def repeat(self, units: int) -> dict[str, float]:
        began = time.perf_counter()
        for _ in range(units):
            self.unit()
        return {"ms": (time.perf_counter() - began) * 1e3}


def prepare(work: Any) -> tuple[nn.Module | None, Unit]:
    """The model that is trained, if any, and one unit of a row's work."""
    inputs = [torch.from_numpy(array) for array in work.inputs.values()]
    if work.model is None:
        op = OPS[type(work).__name__]
        return None, lambda: op(*inputs)
    model = MODELS[type(work).__name__]()
    state = {name: torch.from_numpy(tensor.detach().numpy()) for name, tensor in work.weights().items()}
    model.load_state_dict(state, strict=False)
    missing = [name for name in model.state_dict() if name not in state and "num_batches_tracked" not in name]
    assert not missing, f"the library's model has no {missing}"
    return model, training(model.train(), work.lr, *inputs)


def training(model: nn.Module, lr: float, x: torch.Tensor, y: torch.Tensor) -> Unit:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        scores = model(x)
        loss = F.cross_entropy(scores.flatten(0, -2), y.flatten().long())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def conv_gradient(x: torch.Tensor, w: torch.Tensor, g: torch.Tensor, wanted: list[bool]) -> torch.Tensor:
    found = torch.ops.aten.convolution_backward(g, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, wanted)
    return next(gradient for gradient, asked in zip(found, wanted, strict=True) if asked)


OPS: dict[str, Callable[..., torch.Tensor]] = {
    "Matmul": torch.matmul,
    "Matmul1024": torch.matmul,
    "Chain": lambda a, b, c: (a * b + c).relu(),
    "Conv": lambda x, w: F.conv2d(x, w, padding=1),
    "ConvInputGrad": lambda x, w, g: conv_gradient(x, w, g, [True, False, False]),
    "ConvWeightGrad": lambda x, w, g: conv_gradient(x, w, g, [False, True, False]),
}
MODELS: dict[str, Callable[[], nn.Module]] = {
    "MLP": lambda: nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)),
    "CNN": lambda: nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 10),
    ),
    "ResNet": lambda: TorchResNet18(10, "cifar", 64),
    "GPT": lambda: TorchGPT(96, 64, 2, 4, 128, tied=True),
}  # fmt: skip
