"""Layers and losses judged by PyTorch's with the same weights: outputs, gradients, names, shapes, defaults and initial values."""

import contextlib
import gc
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import nn
from distml_py.errors import DistmlError, DtypeError, ShapeError, UnsupportedError
from distml_py.graph import Node
from distml_py.steps import linearize
from op_examples import numbers, whole

# layer, arguments, options, input shape
LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Linear", (5, 3), {}, (4, 5)),
    ("Linear", (5, 3), {"bias": False}, (2, 4, 5)),
    ("Linear", (1, 1), {}, (1,)),
    ("Conv2d", (2, 3, 3), {}, (2, 2, 5, 6)),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "dilation": 2, "groups": 2, "bias": False}, (1, 4, 7, 6)),
    ("Conv2d", (2, 2, 3), {"padding": "same"}, (1, 2, 4, 4)),
    ("Conv2d", (2, 3, 1), {}, (2, 4, 4)),
    ("MaxPool2d", (2,), {}, (1, 2, 5, 6)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, (1, 2, 6, 6)),
    ("MaxPool2d", (2,), {"dilation": 2, "stride": 1}, (2, 5, 5)),
    ("AvgPool2d", (2,), {}, (1, 2, 5, 6)),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}, (1, 2, 5, 5)),
    ("AvgPool2d", (2,), {"divisor_override": 3}, (2, 4, 4)),
    ("ReLU", (), {}, (3, 4)),
    ("ReLU", (), {"inplace": True}, (3, 4)),
    ("Tanh", (), {}, (3, 4)),
    ("Sigmoid", (), {}, (3, 4)),
    ("Softmax", (1,), {}, (3, 4)),
    ("Softmax", (), {"dim": -1}, (3, 4)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (0, 1), {}, (2, 3, 4)),
    ("Dropout", (0.0,), {}, (3, 4)),
    ("LeakyReLU", (0.2,), {}, (3, 4)),
    ("ELU", (), {}, (3, 5)),
    ("ELU", (1.7,), {}, (3, 5)),
    ("GELU", (), {}, (3, 5)),
    ("GELU", ("tanh",), {}, (3, 5)),
    ("SiLU", (), {}, (3, 5)),
    ("Softplus", (), {}, (3, 5)),
    ("Softplus", (2.5, 3.0), {}, (3, 5)),
    ("BatchNorm1d", (5,), {}, (4, 5)),
    ("BatchNorm1d", (1,), {"affine": False}, (3, 1)),
    ("BatchNorm1d", (3,), {"momentum": None}, (1, 3, 7)),
    ("BatchNorm1d", (3,), {"track_running_stats": False, "eps": 0.1}, (5, 3, 1)),
    ("BatchNorm2d", (3,), {}, (2, 3, 5, 1)),
    ("BatchNorm2d", (1,), {"momentum": 0.3}, (1, 1, 1, 2)),
    ("BatchNorm2d", (4,), {"affine": False, "track_running_stats": False}, (3, 4, 1, 1)),
    ("LayerNorm", (5,), {}, (2, 3, 5)),
    ("LayerNorm", ((3, 5),), {"eps": 0.01}, (2, 3, 5)),
    ("LayerNorm", (1,), {}, (3, 1)),
    ("LayerNorm", (7,), {"elementwise_affine": False}, (1, 7)),
    ("LayerNorm", (7,), {"bias": False}, (7,)),
    ("RMSNorm", (5,), {}, (2, 3, 5)),
    ("RMSNorm", ((3, 5),), {"eps": 0.01, "elementwise_affine": False}, (2, 3, 5)),
    ("GroupNorm", (2, 6), {}, (3, 6, 5, 1)),
    ("GroupNorm", (3, 3), {"affine": False}, (1, 3, 7)),
    ("GroupNorm", (1, 4), {"eps": 0.01}, (3, 4)),
]
# loss, options, input, target
LOSSES: list[tuple[str, dict[str, Any], np.ndarray, np.ndarray]] = [
    ("CrossEntropyLoss", {}, numbers(4, 3), whole(4, low=0, high=3)),
    ("CrossEntropyLoss", {"ignore_index": 1, "label_smoothing": 0.1}, numbers(4, 3), whole(4, low=0, high=3)),
    ("CrossEntropyLoss", {"reduction": "sum"}, numbers(2, 3, 5), whole(2, 5, low=0, high=3)),
    ("MSELoss", {}, numbers(4, 3), numbers(4, 3, seed=1)),
    ("MSELoss", {"reduction": "none"}, numbers(4, 3), numbers(4, 3, seed=1)),
]
CONTAINERS = {"DataParallel", "Module", "ModuleDict", "ModuleList", "Parameter", "Sequential"}
JUDGED_BELOW = {"Embedding"}  # its input holds integers


