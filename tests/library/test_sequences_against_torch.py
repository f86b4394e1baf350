"""Recurrent layers, attention and transformers judged by PyTorch's with the same weights, step by step while training."""

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import nn
from distml_py.errors import DistmlError
from op_examples import numbers, truths
from test_nn_against_torch import close, pair_of

STEPS = 20
RECURRENT: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    (name, sizes, options)
    for name in ("RNN", "LSTM", "GRU")
    for sizes, options in (
        ((3, 5), {}),
        ((1, 1), {"bias": False}),
        ((3, 4), {"num_layers": 2, "bidirectional": True}),
        ((3, 4), {"num_layers": 3, "batch_first": True}),
        ((2, 3), {"bidirectional": True, "batch_first": True, "dropout": 0.0}),
    )
]
RECURRENT += [
    ("RNN", (3, 5), {"nonlinearity": "relu", "num_layers": 2}),
    ("LSTM", (3, 5), {"proj_size": 2, "num_layers": 2, "bidirectional": True}),
]
CELLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("RNNCell", (3, 5), {}),
    ("RNNCell", (3, 5), {"nonlinearity": "relu", "bias": False}),
    ("LSTMCell", (3, 5), {}),
    ("LSTMCell", (1, 1), {"bias": False}),
    ("GRUCell", (3, 5), {}),
    ("GRUCell", (3, 2), {"bias": False}),
]


def flat(found: Any) -> list[Any]:
    return [part for one in found for part in flat(one)] if isinstance(found, (tuple, list)) else [found]


def judged(call: Any, data: list[np.ndarray], ours: nn.Module, theirs: torch.nn.Module) -> None:
    """Outputs, and the gradients of inputs and parameters."""
    mine, other = ([lib.tensor(array, requires_grad=True) for array in data] for lib in (dm, torch))
    outs, wanted = flat(call(ours, *mine)), flat(call(theirs, *other))
    assert len(outs) == len(wanted)
    losses: list[Any] = []
    for n, (out, judge) in enumerate(zip(outs, wanted, strict=True)):
        assert out.shape == tuple(judge.shape)
        close(out, judge)
        weights = numbers(*out.shape, seed=n + 2).astype(out.detach().numpy().dtype)
        losses.append(((out * dm.tensor(weights)).sum(), (judge * torch.tensor(weights)).sum()))
    sum(loss for loss, _ in losses).backward()
    sum(loss for _, loss in losses).backward()
    for found, judge in zip([*mine, *ours.parameters()], [*other, *theirs.parameters()], strict=True):
        close(found.grad, judge.grad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "sizes", "options"), RECURRENT, ids=[f"{row}" for row in RECURRENT])
def test_a_recurrent_layer_is_pytorchs(name: str, sizes: tuple[int, int], options: dict[str, Any], dtype: str) -> None:
    for batch, given in ((2, False), (None, False), (3, True), (None, True)):
        ours, theirs = pair_of(name, sizes, options)
        ours, theirs = (ours.double(), theirs.double()) if dtype == "float64" else (ours, theirs)
        assert repr(ours) == repr(theirs)
        assert [key for key, _ in ours.named_parameters()] == [key for key, _ in theirs.named_parameters()]
        shape = (7, sizes[0]) if batch is None else (batch, 7, sizes[0]) if ours.batch_first else (7, batch, sizes[0])
        data = [numbers(*shape).astype(dtype)]
        count = ours.num_layers * (1 + ours.bidirectional)
        if given:
            for n, width in enumerate(ours._sizes()):
                data.append(numbers(count, *(() if batch is None else (batch,)), width, seed=n + 1).astype(dtype))

        def call(layer: Any, x: Any, *state: Any) -> Any:
            return layer(x, state if len(state) == 2 else state[0]) if state else layer(x)

        judged(call, data, ours, theirs)


@pytest.mark.parametrize(("name", "sizes", "options"), CELLS, ids=[f"{row}" for row in CELLS])
def test_a_recurrent_cell_is_pytorchs(name: str, sizes: tuple[int, int], options: dict[str, Any]) -> None:
    for batch in ((4,), ()):
        ours, theirs = pair_of(name, sizes, options)
        assert repr(ours) == repr(theirs)
        state = [numbers(*batch, sizes[1], seed=n + 1) for n in range(2 if name == "LSTMCell" else 1)]
        judged(lambda cell, x: cell(x), [numbers(*batch, sizes[0])], ours, theirs)
        ours.zero_grad()
        theirs.zero_grad()
        judged(lambda cell, x, *hx: cell(x, hx if len(hx) == 2 else hx[0]), [numbers(*batch, sizes[0]), *state], ours, theirs)


