"""Training steps that are run eagerly and compiled, here and in a browser: what both leave behind must be equal, bit for bit."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

import distml_py as dm
from distml_py import engine, nn, optim
from distml_py.nn import functional as F

STEPS = 30


def batch(number: int, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(number)
    return random.standard_normal((size, 6)).astype(np.float32), random.integers(0, 3, size).astype(np.int32)


def network(drop: float = 0.0) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Dropout(drop), nn.Linear(5, 3))


class Case:
    """step: what is compiled. between(k) runs before step k; models and optimizers are compared at the end."""

    def __init__(self, drop: float = 0.0) -> None:
        dm.manual_seed(1)
        self.model = network(drop)
        self.models: list[nn.Module] = [self.model]
        self.optimizers: list[optim.Optimizer] = []
        self.between: Callable[[int], Any] = lambda k: None

    def plain(self, optimizer: optim.Optimizer) -> Callable[..., Any]:
        self.optimizers.append(optimizer)
        model = self.model

        def step(x: dm.Tensor, y: dm.Tensor) -> dm.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step


def optimized(make: Callable[[Any], optim.Optimizer], drop: float = 0.0) -> Callable[[Case], Callable[..., Any]]:
    def build(case: Case) -> Callable[..., Any]:
        case.__init__(drop)  # type: ignore[misc]
        return case.plain(make(case.model.parameters()))

    return build


def scheduled(case: Case) -> Callable[..., Any]:
    step = case.plain(optim.AdamW(case.model.parameters(), lr=0.05))
    scheduler = optim.lr_scheduler.CosineAnnealingLR(case.optimizers[0], STEPS)
    case.between = lambda k: scheduler.step()
    return step


def decaying(case: Case) -> Callable[..., Any]:
    step = case.plain(optim.SGD(case.model.parameters(), lr=0.05, weight_decay=0.1, momentum=0.8))
    case.between = lambda k: case.optimizers[0].param_groups[0].update(weight_decay=0.1 / (k + 1))
    return step


def clipped(case: Case) -> Callable[..., Any]:
    model, optimizer = case.model, optim.SGD(case.model.parameters(), lr=0.5)
    case.optimizers.append(optimizer)

    def step(x: dm.Tensor, y: dm.Tensor) -> tuple[dm.Tensor, dm.Tensor]:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        total = nn.utils.clip_grad_norm_(model.parameters(), 0.3)
        nn.utils.clip_grad_value_(model.parameters(), 0.1)
        optimizer.step()
        return loss, total

    return step


def switching(case: Case) -> Callable[..., Any]:
    case.__init__(0.3)  # type: ignore[misc]
    step = case.plain(optim.SGD(case.model.parameters(), lr=0.1))
    case.between = lambda k: case.model.train(k % 12 < 6)
    return step


def two_models(case: Case) -> Callable[..., Any]:
    first, second = case.model, nn.Linear(3, 3)
    one, two = optim.Adam(first.parameters(), lr=0.01), optim.SGD(second.parameters(), lr=0.1, momentum=0.9)
    case.models.append(second)
    case.optimizers += [one, two]

    def step(x: dm.Tensor, y: dm.Tensor) -> dict[str, dm.Tensor]:
        one.zero_grad()
        two.zero_grad()
        scores = second(first(x))
        loss = F.cross_entropy(scores, y)
        loss.backward()
        one.step()
        two.step()
        return {"loss": loss, "right": (scores.argmax(1) == y).sum()}

    return step


def accumulating(case: Case) -> Callable[..., Any]:
    model, optimizer = case.model, optim.Adam(case.model.parameters(), lr=0.01)
    case.optimizers.append(optimizer)

    def step(x: dm.Tensor, y: dm.Tensor) -> list[dm.Tensor]:
        optimizer.zero_grad()
        losses = []
        for part in (slice(0, 4), slice(4, 8)):
            losses.append(F.cross_entropy(model(x[part]), y[part]) / 2)
            losses[-1].backward()
        optimizer.step()
        return losses

    return step


def averaging(case: Case) -> Callable[..., Any]:
    """A moving average of the weights, kept by in-place changes, as batch norm keeps its statistics."""
    inner = case.plain(optim.SGD(case.model.parameters(), lr=0.1))
    average = network()
    average.load_state_dict(case.model.state_dict())
    case.models.append(average)
    model = case.model

    def step(x: dm.Tensor, y: dm.Tensor) -> dm.Tensor:
        loss: dm.Tensor = inner(x, y)
        with dm.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                slow.mul_(0.9).add_(fast, alpha=0.1)
        return loss

    return step


def normalized(momentum: float | None, eval_steps: int = 0) -> Callable[[Case], Callable[..., Any]]:
    """Layers with running statistics, which are renewed inside the step. eval_steps: of each 12 that run in eval mode."""

    def build(case: Case) -> Callable[..., Any]:
        image = [nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4, momentum=momentum), nn.ReLU(), nn.Flatten()]
        line = [nn.Unflatten(1, (4, 6)), nn.InstanceNorm1d(4, track_running_stats=True), nn.Flatten()]
        case.model = nn.Sequential(*image, *line, nn.Linear(24, 3))
        case.models = [case.model]
        case.between = lambda k: case.model.train(k % 12 >= eval_steps)
        return case.plain(optim.SGD(case.model.parameters(), lr=0.1, momentum=0.9))

    return build


def seeded(case: Case) -> Callable[..., Any]:
    """Noise that starts from the same seed in each step."""
    inner = case.plain(optim.SGD(case.model.parameters(), lr=0.1))

    def step(x: dm.Tensor, y: dm.Tensor) -> dm.Tensor:
        dm.manual_seed(9)
        return inner(x + dm.randn(8, 6) * 0.1, y)  # type: ignore[no-any-return]

    return step


CASES: dict[str, Callable[[Case], Callable[..., Any]]] = {
    "sgd": optimized(lambda p: optim.SGD(p, lr=0.1)),
    "momentum": optimized(lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1)),
    "nesterov": optimized(lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
    "adam": optimized(lambda p: optim.Adam(p, lr=0.02)),
    "adam_decay": optimized(lambda p: optim.Adam(p, lr=0.02, weight_decay=0.1, amsgrad=True)),
    "adamw": optimized(lambda p: optim.AdamW(p, lr=0.02)),
    "maximize": optimized(lambda p: optim.Adam(p, lr=0.002, maximize=True)),
    "dropout": optimized(lambda p: optim.Adam(p, lr=0.02), drop=0.4),
    "schedule": scheduled,
    "weight_decay_schedule": decaying,
    "clipping": clipped,
    "train_eval": switching,
    "two_models": two_models,
    "accumulation": accumulating,
    "average": averaging,
    "seeded": seeded,
    "batch_norm": normalized(0.1),
    "batch_norm_train_eval": normalized(0.3, eval_steps=4),
    "batch_norm_plain_average": normalized(None, eval_steps=3),
}


def numbers_of(result: Any) -> list[str]:
    parts = result.values() if isinstance(result, dict) else result if isinstance(result, (tuple, list)) else [result]
    return [float(part.item()).hex() for part in parts]


def outcome(name: str, compiled: bool) -> dict[str, Any]:
    """What 30 steps leave behind: every result of every step, weights, running statistics, moments, random numbers to come."""
    case = Case()
    step = CASES[name](case)
    call = dm.compile(step) if compiled else step
    results = []
    for number in range(STEPS):
        case.between(number)
        x, y = batch(number)
        results.append(numbers_of(call(dm.tensor(x), dm.tensor(y))))
    digest = hashlib.sha256()
    for model in case.models:
        for value in model.state_dict().values():
            digest.update(value.numpy().tobytes())
    moments = [[name, v.numpy().tobytes().hex() if isinstance(v, dm.Tensor) else v] for o in case.optimizers
               for slots in o.state.values() for name, v in slots.items()]  # fmt: skip
    found = {"results": results, "weights": digest.hexdigest(), "moments": moments, "random": dm.rand(3).tolist()}
    return found | ({"replays": call.replays} if isinstance(call, dm.capture.Compiled) else {})


def compared(name: str) -> dict[str, Any]:
    """{"same": [...], "replays": n, "plans": plans that the compiled run added to the eager one's}."""
    eager = outcome(name, compiled=False)
    plans = engine.counters().plans
    compiled = outcome(name, compiled=True)
    same = {key: eager[key] == compiled[key] for key in eager}
    return {"same": same, "replays": compiled["replays"], "plans": engine.counters().plans - plans}
