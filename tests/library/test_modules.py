"""Module and its containers: what PyTorch's tree of modules answers, ours does too."""

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import nn
from distml_py.errors import ArgumentError, DistmlError, DtypeError, IndexRangeError, ShapeError, UnsupportedError


def net(lib: Any) -> Any:
    parts = lib.nn
    body = parts.Sequential(OrderedDict(first=parts.Linear(4, 4), act=parts.ReLU(), norm=parts.BatchNorm1d(4)))
    layers = parts.ModuleList([parts.Linear(4, 4) for _ in range(3)] + [parts.Linear(4, 2, bias=False)])
    whole = parts.ModuleDict({"body": body, "layers": layers, "same": body.first})
    whole.weights = parts.ParameterList([lib.ones(2, 3), lib.zeros(1)])
    whole.named = parts.ParameterDict({"a": lib.ones(2)})
    return whole


def test_the_trees_text_and_names_are_pytorchs() -> None:
    ours, theirs = net(dm), net(torch)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours.state_dict(prefix="x.")) == list(theirs.state_dict(prefix="x."))
    for asked in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert [name for name, _ in getattr(ours, asked)()] == [name for name, _ in getattr(theirs, asked)()], asked
    assert [n for n, _ in ours.named_parameters("p", recurse=False)] == [n for n, _ in theirs.named_parameters("p", recurse=False)]
    twice = [name for name, _ in ours.named_parameters(remove_duplicate=False)]
    assert twice == [name for name, _ in theirs.named_parameters(remove_duplicate=False)]
    assert len(list(ours.modules())) == len(list(theirs.modules()))
    assert [type(m).__name__ for m in ours.children()] == [type(m).__name__ for m in theirs.children()]


def test_parts_are_found_by_their_dotted_names() -> None:
    ours = net(dm)
    assert ours.get_submodule("") is ours and ours.get_submodule("layers.2") is ours["layers"][2]
    assert ours.get_parameter("body.first.bias") is ours.body.first.bias
    assert ours.get_buffer("body.norm.running_var") is ours.body.norm.running_var
    with pytest.raises(AttributeError, match="Sequential has no module 'last', which 'body.last' asks for"):
        ours.get_submodule("body.last")
    with pytest.raises(AttributeError, match="Linear has no parameter 'scale'; it has weight, bias"):
        ours.get_parameter("body.first.scale")
    with pytest.raises(AttributeError, match="Linear has no buffer 'scale'; it has none"):
        ours.get_buffer("body.first.scale")


def test_what_a_state_dict_does_not_fit_is_returned() -> None:
    layer = nn.Linear(2, 3)
    assert repr(layer.load_state_dict(layer.state_dict())) == "<All keys matched successfully>"
    missing, unexpected = layer.load_state_dict({"weight": np.zeros((3, 2), np.float32), "more": np.zeros(1)}, strict=False)
    assert (missing, unexpected) == (["bias"], ["more"])
    assert "missing_keys=['bias']" in repr(layer.load_state_dict({}, strict=False)).replace(", 'weight'", "").replace(
        "'weight', ", ""
    )
    assert layer.state_dict(keep_vars=True)["weight"] is layer.weight


def test_names_can_be_reserved_and_taken_away() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_parameter("scale", None)
            self.add_module("inner", None)
            self.register_module("other", nn.ReLU())

    own = Own()
    assert own.scale is None and own.inner is None and list(own.parameters()) == [] and len(list(own.modules())) == 2
    own.scale, own.inner = nn.Parameter(dm.ones(2)), nn.Linear(1, 1)
    assert list(own.state_dict()) == ["scale", "inner.weight", "inner.bias"]
    del own.inner
    own.scale = None
    assert list(own.state_dict()) == [] and not hasattr(own, "inner")
    with pytest.raises(ShapeError, match="register_parameter: a name has at least one letter and no dot, got 'a.b'"):
        own.register_parameter("a.b", None)
    with pytest.raises(ShapeError, match="add_module: Own has an attribute 'train' already; choose another name"):
        own.add_module("train", None)
    with pytest.raises(ArgumentError, match="register_parameter: 'w' takes a Parameter or None, got Tensor"):
        own.register_parameter("w", dm.ones(1))
    with pytest.raises(ArgumentError, match="add_module: 'w' takes a Module or None, got int"):
        own.add_module("w", 1)


