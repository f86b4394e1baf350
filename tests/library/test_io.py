"""Checkpoints as named arrays, and the hash that says which weights these are."""

from collections.abc import Callable

import numpy as np
import pytest

from distml_py import Tensor, io, no_grad, optim, safetensors
from distml_py.errors import FormatError


def model() -> dict[str, Tensor]:
    return {
        "w": Tensor(np.arange(6, dtype=np.float32).reshape(2, 3), requires_grad=True),
        "b": Tensor(np.ones(2, np.float32), requires_grad=True),
    }


def trained(make: Callable[[list[Tensor]], optim.Optimizer]) -> tuple[dict[str, Tensor], optim.Optimizer]:
    parameters = model()
    optimizer = make(list(parameters.values()))
    for _ in range(3):
        for parameter in parameters.values():
            parameter.grad = Tensor(parameter.detach().numpy() + 1)
        optimizer.step()
    return parameters, optimizer


OPTIMIZERS: dict[str, Callable[[list[Tensor]], optim.Optimizer]] = {
    "SGD": lambda parameters: optim.SGD(parameters, lr=0.1),
    "SGD with momentum": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam": lambda parameters: optim.Adam(parameters, lr=0.1),
    "NAdam": lambda parameters: optim.NAdam(parameters, lr=0.1),  # beside the step, its state shows a number that follows from it
}


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_training_goes_on_from_a_checkpoint_as_if_nothing_had_happened(name: str) -> None:
    parameters, optimizer = trained(OPTIMIZERS[name])
    arrays = safetensors.loads(safetensors.dumps(io.pack(parameters, optimizer)))
    again = model()
    other = OPTIMIZERS[name](list(again.values()))
    weights, state = io.unpack(arrays, again, other)
    with no_grad():
        for key, parameter in again.items():
            parameter.copy_(Tensor(weights[key]))
    other.load_state_dict(state)
    for model_, steps in ((parameters, optimizer), (again, other)):
        for parameter in model_.values():
            parameter.grad = Tensor(np.full(parameter.shape, 0.5, np.float32))
        steps.step()
    assert io.weights_sha256({k: p.detach().numpy() for k, p in parameters.items()}) == io.weights_sha256(
        {k: p.detach().numpy() for k, p in again.items()}
    )


def test_weights_come_first_and_in_order() -> None:
    names = list(io.pack(*trained(OPTIMIZERS["Adam"])))
    assert names[:2] == ["weights/w", "weights/b"]
    assert set(names[2:]) == {f"optimizer/{slot}/{index}" for slot in ("step", "exp_avg", "exp_avg_sq") for index in (0, 1)}


def test_the_hash_of_weights_is_the_golden_one() -> None:
    # printf '["w", [2]]\x00\x00\x80\x3f\x00\x00\x00\xc0' | sha256sum
    golden = "7a5dde265798b9606226d308bdb4698e0b9e5ac0dfbd18c9b93da2e9d831b192"
    found = io.weights_sha256({"w": np.array([1, -2], np.float32)})
    assert found == golden


def test_the_hash_tells_name_shape_order_and_every_bit() -> None:
    x, y = np.zeros((2, 3), np.float32), np.ones(2, np.float32)
    seen = [
        io.weights_sha256(weights)
        for weights in (
            {"x": x, "y": y}, {"y": y, "x": x}, {"x": x.reshape(3, 2), "y": y}, {"z": x, "y": y}, {"x": -x, "y": y},
        )
    ]  # fmt: skip
    assert len(set(seen)) == len(seen)


def test_the_hash_takes_float32_alone() -> None:
    with pytest.raises(FormatError, match="'x' is float64"):
        io.weights_sha256({"x": np.zeros(1)})


def with_(**changes: np.ndarray | None) -> dict[str, np.ndarray]:
    arrays = io.pack(*trained(OPTIMIZERS["Adam"]))
    for name, array in changes.items():
        key = name.replace("__", "/")
        if array is None:
            del arrays[key]
        else:
            arrays[key] = array
    return arrays


