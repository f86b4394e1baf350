"""The program that loads a download into PyTorch: it runs there, its model has the same names, and computes the same."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import models, nn


def run_in_pytorch(model: nn.Module, folder: Path) -> Any:
    """The model that the snippet makes in PyTorch."""
    dm.save_file(model.state_dict(), folder / "model.safetensors")
    program = dm.pytorch_snippet(model, "model.safetensors").replace("'model.safetensors'", repr(str(folder / "model.safetensors")))
    assert "distml_py" not in program and re.search(r"^import torch$", program, re.M)
    said: list[str] = []
    names: dict[str, Any] = {"print": said.append}
    exec(compile(program, "snippet.py", "exec"), names)
    count = len(model.state_dict())
    assert said == [f"loaded {count} tensors, {sum(tensor.numel() for tensor in model.state_dict().values()):,} numbers"]
    return names["model"]


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


ROWS: dict[str, tuple[Callable[[], nn.Module], np.ndarray]] = {
    "layers in a row": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3, False)), floats(2, 6)),
    "an image": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.GELU("tanh"), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(64, 5), nn.LogSoftmax(1),
        ),
        floats(2, 1, 8, 8),
    ),
    "rows within rows": (
        lambda: nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.Tanh()), nn.Sequential(nn.LayerNorm(4)), nn.Sequential()),
        floats(3, 4),
    ),
    "one layer": (lambda: nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1), floats(1, 2, 4, 4)),
    "groups": (lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, dilation=2), nn.GroupNorm(2, 4), nn.SiLU()), floats(1, 4, 7, 7)),
    "pools": (lambda: nn.Sequential(nn.AvgPool2d(2), nn.AdaptiveAvgPool2d((2, 1)), nn.Hardtanh(-1, 0.5)), floats(1, 2, 6, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_layers_computes_the_same_in_pytorch(name: str, tmp_path: Path) -> None:
    make, x = ROWS[name]
    dm.manual_seed(0)
    model = make()
    model(dm.tensor(x))  # batch norm has seen something
    twin = run_in_pytorch(model, tmp_path)
    with torch.no_grad():
        found = twin(torch.tensor(x)).numpy()
    np.testing.assert_allclose(found, model.eval()(dm.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-6)


class Odd(nn.Module):
    """Names that are no attributes in Python, a parameter and buffers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("class", nn.ModuleList([nn.Linear(2, 2), nn.LSTM(2, 3, 2)]))
        self.names = nn.ModuleDict({"a-b": nn.Embedding(5, 2)})
        self.scale = nn.Parameter(dm.ones(2, 3))
        self.register_buffer("seen", dm.tensor([1, 2]))
        self.register_buffer("scratch", dm.ones(4), persistent=False)

    def forward(self, x: Any) -> Any:
        return x


MODELS: dict[str, Callable[[], nn.Module]] = {
    "odd names": Odd,
    "GPT": lambda: models.GPT(20, 8, 1, 2, 8),
    "Llama": lambda: models.Llama(20, 8, 1, 2, 1),
    "ResNet": lambda: models.resnet18(4, width=4),
    "ViT": lambda: models.VisionTransformer(16, 8, 3, 4, 8, 1, 2),
    "U-Net": lambda: models.UNet(1, 1, width=2),
    "attention": lambda: nn.TransformerEncoderLayer(8, 2, 16),
}


@pytest.mark.parametrize("name", MODELS)
def test_any_other_model_has_its_layers_by_name_and_its_weights(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    twin = run_in_pytorch(model, tmp_path)
    state = twin.state_dict()
    assert list(state) == list(model.state_dict())
    for key, tensor in model.state_dict().items():
        np.testing.assert_array_equal(state[key].numpy(), tensor.numpy())
    assert "forward() is in your own code" in dm.pytorch_snippet(model) or name == "attention"


def test_the_snippets_reader_reads_all_dtypes_that_files_have(tmp_path: Path) -> None:
    file = io.BytesIO()
    dm.save_file({"x": dm.ones(2, 3), "n": dm.tensor(7), "mask": dm.tensor([True, False]), "none": dm.zeros(0, 2)}, file)
    (tmp_path / "a.safetensors").write_bytes(file.getvalue())
    names: dict[str, Any] = {"print": print}
    reader = dm.pytorch_snippet(nn.Linear(1, 1), str(tmp_path / "a.safetensors")).split("\nmodel =")[0]
    exec(reader, names)
    state = names["state"]
    assert state["x"].shape == (2, 3) and int(state["n"]) == 7 and state["mask"].tolist() == [True, False]
    assert tuple(state["none"].shape) == (0, 2)
