"""A run without a coordinator: the page hears what a coordinator would tell it."""

import json
import time
from typing import Any

from distml_py import wire
from distml_py.alone import Alone
from distml_py.recipe import load_recipe, train
from distml_py.tab import Tab

CODE = """
import numpy as np
from distml_py import Recipe, nn, optim
from distml_py.data import Splits, TensorDataset

class Tiny(Recipe):
    batch_size = 8
    steps = 12
    evaluate_every = 4
    checkpoint_every = 5

    def data(self):
        x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
        y = (x[:, 0] > 0).astype(np.int32)
        return Splits(*(TensorDataset(x[part], y[part]) for part in (slice(0, 40), slice(40, 50), slice(50, 60))))

    def model(self):
        return nn.Linear(2, 2)

    def optimizer(self, parameters):
        return optim.SGD(parameters, lr=0.5)
"""


class Page:
    """What the page would keep of the frames it hears."""

    def __init__(self) -> None:
        self.tab = Tab("reference", "here", "here", time.monotonic)
        self.alone = Alone(self.tab)
        self.status: dict[str, Any] = {}
        self.heard: list[str] = []

    def hear(self, frames: Any) -> None:
        for frame in frames:
            message = json.loads(frame)
            self.heard.append(message["type"])
            if message["type"] == "status":
                self.status = message["status"]

    def begin(self) -> None:
        self.hear(self.alone.receive(self.tab.prepare("tiny", CODE, 0)))

    def command(self, action: str) -> None:
        self.hear(self.alone.receive(wire.encode(wire.Command(action))))

    def work(self, most: int = 1000) -> None:
        for _ in range(most):
            if not self.alone.busy:
                return
            self.hear(self.alone.advance())


def test_a_run_ends_with_the_weights_of_training_alone_and_its_test_accuracy() -> None:
    page = Page()
    page.begin()
    page.work()
    assert page.heard[0] == "run" and "ended" in page.heard
    assert page.status["state"] == "finished" and page.status["step"] == 12
    judge = train(load_recipe("tiny", CODE), say=lambda text: None)
    assert page.status["test_accuracy"] == judge.evaluate("test")[1]
    assert page.status["accuracy"] == judge.evaluate("validation")[1]
    report = page.tab.report()
    assert report["weights_sha256"] == page.status["weights_sha256"] is not None


def test_pause_step_resume_and_stop_work_as_with_a_coordinator() -> None:
    page = Page()
    page.begin()
    page.work(4)
    page.command("pause")
    page.work()
    stood = page.status["step"]
    assert page.status["state"] == "paused" and 0 < stood < 12
    page.command("step")
    page.work()
    assert (page.status["state"], page.status["step"]) == ("paused", stood + 1)
    page.command("resume")
    page.work(2)
    page.command("stop")
    page.work()
    assert page.status["state"] == "stopped" and page.status["weights_sha256"]
    page.command("resume")
    assert page.heard[-2] == "rejected"
    page.begin()
    page.work()
    assert page.status["state"] == "finished", "another run can follow"


def test_a_second_run_is_refused_while_one_goes_on() -> None:
    page = Page()
    page.begin()
    frame = page.tab.prepare("tiny", CODE, 0)
    page.hear(page.alone.receive(frame))
    assert page.heard[-1] == "rejected"
