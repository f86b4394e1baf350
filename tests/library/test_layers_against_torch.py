"""One row a layer: outputs, gradients, names, defaults and text are PyTorch's. The first layers are in test_nn_against_torch.py."""

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import nn
from distml_py.errors import DistmlError
from op_examples import numbers, whole
from test_nn_against_torch import CONTAINERS, JUDGED_BELOW, LAYERS, LOSSES, close, ids, pair_of

Row = tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]
ACTIVATIONS: list[Row] = [
    *((name, (), {}, (3, 5)) for name in ("CELU", "SELU", "Mish", "LogSigmoid", "Hardtanh", "Hardsigmoid", "Hardswish", "ReLU6")),
    *((name, (), {}, (3, 17)) for name in ("Softsign", "Tanhshrink", "Hardshrink", "Softshrink", "PReLU", "Identity")),
    ("CELU", (0.7,), {}, (5,)),
    ("Hardtanh", (-0.3, 1.2), {}, (3, 5)),
    ("Hardtanh", (), {"min_val": -0.5}, (3, 5)),
    ("Hardshrink", (1.1,), {}, (3, 5)),
    ("Softshrink", (1.1,), {}, (3, 5)),
    ("Threshold", (0.1, 20.0), {}, (3, 5)),
    ("PReLU", (3, 0.1), {}, (2, 3, 5)),
    ("PReLU", (1,), {}, ()),
    ("GLU", (), {}, (3, 6)),
    ("GLU", (0,), {}, (4, 1)),
    ("Softmax", (), {"dim": 0}, (3, 4)),
    ("Softmax2d", (), {}, (2, 3, 5, 1)),
    ("LogSoftmax", (1,), {}, (3, 4)),
    ("LogSoftmax", (-1,), {}, (2, 3, 5)),
    ("Softmin", (1,), {}, (3, 4)),
]
SHAPES: list[Row] = [
    ("Unflatten", (1, (2, 3)), {}, (4, 6)),
    ("Unflatten", (-1, (2, -1)), {}, (4, 6)),
    ("Unflatten", (0, (3, 1)), {}, (3,)),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 5)),
    ("PixelShuffle", (3,), {}, (9, 1, 2)),
    ("PixelUnshuffle", (2,), {}, (2, 3, 4, 6)),
    ("ChannelShuffle", (2,), {}, (1, 6, 3, 1)),
    ("Unfold", (3,), {}, (2, 3, 5, 4)),
    ("Unfold", ((2, 3),), {"dilation": (1, 2), "padding": 1, "stride": (2, 1)}, (3, 5, 7)),
    ("ZeroPad1d", (2,), {}, (2, 3, 5)),
    ("ZeroPad2d", ((1, 0, 2, -1),), {}, (2, 3, 5, 4)),
    ("ConstantPad1d", ((1, 2), 3.5), {}, (2, 3, 5)),
    ("ConstantPad2d", (1, -1.5), {}, (3, 5, 1)),
    ("ReflectionPad1d", ((2, 1),), {}, (2, 3, 5)),
    ("ReflectionPad2d", ((2, 1, 0, 3),), {}, (2, 3, 5, 4)),
    ("ReplicationPad1d", ((3, 1),), {}, (2, 3, 1)),
    ("ReplicationPad2d", (2,), {}, (2, 3, 1, 4)),
    ("CircularPad1d", ((3, 1),), {}, (2, 1, 5)),
    ("CircularPad2d", ((2, 0, 1, 3),), {}, (2, 3, 4, 2)),
    ("Upsample", (), {"scale_factor": 2}, (2, 3, 4, 5)),
    ("Upsample", ((7, 3),), {}, (2, 3, 4, 5)),
    ("Upsample", (), {"scale_factor": (1.7, 0.6)}, (2, 3, 4, 5)),
    ("Upsample", (), {"scale_factor": 3, "mode": "linear"}, (2, 3, 5)),
    ("Upsample", (9,), {"mode": "linear", "align_corners": True}, (2, 3, 4)),
    ("Upsample", (1,), {"mode": "linear", "align_corners": True}, (2, 3, 4)),
    ("Upsample", (), {"scale_factor": 2, "mode": "bilinear"}, (2, 3, 4, 5)),
    ("Upsample", ((3, 11),), {"mode": "bilinear", "align_corners": True}, (2, 1, 5, 4)),
    ("Upsample", (), {"scale_factor": 1.7, "mode": "bilinear"}, (1, 2, 5, 3)),
    ("Upsample", (), {"scale_factor": 1.7, "mode": "bilinear", "recompute_scale_factor": True}, (1, 2, 5, 3)),
    ("Upsample", ((2, 3),), {"mode": "area"}, (1, 2, 5, 3)),
    ("Upsample", ((7, 2),), {"mode": "nearest-exact"}, (1, 2, 5, 3)),
]
VOLUMES: list[Row] = [
    ("Conv3d", (2, 3, 2), {}, (2, 2, 3, 4, 3)),
    ("Conv3d", (4, 6, (3, 2, 1)), {"stride": (2, 1, 2), "padding": (1, 0, 1), "dilation": (2, 1, 1), "groups": 2}, (4, 6, 3, 4)),
    ("Conv3d", (1, 2, 3), {"padding": "same", "padding_mode": "circular", "bias": False}, (1, 1, 3, 3, 3)),
    ("ConvTranspose3d", (2, 3, 2), {"stride": 2}, (1, 2, 2, 3, 2)),
    (
        "ConvTranspose3d",
        (4, 2, (3, 1, 2)),
        {"stride": (3, 1, 2), "padding": (1, 0, 1), "output_padding": (2, 0, 1), "groups": 2},
        (4, 3, 2, 2),
    ),
    ("ConvTranspose3d", (1, 1, 3), {"dilation": (2, 1, 1), "bias": False}, (1, 1, 2, 2, 2)),
    ("MaxPool3d", (2,), {}, (1, 2, 4, 5, 4)),
    ("MaxPool3d", ((1, 2, 3),), {"stride": 2, "padding": (0, 1, 1), "ceil_mode": True}, (2, 3, 6, 5)),
    ("AvgPool3d", (2,), {"stride": 1}, (1, 2, 3, 4, 3)),
    ("AvgPool3d", (3, 2, 1), {"count_include_pad": False, "ceil_mode": True}, (1, 1, 4, 5, 6)),
    ("AdaptiveAvgPool3d", ((2, None, 3),), {}, (1, 2, 4, 3, 5)),
    ("AdaptiveMaxPool3d", (2,), {}, (1, 2, 4, 3, 5)),
    ("BatchNorm3d", (2,), {}, (2, 2, 2, 3, 2)),
    ("InstanceNorm3d", (2,), {"affine": True}, (2, 2, 2, 3, 2)),
    ("ZeroPad3d", (1,), {}, (1, 2, 2, 1, 2)),
    ("ConstantPad3d", ((1, 0, 2, 0, 0, 1), 2.5), {}, (1, 2, 2, 1, 2)),
    ("ReflectionPad3d", (1,), {}, (1, 2, 2, 3, 2)),
    ("ReplicationPad3d", (2,), {}, (1, 1, 2, 1, 2)),
    ("CircularPad3d", (1,), {}, (1, 1, 2, 1, 2)),
    ("Upsample", (), {"scale_factor": 2}, (1, 2, 2, 3, 1)),
    ("Upsample", ((3, 5, 2),), {"mode": "trilinear"}, (1, 2, 2, 3, 4)),
    ("Upsample", ((7, 3),), {"mode": "bicubic"}, (2, 2, 4, 5)),
    ("Upsample", (), {"scale_factor": 1.7, "mode": "bicubic", "align_corners": True}, (1, 2, 5, 3)),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, (1, 2, 3, 2)),
    ("UpsamplingBilinear2d", ((5, 3),), {}, (1, 2, 3, 2)),
    ("LPPool1d", (2, 3), {"stride": 2}, (2, 3, 7)),
    ("LPPool2d", (3, (2, 1)), {"ceil_mode": True}, (1, 2, 5, 4)),
    ("Fold", ((4, 5), 2), {}, (2, 12, 12)),
    ("Fold", ((4, 5), (2, 3)), {"dilation": (1, 2), "padding": 1, "stride": (2, 1)}, (6, 9)),
]
CONVOLUTIONS: list[Row] = [
    ("Conv1d", (2, 3, 3), {}, (2, 2, 7)),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 2, "dilation": 2, "groups": 2, "bias": False}, (1, 4, 17)),
    ("Conv1d", (2, 3, 4), {"padding": "same", "dilation": 2}, (2, 2, 9)),
    ("Conv1d", (1, 1, 1), {}, (1, 1)),
    ("Conv1d", (2, 3, 3), {"padding": 2, "padding_mode": "circular"}, (2, 2, 5)),
    ("Conv2d", (2, 3, 3), {"padding": (1, 2), "padding_mode": "reflect"}, (2, 2, 5, 4)),
    ("Conv2d", (2, 3, 3), {"padding": "same", "padding_mode": "replicate"}, (2, 2, 5, 4)),
    ("Conv2d", (2, 2, 1), {"padding": "valid", "groups": 2}, (1, 2, 3, 3)),
    ("ConvTranspose1d", (2, 3, 3), {}, (2, 2, 5)),
    ("ConvTranspose1d", (4, 6, 4), {"stride": 3, "padding": 2, "output_padding": 1, "groups": 2}, (2, 4, 5)),
    ("ConvTranspose1d", (2, 1, 3), {"dilation": 2, "bias": False}, (2, 1)),
    ("ConvTranspose2d", (2, 3, 2), {"stride": 2}, (2, 2, 3, 5)),
    ("ConvTranspose2d", (3, 2, (3, 2)), {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)}, (1, 3, 4, 3)),
    ("ConvTranspose2d", (4, 6, 3), {"groups": 2, "dilation": (1, 2), "bias": False}, (4, 5, 3)),
    ("ConvTranspose2d", (1, 1, 1), {}, (1, 1, 1, 1)),
]
POOLS: list[Row] = [
    ("MaxPool1d", (2,), {}, (2, 3, 7)),
    ("MaxPool1d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, (3, 6)),
    ("MaxPool1d", (2,), {"dilation": 3, "stride": 1}, (2, 3, 9)),
    ("AvgPool1d", (3,), {}, (2, 3, 7)),
    ("AvgPool1d", (3, 2, 1), {"count_include_pad": False, "ceil_mode": True}, (2, 3, 6)),
    ("AvgPool1d", (3, 2, 1), {"ceil_mode": True}, (3, 6)),
    ("AvgPool2d", (3, 2), {"ceil_mode": True}, (1, 2, 6, 5)),
    ("AvgPool2d", (3, 2, 1), {"ceil_mode": True}, (1, 2, 6, 4)),
    ("AvgPool2d", (3, 2, 1), {"ceil_mode": True, "count_include_pad": False}, (1, 2, 6, 4)),
    ("AdaptiveAvgPool1d", (3,), {}, (2, 3, 7)),
    ("AdaptiveAvgPool1d", (9,), {}, (3, 7)),
    ("AdaptiveAvgPool2d", (1,), {}, (2, 3, 5, 4)),
    ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 5, 4)),
    ("AdaptiveAvgPool2d", ((2, 7),), {}, (3, 6, 5)),
    ("AdaptiveMaxPool1d", (3,), {}, (2, 3, 7)),
    ("AdaptiveMaxPool2d", (1,), {}, (2, 3, 5, 4)),
    ("AdaptiveMaxPool2d", ((3, None),), {}, (2, 3, 5, 4)),
    ("AdaptiveMaxPool2d", ((4, 3),), {}, (3, 6, 5)),
]
NORMS: list[Row] = [
    ("InstanceNorm1d", (3,), {}, (2, 3, 5)),
    ("InstanceNorm1d", (3,), {"affine": True, "eps": 0.1}, (3, 5)),
    ("InstanceNorm2d", (3,), {}, (2, 3, 5, 1)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 5, 4)),
    ("InstanceNorm2d", (1,), {"track_running_stats": True, "momentum": 0.4}, (1, 1, 2)),
    ("LocalResponseNorm", (2,), {}, (2, 5, 3)),
    ("LocalResponseNorm", (3, 0.5, 0.6, 2.0), {}, (2, 5, 3, 2)),
]
MORE = ACTIVATIONS + SHAPES + VOLUMES + CONVOLUTIONS + POOLS + NORMS
# two inputs
PAIRS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...], tuple[int, ...]]] = [
    ("Bilinear", (3, 5, 2), {}, (4, 3), (4, 5)),
    ("Bilinear", (3, 1, 2), {"bias": False}, (2, 4, 3), (2, 4, 1)),
    ("Bilinear", (1, 1, 1), {}, (1,), (1,)),
    ("CosineSimilarity", (), {}, (4, 3), (4, 3)),
    ("CosineSimilarity", (0, 1e-3), {}, (4, 3), (4, 3)),
    ("PairwiseDistance", (), {}, (4, 3), (4, 3)),
    ("PairwiseDistance", (1.0,), {"keepdim": True}, (4, 3), (4, 3)),
    ("PairwiseDistance", (3.0,), {}, (4, 3), (4, 3)),
]
chances, classes = numbers(4, 3, low=0.05, high=0.95), whole(4, low=0, high=3)
FACTORS = np.array([0.5, 2.0, 3.0], np.float32)
signs = np.where(whole(4, 3) > 0, 1.0, -1.0).astype(np.float32)
MORE_LOSSES: list[tuple[str, dict[str, Any], tuple[np.ndarray, ...]]] = []
for how in ("mean", "sum", "none"):
    options = {"reduction": how}
    x, y, z = numbers(4, 3), numbers(4, 3, seed=1), numbers(4, 3, seed=3)
    MORE_LOSSES += [
        ("L1Loss", options, (x, y)),
        ("SmoothL1Loss", options, (x, y)),
        ("SmoothL1Loss", {"beta": 0.3} | options, (x, y)),
        ("SmoothL1Loss", {"beta": 0.0} | options, (x, y)),
        ("HuberLoss", options, (x, y)),
        ("HuberLoss", {"delta": 0.6} | options, (x, y)),
        ("NLLLoss", options, (x, classes)),
        ("NLLLoss", {"ignore_index": 1} | options, (numbers(4, 3, 5), whole(4, 5, low=0, high=3))),
        ("BCELoss", options, (chances, (y > 0).astype(np.float32))),
        ("BCELoss", options, (chances, numbers(4, 3, low=0.1, high=0.9, seed=1))),
        ("BCEWithLogitsLoss", options, (x, numbers(4, 3, low=0.1, high=0.9, seed=1))),
        (
            "BCEWithLogitsLoss",
            {"pos_weight": FACTORS} | options,
            (x * 20, (y > 0).astype(np.float32)),
        ),
        ("BCEWithLogitsLoss", {"weight": FACTORS} | options, (x, (y > 0).astype(np.float32))),
        ("KLDivLoss", options, (x, chances)),
        ("KLDivLoss", options, (x, np.maximum(y, 0.0))),
        ("KLDivLoss", {"log_target": True} | options, (x, y)),
        ("PoissonNLLLoss", options, (x, np.abs(y) * 3)),
        ("PoissonNLLLoss", {"full": True} | options, (x, np.abs(y) * 3)),
        ("PoissonNLLLoss", {"log_input": False} | options, (chances, np.abs(y))),
        ("GaussianNLLLoss", options, (x, y, chances)),
        ("GaussianNLLLoss", {"full": True} | options, (x, y, chances[:, :1])),
        ("GaussianNLLLoss", {"eps": 0.5} | options, (x, y, chances[:, 0].copy())),
        ("HingeEmbeddingLoss", options, (x, signs)),
        ("HingeEmbeddingLoss", {"margin": 0.4} | options, (x, signs)),
        ("SoftMarginLoss", options, (x * 20, signs)),
        ("MultiLabelSoftMarginLoss", options, (x, (y > 0).astype(np.float32))),
        ("MultiMarginLoss", options, (x, classes)),
        ("MultiMarginLoss", {"p": 2, "margin": 0.6, "weight": FACTORS} | options, (x, classes)),
        ("MarginRankingLoss", options, (x, y, signs)),
        ("MarginRankingLoss", {"margin": 0.7} | options, (x, y, signs)),
        ("CosineEmbeddingLoss", options, (x, y, signs[:, 0].copy())),
        ("CosineEmbeddingLoss", {"margin": 0.2} | options, (x, y, signs[:, 0].copy())),
        ("TripletMarginLoss", options, (x, y, z)),
        ("TripletMarginWithDistanceLoss", {"margin": 2.0, "swap": True} | options, (x, y, z)),
        ("MultiLabelMarginLoss", options, (x, np.array([[2, 0, -1, 1, 1]] * 4, np.int64)[:, : x.shape[1]])),
        ("TripletMarginLoss", {"margin": 2.0, "p": 1.0, "swap": True} | options, (x, y, z)),
        ("CrossEntropyLoss", {"label_smoothing": 0.2, "weight": FACTORS} | options, (x, classes)),
        ("CrossEntropyLoss", {"label_smoothing": 0.2} | options, (x, chances)),
    ]
