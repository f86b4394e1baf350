"""What a training script is (Recipe), and what one step of it computes (Training). No sockets, no page."""

from __future__ import annotations

import linecache
import math
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from . import engine, io, random
from .data.loader import Splits, TensorDataset, permutation
from .errors import DistmlError, NonFiniteError, RecipeError
from .nn import Module
from .nn import functional as F
from .nn.module import load
from .optim import Optimizer
from .tensor import Tensor, no_grad

EVALUATION_BATCH = 360
T = TypeVar("T")


class Recipe:
    """A training script: subclass it and say what the data, the model and the optimizer are.

    batch_size: samples of a step, over all workers. shards: the fixed pieces a step is cut into for workers.
    steps: how long a run is. Every evaluate_every steps the validation split is read, every checkpoint_every steps
    the state is stored.
    """

    batch_size: int = 64
    steps: int = 400
    shards: int = 4
    evaluate_every: int = 20
    checkpoint_every: int = 50

    def data(self) -> Splits:
        raise RecipeError(f"{type(self).__name__} needs data(self) that returns Splits(train, validation, test)")

    def model(self) -> Module:
        raise RecipeError(f"{type(self).__name__} needs model(self) that returns a Module")

    def optimizer(self, parameters: Iterable[Tensor]) -> Optimizer:
        raise RecipeError(f"{type(self).__name__} needs optimizer(self, parameters) that returns an Optimizer")

    def loss(self, model: Module, *batch: Tensor) -> Tensor:
        """The mean loss over a batch, shape (). Default: cross entropy of model(inputs) and labels."""
        inputs, labels = batch
        return F.cross_entropy(model(inputs), labels)

    def correct(self, model: Module, *batch: Tensor) -> Tensor:
        """How many samples of a batch are answered rightly, shape (). Default: the largest score is the label."""
        inputs, labels = batch
        return (model(inputs).argmax(1) == labels).sum()


