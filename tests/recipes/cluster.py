"""A coordinator's middle and some workers in one process, without sockets and clocks: the real frames, counted. No tests.

Rounds, Model, Downstream and Tab are those of a run; frames go from one to the other as they are, one worker after the other.
"""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from distml_py import io, wire
from distml_py.exchange import exchange_of
from distml_py.recipe import Training, load_recipe
from distml_py.tab import Tab
from distml_server import effects as do
from distml_server.aggregate import Model, Taken
from distml_server.decoding import decode
from distml_server.downstream import Downstream
from distml_server.rounds import Rounds

LATE = 5  # weights of the end of a run that are judged together
Weights = dict[str, np.ndarray]


class Cluster:
    """One run of a recipe by some workers. up, down: bytes of gradients and of weights, all workers together."""

    def __init__(self, name: str, code: str, seed: int, steps: int, workers: int, exchange: dict[str, Any]) -> None:
        self.now, self.up, self.down = 0.0, 0, 0
        recipe = load_recipe(name, code)
        training = Training(recipe, seed)
        settings = exchange_of({**recipe.exchange().config(), **exchange}).settled()
        self.run = wire.Run(
            "run", name, code, hashlib.sha256(code.encode()).hexdigest(), seed, steps, recipe.batch_size, recipe.shards,
            training.train_size, steps, steps, training.optimizer.config(), list(training.parameters), False, settings.config(),
        )  # fmt: skip
        self.model = Model(training.weights(), self.run.optimizer, training.buffers(), settings)
        self.downstream = Downstream(self.run, self.model.manifest)
        self.rounds = Rounds()
        self.tabs = {f"w{number}": Tab("reference", "d", "p", lambda: self.now) for number in range(workers)}
        self.taken: dict[tuple[int, int], Taken] = {}
        self.has = dict.fromkeys(self.tabs, -1)
        self.opened: Taken | None = None
        self.losses: list[float | None] = []
        self.late: list[Weights] = []  # of the last tenth of the run
        self._effects(self.rounds.start(self.run))
        self._publish(0)
        for worker in self.tabs:
            self._effects(self.rounds.connect(worker, worker, "worker", self.now))

    def train(self) -> "Cluster":
        """Until the run is over: each worker does one piece of work, in turn."""
        while self.rounds.state != "finished":
            busy = [worker for worker, tab in self.tabs.items() if tab.busy]
            assert busy and self.rounds.state == "training", self.rounds.error
            for worker in busy:
                self.now += 0.01
                for frame in self.tabs[worker].advance():
                    self._answer(worker, frame)
        return self

    @property
    def frame_bytes(self) -> float:
        """Bytes of gradients and weights, up and down together, a step and worker; without those that a worker begins with."""
        return (self.up + self.down) / self.run.steps / len(self.tabs)

    def _answer(self, worker: str, data: bytes | str) -> None:
        frame = decode(data)
        if isinstance(frame.message, wire.Gradient):
            self.up += len(data)
            self.opened = self.model.open(frame.tensors, frame.message.shard)
        self._effects(self.rounds.receive(worker, frame.message, self.now))  # type: ignore[arg-type]

    def _effects(self, effects: list[do.Effect]) -> None:
        for effect in effects:
            match effect:
                case do.Send(to, message):
                    self._give(to, wire.encode(message))
                case do.Reject(to, reason, detail, _, lease):
                    self._give(to, wire.encode(wire.Rejected(reason, detail, lease)))
                case do.SendWeights(to, version):
                    for worker in to:
                        self._send_weights(worker, version)
                case do.Take(shard, samples, step, weight):
                    assert self.opened is not None
                    self.taken[step, shard] = dataclasses.replace(self.opened, samples=samples, weight=weight)
                case do.Commit(version):
                    taken, self.taken = self.taken, {}
                    self.model.apply(taken, sum(found.samples for found in taken.values()))
                    self.losses.append(self.rounds.metrics["loss"])
                    self._publish(version)
                    if version > 0.9 * self.run.steps:
                        self.late.append(self.model.weights() | self.model.buffers)

    def _send_weights(self, worker: str, version: int) -> None:
        for frame in self.downstream.frames(self.has[worker], version):
            self.down += len(frame) if version else 0
            self._give(worker, frame)
        self.has[worker] = max(self.has[worker], version)

    def _publish(self, version: int) -> None:
        weights = self.model.weights()
        self.downstream.publish(version, weights, self.model.buffers, io.weights_sha256(weights), self.rounds.versions_needed())

    def _give(self, worker: str, frame: bytes | str) -> None:
        for answer in self.tabs[worker].receive(frame):
            self._answer(worker, answer)


def late_accuracy_of(cluster: Cluster) -> float:
    """On validation and test samples together, the mean of five of the last tenth's weights: less a matter of chance."""
    training, found = Training(load_recipe(cluster.run.recipe, cluster.run.code), cluster.run.seed), []
    for place in np.unique(np.linspace(len(cluster.late) - 1, 0, LATE).round().astype(int)):
        training.load_weights(cluster.late[place])
        splits = [training.evaluate(split) for split in ("validation", "test")]
        found.append(sum(accuracy * samples for _, accuracy, samples in splits) / sum(samples for _, _, samples in splits))
    return float(np.mean(found))


def accuracy_of(cluster: Cluster) -> tuple[float, float]:
    """(validation, test) accuracy of the run's final weights."""
    training = Training(load_recipe(cluster.run.recipe, cluster.run.code), cluster.run.seed)
    training.load_weights(cluster.model.weights() | cluster.model.buffers)
    return training.evaluate("validation")[1], training.evaluate("test")[1]
