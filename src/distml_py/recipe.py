"""What a training script is (Recipe), and what one step of it computes (Training). No sockets, no page."""

from __future__ import annotations

import builtins
import inspect
import linecache
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from . import engine, io, packages, random
from .capture import compile
from .creation import zeros
from .data.dataset import Splits, TensorDataset
from .data.sampler import permutation
from .data.splitting import splits_of
from .errors import DistmlError, FormatError, NonFiniteError, RecipeError
from .exchange import NAMES as EXCHANGE_NAMES
from .exchange import Exchange
from .nn import Module
from .nn import functional as F
from .nn.module import load
from .optim import Optimizer
from .tensor import Later, Tensor, no_grad

EVALUATION_BATCH = 360
T = TypeVar("T")


class Recipe:
    """A training script: subclass it and say what the data, the model and the optimizer are.

    batch_size: samples of a step, over all workers. shards: the fixed pieces a step is cut into for workers.
    steps: how long a run is. Every evaluate_every steps the validation split is read, every checkpoint_every steps
    the state is stored. compile: steps are captured and replayed (distml_py.compile); then loss() runs for the first steps
    only, and what it prints is printed by those. False: every step runs its Python. packages: names of pure-Python packages
    that the script imports, written out; a coordinator serves them with `distml serve --with NAME`.
    micro_batch: the most samples computed at once, 0 for a whole shard; gradients of the pieces are added up, so that a
    step does not depend on what fits into a worker's memory, batch normalisation apart.
    mode, codec, local_steps, outer_lr, outer_momentum, staleness, quorum: how workers exchange, see exchange.Exchange.
    """

    batch_size: int = 64
    steps: int = 400
    shards: int = 4
    evaluate_every: int = 20
    checkpoint_every: int = 50
    compile: bool = True
    packages: Sequence[str] = ()
    micro_batch: int = 0
    mode: str = Exchange.mode
    codec: str = Exchange.codec
    local_steps: int = Exchange.local_steps
    outer_lr: float | None = Exchange.outer_lr
    outer_momentum: float | None = Exchange.outer_momentum
    staleness: int = Exchange.staleness
    quorum: float = Exchange.quorum

    def exchange(self) -> Exchange:
        """Raises RecipeError when the attributes make none."""
        try:
            return Exchange(**{name: getattr(self, name) for name in EXCHANGE_NAMES})
        except FormatError as error:
            raise RecipeError(f"{type(self).__name__}: {error}") from None

    def data(self) -> Any:
        """Splits(train, validation, test); or one data set, of which a tenth each becomes validation and test: see splits_of()."""
        raise RecipeError(f"{type(self).__name__} needs data(self) that returns Splits(train, validation, test), or one data set")

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
        self.splits = _splits(recipe)
        self.train_size = len(self.splits.train)
        if not self.train_size:
            raise RecipeError("the training split is empty")
        _check_takes(recipe.loss, len(self.splits.train.batch(np.arange(1))))
        random.manual_seed(self.seed)
        self.model = _returned(recipe, "model", Module)
        self.parameters: dict[str, Tensor] = dict(self.model.named_parameters())
        self.optimizer = _returned(recipe, "optimizer", Optimizer, list(self.parameters.values()))
        self.cpu_ops = 0
        self._orders: dict[int, np.ndarray] = {}
        self._spent = _Spent()
        # no method of our own in them: a cycle would keep textures alive
        self._step: Callable[..., Any] = partial(_step, recipe.loss, self.model, self.optimizer)
        self._shard: Callable[..., Any] = partial(_shard, recipe.loss, self.model, self.optimizer, self.parameters)
        self._first = self._step  # after weights were loaded, which lie elsewhere then: the form of its graph is another one
        if recipe.compile:
            self._step, self._shard = compile(self._step, fallback=True), compile(self._shard, fallback=True)

    def step(self, step: int) -> float:
        """One whole step on this worker. Returns the loss. Raises NonFiniteError; the weights are then spoilt, too."""
        return self.begin(step).result()

    def begin(self, step: int) -> Coming:
        """step() without waiting for its loss."""
        loss = self._measured(step, 0, self.recipe.batch_size, self._step)
        return Coming(step, loss.item_later(), self._spent, self.recipe)

    def gradient(self, step: int, start: int, count: int) -> tuple[float, dict[str, np.ndarray]]:
        """(mean loss, mean gradients) over samples [start, start + count) of a step's global batch."""
        value, grads = self.gradients(step, start, count)
        return value, {name: grad.numpy() for name, grad in grads.items()}

    def gradients(self, step: int, start: int, count: int) -> tuple[float, dict[str, Tensor]]:
        """gradient(), left where it was computed; in pieces of the recipe's micro_batch."""
        size = self.recipe.micro_batch or count
        value, sums, cpu_ops = 0.0, dict[str, Tensor](), 0
        for first in range(start, start + count, size):
            piece = min(size, start + count - first)
            loss, grads = self._measured(step, first, piece, self._shard)
            cpu_ops += self.cpu_ops
            value += Coming(step, loss.item_later(), self._spent, self.recipe).result() * (piece / count)
            if piece == count:
                sums = {name: grad for name, grad in grads.items() if grad is not None}
                break
            for name, grad in grads.items():
                if grad is not None:
                    sums[name] = grad * (piece / count) + sums.get(name, 0.0)
            engine.realize([grad.node for grad in sums.values()])
        self.cpu_ops = cpu_ops
        empty = {name: zeros(parameter.shape) for name, parameter in self.parameters.items() if name not in sums}
        return value, {name: (sums | empty)[name] for name in self.parameters}

    def local(self, step: int, steps: int, start: int, count: int, ahead: Tensor | None = None) -> tuple[float, dict[str, Tensor]]:
        """(mean loss, weights before less weights after): the optimizer's steps on these samples of as many global batches.

        ahead: one after another, what is taken from the weights before.
        """
        before = {name: Tensor(parameter.node) for name, parameter in self.parameters.items()}
        if ahead is not None:
            parts = ahead.split([parameter.numel() for parameter in self.parameters.values()])
            before = {name: old - part.reshape(old.shape) for (name, old), part in zip(before.items(), parts, strict=True)}
        engine.realize([old.node for old in before.values()])
        if ahead is not None:
            with no_grad():
                for name, parameter in self.parameters.items():
                    parameter.copy_(before[name])
        losses, cpu_ops = [], 0
        for number in range(step, step + steps):
            loss = self._measured(number, start, count, self._first if number == step else self._step)
            cpu_ops = max(cpu_ops, self.cpu_ops)
            losses.append(Coming(number, loss.item_later(), self._spent, self.recipe))
        self.cpu_ops = cpu_ops
        mean = sum(loss.result() for loss in losses) / steps
        return mean, {name: before[name] - parameter.detach() for name, parameter in self.parameters.items()}

    @property
    def last(self) -> dict[str, float]:
        """Of the last step: cpu_ops, step_ms, python_ms; draws, a mean over the steps since this was last asked; texture_bytes."""
        if not self._spent.steps:
            return {}
        return {"cpu_ops": self.cpu_ops, **self._spent.last()}

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
        return {name: parameter._array() for name, parameter in self.parameters.items()}

    def buffers(self) -> dict[str, np.ndarray]:
        """The model's persistent buffers as io.BUFFERS names them: what batch norm has seen so far."""
        return {name: buffer._array() for name, buffer in self._buffers().items()}

    def _buffers(self) -> dict[str, Tensor]:
        kept = self.model.state_dict().keys()
        return {io.BUFFERS + name: buffer for name, buffer in self.model.named_buffers() if name in kept}

    def load_weights(self, weights: dict[str, np.ndarray]) -> None:
        """weights() and buffers(), together. Raises FormatError, and then changes nothing."""
        weights, buffers = io.split(weights)
        io.check_weights(weights, {name: parameter.shape for name, parameter in self.parameters.items()})
        self.load_buffers(buffers)
        for name, parameter in self.parameters.items():
            load(parameter, weights[name])

    def load_buffers(self, buffers: Mapping[str, np.ndarray]) -> None:
        known = self._buffers()
        io.check_buffers(buffers, known)
        for name, buffer in known.items():
            load(buffer, buffers[name])

    def state(self) -> dict[str, np.ndarray]:
        """Weights, buffers and optimizer state, as io.pack() names them."""
        return io.pack(self.parameters, self.optimizer, self.buffers())

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Continue from state(). Raises FormatError, and then changes nothing."""
        weights, slots = io.unpack(state, self.parameters, self.optimizer)
        self.load_weights(weights | io.split(state)[1])
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

    def _measured(self, step: int, start: int, count: int, work: Callable[..., Any]) -> Any:
        """work(batch) as a part of a training step; what it costs is noted."""
        counters = engine.counters()
        cpu_ops, waited, began = counters.cpu_ops, counters.read_s + counters.run_s, time.perf_counter()
        batch = self.splits.train.batch(self.numbers(step, start, count))
        self.model.train()
        with random.training_step(self.seed, step, start):
            found = work(*batch)
        self.cpu_ops = counters.cpu_ops - cpu_ops
        self._spent.step(time.perf_counter() - began, counters.read_s + counters.run_s - waited)
        return found


def _step(loss: Callable[..., Any], model: Module, optimizer: Optimizer, *batch: Tensor) -> Tensor:
    """One whole step."""
    found = _backward(loss, model, optimizer, batch)
    optimizer.step()
    return found


def _shard(
    loss: Callable[..., Any], model: Module, optimizer: Optimizer, parameters: dict[str, Tensor], *batch: Tensor
) -> tuple[Tensor, dict[str, Tensor | None]]:
    """Mean loss and mean gradients over a batch."""
    found = _backward(loss, model, optimizer, batch)
    grads = {name: parameter.grad for name, parameter in parameters.items()}
    engine.realize(grad.node for grad in grads.values() if grad is not None)
    return found, grads


def _backward(loss: Callable[..., Any], model: Module, optimizer: Optimizer, batch: tuple[Tensor, ...]) -> Tensor:
    optimizer.zero_grad()
    try:
        found = loss(model, *batch)
    except DistmlError as error:
        recipe = getattr(loss, "__self__", None)
        error.line = _line_of(getattr(recipe, "model", loss))  # the layers are named there, and fail in the library
        raise
    if not isinstance(found, Tensor) or found.shape != ():
        wrong = getattr(found, "shape", type(found).__name__)
        raise _at(loss, RecipeError(f"loss() returns a tensor of shape (), got {wrong}"))
    found.backward()
    return found


class _Spent:
    """What steps cost, and what they waited for since."""

    def __init__(self) -> None:
        self.steps = 0
        self.waited_s = 0.0
        self._step_s = self._python_s = 0.0
        self._drawn, self._drawn_at = 0, 0

    def step(self, all_s: float, waited_s: float) -> None:
        self.steps += 1
        self._step_s, self._python_s, self.waited_s = all_s + self.waited_s, all_s - waited_s, 0.0

    def last(self) -> dict[str, float]:
        """The backend's counts are asked for here alone: each asking crosses the border."""
        stats = engine.backend().stats()
        steps = max(self.steps - self._drawn_at, 1)
        draws = round((stats["draws"] - self._drawn) / steps)
        self._drawn, self._drawn_at = stats["draws"], self.steps
        step_ms, python_ms = (self._step_s + self.waited_s) * 1e3, self._python_s * 1e3
        return {"step_ms": step_ms, "python_ms": python_ms, "draws": draws, "texture_bytes": stats["texture_bytes"]}