ATTENTION: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((6, 2), {}),
    ((6, 1), {"bias": False, "batch_first": True}),
    ((6, 3), {"kdim": 5, "vdim": 4}),
    ((4, 2), {"add_bias_kv": True, "add_zero_attn": True}),
]
LENGTH, SOURCE, BATCH = 5, 7, 3


def masks(kind: str, heads: int) -> dict[str, np.ndarray]:
    hidden, padding = truths(LENGTH, SOURCE, seed=1), truths(BATCH, SOURCE, seed=2)
    hidden[:, 0] = padding[:, 0] = False  # each row sees one place at least
    return {
        "none": {},
        "bools": {"attn_mask": hidden, "key_padding_mask": padding},
        "numbers": {"attn_mask": numbers(LENGTH, SOURCE), "key_padding_mask": np.where(padding, -math.inf, 0.0).astype(np.float32)},
        "each head": {"attn_mask": numbers(BATCH * heads, LENGTH, SOURCE)},
    }[kind]


@pytest.mark.parametrize("need", [True, False, "each head"])
@pytest.mark.parametrize("kind", ["none", "bools", "numbers", "each head"])
@pytest.mark.parametrize(("sizes", "options"), ATTENTION, ids=[f"{row}" for row in ATTENTION])
def test_attention_is_pytorchs(sizes: tuple[int, int], options: dict[str, Any], kind: str, need: Any) -> None:
    ours, theirs = pair_of("MultiheadAttention", sizes, options)
    assert repr(ours) == repr(theirs)
    assert [key for key, _ in ours.named_parameters()] == [key for key, _ in theirs.named_parameters()]
    data = [numbers(LENGTH, BATCH, sizes[0]), numbers(SOURCE, BATCH, ours.kdim, seed=1), numbers(SOURCE, BATCH, ours.vdim, seed=3)]
    if ours.batch_first:
        data = [np.ascontiguousarray(array.swapaxes(0, 1)) for array in data]
    given = masks(kind, sizes[1])

    def call(layer: Any, *parts: Any) -> Any:
        lib = dm if isinstance(layer, nn.Module) else torch
        found = {key: lib.tensor(value) for key, value in given.items()}
        out = layer(*parts, need_weights=bool(need), average_attn_weights=need is True, **found)
        return [part for part in out if part is not None]

    judged(call, data, ours, theirs)


def test_attention_of_one_input_takes_one_product_and_works_without_a_batch() -> None:
    ours, theirs = pair_of("MultiheadAttention", (6, 2), {})
    judged(lambda layer, x: layer(x, x, x), [numbers(5, 6)], ours, theirs)
    x = dm.tensor(numbers(5, 3, 6))
    assert ours.state_dict()["in_proj_bias"].tolist() == [0.0] * 18
    bound = math.sqrt(6 / (6 + 18))
    assert 0.9 * bound < np.abs(ours.in_proj_weight.detach().numpy()).max() <= bound
    assert ours(x, x, x)[1].shape == (3, 5, 5)


LAYER = {"dim_feedforward": 7, "dropout": 0.0}
TRANSFORMERS: list[tuple[str, dict[str, Any]]] = [
    ("TransformerEncoderLayer", {}),
    (
        "TransformerEncoderLayer",
        {"activation": "gelu", "norm_first": True, "batch_first": True, "bias": False, "layer_norm_eps": 0.1},
    ),
    ("TransformerDecoderLayer", {}),
    ("TransformerDecoderLayer", {"activation": "gelu", "norm_first": True, "batch_first": True}),
]


@pytest.mark.parametrize(("name", "options"), TRANSFORMERS, ids=[f"{row}" for row in TRANSFORMERS])
def test_a_transformer_layer_is_pytorchs(name: str, options: dict[str, Any]) -> None:
    ours, theirs = pair_of(name, (6, 2), LAYER | options)
    assert repr(ours) == repr(theirs)
    data = [numbers(4, 4, 6)] + ([numbers(4, 4, 6, seed=1)] if "Decoder" in name else [])
    judged(lambda layer, *parts: layer(*parts), data, ours, theirs)
    mask = np.triu(np.ones((4, 4), bool), 1)
    ours.zero_grad()
    theirs.zero_grad()

    def masked(layer: Any, *parts: Any) -> Any:
        lib = dm if isinstance(layer, nn.Module) else torch
        return layer(*parts, lib.tensor(mask))

    judged(masked, data, ours, theirs)


def stacks(lib: Any, kind: str) -> Any:
    parts = lib.nn
    if kind == "Transformer":
        return parts.Transformer(6, 2, 1, 2, 7, 0.0)
    layer = getattr(parts, f"Transformer{kind}Layer")(6, 2, **LAYER)
    return getattr(parts, f"Transformer{kind}")(layer, 2, parts.LayerNorm(6))