def ids(row: tuple[Any, ...]) -> str:
    return f"{row[0]} {row[1:-1]}"


def close(found: Any, wanted: Any) -> None:
    found, wanted = found.detach().numpy(), wanted.detach().numpy()
    rtol, atol = (1e-8, 1e-11) if wanted.dtype == np.float64 else (1e-5, 4e-6)
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol)


def pair_of(name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> tuple[nn.Module, torch.nn.Module]:
    """Ours and PyTorch's, which takes our weights over."""
    dm.manual_seed(5)
    ours = getattr(nn, name)(*arguments, **options)
    theirs = getattr(torch.nn, name)(*arguments, **{k: v for k, v in options.items() if k != "inplace"})
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "arguments", "options", "shape"), LAYERS, ids=[ids(row) for row in LAYERS])
def test_a_layer_computes_what_pytorchs_does(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], shape: tuple[int, ...], dtype: Any
) -> None:
    ours, theirs = pair_of(name, arguments, options)
    if dtype == np.float64:
        ours, theirs = ours.double(), theirs.double()
    data = numbers(*shape).astype(dtype)
    x, other = dm.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    given = x * 1 if options.get("inplace") else x  # a leaf that wants a gradient cannot be changed in place
    out, wanted = ours(given), theirs(other)
    assert not options.get("inplace") or np.array_equal(given.detach().numpy(), out.detach().numpy())
    assert out.shape == tuple(wanted.shape)
    close(out, wanted)
    weights = numbers(*out.shape, seed=2).astype(dtype)
    (out * dm.tensor(weights)).sum().backward()
    (wanted * torch.tensor(weights)).sum().backward()
    close(x.grad, other.grad)
    for (key, mine), (their_key, parameter) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert key == their_key
        close(mine.grad, parameter.grad)
    for (key, buffer), (their_key, tracked) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert key == their_key
        close(buffer, tracked)
    close(ours.eval()(x.detach()), theirs.eval()(other))


@pytest.mark.parametrize(("name", "options", "scores", "target"), LOSSES, ids=[f"{row[0]} {row[1]}" for row in LOSSES])
def test_a_loss_is_what_pytorchs_is(name: str, options: dict[str, Any], scores: np.ndarray, target: np.ndarray) -> None:
    x, other = dm.tensor(scores, requires_grad=True), torch.tensor(scores, requires_grad=True)
    wide = torch.tensor(target.astype(np.int64) if target.dtype == np.int32 else target)
    found, wanted = getattr(nn, name)(**options)(x, dm.tensor(target)), getattr(torch.nn, name)(**options)(other, wide)
    close(found, wanted)
    found.sum().backward()
    wanted.sum().backward()
    close(x.grad, other.grad)


def test_a_class_weighted_cross_entropy_is_pytorchs() -> None:
    weight, scores, labels = np.array([0.2, 1.5, 3.0], np.float32), numbers(4, 3), whole(4, low=0, high=3)
    found = nn.CrossEntropyLoss(weight=dm.tensor(weight))(dm.tensor(scores), dm.tensor(labels))
    close(found, torch.nn.CrossEntropyLoss(weight=torch.tensor(weight))(torch.tensor(scores), torch.tensor(labels).long()))


def model(library: Any) -> Any:
    parts = library.nn
    return parts.Sequential(
        parts.Conv2d(1, 4, 3, padding=1),
        parts.ReLU(),
        parts.MaxPool2d(2),
        parts.Sequential(parts.Flatten(), parts.Linear(64, 7), parts.Tanh()),
        parts.Linear(7, 3, bias=False),
    )