def test_hooks_see_and_change_what_goes_in_and_out() -> None:
    def run(lib: Any) -> list[Any]:
        seen: list[Any] = []
        layer = lib.nn.Linear(2, 2, bias=False)
        layer.load_state_dict({"weight": lib.tensor([[1.0, 2.0], [3.0, 4.0]])})
        first = layer.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].tolist())))
        layer.register_forward_pre_hook(lambda module, inputs: inputs[0] * 2)
        layer.register_forward_hook(lambda module, inputs, out: seen.append((inputs[0].tolist(), out.tolist())))
        last = layer.register_forward_hook(lambda module, inputs, out: out + 1, prepend=True)
        named = layer.register_forward_pre_hook(lambda module, args, kwargs: (args, {}), with_kwargs=True)
        x = lib.tensor([1.0, -1.0])
        seen.append(layer(x).tolist())
        first.remove()
        with last:
            seen.append(layer(x).tolist())
        named.remove()
        seen.append(layer(x).tolist())
        return seen

    assert run(dm) == run(torch)
    with pytest.raises(UnsupportedError, match=r"not implemented: register_forward_hook\(always_call=True\)"):
        nn.ReLU().register_forward_hook(print, always_call=True)


def test_numbered_containers_do_what_lists_do() -> None:
    def texts(lib: Any) -> list[str]:
        parts = lib.nn
        seq = parts.Sequential(parts.ReLU(), parts.Tanh()).append(parts.Sigmoid()).insert(1, parts.SiLU())
        seq.extend([parts.Linear(1, 1), parts.Identity()])
        seq[0] = parts.GELU()
        del seq[-1]
        taken = seq.pop(1)
        joined = seq + parts.Sequential(parts.Softsign())
        listed = parts.ModuleList([parts.ReLU()])
        listed += [parts.Tanh(), parts.Tanh()]
        listed.insert(0, parts.Linear(2, 2))
        more = listed + [parts.ReLU()]
        last = listed.pop(-1)
        del more[1:3]
        return [repr(value) for value in (seq, taken, joined, joined[1:3], listed, more, last, parts.ModuleList(), listed[:2])]

    assert texts(dm) == texts(torch)
    with pytest.raises(IndexRangeError, match="ModuleList of 0 modules has no module 0"):
        nn.ModuleList()[0]


def test_named_containers_do_what_dictionaries_do() -> None:
    def run(lib: Any) -> list[Any]:
        parts = lib.nn.ModuleDict([["a", lib.nn.ReLU()], ["b", lib.nn.Tanh()]])
        parts.update({"c": lib.nn.GELU(), "a": lib.nn.SiLU()})
        found = [repr(parts), repr(parts.pop("b")), list(parts)]
        del parts["a"]
        found += [list(parts.items()).__len__(), "c" in parts]
        parts.clear()
        numbers = lib.nn.ParameterDict({"x": lib.ones(2)})
        numbers["y"] = lib.zeros(3)
        numbers.update({"z": lib.ones(1)})
        del numbers["y"]
        found += [
            len(parts),
            repr(numbers),
            list(numbers.keys()),
            [tuple(v.shape) for v in numbers.values()],
            numbers.get("q") is None,
        ]
        found += [tuple(numbers.pop("x").shape), "x" in numbers]
        listed = lib.nn.ParameterList([lib.ones(1)])
        listed.append(lib.ones(2)).extend([lib.ones(3)])
        listed += [lib.ones(4)]
        listed[0] = lib.zeros(7)
        return [*found, repr(listed), len(listed), [tuple(v.shape) for v in listed[1:3]], [v.requires_grad for v in listed]]

    assert run(dm) == run(torch)
    for wrong in (lambda: nn.ModuleDict()["a"], lambda: nn.ParameterDict()["a"]):
        with pytest.raises(KeyError):
            wrong()
    with pytest.raises(IndexRangeError, match="ParameterList of 0 has no parameter 0"):
        nn.ParameterList()[0]