@pytest.mark.parametrize("kind", ["Encoder", "Decoder", "Transformer"])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_a_stack_trains_as_pytorchs(kind: str) -> None:
    ours, theirs = stacks(dm, kind), stacks(torch, kind)
    assert repr(ours) == repr(theirs)
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    ours, theirs = ours.double(), theirs.double()
    data = [numbers(5, 3, 6).astype(np.float64), numbers(4, 3, 6, seed=1).astype(np.float64)][: 1 + (kind != "Encoder")]
    mine, other = dm.optim.SGD(ours.parameters(), lr=0.05), torch.optim.SGD(theirs.parameters(), lr=0.05)
    for _ in range(STEPS):
        for lib, model, optimizer in ((dm, ours, mine), (torch, theirs, other)):
            optimizer.zero_grad()
            loss = (model(*(lib.tensor(array) for array in data)) - 0.5).square().mean()
            loss.backward()
            optimizer.step()
            if lib is dm:
                found = loss.item()
        assert found == pytest.approx(loss.item(), rel=1e-8)
    for (key, value), (their_key, judge) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert key == their_key
        np.testing.assert_allclose(value.numpy(), judge.numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_twenty_training_steps_are_pytorchs(name: str) -> None:
    ours, theirs = pair_of(name, (3, 4), {"num_layers": 2})
    mine, other = dm.optim.Adam(ours.parameters(), lr=0.05), torch.optim.Adam(theirs.parameters(), lr=0.05)
    data = numbers(6, 5, 3)
    for _ in range(STEPS):
        for lib, model, optimizer in ((dm, ours, mine), (torch, theirs, other)):
            optimizer.zero_grad()
            loss = (model(lib.tensor(data))[0] - 0.3).square().mean()
            loss.backward()
            optimizer.step()
            if lib is dm:
                found = loss.item()
        assert found == pytest.approx(loss.item(), rel=1e-5)


def test_the_square_mask_is_pytorchs() -> None:
    found, wanted = (lib.nn.Transformer.generate_square_subsequent_mask(4) for lib in (dm, torch))
    assert np.array_equal(found.numpy(), wanted.numpy())


@pytest.mark.parametrize(
    "name",
    [
        "MultiheadAttention",
        "Transformer",
        *(f"Transformer{kind}{what}" for kind in ("Encoder", "Decoder") for what in ("", "Layer")),
    ],
)
def test_arguments_have_pytorchs_order_and_defaults(name: str) -> None:
    for method in ("__init__", "forward"):
        ours = inspect.signature(getattr(getattr(nn, name), method)).parameters
        theirs = inspect.signature(getattr(getattr(torch.nn, name), method)).parameters
        assert list(ours) == [key for key in theirs if key not in ("device", "dtype")]
        for key in ours:
            same = ours[key].default == theirs[key].default or key == "activation"
            assert same, f"{name}.{method}({key}=...)"


ONES = dm.ones(2, 3, 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: nn.RNN(3, 4, nonlinearity="sin"), "RNN: nonlinearity is 'tanh' or 'relu', got 'sin'"),
        (lambda: nn.RNNCell(3, 4, nonlinearity="sin"), "RNNCell: nonlinearity is 'tanh' or 'relu', got 'sin'"),
        (
            lambda: nn.GRU(3, 4, num_layers=0),
            "GRU: input_size 3, hidden_size 4 and num_layers 0 are at least 1, dropout 0.0 in",
        ),
        (lambda: nn.LSTM(3, 4, proj_size=4), "LSTM: proj_size is for LSTM, at least 0 and below hidden_size 4, got 4"),
        (lambda: nn.LSTM(3, 4)(ONES), r"LSTM needs \(time, n, 3\) or \(time, 3\), got \(2, 3, 4\)"),
        (lambda: nn.LSTM(4, 4)([ONES]), "LSTM takes a tensor or a PackedSequence, got list"),
        (lambda: nn.GRU(4, 5)(ONES, dm.ones(1, 2, 5)), r"GRU: the state's shapes are \[\(1, 2, 5\)\], \[\(1, 3, 5\)\] are needed"),
        (lambda: nn.GRU(4, 5)(dm.ones(0, 3, 4)), r"GRU needs at least one step, got \(0, 3, 4\)"),
        (lambda: nn.GRUCell(3, 5)(ONES[0]), r"GRUCell needs \(n, 3\) or \(3,\), got \(3, 4\)"),
        (lambda: nn.MultiheadAttention(4, 3), "MultiheadAttention: num_heads=3 must divide embed_dim=4"),
        (lambda: attend(is_causal=True), "MultiheadAttention: is_causal=True needs the causal attn_mask as well"),
        (lambda: attend(attn_mask=ONES), r"MultiheadAttention: attn_mask is \(l, s\) or \(6, l, s\), got \(2, 3, 4\)"),
        (lambda: attend(key_padding_mask=ONES[0]), None),
        (lambda: attend(key_padding_mask=ONES), r"MultiheadAttention: key_padding_mask is \(3, s\), got \(2, 3, 4\)"),
        (lambda: nn.MultiheadAttention(4, 2)(ONES, ONES, ONES[0]), "MultiheadAttention needs 2 or 3 dimensions each, got"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="sin"), "activation is 'relu', 'gelu' or a function, got 'sin'"),
        (lambda: nn.Transformer(6, 2, 1, 1, 4)(ONES, ONES), "Transformer: the last size of src and tgt is 6, got"),
    ],
)
def test_what_cannot_be_done_is_said(wrong: Any, message: str | None) -> None:
    with pytest.raises(DistmlError, match=message):
        wrong()


