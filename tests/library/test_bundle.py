"""Bundles: a run that was stored and taken up again ends with the same bits as one that was never interrupted."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import distml_py as dm
from distml_py import nn, optim
from distml_py.data import DataLoader, IterableDataset, TensorDataset
from distml_py.errors import FormatError
from distml_py.optim import lr_scheduler

F = nn.functional


class Run:
    """A small training run with everything that has a state: dropout, batch norm, momenta, a schedule, shuffled batches."""

    def __init__(self, optimizer: Callable[..., Any], generator: bool):
        dm.manual_seed(3)
        points = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)
        self.model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
        self.optimizer = optimizer(self.model.parameters())
        self.scheduler = lr_scheduler.StepLR(self.optimizer, 5, 0.5)
        own = dm.Generator().manual_seed(9) if generator else None
        self.loader = DataLoader(TensorDataset(points, points[:, 0] > 0), batch_size=8, shuffle=True, generator=own)
        self.steps: list[float] = []
        self.batches: Iterator[Any] = iter(())

    def parts(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer, "scheduler": self.scheduler, "loader": self.loader}

    def train(self, steps: int) -> None:
        while steps:
            for x, y in self.batches:
                self.optimizer.zero_grad()
                loss = F.cross_entropy(self.model(x), y.long())
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
                self.steps.append(loss.item())
                steps -= 1
                if not steps:
                    return
            self.batches = iter(self.loader)


OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "SGD with momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5),
}


@pytest.mark.parametrize("generator", [False, True])
@pytest.mark.parametrize("at", [1, 6, 7, 10, 14])  # in the middle of a pass, at its last batch, just behind it
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_goes_on_exactly_where_it_was_stored(name: str, at: int, generator: bool, tmp_path: Path) -> None:
    whole = Run(OPTIMIZERS[name], generator)
    whole.train(20)
    first = Run(OPTIMIZERS[name], generator)
    first.train(at)
    dm.save_bundle(tmp_path / "run.safetensors", first.model, **first.parts(), step=at)
    second = Run(OPTIMIZERS[name], generator)
    second.train(3)  # leaves other states behind
    assert dm.load_bundle(tmp_path / "run.safetensors", second.model, **second.parts()) == {"step": at}
    second.batches, second.steps = iter(second.loader), []
    second.train(20 - at)
    assert second.steps == whole.steps[at:]
    for mine, meant in zip(second.model.state_dict().values(), whole.model.state_dict().values(), strict=True):
        assert mine.numpy().tobytes() == meant.numpy().tobytes()
    assert second.scheduler.get_last_lr() == whole.scheduler.get_last_lr()


class Stream(IterableDataset):
    def __iter__(self) -> Iterator[float]:
        return iter([float(n) for n in range(20)])


def test_a_stream_and_a_loader_without_batches_go_on_as_well() -> None:
    for make in (lambda: DataLoader(Stream(), batch_size=3), lambda: DataLoader(list(range(20)), batch_size=None, shuffle=True)):
        dm.manual_seed(1)
        first, second = make(), make()
        batches = iter(first)
        for _ in range(4):
            next(batches)
        second.load_state_dict(first.state_dict())
        rest = [np.asarray(batch).tolist() for batch in batches]
        assert [np.asarray(batch).tolist() for batch in second] == rest
        assert first.state_dict()["position"] is None, "the pass is over"


def test_any_reader_of_safetensors_finds_the_weights_by_their_names(tmp_path: Path) -> None:
    run = Run(OPTIMIZERS["AdamW"], False)
    run.train(2)
    dm.save_bundle(tmp_path / "run.safetensors", run.model, **run.parts())
    found = safetensors.numpy.load_file(tmp_path / "run.safetensors")
    for name, tensor in run.model.state_dict().items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
    assert sorted(dm.load_file(tmp_path / "run.safetensors")) == sorted(found)


def test_values_of_all_plain_kinds_come_back() -> None:
    model = nn.Linear(2, 2)
    known = {"epoch": 3, "best": float("-inf"), "names": ["a", ("b", None)], "by": {1: True, "x": dm.ones(2)}, "count": np.int64(4)}
    file = io.BytesIO()
    dm.save_bundle(file, model, **known)
    file.seek(0)
    found = dm.load_bundle(file, nn.Linear(2, 2))
    assert found["by"].pop("x").tolist() == [1, 1]
    assert found == {"epoch": 3, "best": float("-inf"), "names": ["a", ("b", None)], "by": {1: True}, "count": 4}


def refused(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(FormatError) as error:
        call()
    assert text in str(error.value)


def test_errors_say_what_does_not_fit_and_nothing_changes() -> None:
    model = nn.Linear(2, 2)
    file = io.BytesIO()
    dm.save_bundle(file, model, optimizer=optim.SGD(model.parameters(), lr=0.1), epoch=1)
    data = file.getvalue()
    other, before = nn.Linear(2, 3), dm.get_rng_state().tolist()
    weights = other.weight.tolist()
    load = dm.load_bundle
    refused(lambda: load(io.BytesIO(data), other), "'weight' is (3, 2) in this model and (2, 2) in the bundle")
    refused(
        lambda: load(io.BytesIO(data), nn.Sequential(model)),
        "the bundle has no '0.bias': the bundle is of another model (4 names differ)",
    )
    refused(lambda: load(io.BytesIO(data), scheduler=model), "the bundle has no state of scheduler; it has that of: optimizer")
    refused(lambda: load(io.BytesIO(data[:-3]), model), "the header describes")
    plain = io.BytesIO()
    dm.save_file(model.state_dict(), plain)
    refused(lambda: load(io.BytesIO(plain.getvalue()), model), "no bundle, only tensors; read it with load_file()")
    odd = dm.safetensors.dumps({}, {"distml_py.bundle": json.dumps({"format": 9, "random": [0] * 4, "parts": {}, "model": []})})
    refused(lambda: load(io.BytesIO(odd), model), "of format 9, this version reads 1")
    odd = dm.safetensors.dumps({}, {"distml_py.bundle": "[1]"})
    refused(lambda: load(io.BytesIO(odd), model), "does not hold together")
    refused(lambda: dm.save_bundle(io.BytesIO(), model, thing=object()), "thing is a object; a bundle keeps tensors")
    refused(lambda: load(3, model), "load_bundle takes a path or an open binary file, got int")
    assert other.weight.tolist() == weights and dm.get_rng_state().tolist() == before