MORE_LOSSES += [("KLDivLoss", {"reduction": "batchmean"}, (numbers(4, 3), chances))]
FLOAT32_INSIDE = {"CELU", "Hardsigmoid"}  # PyTorch keeps a constant of theirs in float32
BY_CHANCE = {"AlphaDropout", "Dropout1d", "Dropout2d", "Dropout3d", "RReLU"}  # judged by their distribution, below
ELSEWHERE = {"ParameterDict", "ParameterList"}  # test_modules.py
ELSEWHERE |= {"Buffer", "FeatureAlphaDropout", "RNNCellBase", "SyncBatchNorm"}  # test_module_state.py, test_smaller_modules.py
ELSEWHERE |= {"EmbeddingBag", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"}  # test_layers_of_integers.py
ELSEWHERE |= {name for name in nn.__all__ if name.startswith("Lazy")} | {
    "UninitializedParameter"
}  # test_lazy_and_computed_weights.py
SEQUENCES = {
    "GRU",
    "GRUCell",
    "LSTM",
    "LSTMCell",
    "MultiheadAttention",
    "RNN",
    "RNNBase",
    "RNNCell",
}  # test_sequences_against_torch.py
SEQUENCES |= {"Transformer", *(f"Transformer{kind}{what}" for kind in ("Encoder", "Decoder") for what in ("", "Layer"))}


@pytest.mark.parametrize(("name", "arguments", "options", "shape"), MORE, ids=[ids(row) for row in MORE])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:Using padding=.same.")
def test_a_layer_computes_what_pytorchs_does(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], shape: tuple[int, ...], dtype: Any
) -> None:
    if dtype == np.float64 and name in FLOAT32_INSIDE:
        dtype = np.float32
    ours, theirs = pair_of(name, arguments, options)
    if dtype == np.float64:
        ours, theirs = ours.double(), theirs.double()
    data = numbers(*shape).astype(dtype)
    x, other = dm.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    for _ in range(2):
        out, wanted = ours(x), theirs(other)
        assert out.shape == tuple(wanted.shape)
        close(out, wanted)
        weights = numbers(*out.shape, seed=2).astype(dtype)
        (out * dm.tensor(weights)).sum().backward()
        (wanted * torch.tensor(weights)).sum().backward()
        close(x.grad, other.grad)
        ours, theirs = ours.eval(), theirs.eval()
    for (key, mine), (their_key, parameter) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert key == their_key
        close(mine.grad, parameter.grad)
    for (key, buffer), (their_key, tracked) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert key == their_key
        close(buffer, tracked)


