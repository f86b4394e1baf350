"""onnx.export, judged by onnx's checker and by onnxruntime: every model, layers and functions, sizes that change, errors."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import distml_py as dm
from distml_py import Tensor, models, nn
from distml_py.errors import UnsupportedError
from distml_py.onnx.export import exported
from distml_py.onnx.tracing import flattened

F = nn.functional
random = np.random.default_rng(0)
BATCH = {"input": {0: "batch"}}
BOTH = {"input": {0: "batch", 1: "time"}}
Call = Callable[..., Any]


def floats(*shape: int) -> Tensor:
    return dm.tensor(random.standard_normal(shape).astype(np.float32))


def tokens(*shape: int) -> Tensor:
    return dm.tensor(random.integers(0, 50, shape).astype(np.int32))


def ran(data: bytes, *arguments: Tensor) -> list[np.ndarray]:
    """What onnxruntime computes of a file."""
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    session = onnxruntime.InferenceSession(data)
    given = {known.name: value.numpy() for known, value in zip(session.get_inputs(), arguments, strict=True)}
    return session.run(None, given)


def judged(model: Call, example: Sequence[Tensor], *others: Sequence[Tensor], axes: Any = None, opset: int | None = None) -> None:
    if isinstance(model, nn.Module):
        model.eval()
    data = exported(model, tuple(example), opset_version=opset, dynamic_axes=axes)
    for arguments in (example, *others):
        found, wanted = ran(data, *arguments), flattened(model(*arguments))
        assert len(found) == len(wanted)
        for mine, meant in zip(found, wanted, strict=True):
            assert mine.shape == tuple(meant.shape) and mine.dtype == meant.detach().numpy().dtype
            scale = float(np.abs(meant.detach().numpy()).max(initial=1e-6)) if mine.dtype.kind == "f" else 1
            np.testing.assert_allclose(mine, meant.detach().numpy(), rtol=1e-5, atol=1e-5 * scale)


MODELS: dict[str, tuple[Callable[[], nn.Module], Any, list[Sequence[Tensor]]]] = {
    "MLP": (lambda: models.MLP(8, 16, 4), BATCH, [[floats(3, 8)], [floats(1, 8)]]),
    "LeNet": (models.LeNet, BATCH, [[floats(2, 1, 28, 28)], [floats(5, 1, 28, 28)]]),
    "ResNet-18, CIFAR": (lambda: models.resnet18(10, "cifar", width=8), BATCH, [[floats(2, 3, 32, 32)], [floats(3, 3, 32, 32)]]),
    "ResNet-34, ImageNet": (lambda: models.resnet34(7, "imagenet", width=8), None, [[floats(1, 3, 64, 64)]]),
    "ViT": (
        lambda: models.VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4, num_classes=5),
        BATCH,
        [[floats(2, 3, 32, 32)], [floats(3, 3, 32, 32)]],
    ),
    "GPT": (lambda: models.GPT(50, 16, 2, 4, 32), BOTH, [[tokens(2, 8)], [tokens(3, 11)]]),
    "Llama": (lambda: models.Llama(50, 32, 2, 4, 2), BOTH, [[tokens(2, 8)], [tokens(3, 11)]]),
    "U-Net": (lambda: models.UNet(3, 2, width=4), BATCH, [[floats(1, 3, 32, 32)], [floats(2, 3, 32, 32)]]),
    "U-Net, bilinear": (lambda: models.UNet(3, 2, True, width=4), None, [[floats(1, 3, 32, 32)]]),
    "char-LSTM": (lambda: models.CharLSTM(50, 8, 16), BATCH, [[tokens(2, 6)], [tokens(3, 6)]]),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_computes_in_onnxruntime_what_it_computes_here(name: str) -> None:
    make, axes, (example, *others) = MODELS[name]
    dm.manual_seed(0)
    judged(make(), example, *others, axes=axes)


def test_a_variational_autoencoder_draws_anew_and_all_else_is_equal() -> None:
    model = models.VAE(64, 32, 4)
    x = floats(2, 64)
    picture, mean, log_variance = ran(exported(model, x, dynamic_axes=BATCH), x)
    _, wanted, other = model.eval()(x)
    np.testing.assert_allclose(mean, wanted.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(log_variance, other.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert picture.shape == (2, 64) and 0 < picture.min() and picture.max() < 1
    judged(model.decode, [floats(3, 4)])


class Attends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        return self.attention(x, x, x)


CALLS: dict[str, tuple[Callable[[], Call], Any, list[Sequence[Tensor]]]] = {
    "max pool": (lambda: nn.MaxPool2d(3, 2, 1), BATCH, [[floats(2, 3, 9, 9)], [floats(4, 3, 9, 9)]]),
    "average pool": (lambda: nn.AvgPool2d(2), BATCH, [[floats(2, 3, 8, 8)], [floats(1, 3, 8, 8)]]),
    "adaptive pool": (lambda: nn.AdaptiveAvgPool2d((3, 2)), None, [[floats(2, 3, 8, 8)]]),
    "convolution": (lambda: nn.Conv2d(4, 6, 3, (2, 1), 1, (1, 2), 2), BATCH, [[floats(2, 4, 9, 8)], [floats(3, 4, 9, 8)]]),
    "convolution in a row": (lambda: nn.Conv1d(3, 4, 3, 2, 1), BATCH, [[floats(2, 3, 9)], [floats(1, 3, 9)]]),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2), BATCH, [[floats(2, 4, 5, 6)], [floats(1, 4, 5, 6)]]),
    "batch norm": (lambda: nn.BatchNorm2d(3), BATCH, [[floats(2, 3, 4, 4)], [floats(5, 3, 4, 4)]]),
    "group norm": (lambda: nn.GroupNorm(2, 4), BATCH, [[floats(2, 4, 5, 5)], [floats(3, 4, 5, 5)]]),
    "layer norm": (lambda: nn.LayerNorm(6), BATCH, [[floats(2, 6)], [floats(3, 6)]]),
    "embedding": (lambda: nn.Embedding(50, 4), BOTH, [[tokens(2, 3)], [tokens(4, 5)]]),
    "dropout, off": (lambda: nn.Dropout(0.5), BATCH, [[floats(2, 6)], [floats(3, 6)]]),
    "attention": (Attends, BATCH, [[floats(2, 5, 8)], [floats(3, 5, 8)]]),
    "an encoder layer": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        BATCH,
        [[floats(2, 5, 8)], [floats(3, 5, 8)]],
    ),
    "GRU, both ways": (lambda: nn.GRU(4, 6, 2, bidirectional=True), None, [[floats(5, 2, 4)]]),
    "activations": (
        lambda: lambda x: [f(x) for f in (F.gelu, F.silu, F.elu, F.softplus, F.hardswish, F.mish, F.leaky_relu, F.relu6)],
        None,
        [[floats(4, 7)]],
    ),
    "ordering": (lambda: lambda x: (*x.topk(3), *x.sort(0, descending=True), x.argmin(1)), None, [[floats(4, 7)]]),
    "sums": (lambda: lambda x: (x.cumsum(1), x.std(1), x.prod(0), x.logsumexp(1), x.norm()), None, [[floats(4, 7)]]),
    "comparisons": (
        lambda: lambda x: ((x > 0) & (x < 1), x != 0, dm.where(x > 0, x, -1.0), x.clamp(-1, 1), dm.isfinite(x)),
        None,
        [[floats(4, 7)]],
    ),
    "functions": (
        lambda: lambda x: [f(x) for f in (dm.erf, dm.sin, dm.log1p, dm.expm1, dm.atan, dm.trunc, dm.exp2, dm.erfc, dm.round)],
        None,
        [[dm.tensor(random.uniform(0, 2, (4, 7)).astype(np.float32))]],
    ),
    "whole numbers": (lambda: lambda x: (x // 3 - 7, x % 7, (x - 20) % 7, (x - 25) // 4, x.float() % 3), None, [[tokens(4, 7)]]),
    "moves": (
        lambda: lambda x: (x[:, ::2].flip(1), x[1:, -3:], F.pad(x, (1, 2), value=3.0), x.t().repeat(2, 1)),
        None,
        [[floats(4, 7)]],
    ),
    "two inputs": (
        lambda: lambda x, y: x @ y,
        {"input_0": {0: "batch"}},
        [[floats(2, 3), floats(3, 4)], [floats(5, 3), floats(3, 4)]],
    ),
    "a part of a changing row": (lambda: lambda x: x[:, 1:] * 2, BATCH, [[floats(2, 5)], [floats(4, 5)]]),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_computes_in_onnxruntime_what_it_computes_here(name: str) -> None:
    make, axes, (example, *others) = CALLS[name]
    judged(make(), example, *others, axes=axes)


@pytest.mark.parametrize("opset", [17, 18, 21])
def test_opsets_say_reductions_in_their_own_ways(opset: int) -> None:
    judged(lambda x: (x.softmax(1), x.amax(0), x.argmax(1)), [floats(3, 4)], opset=opset)


def test_attention_in_one_piece_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distml_py.functions.attention.is_fused", lambda *_, **__: True)
    q, k, v, mask = floats(2, 3, 5, 4), floats(2, 3, 6, 4), floats(2, 3, 6, 4), floats(5, 6)
    judged(F.scaled_dot_product_attention, [q, k, v])
    judged(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), [q, k, v])
    judged(lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask), [q, k, v, mask])


def test_a_file_has_the_weights_by_their_names_and_pytorchs_arguments(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    model.train()
    path = tmp_path / "model.onnx"
    dm.onnx.export(
        model, (floats(2, 4),), str(path), export_params=True, opset_version=18, do_constant_folding=True,
        input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "rows"}, "y": {0: "rows"}},
    )  # fmt: skip
    assert model.training and all(part.training for part in model)
    file = onnx.load(path)
    names = {constant.name for constant in file.graph.initializer}
    assert {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"} <= names
    assert [value.name for value in (*file.graph.input, *file.graph.output)] == ["x", "y"]
    (rows, columns) = file.graph.input[0].type.tensor_type.shape.dim
    assert rows.dim_param == "rows" and columns.dim_value == 4 and file.opset_import[0].version == 18
    assert file.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "rows"
    out = io.BytesIO()
    dm.onnx.export(model, floats(2, 4), out)
    onnx.checker.check_model(onnx.load_from_string(out.getvalue()))


@pytest.mark.parametrize("rows", [1, 3])
def test_a_model_is_exported_while_it_is_trained(rows: int) -> None:
    """Its parameters lie in an optimizer's atlas then; an example of one row stands for all."""
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = dm.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        model.train()(floats(5, 8)).square().mean().backward()
        optimizer.step()
    judged(model, [floats(rows, 8)], [floats(6, 8)], [floats(1, 8)], axes=BATCH)
    names = {constant.name for constant in onnx.load_from_string(exported(model, floats(3, 8))).graph.initializer}
    assert {"0.weight", "0.bias", "3.weight", "3.bias"} <= names


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no words": (lambda: exported(dm.erfinv, floats(3)), "the model uses erfinv, for which ONNX has no words here"),
    "an old opset": (lambda: exported(dm.exp, floats(3), opset_version=9), "opset_version is 17 to 21, got 9"),
    "an array": (lambda: exported(dm.exp, (np.ones(3),)), "args is a tensor, or a tuple of tensors"),
    "names": (lambda: exported(dm.exp, floats(3), input_names=["a", "b"]), "input_names has 1 different names"),
    "an axis": (
        lambda: exported(dm.exp, floats(3), dynamic_axes={"input": {2: "n"}}),
        "'input' has 1 axes, dynamic_axes names axis 2",
    ),
    "text": (lambda: exported(lambda x: "text", floats(3)), "the model returns a str"),
    "other nodes": (
        lambda: exported(lambda x: x.exp() if len(x) == 3 else x, floats(3), dynamic_axes={"input": {0: "n"}}),
        "computes something else when 'n' is another size",
    ),
    "windows": (
        lambda: exported(nn.MaxPool2d(2), floats(1, 1, 8, 8), dynamic_axes={"input": {2: "height"}}),
        "axis of dynamic_axes; leave that axis out",
    ),
    "every other row": (
        lambda: exported(lambda x: x[::2], floats(3, 2), dynamic_axes=BATCH),
        "a slice follows a size of dynamic_axes in a way ONNX cannot say",
    ),
    "a constant": (
        lambda: exported(lambda x: x.mean(0), floats(3, 2), dynamic_axes=BATCH),
        "a number of the model follows 'batch'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_said(name: str) -> None:
    call, text = REFUSED[name]
    with pytest.raises(UnsupportedError) as error:
        call()
    assert text in str(error.value)