class Coming:
    """The loss of a step, on its way from the device."""

    def __init__(self, step: int, loss: Later, spent: _Spent, recipe: Recipe):
        self.step = step
        self._loss, self._spent, self._recipe = loss, spent, recipe

    def ready(self) -> bool:
        """Whether result() would not wait."""
        return self._loss.ready()

    def result(self) -> float:
        """Raises NonFiniteError; the weights are then spoilt, too."""
        began = time.perf_counter()
        value = float(self._loss.result())
        self._spent.waited_s += time.perf_counter() - began
        if not math.isfinite(value):
            advice = "lower the learning rate, or check the data and labels for NaN"
            raise _at(self._recipe.optimizer, NonFiniteError(f"the loss is {value} at step {self.step + 1}; {advice}"))
        return value


def _returned(recipe: Recipe, name: str, kind: type[T], *inputs: Any) -> T:
    """What a method of a recipe returns. Raises RecipeError when it is not of its kind."""
    method = getattr(recipe, name)
    found = method(*inputs)
    if not isinstance(found, kind):
        raise _at(method, RecipeError(f"{name}() returns a {kind.__name__}, got {_got(found)}; see web/recipes"))
    return found


def _splits(recipe: Recipe) -> Splits:
    """What data() returns, cut into splits where it is one data set. Raises RecipeError."""
    given = recipe.data()
    try:
        found = splits_of(given)
    except DistmlError as error:
        raise _at(recipe.data, RecipeError(f"data(): {error}")) from error
    if found is None:
        kinds = "a Splits, a pair of arrays (inputs, labels), a Dataset or a list of samples"
        raise _at(recipe.data, RecipeError(f"data() returns {kinds}, got {_got(given)}; see web/recipes"))
    return found