def test_state_dict_has_pytorchs_names_shapes_and_order() -> None:
    ours, theirs = model(dm).state_dict(), model(torch).state_dict()
    assert [(name, value.shape) for name, value in ours.items()] == [(name, tuple(value.shape)) for name, value in theirs.items()]


def test_a_whole_model_takes_pytorchs_weights_and_gives_its_gradients() -> None:
    ours, theirs = model(dm), model(torch)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    x, labels = numbers(5, 1, 8, 8), whole(5, low=0, high=3)
    loss = nn.functional.cross_entropy(ours(dm.tensor(x)), dm.tensor(labels))
    wanted = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels).long())
    close(loss, wanted)
    loss.backward()
    wanted.backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(mine.grad, other.grad)


@pytest.mark.parametrize("make", [lambda: nn.Linear(400, 300), lambda: nn.Conv2d(16, 64, 5)], ids=["Linear", "Conv2d"])
def test_initial_weights_are_uniform_within_one_over_the_root_of_the_fan_in(make: Any) -> None:
    dm.manual_seed(1)
    layer = make()
    weight = layer.weight.detach().numpy()
    bound = 1 / math.sqrt(weight[0].size)
    assert 0.999 * bound < np.abs(weight).max() <= bound
    assert weight.mean() == pytest.approx(0, abs=bound / 50)
    assert weight.std() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert np.abs(layer.bias.detach().numpy()).max() <= bound
    assert layer.bias.detach().numpy().std() > 0
    assert make().weight.detach().numpy().tolist() != weight.tolist(), "two layers start from different weights"
    dm.manual_seed(1)
    assert make().weight.detach().numpy().tolist() == weight.tolist(), "the seed decides"


@pytest.mark.parametrize("shape", [(400, 5), (200, 3, 5), (100, 3, 4, 4)])
def test_dropout2d_drops_what_pytorch_drops(shape: tuple[int, ...]) -> None:
    """Two and three dimensions are (n, channels, ...), with a warning: programs have it behind a linear layer."""
    torch.manual_seed(0)
    warned = contextlib.nullcontext() if len(shape) == 4 else pytest.warns(UserWarning, match="dropout2d")
    with warned:
        judge = torch.nn.functional.dropout2d(torch.ones(shape), 0.5).numpy()
    with warned:
        mine = nn.Dropout2d(0.5)(dm.ones(*shape)).numpy()
    for found in (judge, mine):
        rows = found.reshape(*shape[:2], -1)
        assert (rows == rows[..., :1]).all() and set(np.unique(rows)) == {0, 2}, "a channel is dropped as a whole"
        assert 0.4 < (rows[..., 0] == 0).mean() < 0.6 and 0 < rows[:, 0].std() and 0 < rows[0].std() + rows[1].std() + rows[2].std()


def test_dropout_zeroes_a_share_and_scales_the_rest() -> None:
    layer, x = nn.Dropout(0.25), dm.ones(100, 100, requires_grad=True)
    dm.manual_seed(0)
    out = layer(x)
    values = out.detach().numpy()
    assert set(np.unique(values)) == {0.0, np.float32(1 / 0.75)}
    assert (values == 0).mean() == pytest.approx(0.25, abs=0.02)
    out.sum().backward()
    assert x.grad.numpy().tolist() == values.tolist(), "the gradient passes where the number did"
    assert layer(x).detach().numpy().tolist() != values.tolist(), "each call draws anew"
    assert layer.eval()(x) is x


def test_train_and_eval_reach_every_module() -> None:
    net = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
    assert [module.training for module in net.eval().modules()] == [False] * 4
    assert [module.training for module in net.train().modules()] == [True] * 4


def test_a_module_of_ones_own_is_found_by_its_attributes() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(dm.ones(3))
            self.body = nn.Linear(3, 3)
            self.again = self.body
            self.note = "text"

        def forward(self, x: dm.Tensor) -> dm.Tensor:
            return self.again(self.body(x)) * self.scale

    net = Own()
    assert [name for name, _ in net.named_parameters()] == ["scale", "body.weight", "body.bias"], "shared ones appear once"
    assert list(net.state_dict()) == ["scale", "body.weight", "body.bias", "again.weight", "again.bias"]
    assert [name for name, _ in net.named_children()] == ["body"]
    net(dm.ones(2, 3)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    net.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())
    net.requires_grad_(False)
    assert not net(dm.ones(2, 3)).requires_grad
    net.scale = None
    assert "scale" not in net.state_dict()


