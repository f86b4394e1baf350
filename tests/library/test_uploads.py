"""How arrays go to a device: those of a step, or of many, in one call. The bridge here keeps what it is sent, and draws zeros."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

import distml_py as dm
from distml_py import capture, engine, nn, optim
from distml_py.backends.webgl import WebGLBackend

NEEDED = {"max_texture_size": 4096, "max_inputs": 16, "max_array_layers": 256, "max_layers": 8}


class Silent:
    """See textures.Bridge. calls: what crossed the border, but for textures and programs; held: the bits of each texture."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.held: dict[int, np.ndarray] = {}
        self.made = 0

    def limits(self) -> str:
        return json.dumps({"renderer": "none", **NEEDED})

    def texture(self, *size: int) -> int:
        self.made += 1
        return self.made

    compile = texture

    def release(self, number: int) -> None: ...

    discard = drop = release

    def upload(self, texture: int, columns: int, rows: int, data: np.ndarray) -> None:
        self.calls.append("upload")
        self.held[texture] = data.view(np.int32)

    def upload_all(self, places: np.ndarray, data: np.ndarray) -> None:
        self.calls.append("upload_all")
        assert places.dtype == data.dtype == np.int32 and places.flags.c_contiguous
        sizes = [columns * rows * 4 for _, columns, rows in places.reshape(-1, 3)]
        assert sum(sizes) == data.size
        parts = np.split(data, np.cumsum(sizes)[:-1])
        self.held |= {int(texture): part for (texture, _, _), part in zip(places.reshape(-1, 3), parts, strict=True)}

    def run(self, commands: np.ndarray) -> None:
        self.calls.append("run")

    def read(self, texture: int, columns: int, rows: int, kind: int) -> np.ndarray:
        self.calls.append("read")
        return np.zeros(columns * rows * 4, np.int32 if kind else np.float32)

    def read_later(self, texture: int, columns: int, rows: int) -> int:
        return 1

    def poll(self, ticket: int, wait: bool, kind: int) -> np.ndarray:
        return np.zeros(4, np.float32)

    def stats(self) -> str:
        return "{}"


@pytest.fixture
def bridge() -> Iterator[Silent]:
    made = Silent()
    engine.use_backend(WebGLBackend(made))
    yield made
    engine.use_backend("reference")


def batch(number: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(number)
    return random.randn(6, 5).astype(np.float32), random.randint(0, 3, 6).astype(np.int32)


def captured() -> capture.Compiled:
    model = nn.Linear(5, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: dm.Tensor, labels: dm.Tensor) -> dm.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    found = dm.compile(step)
    for number in range(4):
        found(*batch(number))
    assert found.replays == 2
    return found


def test_many_steps_are_one_call_for_their_inputs_and_one_for_their_draws(bridge: Silent) -> None:
    call = captured()
    bridge.calls.clear()
    call(*batch(4))
    assert bridge.calls == ["upload_all", "run"]
    bridge.calls.clear()
    found = call.many(batch(number) for number in range(5, 13))
    assert bridge.calls == ["upload_all", "run"] and len(found) == 8 and call.replays == 11


def test_no_more_is_sent_ahead_than_the_bound(bridge: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    call = captured()
    monkeypatch.setattr(capture, "UPLOAD_BYTES", 3 * 4 * 36)  # three batches
    bridge.calls.clear()
    assert len(call.many(batch(number) for number in range(8))) == 8
    assert bridge.calls == ["upload_all", "run"] * 3


def test_arrays_in_one_call_hold_what_each_holds_alone(bridge: Silent) -> None:
    backend = engine.backend()
    arrays = [np.float32([[1, -0.0, np.nan]]), np.arange(9, dtype=np.int32), np.array([True, False]), np.ones((70, 70), np.float32)]
    together = [bridge.held[buffer.texture] for buffer in backend.upload_all(arrays)]
    alone = [bridge.held[buffer.texture] for buffer in map(backend.upload, arrays)]
    assert [one.tobytes() for one in together] == [other.tobytes() for other in alone]
    assert bridge.calls == ["upload_all", *["upload"] * 4]
    assert backend.upload_all([]) == []


def test_what_is_there_already_is_not_sent_again(bridge: Silent) -> None:
    x, labels = map(dm.tensor, batch(0))
    engine.send([x.node, labels.node, x.node])
    engine.send([x.node, labels.node])
    assert bridge.calls == ["upload_all"]
    assert x.numpy().tolist() == batch(0)[0].tolist()