@pytest.mark.parametrize(("name", "arguments", "options", "one", "two"), PAIRS, ids=[ids(row[:4]) for row in PAIRS])
def test_a_layer_of_two_inputs_computes_what_pytorchs_does(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], one: tuple[int, ...], two: tuple[int, ...]
) -> None:
    ours, theirs = pair_of(name, arguments, options)
    data = [numbers(*one), numbers(*two, seed=1)]
    mine, other = ([lib.tensor(array, requires_grad=True) for array in data] for lib in (dm, torch))
    out, wanted = ours(*mine), theirs(*other)
    close(out, wanted)
    weights = numbers(*out.shape, seed=2)
    (out * dm.tensor(weights)).sum().backward()
    (wanted * torch.tensor(weights)).sum().backward()
    for found, judge in zip([*mine, *ours.parameters()], [*other, *theirs.parameters()], strict=True):
        close(found.grad, judge.grad)


@pytest.mark.parametrize(
    ("name", "options", "inputs"), MORE_LOSSES, ids=[f"{row[0]} {row[1]} {n}" for n, row in enumerate(MORE_LOSSES)]
)
def test_a_loss_is_what_pytorchs_is(name: str, options: dict[str, Any], inputs: tuple[np.ndarray, ...]) -> None:
    def given(lib: Any) -> tuple[Any, list[Any]]:
        chosen = {key: lib.tensor(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}
        tensors = [lib.tensor(array.astype(np.int64) if array.dtype == np.int32 and lib is torch else array) for array in inputs]
        tensors[0].requires_grad_()
        return getattr(lib.nn, name)(**chosen), tensors

    (ours, mine), (theirs, other) = given(dm), given(torch)
    found, wanted = ours(*mine), theirs(*other)
    assert found.shape == tuple(wanted.shape)
    close(found, wanted)
    found.sum().backward()
    wanted.sum().backward()
    close(mine[0].grad, other[0].grad)


KNOWN = (
    {row[0] for row in (*LAYERS, *LOSSES, *MORE, *PAIRS, *MORE_LOSSES)}
    | JUDGED_BELOW
    | BY_CHANCE
    | {"CTCLoss", "AdaptiveLogSoftmaxWithLoss"}
)


def test_every_layer_is_in_these_tables() -> None:
    layers = {name for name in nn.__all__ if inspect.isclass(getattr(nn, name))}
    assert sorted(layers - KNOWN - CONTAINERS - ELSEWHERE - SEQUENCES) == []


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_arguments_have_pytorchs_order_and_defaults(name: str) -> None:
    ours = inspect.signature(getattr(nn, name).__init__).parameters
    theirs = inspect.signature(getattr(torch.nn, name).__init__).parameters
    left_out = {"device", "dtype", "size_average", "reduce"}
    shared = [key for key in theirs if key in ours and key not in left_out]
    assert [key for key in ours if key in theirs] == shared
    for key in shared:
        assert ours[key].default == theirs[key].default, f"{name}({key}=...)"
    extra = [key for key in ours if key not in theirs]
    assert extra == []


WITH_TEXT = [(row[0], row[1], row[2]) for row in (*LAYERS, *MORE, *PAIRS)]


@pytest.mark.parametrize(("name", "arguments", "options"), WITH_TEXT, ids=[f"{row}" for row in WITH_TEXT])
def test_a_layers_text_is_pytorchs(name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    assert repr(getattr(nn, name)(*arguments, **options)) == repr(getattr(torch.nn, name)(*arguments, **options))


@pytest.mark.parametrize("options", [{}, {"div_value": 2.0, "head_bias": True}])
def test_an_adaptive_softmax_is_pytorchs(options: dict[str, Any]) -> None:
    ours, theirs = pair_of("AdaptiveLogSoftmaxWithLoss", (8, 12, [3, 7]), options)
    assert repr(ours) == repr(theirs)
    data, classes = numbers(5, 8), np.array([0, 4, 11, 2, 8])
    x, other = dm.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    found, wanted = ours(x, dm.tensor(classes)), theirs(other, torch.tensor(classes))
    close(found.output, wanted.output)
    found.loss.backward()
    wanted.loss.backward()
    close(found.loss, wanted.loss)
    close(x.grad, other.grad)
    for mine, parameter in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(mine.grad, parameter.grad)
    close(ours.log_prob(x), theirs.log_prob(other))
    assert ours.predict(x).tolist() == theirs.predict(other).tolist()
    close(ours(x[1], dm.tensor(4)).output, theirs(other[1], torch.tensor(4)).output)


@pytest.mark.parametrize("how", ["mean", "sum", "none"])
@pytest.mark.parametrize("form", ["a table", "in a row", "one", "with blank 2", "too long", "no labels", "too long, zero"])
def test_ctc_is_pytorchs_up_to_the_scores(how: str, form: str) -> None:
    """PyTorch's gradient of log_probs takes log_softmax for granted, so the gradient is judged before that."""
    scores, frames, counts = numbers(7, 3, 4), [7, 5, 6], [3, 2, 1]
    labels = np.array([[1, 1, 3], [2, 3, 0], [3, 0, 0]], np.int32)
    options = {"blank": 2 if form == "with blank 2" else 0, "reduction": how, "zero_infinity": form.endswith("zero")}
    if form == "with blank 2":
        labels = np.array([[1, 1, 3], [0, 3, 0], [3, 0, 0]], np.int32)
    if form.startswith("too long"):
        frames = [3, 5, 6]
    if form == "no labels":
        counts = [0, 2, 0]
    if form == "in a row":
        labels = np.array([1, 1, 3, 2, 3, 3], np.int32)
    if form == "one":
        scores, labels, frames, counts = scores[:, 0].copy(), labels[0], [7], [3]

    def run(lib: Any) -> tuple[Any, Any]:
        x = lib.tensor(scores, requires_grad=True)
        targets = lib.tensor(labels.astype(np.int64) if lib is torch else labels)
        lengths = [lib.tensor(given) for given in ((frames, counts) if form != "one" else (frames[0], counts[0]))]
        loss = lib.nn.CTCLoss(**options)(x.log_softmax(-1), targets, *lengths)
        loss.sum().backward()
        return loss, x.grad

    (found, slope), (wanted, judge) = run(dm), run(torch)
    assert found.shape == tuple(wanted.shape)
    close(found, wanted)
    if form != "too long":
        close(slope, judge)


@pytest.mark.parametrize("name", ["Conv1d", "ConvTranspose1d", "ConvTranspose2d", "Bilinear"])
def test_initial_weights_are_pytorchs_distribution(name: str) -> None:
    dm.manual_seed(1)
    arguments = (30, 40, 20) if name == "Bilinear" else (30, 40, 5)
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        found, wanted = mine.detach().numpy(), other.detach().numpy()
        bound = np.abs(wanted).max() if wanted.size > 1000 else 1 / math.sqrt(30 if name == "Bilinear" else 200)
        assert np.abs(found).max() <= bound * 1.2
        if wanted.size > 1000:
            assert found.std() == pytest.approx(wanted.std(), rel=0.03) and found.mean() == pytest.approx(0, abs=float(bound) / 30)


@pytest.mark.parametrize("shape", [(2, 3, 8), (3, 8), (2, 3, 8, 6), (3, 8, 6)])
@pytest.mark.parametrize("options", [{}, {"stride": 1, "padding": 1}, {"stride": 2, "dilation": 2}])
def test_the_indices_of_a_max_pool_are_pytorchs(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    name = "MaxPool1d" if shape in ((2, 3, 8), (3, 8)) and len(shape) == 3 - (shape == (3, 8)) else "MaxPool2d"
    data = numbers(*shape)
    for found, wanted in zip(
        getattr(nn, name)(3, return_indices=True, **options)(dm.tensor(data)),
        getattr(torch.nn, name)(3, return_indices=True, **options)(torch.tensor(data)),
        strict=True,
    ):
        assert np.array_equal(found.numpy(), wanted.numpy())


@pytest.mark.parametrize(
    ("name", "size"), [("AdaptiveMaxPool1d", 3), ("AdaptiveMaxPool2d", (4, 3)), ("AdaptiveMaxPool2d", (None, 1))]
)
def test_the_indices_of_an_adaptive_max_pool_are_pytorchs(name: str, size: Any) -> None:
    data = numbers(2, 3, 7, 5)[:, 0] if name.endswith("1d") else numbers(2, 3, 7, 5)
    found, wanted = (getattr(lib.nn, name)(size, return_indices=True)(lib.tensor(data)) for lib in (dm, torch))
    for ours, theirs in zip(found, wanted, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy())


def test_an_output_size_chooses_the_output_padding() -> None:
    layer = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    assert layer(dm.ones(1, 2, 4, 5), output_size=(8, 9)).shape == (1, 3, 8, 9)
    with pytest.raises(DistmlError, match=r"ConvTranspose2d: output_size \(9, 9\) is not within 7 to 8"):
        layer(dm.ones(1, 2, 4, 5), output_size=(9, 9))


@pytest.mark.parametrize(
    ("name", "shape"), [("Dropout1d", (50, 40, 5)), ("Dropout2d", (50, 40, 2, 3)), ("Dropout2d", (2000, 2, 3))]
)
@pytest.mark.filterwarnings("ignore:dropout2d got 3 dimensions")
def test_whole_channels_are_dropped(name: str, shape: tuple[int, ...]) -> None:
    layer = getattr(nn, name)(0.25)
    dm.manual_seed(0)
    values = layer(dm.ones(*shape)).numpy()
    flat = values.reshape(shape[0] * shape[1], -1)
    assert (flat == flat[:, :1]).all(), "a channel is dropped as a whole"
    assert set(np.unique(flat)) == {0.0, np.float32(1 / 0.75)}
    assert (flat[:, 0] == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert np.array_equal(layer.eval()(dm.ones(*shape)).numpy(), np.ones(shape))
    assert repr(layer) == repr(getattr(torch.nn, name)(0.25))


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    dm.manual_seed(0)
    data = np.random.RandomState(0).randn(300, 300).astype(np.float32)
    values = nn.AlphaDropout(0.3)(dm.tensor(data)).numpy()
    assert values.mean() == pytest.approx(0, abs=0.02) and values.std() == pytest.approx(1, abs=0.02)
    theirs = torch.nn.AlphaDropout(0.3)(torch.tensor(data)).numpy()
    for found in (values, theirs):
        numbers_met, times = np.unique(found, return_counts=True)
        assert numbers_met[times.argmax()] == pytest.approx(theirs[np.isclose(theirs, numbers_met[times.argmax()], atol=1e-5)][0])
        assert times.max() / data.size == pytest.approx(0.3, abs=0.02)
    assert np.array_equal(nn.AlphaDropout(0.3).eval()(dm.tensor(data)).numpy(), data)


def test_random_slopes_lie_within_their_range() -> None:
    dm.manual_seed(0)
    layer, data = nn.RReLU(0.2, 0.6), -np.ones((100, 100), np.float32)
    slopes = -layer(dm.tensor(data)).numpy()
    assert 0.2 <= slopes.min() < 0.21 and 0.59 < slopes.max() <= 0.6 and slopes.mean() == pytest.approx(0.4, abs=0.01)
    close(layer.eval()(dm.tensor(data)), torch.nn.RReLU(0.2, 0.6).eval()(torch.tensor(data)))
    assert repr(layer) == repr(torch.nn.RReLU(0.2, 0.6))