def test_sequential_is_a_list_of_modules() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(net) == 3
    assert [type(module) for module in net] == [nn.Linear, nn.ReLU, nn.Linear]
    assert net[-1] is list(net)[2]
    assert isinstance(net[:2], nn.Sequential) and len(net[:2]) == 2
    assert repr(net).startswith("Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): ReLU()")


def test_a_state_dict_that_does_not_fit_is_named() -> None:
    net = nn.Linear(2, 3)
    before = net.weight.detach().numpy().tolist()
    with pytest.raises(ShapeError, match=r'Missing key\(s\) in state_dict: "bias". \n\tUnexpected key\(s\) in state_dict: "extra"'):
        net.load_state_dict({"weight": np.zeros((3, 2), np.float32), "extra": np.zeros(1, np.float32)})
    with pytest.raises(ShapeError, match="size mismatch for weight"):
        net.load_state_dict({"weight": np.zeros((2, 3), np.float32), "bias": np.zeros(3, np.float32)})
    assert net.weight.detach().numpy().tolist() == before
    net.load_state_dict({"weight": np.zeros((3, 2), np.float32)}, strict=False)
    assert net.weight.detach().numpy().sum() == 0
    assert net.weight.requires_grad and net.weight.is_leaf


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: nn.Module()(1), r"Module has no forward\(\); define forward\(self, input\)"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "Conv2d: groups=2 must divide 3 and 4 channels"),
        (lambda: nn.Conv2d(1, 1, (1, 2, 3)), r"kernel_size is an int or two ints of at least 1, got \(1, 2, 3\)"),
        (
            lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"),
            "Conv2d: padding_mode is one of zeros, reflect, replicate, circular, got 'mirror'",
        ),
        (lambda: nn.Dropout(1.5)(dm.ones(2)), "dropout: p is a probability, got 1.5"),
        (lambda: nn.Linear(2, 3)(dm.ones(4, 5)), r"linear: the last size of input \(4, 5\) must equal the last of weight \(3, 2\)"),
        (
            lambda: nn.CrossEntropyLoss(reduction="avg")(dm.ones(1, 2), dm.tensor([0])),
            "reduction is 'mean', 'sum' or 'none', got 'avg'",
        ),
    ],
)
def test_what_cannot_be_done_is_said(wrong: Any, message: str) -> None:
    with pytest.raises((ShapeError, UnsupportedError, NotImplementedError), match=message):
        wrong()


def test_a_module_that_forgets_super_init_is_told() -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(1, 1)

    with pytest.raises(ShapeError, match=r"Forgetful.__init__ must call super\(\).__init__\(\) before it sets layer"):
        Forgetful()


TOKENS = [np.array([[0, 2, 2], [1, 3, 0]], np.int32), np.array(3, np.int32), np.zeros((2, 0), np.int32)]


@pytest.mark.parametrize("padding_idx", [None, 2, -1])
@pytest.mark.parametrize("tokens", TOKENS, ids=["a table", "one", "none"])
def test_an_embedding_is_pytorchs(tokens: np.ndarray, padding_idx: int | None) -> None:
    ours, theirs = pair_of("Embedding", (4, 5), {"padding_idx": padding_idx})
    out, wanted = ours(dm.tensor(tokens)), theirs(torch.tensor(tokens).long())
    close(out, wanted)
    weights = numbers(*out.shape, seed=2)
    (out * dm.tensor(weights)).sum().backward()
    (wanted * torch.tensor(weights)).sum().backward()
    close(ours.weight.grad, theirs.weight.grad)
    if padding_idx is not None:
        assert not ours.weight.detach().numpy()[padding_idx].any(), "the padding row starts at zeros"


def test_initial_embeddings_are_standard_normal() -> None:
    dm.manual_seed(1)
    weight = nn.Embedding(300, 200).weight.detach().numpy()
    assert weight.mean() == pytest.approx(0, abs=0.02)
    assert weight.std() == pytest.approx(1, rel=0.01)
    assert (np.abs(weight) < 1).mean() == pytest.approx(0.6827, abs=0.005)
    assert np.unique(weight).size > 0.99 * weight.size


