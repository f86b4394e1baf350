"""A module's state: buffers by assignment, hooks around saving and loading, extra state, and whole modules in files."""

import copy
import io
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import FormatError, ShapeError

LIBRARIES = (dm, torch)


def test_a_buffer_is_registered_by_assignment_as_in_pytorch() -> None:
    told = []
    for lib in LIBRARIES:
        layer = lib.nn.Module()
        layer.kept = lib.nn.Buffer(lib.ones(2))
        layer.passing = lib.nn.Buffer(lib.zeros(1), persistent=False)
        layer.weight = lib.nn.Parameter(lib.ones(1))
        layer.part = lib.nn.Linear(1, 1)
        for name, wrong in (("weight", lib.ones(3)), ("weight", lib.nn.Buffer(lib.ones(3))), ("part", 3)):
            with pytest.raises(TypeError, match=rf"cannot assign .* as (child module|parameter) '{name}'"):
                setattr(layer, name, wrong)
        del layer.weight
        layer.weight = lib.nn.Buffer(lib.ones(3))
        layer.kept = lib.zeros(2) + 5
        other = copy.deepcopy(layer)
        names = [[name for name, _ in one.named_buffers()] for one in (layer, other)]
        told.append(
            (
                names,
                list(layer.state_dict()),
                list(dict(layer.named_parameters())),
                layer.kept.tolist(),
                layer.passing.requires_grad,
            )
        )
        assert isinstance(layer.weight, lib.nn.Buffer)
    assert told[0] == told[1]


class Counted:
    """How often it was called, kept in the state as no tensor; a module of either library is made of it."""

    def get_extra_state(self) -> Any:
        return {"calls": self.calls}

    def set_extra_state(self, state: Any) -> None:
        self.calls = state["calls"]


def net(lib: Any) -> Any:
    class Inner(Counted, lib.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.calls, self.fc = 3, lib.nn.Linear(2, 1)

    return lib.nn.Sequential(Inner(), lib.nn.Linear(1, 1))


def test_extra_state_travels_with_the_state_dict_as_in_pytorch() -> None:
    for lib in LIBRARIES:
        one, two = net(lib), net(lib)
        one[0].calls = 7
        state = one.state_dict()
        assert list(state) == ["0._extra_state", "0.fc.weight", "0.fc.bias", "1.weight", "1.bias"] or lib is torch
        assert sorted(state) == sorted(net(torch).state_dict()) and state["0._extra_state"] == {"calls": 7}
        assert str(two.load_state_dict(state)) == "<All keys matched successfully>" and two[0].calls == 7
        del state["0._extra_state"]
        with pytest.raises(RuntimeError, match="0._extra_state"):
            two.load_state_dict(state)


def test_hooks_around_the_state_are_asked_as_in_pytorch() -> None:
    told = []
    for lib in LIBRARIES:
        seen: list[Any] = []
        model = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Linear(2, 1))
        model[1].register_state_dict_pre_hook(lambda m, prefix, keep, s=seen: s.append(("before", prefix, keep)))
        model.register_state_dict_post_hook(lambda m, state, prefix, meta, s=seen: s.append(("after", prefix, sorted(state))))

        def renamed(m: Any, state: Any, prefix: str, *rest: Any, s: Any = seen) -> None:
            s.append(("loading", prefix, len(rest)))
            if prefix + "kernel" in state:
                state[prefix + "weight"] = state.pop(prefix + "kernel")

        handle = model[0].register_load_state_dict_pre_hook(renamed)
        model.register_load_state_dict_post_hook(
            lambda m, keys, s=seen: s.append(("loaded", keys.missing_keys, keys.unexpected_keys))
        )
        state = model.state_dict()
        older = OrderedDict((name.replace("0.weight", "0.kernel"), value) for name, value in state.items())
        seen.append(str(model.load_state_dict(older)))
        assert "0.kernel" in older, "what was given stays as it was"
        seen.append(str(model.load_state_dict({**state, "more": state["1.bias"]}, strict=False)))
        handle.remove()
        with pytest.raises(RuntimeError, match=r"0\.kernel"):
            model.load_state_dict(older)
        told.append(seen)
    assert told[0] == told[1]


def test_an_own_way_to_load_is_used_and_its_words_are_told() -> None:
    for lib in LIBRARIES:

        class Old(lib.nn.Linear):  # type: ignore[misc, name-defined]
            def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "w", state_dict.get(prefix + "weight"))
                if prefix + "broken" in state_dict:
                    rest[-1].append("it is broken")
                super()._load_from_state_dict(state_dict, prefix, *rest)

        layer = Old(2, 1)
        state = OrderedDict(w=lib.ones(1, 2), bias=lib.zeros(1))
        layer.load_state_dict(state)
        assert layer.weight.tolist() == [[1.0, 1.0]]
        with pytest.raises(RuntimeError, match="Error\\(s\\) in loading state_dict for Old"):
            layer.load_state_dict({**state, "broken": lib.ones(1)})


def test_assigned_numbers_keep_their_dtype() -> None:
    for lib in LIBRARIES:
        layer = lib.nn.Linear(2, 1)
        state = {name: value.double() for name, value in layer.state_dict().items()}
        layer.load_state_dict(state)
        assert layer.weight.dtype is lib.float32
        layer.load_state_dict(state, assign=True)
        assert layer.weight.dtype is lib.float64 and layer.weight.requires_grad


