"""The run's parameters on the coordinator: checks of what comes in, the float64 sum, the optimizer's step. No protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distml_py import codecs, io, optim
from distml_py.errors import DistmlError, FormatError, NonFiniteError
from distml_py.exchange import Exchange
from distml_py.manifest import Manifest
from distml_py.tensor import Tensor

from . import robust, summing

MOST_BYTES = 1 << 30
NORM_JUMP = 1e6  # a gradient may be so many times larger than the largest that has counted, or than 1


@dataclass(frozen=True)
class Taken:
    """A gradient that counts. vector: all parameters' numbers, in order; weight: 1, or less when it is of older weights."""

    samples: int
    vector: np.ndarray
    buffers: Mapping[str, np.ndarray]
    weight: float = 1.0


class Model:
    """Weights, buffers and optimizer after some number of committed steps, on the reference backend.

    Where workers take steps themselves the optimizer is the outer one, SGD with Nesterov momentum; they keep theirs.
    """

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        config: dict[str, Any],
        buffers: Mapping[str, np.ndarray] | None = None,
        exchange: Exchange | None = None,
        aggregator: str = "mean",
    ) -> None:
        """aggregator: of robust.AGGREGATORS. All but the mean have the rows sieved first.

        Raises FormatError when the weights are not float32 and finite, or when there is no such optimizer or aggregator.
        """
        self.exchange = exchange or Exchange()
        self.rule, self.sieve = robust.rule(aggregator), robust.Sieve()
        self.codec = codecs.UP[self.exchange.codec]
        self.buffers = _copied(buffers or {})
        io.check_buffers(self.buffers, self.buffers)
        self.shapes = {name: array.shape for name, array in weights.items()}
        io.check_weights(weights, self.shapes)
        self.manifest = Manifest(self.shapes)
        self.config = outer(self.exchange) if self.exchange.own_steps else config
        self.size_bytes = sum(array.nbytes for array in (*weights.values(), *self.buffers.values()))
        if not weights or self.size_bytes > MOST_BYTES:
            raise FormatError(f"a model has 1 to {MOST_BYTES} bytes of parameters, got {self.size_bytes}")
        self.largest_norm = 1.0  # of what counted
        self._build(weights)
        if self.exchange.own_steps:
            optimizer_of(config, self.parameters)

    def _build(self, weights: Mapping[str, np.ndarray]) -> None:
        self.parameters = {name: Tensor(array, requires_grad=True) for name, array in weights.items()}
        self.optimizer = optimizer_of(self.config, self.parameters)

    def weights(self) -> dict[str, np.ndarray]:
        return {name: parameter.detach().numpy() for name, parameter in self.parameters.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Weights, buffers and optimizer as the named arrays of a checkpoint."""
        return io.pack(self.parameters, self.optimizer, self.buffers)

    def adopt(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Becomes the state of a checkpoint. Raises FormatError, and stays as it is, when that does not fit."""
        weights, optimizer = io.unpack(arrays, self.parameters, self.optimizer)
        buffers = io.split(arrays)[1]
        io.check_buffers(buffers, self.buffers)
        before = self.parameters, self.optimizer
        try:
            self._build(weights)
            self.optimizer.load_state_dict(optimizer)
        except (DistmlError, LookupError, TypeError, ValueError) as error:
            self.parameters, self.optimizer = before
            raise FormatError(f"the optimizer state of the checkpoint does not fit: {error}") from None
        self.buffers = _copied(buffers)

    def open(self, tensors: Mapping[str, np.ndarray], shard: int = 0) -> Taken:
        """An answer's numbers, decoded and checked; its samples are the caller's to add.

        Raises FormatError unless names, order, shapes and dtypes are the model's and the gradient's norm is credible.
        Buffers come with shard 0 alone. Raises NonFiniteError for NaN and infinity. Any thread may call it.
        """
        gradient, buffers = io.split(tensors)
        io.check_buffers(buffers, {} if shard else self.buffers)
        for name, array in buffers.items():  # a mean that runs on from an infinity never leaves it
            if (np.isinf(array) & np.isfinite(self.buffers[name])).any():
                raise NonFiniteError(f"the buffer {name!r} holds an infinity where the run's has none")
        if self.codec.name != "fp32":
            vector = self.codec.decode(gradient, self.manifest.size)
            found = norm(vector)
        else:
            vector = self._joined(gradient)
            found = norm(vector)
            if not np.isfinite(found):
                bad = next((name for name in gradient if not np.isfinite(gradient[name]).all()), "all parameters")
                raise NonFiniteError(f"the gradient of {bad!r} holds a NaN or an infinity")
        if found > NORM_JUMP * self.largest_norm:
            largest = f"{found:.3g}, the largest that counted {self.largest_norm:.3g}"
            raise FormatError(f"the gradient's norm is {largest}: one worker could wreck the run with it")
        return Taken(0, vector, _copied(buffers))

    def _joined(self, gradient: Mapping[str, np.ndarray]) -> np.ndarray:
        if list(gradient) != list(self.shapes):
            raise FormatError(f"a gradient has the parameters in the run's order, got {list(gradient)!r:.200}")
        for name, array in gradient.items():
            if array.dtype != np.float32 or array.shape != self.shapes[name]:
                raise FormatError(f"{name!r} should be float32 {self.shapes[name]}, got {array.dtype} {array.shape}")
        only = next(iter(gradient.values()))
        return only.reshape(-1) if len(gradient) == 1 else self.manifest.join(gradient)

    def apply(self, taken: Mapping[tuple[int, int], Taken], samples: int) -> None:
        """One step: the sum of its samples / samples * weight * gradient, in float64 and an order that the data decide.

        taken: (step, shard) -> what counts; samples: of all of it, as a rule the batch size. Shard 0 of the newest step has
        the buffers that are the model's from now on.
        Raises NonFiniteError, and stays as it is, when the step diverges.
        """
        ordered = in_order(taken)
        if self.rule is robust.mean:
            terms = [(found.vector, found.samples / samples * found.weight) for found in ordered]
            total = summing.total(terms, self.manifest.size)
        else:
            total = self._agreed(ordered, samples)
        left = [found.buffers for found in ordered if found.buffers]
        self.step(total, left[-1] if left else {}, max(norm(found.vector) for found in ordered))

    def step(self, total: np.ndarray, buffers: Mapping[str, np.ndarray], largest: float) -> None:
        """One step by this sum. buffers: the model's from now on, when there are any; largest: norm of what was summed.

        Raises NonFiniteError, and stays as it is, when the step diverges.
        """
        before = self.state()
        for name, gradient in self.manifest.part(total.astype(np.float32)).items():
            self.parameters[name].grad = Tensor(gradient)
        self.optimizer.step()
        if not all(np.isfinite(array).all() for array in io.split(self.state())[0].values()):
            self.adopt(before)
            raise NonFiniteError("training diverged: the weights became NaN or infinite; try a smaller learning rate")
        self.buffers = dict(buffers) or self.buffers
        self.largest_norm = max(self.largest_norm, largest)

    def _agreed(self, ordered: Sequence[Taken], samples: int) -> np.ndarray:
        """What a minority of wrong gradients cannot steer."""
        shares = np.array([found.samples / samples * found.weight for found in ordered])
        rows = self.sieve.prepare(np.stack([found.vector for found in ordered]))
        return self.rule(rows, np.full(len(rows), shares.sum() / len(rows)))


def in_order(taken: Mapping[tuple[int, int], Taken]) -> list[Taken]:
    """In the order of the data."""
    return [found for _, found in sorted(taken.items(), key=lambda item: item[0])]


def outer(exchange: Exchange) -> dict[str, Any]:
    """The optimizer where workers take steps themselves, whose gradient is the mean of what workers' weights have changed by."""
    lr, momentum = exchange.outer
    return {"name": "SGD", "lr": lr, "momentum": momentum, "nesterov": momentum > 0}


def optimizer_of(config: dict[str, Any], parameters: Mapping[str, Tensor]) -> optim.Optimizer:
    """Raises FormatError when there is no such optimizer."""
    try:
        return optim.from_config(config, list(parameters.values()))
    except (DistmlError, LookupError, TypeError, ValueError) as error:
        raise FormatError(f"the optimizer {config!r:.200} is not possible: {error}") from None


def _copied(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of our own: what came in lies in a frame."""
    return {name: np.array(array) for name, array in arrays.items()}


def norm(vector: np.ndarray) -> float:
    """The Euclidean norm of all its numbers; not finite when one of them is not."""
    with np.errstate(over="ignore"):
        found = float(np.dot(vector, vector))  # one pass that a NaN or an infinity does not get through
    if 1e-30 < found < 1e37 or not np.isfinite(vector).all():
        return float(np.sqrt(found))
    return float(np.sqrt(np.square(vector, dtype=np.float64).sum()))  # too large or too small for float32