@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, None])
def test_running_statistics_are_pytorchs_over_several_batches(momentum: float | None) -> None:
    ours, theirs = nn.BatchNorm2d(3, momentum=momentum), torch.nn.BatchNorm2d(3, momentum=momentum)
    for batch in range(5):
        data = numbers(4, 3, 5, 2, seed=batch) * (batch + 1)
        ours(dm.tensor(data))
        theirs(torch.tensor(data))
    for (key, buffer), (their_key, tracked) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert key == their_key
        close(buffer, tracked)
    assert ours.num_batches_tracked.item() == 5
    data = numbers(2, 3, 1, 1)
    close(ours.eval()(dm.tensor(data)), theirs.eval()(torch.tensor(data)))
    assert ours.num_batches_tracked.item() == 5, "eval() counts no batch"


def test_running_statistics_are_computed_with_the_step_and_no_history_of_them_stays() -> None:
    """100 steps leave as many nodes as 2, though nobody reads the statistics, and each is one realization."""
    net = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3), nn.BatchNorm1d(3, momentum=None))
    optimizer = dm.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x, counts, realizations = dm.tensor(numbers(6, 5)), {}, []
    gc.collect()
    gc.disable()
    try:
        for step in range(100):
            before = dm.engine.counters().realizations
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            del loss
            realizations.append(dm.engine.counters().realizations - before)
            if step in (2, 99):
                counts[step] = sum(type(thing) is Node for thing in gc.get_objects())
            assert all(buffer.node.buffer is not None and not buffer.node.inputs for buffer in net.buffers())
    finally:
        gc.enable()
    assert counts[99] == counts[2]
    assert set(realizations) == {1}
    assert [buffer.item() for name, buffer in net.named_buffers() if name.endswith("tracked")] == [100, 100]


def test_buffers_are_state_and_no_parameters() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", dm.ones(2))
            self.register_buffer("nothing", None)
            self.register_buffer("scratch", dm.zeros(3), persistent=False)
            self.layer = nn.BatchNorm1d(2)
            self.weight = nn.Parameter(dm.ones(2))

    net = Own()
    assert [name for name, _ in net.named_parameters()] == ["weight", "layer.weight", "layer.bias"]
    inner = ["layer.running_mean", "layer.running_var", "layer.num_batches_tracked"]
    assert [name for name, _ in net.named_buffers()] == ["table", "scratch", *inner]
    assert list(net.state_dict()) == ["weight", "table", "layer.weight", "layer.bias", *inner]
    assert len(list(net.buffers())) == 5
    net.table = dm.tensor([3.0, 4.0])
    assert dict(net.named_buffers())["table"].tolist() == [3, 4]
    state = net.state_dict() | {"layer.running_mean": np.array([5, 6], np.float32), "layer.num_batches_tracked": np.int64(7)}
    net.load_state_dict(state)
    assert net.layer.running_mean.tolist() == [5, 6]
    assert net.layer.num_batches_tracked.tolist() == 7
    assert net.layer.num_batches_tracked.dtype == dm.int64
    assert {buffer.dtype.name for buffer in net.double().buffers()} == {"float64", "int64"}
    assert net.float().weight.dtype == dm.float32 and net.weight.requires_grad and net.weight.is_leaf
    with pytest.raises(DtypeError, match=r"Own.table is a buffer: it takes a tensor or None, got int"):
        net.table = 1
    with pytest.raises(ShapeError, match=r"register_buffer: Own has an attribute 'layer' already; choose another name"):
        net.register_buffer("layer", dm.ones(1))


