"""The run's parameters on the coordinator: checks of what comes in, the float64 sum, the optimizer's step. No protocol."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from distml_py import io, optim
from distml_py.errors import DistmlError, FormatError, NonFiniteError
from distml_py.tensor import Tensor

MOST_BYTES = 1 << 30
NORM_JUMP = 1e6  # a gradient may be so many times larger than the largest that has counted, or than 1


class Model:
    """Weights, buffers and optimizer after some number of committed steps, on the reference backend."""

    def __init__(
        self, weights: Mapping[str, np.ndarray], config: dict[str, Any], buffers: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Raises FormatError when the weights are not float32 and finite, or when there is no such optimizer."""
        self.buffers = _copied(buffers or {})
        io.check_buffers(self.buffers, self.buffers)
        self.shapes = {name: array.shape for name, array in weights.items()}
        io.check_weights(weights, self.shapes)
        self.config = config
        self.size_bytes = sum(array.nbytes for array in (*weights.values(), *self.buffers.values()))
        if not weights or self.size_bytes > MOST_BYTES:
            raise FormatError(f"a model has 1 to {MOST_BYTES} bytes of parameters, got {self.size_bytes}")
        self._largest_norm = 1.0
        self._build(weights)

    def _build(self, weights: Mapping[str, np.ndarray]) -> None:
        self.parameters = {name: Tensor(array, requires_grad=True) for name, array in weights.items()}
        try:
            self.optimizer = optim.from_config(self.config, list(self.parameters.values()))
        except (DistmlError, LookupError, TypeError, ValueError) as error:
            raise FormatError(f"the optimizer {self.config!r:.200} is not possible: {error}") from None

    def weights(self) -> dict[str, np.ndarray]:
        return {name: parameter.numpy() for name, parameter in self.parameters.items()}

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

    def check(self, tensors: Mapping[str, np.ndarray], shard: int = 0) -> None:
        """Raises FormatError unless names, order, shapes and dtypes are the model's and the gradient's norm is credible.

        Buffers come with shard 0 alone. Raises NonFiniteError for NaN and infinity.
        """
        gradient, buffers = io.split(tensors)
        io.check_buffers(buffers, {} if shard else self.buffers)
        if list(gradient) != list(self.shapes):
            raise FormatError(f"a gradient has the parameters in the run's order, got {list(gradient)!r:.200}")
        for name, array in gradient.items():
            if array.dtype != np.float32 or array.shape != self.shapes[name]:
                raise FormatError(f"{name!r} should be float32 {self.shapes[name]}, got {array.dtype} {array.shape}")
            if not np.isfinite(array).all():
                raise NonFiniteError(f"the gradient of {name!r} holds a NaN or an infinity")
        if norm(gradient) > NORM_JUMP * self._largest_norm:
            largest = f"{norm(gradient):.3g}, the largest that counted {self._largest_norm:.3g}"
            raise FormatError(f"the gradient's norm is {largest}: one worker could wreck the run with it")

    def apply(self, gradients: Mapping[int, tuple[int, Mapping[str, np.ndarray]]], batch_size: int) -> None:
        """One step: the sum of samples / batch_size * gradient over shards, in shard order and float64.

        gradients: shard -> samples, gradient and, with shard 0, the buffers: those it leaves are the model's from now on.
        Raises NonFiniteError, and stays as it is, when the step diverges.
        """
        before = self.state()
        for name, parameter in self.parameters.items():
            total = np.zeros(self.shapes[name], np.float64)
            for _, (samples, gradient) in sorted(gradients.items(), key=lambda item: item[0]):
                total += samples / batch_size * gradient[name].astype(np.float64)
            parameter.grad = Tensor(total.astype(np.float32))
        self.optimizer.step()
        if not all(np.isfinite(array).all() for array in io.split(self.state())[0].values()):
            self.adopt(before)
            raise NonFiniteError("training diverged: the weights became NaN or infinite; try a smaller learning rate")
        self.buffers = _copied(io.split(gradients[0][1])[1]) if 0 in gradients else self.buffers
        self._largest_norm = max(self._largest_norm, *(norm(io.split(tensors)[0]) for _, tensors in gradients.values()))


def _copied(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of our own: what came in lies in a frame."""
    return {name: np.array(array) for name, array in arrays.items()}


def norm(gradient: Mapping[str, np.ndarray]) -> float:
    """The Euclidean norm of all its numbers, in float64."""
    return float(np.sqrt(sum(np.square(array, dtype=np.float64).sum() for array in gradient.values())))