def _check_takes(loss: Callable[..., Any], fields: int) -> None:
    """Raises RecipeError when loss() is not made for a model and so many fields of a batch."""
    try:
        takes = inspect.signature(loss)
        takes.bind(*range(1 + fields))
    except ValueError:
        return  # it is nothing that Python can look into
    except TypeError:
        words = f"loss() is called with the model and the {fields} fields of a batch, as loss(self, model, inputs, labels)"
        raise _at(loss, RecipeError(f"{words}; it takes {takes}")) from None


def _got(found: Any) -> str:
    return "None: is there a return?" if found is None else type(found).__name__


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
    if not isinstance(recipe.micro_batch, int) or recipe.micro_batch < 0:
        raise RecipeError(f"{type(recipe).__name__}.micro_batch is an int, 0 for none, got {recipe.micro_batch!r}")
    recipe.exchange()
    if recipe.shards > recipe.batch_size:
        raise RecipeError(f"{recipe.shards} shards of a batch of {recipe.batch_size}: a shard holds at least one sample")


def load_recipe(name: str, code: str) -> Recipe:
    """The one Recipe subclass that a script defines, made. Raises RecipeError, or whatever the script raises.

    The script runs as module `recipe_<name>`, file `<name>.py`, so that a traceback shows its lines. The packages that it
    names must be here.
    """
    packages.check(code)
    file = f"{name}.py"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": f"recipe_{name}", "__file__": file}
    try:
        exec(builtins.compile(code, file, "exec"), namespace)
    except ModuleNotFoundError as error:
        raise packages.not_named(error) from error
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