def test_lists_and_dictionaries_of_modules_have_pytorchs_names() -> None:
    def parts(library: Any) -> Any:
        layers = [library.nn.Linear(2, 2), library.nn.Linear(2, 1, bias=False)]
        named = {"first": library.nn.Linear(1, 1), "rest": library.nn.ModuleList(layers)}
        return library.nn.ModuleDict(named)

    ours = parts(dm)
    assert list(ours.state_dict()) == list(parts(torch).state_dict())
    assert ours["first"] is ours.first and "rest" in ours and "other" not in ours and len(ours) == 2
    assert list(ours) == list(ours.keys()) == ["first", "rest"] and list(ours.values()) == [value for _, value in ours.items()]
    assert len(ours.rest) == 2 and ours.rest[-1] is list(ours.rest)[1] and len(ours.rest[:1]) == 1
    assert len(ours.rest.append(nn.Tanh())) == 3
    with pytest.raises(AttributeError, match="ModuleDict has no module 'last'; it has first, rest"):
        _ = ours.last
    seen: list[str] = []
    ours.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "Linear", "Linear", "Tanh", "ModuleList", "ModuleDict"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: nn.BatchNorm1d(3)(dm.ones(1, 3)),
            r"batch_norm: more than one number a channel is needed when training, got \(1, 3\)",
        ),
        (lambda: nn.BatchNorm2d(3)(dm.ones(2, 3)), r"BatchNorm2d needs 4 dimensions, the second of size 3, got \(2, 3\)"),
        (lambda: nn.BatchNorm1d(3)(dm.ones(2, 4)), r"BatchNorm1d needs 2 or 3 dimensions, the second of size 3, got \(2, 4\)"),
        (lambda: nn.LayerNorm(3)(dm.ones(2, 4)), r"layer_norm: the last sizes of input \(2, 4\) must be normalized_shape \(3,\)"),
        (lambda: nn.GroupNorm(2, 5), "GroupNorm: num_groups=2 must divide 5 channels"),
        (lambda: nn.Embedding(3, 2)(dm.tensor([3])), r"an index must be in \[0, 3\), found 3 to 3"),
        (lambda: nn.GELU("fast")(dm.ones(2)), "gelu: approximate is 'none' or 'tanh', got 'fast'"),
    ],
)
def test_what_a_newer_layer_cannot_do_is_said(wrong: Any, message: str) -> None:
    with pytest.raises(DistmlError, match=message):
        wrong()


def test_batch_norm_keeps_its_digits_far_from_0() -> None:
    """A variance as the mean of squares less the square of the mean would have none left here."""
    data = (numbers(64, 3) + np.float32(3000)).astype(np.float32)
    found = nn.functional.batch_norm(dm.tensor(data), None, None, training=True).numpy()
    wide = data.astype(np.float64)
    np.testing.assert_allclose(found, (wide - wide.mean(0)) / np.sqrt(wide.var(0) + 1e-5), atol=1e-3)


def rows_of(*tensors: dm.Tensor) -> Counter[str]:
    """How often each row is computed for these tensors; equal steps are one."""
    key, _, _ = linearize([tensor.node for tensor in tensors], lambda node: None)
    return Counter(step[0].name for step in key[0])


def test_batch_norm_reads_its_input_once_forward_and_takes_two_sums_backward() -> None:
    """Each is a pass over the images: the moments; the gradients of bias and weight, which that of x takes over."""
    layer, x = nn.BatchNorm2d(3), dm.tensor(numbers(2, 3, 5, 5), requires_grad=True)
    out = layer(x).relu()
    assert rows_of(out)["sum"] == 0 and rows_of(out)["moments"] == 1
    (out * dm.tensor(numbers(2, 3, 5, 5, seed=1))).sum().backward()
    assert rows_of(out, x.grad, layer.weight.grad, layer.bias.grad)["sum"] == 2


def test_a_cross_entropy_takes_no_sum_backward_and_scatters_nothing() -> None:
    x = dm.tensor(numbers(4, 3), requires_grad=True)
    loss = nn.functional.cross_entropy(x, dm.tensor(whole(4, low=0, high=3)))
    loss.backward()
    rows = rows_of(loss, x.grad)
    assert (rows["sum"], rows["exp_sum"], rows["scatter_add"]) == (1, 1, 0), "the mean of the losses is the only sum"


def test_a_softmax_takes_one_sum_backward() -> None:
    x = dm.tensor(numbers(4, 3), requires_grad=True)
    out = x.softmax(1)
    (out * dm.tensor(numbers(4, 3, seed=1))).sum().backward()
    assert rows_of(out, x.grad)["sum"] == 1


def test_attention_drops_weights_while_training() -> None:
    q, v = dm.zeros(1, 40, 2), dm.ones(1, 40, 1)
    found = nn.functional.scaled_dot_product_attention(q, q, v, dropout_p=0.5).numpy()
    assert found.std() > 0.05 and found.mean() == pytest.approx(1, abs=0.1)
