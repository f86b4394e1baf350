"""A worker's half of the protocol: frames in, units of work, frames out. No sockets, no threads, no JavaScript.

A browser tab and a headless worker drive this same class: receive() only queues, advance() does one unit of work.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import codecs, wire
from .blame import line_of, words_of
from .errors import DistmlError, FormatError, GpuLostError, RecipeError
from .exchange import Exchange, exchange_of
from .io import split, weights_sha256
from .manifest import Manifest, rolling
from .recipe import Training, load_recipe
from .stepping import Frames, Stepping, finite
from .uplink import Uplink

LONGEST_LOSS_S = 30.0  # a worker without its GPU for so long fails
LONGEST_MESSAGE = 2000
SOFTWARE = ("swiftshader", "llvmpipe", "softpipe", "software", "basic render")  # of the names of what draws

Work = wire.Run | wire.Lease | wire.Evaluate | wire.Solo


@dataclass(frozen=True)
class Chain:
    """The newest weights of a run whose coordinator sends what is to be added to them. rolling: their hash."""

    version: int
    vector: np.ndarray
    rolling: str


class Tab:
    """One worker: at most one run at a time.

    backend: "webgl" or "reference"; device and platform: text for people, compared by deterministic runs.
    clock: seconds that only grow. When a recipe fails, advance() first gives the Problem frame and then raises.
    """

    def __init__(self, backend: str, device: str, platform: str, clock: Callable[[], float]) -> None:
        self.backend, self.device, self.platform, self._clock = backend, device, platform, clock
        self.ended: wire.Ended | None = None
        self.error: Exception | None = None
        self._prepared: tuple[tuple[str, str, int], Training] | None = None
        self._lost_since = 0.0
        self._clear()

    def _clear(self) -> None:
        self._run: wire.Run | None = None
        self._training: Training | None = None
        self._queue: deque[Work] = deque()
        self._work: Work | None = None  # in progress
        self._losses = 0  # of the GPU, since the last work that went well
        self._exchange = Exchange()
        self._uplink: Uplink | None = None
        self._forget_weights()
        self._asked = False  # for whole weights, which have not come yet
        self._solo: Stepping | None = None
        self._start: wire.Frame | None = None
        self._yield = False
        self._raise: Exception | None = None
        self._report: dict[str, Any] = {}

    def _forget_weights(self) -> None:
        self._weights: dict[int, Mapping[str, np.ndarray]] = {}
        self._loaded = -1  # the version the model holds; -1: none of the run's
        self._held = (-1, "")  # the newest weights, as Join names them
        self._chain: Chain | None = None

    @property
    def busy(self) -> bool:
        """Whether advance() has something to do."""
        over = self.ended is not None and self._newest() > self._loaded
        return bool(self._queue) or self._solo is not None or self._raise is not None or over

    @property
    def training(self) -> Training | None:
        """The model of the run, or of the recipe that was prepared last: what people may look at and keep."""
        return self._training or (self._prepared[1] if self._prepared is not None else None)

    def now(self) -> float:
        return self._clock()

    @property
    def lost_s(self) -> float | None:
        """For how long the GPU has been gone; None when it is there."""
        return self._clock() - self._lost_since if self._losses else None

    # ------------------------------------------------------------ from the page or the terminal

    def prepare(
        self, name: str, code: str, seed: int, steps: int | None = None, weights: Mapping[str, np.ndarray] | None = None
    ) -> bytes:
        """The Start frame of a new run of this recipe; steps None: the recipe's own. Raises what the recipe raises.

        weights: where the run begins, names as in a model's state_dict; FormatError says what does not fit.
        """
        self.leave()
        recipe = load_recipe(name, code)
        training = Training(recipe, seed)
        try:
            begin = training.weights()
        except GpuLostError:  # between two draws: the second time it is another GPU
            training = Training(recipe, seed)
            begin = training.weights()
        if weights is not None:
            training.load_weights(fitting(weights, training))
            begin = training.weights()
        start = wire.Start(
            recipe=name,
            code=code,
            seed=seed,
            steps=recipe.steps if steps is None else steps,
            batch_size=recipe.batch_size,
            shards=recipe.shards,
            train_size=training.train_size,
            evaluate_every=recipe.evaluate_every,
            checkpoint_every=recipe.checkpoint_every,
            optimizer=training.optimizer.config(),
            parameters=list(training.parameters),
            exchange=recipe.exchange().config(),
        )
        self._prepared = (_identity(name, code, seed), training)
        frame = wire.encode(start, {f"weights/{name}": array for name, array in begin.items()} | training.buffers())
        assert isinstance(frame, bytes)
        return frame

    def leave(self) -> None:
        """Drops the run and all queued work; telling the coordinator (Goodbye) is the caller's business."""
        self._clear()
        self.ended = None
        self.error = None

    def report(self) -> dict[str, Any]:
        """What this worker knows of its run, for people; unknown is None."""
        keys = ["step", "loss", "val_loss", "accuracy", "train_accuracy", "test_accuracy", "weights_version", "weights_sha256"]
        last = self._training.last if self._training is not None else {}
        counts = ("cpu_ops", "step_ms", "python_ms", "draws", "texture_bytes")
        message = str(self.error) or type(self.error).__name__ if self.error else None
        return (
            {"state": self._state()}
            | {key: self._report.get(key) for key in keys}
            | {key: last.get(key) for key in counts}
            | {"evaluations": self._report.get("evaluations", []), "error": message}
        )

    def _state(self) -> str:
        if self.error is not None:
            return "error"
        if self.ended is not None and not self.busy:
            return self.ended.state
        if self._run is None:
            return "ready"
        return "training" if self._solo is not None or self._report.get("step") is not None else "waiting"

    # ------------------------------------------------------------ frames

    def receive(self, data: bytes | memoryview | str) -> Frames:
        """Takes one frame of the coordinator, quickly: work is queued for advance(). Raises FormatError."""
        frame = wire.decode(data)
        message = frame.message
        match message:
            case wire.Run():
                self._take_run(message)
            case wire.Rejected(reason="deterministic" | "protocol" | "forbidden" | "diverged"):
                self._clear()
            case wire.Rejected(lease=lease) if lease and self._uplink is not None:
                self._uplink.refused(lease)
            case wire.Welcome() | wire.Status() | wire.Rejected():
                pass
            case _ if self._run is None or getattr(message, "run", None) != self._run.run:
                pass  # late: that run is over, or this tab left it
            case wire.Weights():
                self._take_weights(message, frame.tensors)
            case wire.Delta():
                return self._take_delta(message, frame.tensors)
            case wire.Lease() | wire.Evaluate():
                self._queue.append(message)
            case wire.Solo():
                self._start = frame
                self._queue.append(message)
            case wire.Yield():
                # one that crossed our final checkpoint on its way finds nothing to give back
                self._yield = self._solo is not None or any(isinstance(work, wire.Solo) for work in self._queue)
            case wire.Ended():
                self._queue.clear()
                self._solo, self._yield, self.ended = None, False, message
            case _:
                raise FormatError(f"{type(message).__name__} is not a message to a worker")
        return []

    def _take_run(self, run: wire.Run) -> None:
        """A new run; or, on a new connection, the one this tab is in: what it has of it stays good."""
        if run == self._run and self._training is not None and self._solo is None and self.ended is None:
            self._queue.clear()
            self._yield = False
            if self._exchange.mode == "async":  # its coordinator may have gone back, and asks for work at the newest there are
                self._forget_weights()
        else:
            self.leave()
            self._run, self._exchange = run, exchange_of(run.exchange)
        self._queue.append(run)

    def _take_weights(self, message: wire.Weights, tensors: wire.Tensors) -> None:
        self._asked = False
        if message.version == self._loaded:
            self._loaded = -1  # they went back to others: what is loaded is not them
        if message.version >= self._newest():
            self._held = message.version, message.rolling or message.sha256
            self._report.update(step=message.version, weights_version=message.version, weights_sha256=message.sha256)
            if message.rolling:
                manifest = Manifest({name: array.shape for name, array in split(tensors)[0].items()})
                self._chain = Chain(message.version, manifest.join(tensors), message.rolling)
        self._keep_weights(message.version, tensors)

    def _take_delta(self, message: wire.Delta, tensors: wire.Tensors) -> Frames:
        """Adds what the coordinator sent; asks for the weights whole, once, when that cannot be right."""
        chain, held = self._chain, self._weights.get(message.base)
        if self._asked:
            return []
        parts, buffers = split(tensors)
        vector = found = None
        if chain is not None and held is not None and chain.version == message.base:
            try:
                vector = chain.vector + codecs.DOWN[self._exchange.codec].decode(parts, chain.vector.size)
                found = rolling(vector, chain.rolling)
            except DistmlError:
                vector = None
        if chain is None or held is None or vector is None or found != message.rolling:
            self._chain, self._held, self._asked = None, (-1, ""), True
            self._queue = deque(work for work in self._queue if isinstance(work, wire.Run))
            return [wire.encode(wire.Resync(message.run, message.version))]
        self._chain, self._held = Chain(message.version, vector, message.rolling), (message.version, message.rolling)
        self._report.update(step=message.version, weights_version=message.version, weights_sha256=None)
        shapes = {name: array.shape for name, array in split(held)[0].items()}
        self._keep_weights(message.version, Manifest(shapes).part(vector) | buffers)
        return []

    def _keep_weights(self, version: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Newer weights mean that older steps are committed: leases that were bound to them would only be answered `stale`."""
        self._weights[version] = arrays
        newest = self._newest()
        self._queue = deque(
            work for work in self._queue if not isinstance(work, wire.Lease) or work.newest or work.version >= newest
        )
        needed = {newest, *(work.version for work in self._queue if isinstance(work, (wire.Lease, wire.Evaluate)))}
        # an Evaluate follows its weights, so those that came last stay as well
        self._weights = {v: kept for v, kept in self._weights.items() if v in needed or v == version}

    def _newest(self) -> int:
        return max(self._weights, default=-1)

    def advance(self) -> Frames:
        """Does one unit of work: one shard's gradient, one evaluation or one solo step. Raises the recipe's error."""
        if self._raise is not None:
            error, self._raise = self._raise, None
            raise error
        try:
            if self._losses:
                self._recover()
            frames = self._unit()
            self._losses = 0
            return frames
        except GpuLostError as error:
            return self._lose(error)
        except Exception as error:  # the recipe is somebody's Python: anything can come out of it
            return self._fail(error)

    def _lose(self, error: GpuLostError) -> Frames:
        """The work in progress waits until the GPU is back; no number of it was used."""
        if not self._losses:
            self._lost_since = self._clock()
        elif self._clock() - self._lost_since > LONGEST_LOSS_S:
            return self._fail(error)
        self._losses += 1
        self._loaded = -1
        if self._uplink is not None:
            self._uplink.forget()
        if self._work is not None:
            self._queue.appendleft(self._work)
            self._work = None
        if self._solo is not None:
            self._solo.go_back()
        return []

    def _recover(self) -> None:
        """Puts the numbers of the host where the lost ones were. What a recipe itself computed goes, too, with a second try."""
        run = self._run
        if self._losses > 1 and run is not None and self._training is not None:
            self._training = Training(load_recipe(run.recipe, run.code), run.seed)
            self._prepared = (_identity(run.recipe, run.code, run.seed), self._training)
        if self._solo is not None and self._training is not None:
            self._training.load_state(dict(self._solo.snapshot.state))

    def _fail(self, error: Exception) -> Frames:
        run = self._run.run if self._run is not None else ""
        text = words_of(error)[:LONGEST_MESSAGE]
        self._clear()
        self._prepared = None  # it may hold textures of a GPU that is gone
        self.error = self._raise = error
        return [wire.encode(wire.Problem(run, text, line_of(error)))]

    # ------------------------------------------------------------ work

    def _unit(self) -> Frames:
        if self._solo is not None:
            return self._solo_unit(self._solo)
        self._work = self._queue.popleft() if self._queue else None
        frames = self._queued(self._work)
        self._work = None
        return frames

    def _queued(self, work: Work | None) -> Frames:
        if isinstance(work, wire.Run):
            return self._join(work)
        if work is None:
            return self._idle()
        assert self._training is not None
        if isinstance(work, (wire.Lease, wire.Evaluate)) and not self._has(work):
            return []  # its weights never came, or are gone: somebody else will do it
        match work:
            case wire.Solo():
                return self._begin_solo(work)
            case wire.Lease():
                return self._gradient(work, self._training)
            case wire.Evaluate():
                return self._evaluation(work, self._training)
        raise AssertionError(work)

    def _has(self, work: wire.Lease | wire.Evaluate) -> bool:
        if isinstance(work, wire.Lease) and work.newest:
            return bool(self._weights)
        return work.version in self._weights or work.version == self._loaded

    def _idle(self) -> Frames:
        """No work is queued: the last weights of a finished run are still loaded, and hashed from the model itself."""
        if self.ended is not None and self._newest() > self._loaded and self._training is not None:
            self._load(self._newest(), self._training)
            self._report.update(weights_sha256=weights_sha256(self._training.weights()))
        return []

    def _join(self, run: wire.Run) -> Frames:
        digest = hashlib.sha256(run.code.encode()).hexdigest()
        if digest != run.code_sha256:
            raise FormatError(f"the run's code has SHA-256 {digest}, the coordinator named {run.code_sha256}: reload")
        identity = _identity(run.recipe, run.code, run.seed)
        if self._prepared is None or self._prepared[0] != identity:
            self._prepared = (identity, Training(load_recipe(run.recipe, run.code), run.seed))
        training = self._prepared[1]
        if (list(training.parameters), training.train_size) != (run.parameters, run.train_size):
            raise RecipeError(
                f"the run has parameters {run.parameters} and {run.train_size} training samples, this worker's recipe gave"
                f" {list(training.parameters)} and {training.train_size}: a recipe must not depend on the machine it runs on"
            )
        self._training = training
        if self._uplink is None:
            shapes = {name: parameter.shape for name, parameter in training.parameters.items()}
            on_gpu = self.backend == "webgl" and not (self._exchange.codec == "topk" and is_software(self.device))
            self._uplink = Uplink(self._exchange.codec, Manifest(shapes), on_gpu)
        return [wire.encode(wire.Join(run.run, self.backend, self.device, self.platform, *self._held))]

    def _load(self, version: int, training: Training) -> None:
        """Each shard begins with the round's buffers, whatever this worker computed before."""
        if version != self._loaded:
            training.load_weights(dict(self._weights[version]))
            self._loaded = version
        elif version in self._weights:
            training.load_buffers(split(self._weights[version])[1])

    def _gradient(self, lease: wire.Lease, training: Training) -> Frames:
        assert self._uplink is not None and self._run is not None
        began = self._clock()
        version = self._newest() if lease.newest else lease.version
        self._load(version, training)
        if self._exchange.own_steps:
            ahead = self._uplink.owed(lease.step)  # to where its steps lead once all of them have been sent
            self._loaded = -1  # they lead away from there
            loss, gradient = training.local(lease.step, lease.steps, lease.start, lease.count, ahead)
        else:
            loss, gradient = training.gradients(lease.step, lease.start, lease.count)
        finite(loss, f"the loss of step {lease.step}, shard {lease.shard}")
        self._report.update(step=lease.step, loss=loss)
        arrays = self._uplink.encode(lease.lease, gradient, lease.step / self._run.steps, lease.steps)
        spent_s = self._clock() - began
        answer = wire.Gradient(
            lease.run, lease.step, version, lease.shard, lease.lease, lease.count, loss, training.cpu_ops, spent_s
        )  # fmt: skip
        return [wire.encode(answer, arrays if lease.shard else arrays | training.buffers())]

    def _evaluation(self, work: wire.Evaluate, training: Training) -> Frames:
        self._load(work.version, training)
        loss, accuracy, samples = training.evaluate(work.split)
        finite(loss, f"the {work.split} loss after step {work.step}")
        seen = None
        if work.split == "validation":
            seen = training.step_accuracy(work.step - 1)
            self._report.update(val_loss=loss, accuracy=accuracy, train_accuracy=seen)
        else:
            self._report.update(test_accuracy=accuracy)
        return [wire.encode(wire.Evaluation(work.run, work.step, work.split, work.lease, loss, accuracy, samples, seen))]

    # ------------------------------------------------------------ stepping alone

    def _begin_solo(self, work: wire.Solo) -> Frames:
        assert self._run is not None and self._training is not None and self._start is not None
        state = dict(self._start.tensors)
        self._training.load_state(state)
        self._start, self._loaded = None, -1
        self._weights.clear()
        self._solo = Stepping(self._run, work.step, state, self._clock, self._report)
        return []

    def _solo_unit(self, solo: Stepping) -> Frames:
        assert self._training is not None
        frames = solo.unit(self._training, self._yield)
        if solo.given is not None:  # the model holds the weights of this step, so the coordinator need not send them
            self._solo, self._yield = None, False
            self._loaded, self._weights = solo.step, {solo.step: solo.given}
        return frames


def fitting(weights: Mapping[str, np.ndarray], training: Training) -> dict[str, np.ndarray]:
    """The arrays of a model file by the names that load_weights() takes, in its order. Raises FormatError in people's words."""
    named = {name.removeprefix("weights/"): array for name, array in weights.items() if not name.startswith("optimizer/")}
    wanted = {name: tuple(parameter.shape) for name, parameter in training.parameters.items()}
    buffers = {name.removeprefix("buffers/"): array for name, array in training.buffers().items()}
    wanted |= {name: tuple(array.shape) for name, array in buffers.items()}
    named = {name.removeprefix("buffers/"): array for name, array in named.items()}
    missing = [name for name in wanted if name not in named]
    extra = [name for name in named if name not in wanted]
    odd = [name for name in wanted if name in named and named[name].shape != wanted[name]]
    wrong = [f"{name} is {named[name].shape}, the model's is {wanted[name]}" for name in odd]
    faults = wrong + [f"{name} is missing" for name in missing] + [f"{name} is not in this model" for name in extra]
    if faults:
        more = f" and {len(faults) - 4} more" if len(faults) > 4 else ""
        raise FormatError(f"the file does not fit this model: {'; '.join(faults[:4])}{more}. Pick the recipe it was trained with")
    found = {name: np.asarray(named[name], np.float32) for name in training.parameters}
    return found | {f"buffers/{name}": named[name] for name in buffers}


def is_software(device: str) -> bool:
    """Does a processor draw? For it topk's two hundred draws take three to nine times as long as NumPy's argpartition."""
    return any(name in device.lower() for name in SOFTWARE)


def _identity(name: str, code: str, seed: int) -> tuple[str, str, int]:
    return name, code, seed