def test_to_changes_floating_point_numbers_alone() -> None:
    ours = net(dm).to("cpu").to(dm.float64)
    assert {t.dtype for t in ours.parameters()} == {dm.float64} and ours.body.norm.num_batches_tracked.dtype == dm.int64
    assert ours.to(dm.ones(1)).body.first.weight.dtype == dm.float32
    assert ours.to(dtype=dm.float64, device="cpu").cpu().body.first.weight.dtype == dm.float64
    with pytest.raises(DistmlError, match="there is no device 'cuda' here; use 'cpu' or 'webgl'"):
        ours.to("cuda")
    with pytest.raises(DtypeError, match="Module.to takes a floating-point dtype, got torch.int32; use .to\\(\\) of a tensor"):
        ours.to(dm.int32)


def test_zero_grad_forgets_or_zeroes_and_train_is_each_modules_own() -> None:
    layer = nn.Linear(2, 1)
    layer(dm.ones(2)).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0, 0]]
    layer.zero_grad()
    assert layer.weight.grad is None

    class Frozen(nn.BatchNorm1d):
        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    model = nn.Sequential(Frozen(2), nn.Dropout())
    assert [module.training for module in model.train().modules()] == [True, False, True]


def test_an_embedding_is_made_from_a_table() -> None:
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    for freeze in (True, False):
        ours = nn.Embedding.from_pretrained(dm.tensor(table), freeze=freeze, padding_idx=-1)
        theirs = torch.nn.Embedding.from_pretrained(torch.tensor(table), freeze=freeze, padding_idx=-1)
        assert repr(ours) == repr(theirs) and ours.weight.requires_grad is theirs.weight.requires_grad
        assert ours(dm.tensor([2, 0])).tolist() == theirs(torch.tensor([2, 0])).tolist()
    with pytest.raises(DistmlError, match=r"Embedding.from_pretrained needs \(rows, width\), got \(2,\)"):
        nn.Embedding.from_pretrained(dm.ones(2))


def test_a_deep_copy_is_a_module_of_its_own() -> None:
    first = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    second = copy.deepcopy(first)
    assert repr(second) == repr(first) and not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}
    before = {name: value.numpy() for name, value in first.state_dict().items()}
    optimizer = dm.optim.SGD(second.parameters(), lr=0.5)
    second(dm.tensor([[1.0, 2.0], [3.0, 5.0]])).square().mean().backward()
    optimizer.step()
    assert all(np.array_equal(value.numpy(), before[name]) for name, value in first.state_dict().items())
    assert second[1].num_batches_tracked.item() == 1 and all(p.grad is None for p in first.parameters())
    shared = nn.ModuleList([first[0], first[0]])
    assert (again := copy.deepcopy(shared))[0] is again[1]


def test_layers_take_a_device_and_a_dtype() -> None:
    assert nn.Linear(2, 3, device="cpu", dtype=dm.float64).weight.dtype == dm.float64
    assert (
        nn.Linear(2, 3, True, None, dm.float64).weight.dtype == dm.float64
        and nn.Linear(2, 3, True, "cpu").weight.dtype == dm.float32
    )
    assert nn.LSTM(2, 3, device=dm.device("cpu")).weight_ih_l0.dtype == dm.float32
    with pytest.raises(DistmlError, match="there is no device 'cuda' here"):
        nn.Conv2d(1, 1, 1, device="cuda")


def test_data_parallel_is_the_module_one_level_deeper() -> None:
    inner = nn.Linear(2, 3)
    model = nn.DataParallel(inner)
    assert model.module is inner and list(model.state_dict()) == ["module.weight", "module.bias"]
    assert dm.equal(model(dm.ones(1, 2)), inner(dm.ones(1, 2)))
    with pytest.raises(DistmlError, match="DistributedDataParallel; nearest is a recipe for `distml serve`"):
        nn.parallel.DistributedDataParallel(inner)


def test_a_list_keeps_places_for_modules_that_are_not_there() -> None:
    found = [[type(part).__name__ for part in lib.nn.ModuleList([lib.nn.ReLU(), None])] for lib in (dm, torch)]
    assert found[0] == found[1] == ["ReLU", "NoneType"]
    assert len(list(nn.ModuleList([None, nn.ReLU()]).children())) == 1  # type: ignore[list-item]