def attend(**options: Any) -> Any:
    return nn.MultiheadAttention(4, 2)(ONES, ONES, ONES, **options)


@pytest.mark.parametrize("options", [{}, {"batch_first": True, "padding_value": 7.0}, {"padding_side": "left"}])
@pytest.mark.parametrize("shape", [(), (3,), (2, 1)])
def test_sequences_are_filled_up_as_pytorchs(options: dict[str, Any], shape: tuple[int, ...]) -> None:
    arrays = [numbers(length, *shape, seed=length) for length in (3, 1, 5)]
    found, wanted = (lib.nn.utils.rnn.pad_sequence([lib.tensor(a) for a in arrays], **options) for lib in (dm, torch))
    close(found, wanted)
    if options.get("padding_side") != "left":
        again = nn.utils.rnn.unpad_sequence(found, dm.tensor([3, 1, 5]), options.get("batch_first", False))
        assert all(np.array_equal(one.numpy(), array) for one, array in zip(again, arrays, strict=True))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: nn.utils.rnn.pad_sequence([]), r"pad_sequence needs sequences \(length, ...\) that are equal otherwise, got \[\]"),
        (lambda: nn.utils.rnn.pad_sequence([ONES], padding_side="up"), "padding_side is 'left' or 'right', got 'up'"),
        (lambda: nn.utils.rnn.unpad_sequence(ONES, [1]), r"unpad_sequence: 1 lengths up to 1 for sequences \(2, 3, 4\)"),
        (lambda: nn.utils.rnn.pack_padded_sequence(ONES, [9]), r"pack_padded_sequence: lengths \[9\] for"),
    ],
)
def test_sequences_that_cannot_be_filled_up_are_named(wrong: Any, message: str) -> None:
    with pytest.raises(DistmlError, match=message):
        wrong()


@pytest.mark.parametrize("sorted_", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=["plain", "two layers both ways"])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_recurrent_layer_takes_packed_sequences(kind: str, options: dict[str, Any], batch_first: bool, sorted_: bool) -> None:
    lengths = [4, 2, 1] if sorted_ else [2, 4, 1]
    data = np.random.RandomState(0).randn(*((3, 4, 5) if batch_first else (4, 3, 5)))
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(5, 3, batch_first=batch_first, **options).double()
    ours = getattr(nn, kind)(5, 3, batch_first=batch_first, **options).double()
    ours.load_state_dict({name: dm.tensor(value.numpy()) for name, value in theirs.state_dict().items()})
    found = []
    for lib, layer in ((dm, ours), (torch, theirs)):
        rnn = lib.nn.utils.rnn
        x = lib.tensor(data, requires_grad=True)
        packed = rnn.pack_padded_sequence(x, lib.tensor(lengths), batch_first, enforce_sorted=sorted_)
        out, last = layer(packed)
        padded, known = rnn.pad_packed_sequence(out, batch_first, padding_value=-7.0, total_length=6)
        last = last[0] if kind == "LSTM" else last
        (padded.square().sum() + last.sum()).backward()
        seen = [packed.data, out.data, padded, last, x.grad, layer.weight_ih_l0.grad]
        found.append(([t.detach().numpy() for t in seen], packed.batch_sizes.tolist(), known.tolist()))
    for mine, other in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-9)
    assert found[0][1:] == found[1][1:]


def test_sequences_are_packed_and_unpacked() -> None:
    for lib in (dm, torch):
        rnn, parts = lib.nn.utils.rnn, [lib.arange(3.0), lib.arange(5.0), lib.arange(1.0)]
        packed = rnn.pack_sequence(parts, enforce_sorted=False)
        assert packed.data.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 4] and packed.batch_sizes.tolist() == [3, 2, 2, 1, 1]
        assert packed.sorted_indices.tolist() == [1, 0, 2] and packed.unsorted_indices.tolist() == [1, 0, 2]
        assert [part.tolist() for part in rnn.unpack_sequence(packed)] == [part.tolist() for part in parts]
        with pytest.raises(RuntimeError):
            rnn.pack_sequence(parts)