# ---------------------------------------------------------------- whole modules


class Block(dm.nn.Module):
    """Attributes of every kind that a file can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = dm.nn.Linear(3, 3), dm.nn.BatchNorm1d(3)
        self.again = self.fc
        self.activation, self.kind, self.sizes = dm.nn.functional.gelu, dm.nn.ReLU, [1, (2, {"a": 3.5})]
        self.scale = dm.nn.Buffer(dm.ones(1) * 2, persistent=False)

    def forward(self, x: dm.Tensor) -> dm.Tensor:
        return self.norm(self.activation(self.again(x))) * self.scale


def stored(value: Any) -> io.BytesIO:
    file = io.BytesIO()
    dm.save(value, file)
    file.seek(0)
    return file


def test_a_whole_module_comes_back_where_its_class_is() -> None:
    model = dm.nn.Sequential(Block(), dm.nn.TransformerEncoderLayer(3, 1, 8, batch_first=True)).eval()
    found = dm.load(stored({"model": model, "epoch": 3}), weights_only=False)
    again, x = found["model"], dm.tensor(np.random.RandomState(0).randn(2, 3).astype(np.float32))
    assert found["epoch"] == 3 and not again.training and str(again) == str(model)
    assert again[0].fc is again[0].again and again[0].sizes == [1, (2, {"a": 3.5})] and again[0].kind is dm.nn.ReLU
    assert again(x).tolist() == model(x).tolist()
    assert list(again.state_dict()) == list(model.state_dict()) and len(list(again.parameters())) == len(list(model.parameters()))
    dm.optim.SGD(again.parameters(), lr=0.1)


def test_a_whole_module_is_refused_where_it_cannot_be_meant() -> None:
    class Local(dm.nn.Module):
        pass

    with pytest.raises(
        FormatError, match=r"holds whole modules \(Linear is one\), not weights alone: torch.load\(file, weights_only=False\)"
    ):
        dm.load(stored(Block()))
    with pytest.raises(FormatError, match="Local of .* is not found under that name; define it at the top of a file"):
        stored(Local())
    layer = dm.nn.Linear(1, 1)
    layer.register_forward_hook(lambda *_: None)
    with pytest.raises(FormatError, match="the Linear has hooks, which are code; remove them, or save its state_dict"):
        stored(layer)
    model = dm.nn.Linear(1, 1)
    model.inside = [model]
    with pytest.raises(FormatError, match="the Linear holds itself; save its state_dict"):
        stored(model)
    model.inside = [lambda: 0]
    with pytest.raises(FormatError, match=r"got function. Of a model save its state_dict\(\)"):
        stored(model)


def test_only_modules_and_functions_of_the_library_are_found_by_a_file() -> None:
    data = stored(dm.nn.Linear(1, 1)).getvalue()
    for name in (b"Lineax", b"Tensor"):  # there is none, and one that is no module
        with pytest.raises(FormatError, match="which is not here: define or import it before torch.load, or load a state_dict"):
            dm.load(io.BytesIO(resealed(data, b"Linear", name)), weights_only=False)
    with pytest.raises(FormatError, match="has no parameters, buffers and modules: it is damaged"):
        dm.load(io.BytesIO(resealed(data, b"_buffers", b"_bufferz")), weights_only=False)


def resealed(data: bytes, old: bytes, new: bytes) -> bytes:
    """The file with a word changed, its checksums right."""
    from distml_py.serialization.archive import Archive, written

    archive = Archive(data)
    return written({name: archive.read(name).replace(old, new) for name in archive.names()})


def test_a_gradient_that_has_come_is_told() -> None:
    told = []
    for lib in LIBRARIES:
        seen: list[Any] = []
        p = lib.nn.Parameter(lib.ones(2))
        handle = p.register_post_accumulate_grad_hook(lambda t, s=seen: s.append(t.grad.tolist()))
        (p * 2).sum().backward()
        (p * 3).sum().backward()
        handle.remove()
        p.sum().backward()
        with pytest.raises(RuntimeError, match="cannot be registered on"):
            (p * 2).register_post_accumulate_grad_hook(print)
        y = p * 2
        seen.append(y.retains_grad)
        y.retain_grad()
        seen.append(y.retains_grad)
        told.append(seen)
    assert told[0] == told[1] == [[2.0, 2.0]] + [[5.0, 5.0]] + [False, True]


def test_state_dict_errors_name_the_class_of_wrong_entries() -> None:
    with pytest.raises(ShapeError, match="size mismatch for weight: copying a param with shape"):
        dm.nn.Linear(2, 1).load_state_dict({"weight": dm.ones(2, 2), "bias": dm.ones(1)})


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_wrong_with_a_state_is_told_whole_in_pytorchs_words(strict: bool) -> None:
    told = []
    for lib in (dm, torch):
        net = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3))
        state = {"0.weight": lib.ones(2, 2), "1.weight": lib.ones(4), "1.bias": lib.ones(3), "fc.bias": lib.ones(1)}
        with pytest.raises(RuntimeError) as raised:
            net.load_state_dict(state, strict=strict)
        told.append(str(raised.value))
        assert net[1].bias.tolist() == [0, 0, 0] or lib is torch  # here nothing was loaded
    assert told[0] == told[1]