class Training:
    """A recipe with a seed: its model, optimizer and data, and the work of a step.

    Sample p of step k is a pure function of (seed, k, p), whoever computes it.
    """

    def __init__(self, recipe: Recipe, seed: int):
        _check(recipe)
        self.recipe = recipe
        self.seed = int(seed)
        self.splits = _returned(recipe, "data", Splits)
        self.train_size = len(self.splits.train)
        if not self.train_size:
            raise RecipeError("the training split is empty")
        random.manual_seed(self.seed)
        self.model = _returned(recipe, "model", Module)
        self.parameters: dict[str, Tensor] = dict(self.model.named_parameters())
        self.optimizer = _returned(recipe, "optimizer", Optimizer, list(self.parameters.values()))
        self.last: dict[str, float] = {}
        self._orders: dict[int, np.ndarray] = {}

    def step(self, step: int) -> float:
        """One whole step on this worker. Returns the loss. Raises NonFiniteError; the weights are then spoilt, too."""
        return self._measured(lambda: self._loss(step, 0, self.recipe.batch_size, self.optimizer.step))

    def gradient(self, step: int, start: int, count: int) -> tuple[float, dict[str, np.ndarray]]:
        """(mean loss, mean gradients) over samples [start, start + count) of a step's global batch."""
        found: dict[str, np.ndarray] = {}

        def read() -> None:
            grads = {name: parameter.grad for name, parameter in self.parameters.items()}
            engine.realize(grad.node for grad in grads.values() if grad is not None)
            for name, parameter in self.parameters.items():
                grad = grads[name]
                found[name] = np.zeros(parameter.shape, np.float32) if grad is None else grad.numpy()

        return self._measured(lambda: self._loss(step, start, count, read)), found

    def evaluate(self, split: str) -> tuple[float, float, int]:
        """(mean loss, accuracy in 0-1, samples) over a whole split: "train", "validation" or "test"."""
        dataset: TensorDataset = getattr(self.splits, split)
        loss, right = 0.0, 0
        self.model.eval()
        with no_grad():
            for first in range(0, len(dataset), EVALUATION_BATCH):
                numbers = np.arange(first, min(first + EVALUATION_BATCH, len(dataset)))
                batch = dataset.batch(numbers)
                mean = self.recipe.loss(self.model, *batch)
                count = self.recipe.correct(self.model, *batch)
                engine.realize([mean.node, count.node])
                loss += mean.item() * len(numbers)
                right += count.item()
        return loss / len(dataset), right / len(dataset), len(dataset)

    def step_accuracy(self, step: int) -> float:
        """Accuracy in 0-1 on the training samples of a step, with the weights as they are now."""
        batch = self.splits.train.batch(self.numbers(step, 0, self.recipe.batch_size))
        self.model.eval()
        with no_grad():
            return float(self.recipe.correct(self.model, *batch).item()) / self.recipe.batch_size

    def weights(self) -> dict[str, np.ndarray]:
        return {name: parameter.numpy() for name, parameter in self.parameters.items()}

    def load_weights(self, weights: dict[str, np.ndarray]) -> None:
        io.check_weights(weights, {name: parameter.shape for name, parameter in self.parameters.items()})
        for name, parameter in self.parameters.items():
            load(parameter, weights[name])

    def state(self) -> dict[str, np.ndarray]:
        """Weights and optimizer state, as io.pack() names them."""
        return io.pack(self.parameters, self.optimizer)

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Continue from state(). Raises FormatError, and then changes nothing."""
        weights, slots = io.unpack(state, self.parameters, self.optimizer)
        self.load_weights(weights)
        self.optimizer.load_state_dict(slots)

    def numbers(self, step: int, start: int, count: int) -> np.ndarray:
        """The training samples at positions [start, start + count) of a step: shuffled passes, one after another."""
        places = step * self.recipe.batch_size + np.arange(start, start + count)
        epochs, offsets = places // self.train_size, places % self.train_size
        known = self._orders
        self._orders = {
            epoch: known[epoch] if epoch in known else permutation(self.train_size, self.seed, epoch)
            for epoch in map(int, np.unique(epochs))
        }
        return np.array([self._orders[int(e)][o] for e, o in zip(epochs, offsets, strict=True)])

    def _loss(self, step: int, start: int, count: int, then: Callable[[], None]) -> float:
        batch = self.splits.train.batch(self.numbers(step, start, count))
        self.model.train()
        self.optimizer.zero_grad()
        with random.training_step(self.seed, step, start):
            try:
                loss = self.recipe.loss(self.model, *batch)
            except DistmlError as error:
                error.line = _line_of(self.recipe.model)  # the layers are named there, and fail in the library
                raise
            if not isinstance(loss, Tensor) or loss.shape != ():
                found = getattr(loss, "shape", type(loss).__name__)
                raise _at(self.recipe.loss, RecipeError(f"loss() returns a tensor of shape (), got {found}"))
            loss.backward()
            then()
        value = float(loss.item())
        if not math.isfinite(value):
            advice = "lower the learning rate, or check the data and labels for NaN"
            raise _at(self.recipe.optimizer, NonFiniteError(f"the loss is {value} at step {step + 1}; {advice}"))
        return value

    def _measured(self, work: Callable[[], float]) -> float:
        before, draws = (vars(engine.counters()).copy(), engine.backend().stats()["draws"])
        began = time.perf_counter()
        value = work()
        after, stats = engine.counters(), engine.backend().stats()
        spent = time.perf_counter() - began
        waited = after.read_s - before["read_s"] + after.run_s - before["run_s"]
        self.last = {
            "cpu_ops": after.cpu_ops - before["cpu_ops"],
            "step_ms": spent * 1e3,
            "python_ms": (spent - waited) * 1e3,
            "draws": stats["draws"] - draws,
            "texture_bytes": stats["texture_bytes"],
        }
        return value


def _returned(recipe: Recipe, name: str, kind: type[T], *inputs: Any) -> T:
    """What a method of a recipe returns. Raises RecipeError when it is not of its kind."""
    method = getattr(recipe, name)
    found = method(*inputs)
    if not isinstance(found, kind):
        raise _at(method, RecipeError(f"{name}() returns a {kind.__name__}, got {type(found).__name__}; see web/recipes"))
    return found


def _at(method: Callable[..., Any], error: DistmlError) -> DistmlError:
    """error, pointing at the method where its cause stands."""
    error.line = _line_of(method)
    return error


def _line_of(method: Callable[..., Any]) -> int:
    """Where a recipe script defines a method; 0 when it is inherited."""
    code = getattr(method, "__code__", None)
    return code.co_firstlineno if code is not None and method.__module__.startswith("recipe_") else 0


def _check(recipe: Recipe) -> None:
    for name in ("batch_size", "steps", "shards", "evaluate_every", "checkpoint_every"):
        value = getattr(recipe, name)
        if not isinstance(value, int) or value < 1:
            raise RecipeError(f"{type(recipe).__name__}.{name} is an int of at least 1, got {value!r}")
    if recipe.shards > recipe.batch_size:
        raise RecipeError(f"{recipe.shards} shards of a batch of {recipe.batch_size}: a shard holds at least one sample")


def load_recipe(name: str, code: str) -> Recipe:
    """The one Recipe subclass that a script defines, made. Raises RecipeError, or whatever the script raises.

    The script runs as module `recipe_<name>`, file `<name>.py`, so that a traceback shows its lines.
    """
    file = f"{name}.py"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": f"recipe_{name}", "__file__": file}
    exec(compile(code, file, "exec"), namespace)
    found = [
        value
        for value in namespace.values()
        if isinstance(value, type) and issubclass(value, Recipe) and value.__module__ == f"recipe_{name}"
    ]
    if len(found) != 1:
        what = ", ".join(cls.__name__ for cls in found) or "none"
        raise RecipeError(f"{file} must define one subclass of Recipe, found {what}; see web/recipes for examples")
    return found[0]()


def train(recipe: Recipe, seed: int = 0, steps: int | None = None, say: Callable[[str], None] = print) -> Training:
    """Train here, alone, and report. The test split is read once, at the end."""
    training = Training(recipe, seed)
    total = recipe.steps if steps is None else steps
    loss = math.nan
    for step in range(total):
        loss = training.step(step)
        if (step + 1) % recipe.evaluate_every == 0 or step + 1 == total:
            val_loss, accuracy, _ = training.evaluate("validation")
            say(f"step {step + 1}: loss {loss:.4f}, validation loss {val_loss:.4f}, accuracy {accuracy:.1%}")
    test_loss, accuracy, samples = training.evaluate("test")
    say(f"test: loss {test_loss:.4f}, accuracy {accuracy:.1%} on {samples} samples, backend {engine.backend().name}")
    return training