REFUSED = {
    "a missing parameter": (with_(weights__b=None), "odd: b"),
    "an unknown parameter": (with_(weights__c=np.zeros(1, np.float32)), "odd: c"),
    "parameters in another order": (dict(reversed(with_().items())), "in this order"),
    "another shape": (with_(weights__b=np.zeros(3, np.float32)), "'b' should be float32 (2,), got float32 (3,)"),
    "another dtype": (with_(weights__b=np.zeros(2)), "'b' should be float32 (2,), got float64 (2,)"),
    "a NaN": (with_(weights__b=np.array([1, np.nan], np.float32)), "'b' holds a NaN"),
    "a slot of another shape": (with_(optimizer__exp_avg__1=np.zeros(3, np.float32)), "should be float32 (2,)"),
    "a slot with an infinity": (with_(optimizer__exp_avg__1=np.full(2, np.inf, np.float32)), "holds a NaN or an infinity"),
    "a slot of no parameter": (with_(optimizer__exp_avg__2=np.zeros(2, np.float32)), "only 2 parameters"),
    "a slot with a huge index": ({**with_(), "optimizer/step/" + "9" * 5000: np.array(1)}, "only 2 parameters"),
    "a slot that is a path": ({**with_(), "optimizer/a-b/0": np.array(1)}, "weights/<name> and optimizer/<slot>/<index>"),
    "something else": ({**with_(), "data/x": np.array(1)}, "weights/<name> and optimizer/<slot>/<index>"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_it_refuses(name: str) -> None:
    arrays, words = REFUSED[name]
    parameters = model()
    with pytest.raises(FormatError) as caught:
        io.unpack(arrays, parameters, OPTIMIZERS["Adam"](list(parameters.values())))
    assert words in str(caught.value)


BUFFERS = {"buffers/mean": np.array([1, 2], np.float32), "buffers/seen": np.array(3, np.int32)}


def test_buffers_stand_behind_the_weights_and_come_back_as_they_were() -> None:
    arrays = safetensors.loads(safetensors.dumps(io.pack(*trained(OPTIMIZERS["Adam"]), BUFFERS)))
    assert list(arrays)[:4] == ["weights/w", "weights/b", *BUFFERS]
    rest, buffers = io.split(arrays)
    assert [(n, a.dtype, a.tolist()) for n, a in buffers.items()] == [(n, a.dtype, a.tolist()) for n, a in BUFFERS.items()]
    parameters, optimizer = trained(OPTIMIZERS["Adam"])
    assert list(io.unpack(arrays, parameters, optimizer)[0]) == ["w", "b"]
    assert set(rest) == set(io.pack(parameters, optimizer))
    io.check_buffers(buffers, BUFFERS)
    io.check_buffers({"buffers/mask": np.array([-np.inf])}, {"buffers/mask": np.zeros(1)})


WRONG: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "none": ({}, r"expected the buffers buffers/mean, buffers/seen in this order, got none"),
    "one too many": ({**BUFFERS, "buffers/x": np.zeros(1)}, r"odd: buffers/x"),
    "another dtype": ({**BUFFERS, "buffers/seen": np.array(3.0, np.float32)}, r"should be int32 \(\), got float32 \(\)"),
    "another shape": ({**BUFFERS, "buffers/mean": np.zeros(3, np.float32)}, r"should be float32 \(2,\), got float32 \(3,\)"),
    "a NaN": ({**BUFFERS, "buffers/mean": np.array([1, np.nan], np.float32)}, r"'buffers/mean' holds a NaN"),
}


@pytest.mark.parametrize("name", WRONG)
def test_buffers_that_do_not_fit_are_refused(name: str) -> None:
    buffers, message = WRONG[name]
    with pytest.raises(FormatError, match=message):
        io.check_buffers(buffers, BUFFERS)
