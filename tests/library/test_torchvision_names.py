"""torchvision's names over our loaders: pictures on the host, transforms one by one, grids, models by their parameters."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.data import read_png
from distml_py.errors import DistmlError
from distml_py.torchvision import datasets, models, transforms, utils
from distml_py.torchvision.transforms import functional as TF

PICTURE = np.random.RandomState(0).randint(0, 256, (6, 9, 3)).astype(np.uint8)


def write_idx(path: Path, array: np.ndarray) -> None:
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype("u1").tobytes())


def test_mnist_is_read_as_torchvision_reads_it(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    write_idx(raw / "train-images-idx3-ubyte", PICTURE[None, :6, :6, 0].repeat(3, 0))
    write_idx(raw / "train-labels-idx1-ubyte", np.array([3, 1, 4]))
    pipe = transforms.Compose([transforms.Resize(4), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    found = datasets.MNIST(tmp_path, train=True, download=True, transform=pipe)
    assert len(found) == 3 and found.data.shape == (3, 6, 6) and found.targets.tolist() == [3, 1, 4]
    image, label = found[1]
    assert image.shape == (1, 4, 4) and label == 1 and isinstance(label, int) and "Number of datapoints: 3" in repr(found)
    images, labels = next(iter(dm.utils.data.DataLoader(found, batch_size=3)))
    assert images.shape == (3, 1, 4, 4) and labels.tolist() == [3, 1, 4] and -1 <= images.min().item() and images.max().item() <= 1


@pytest.mark.parametrize("size", [(3, 4), (12, 11), (6, 4), 3, 8])
def test_resize_is_pils(size: Any) -> None:
    image = torch.tensor(PICTURE.transpose(2, 0, 1)[None].astype(np.float32))
    mine = TF.resize(PICTURE, size)
    judge = torch.nn.functional.interpolate(image, mine.shape[:2], mode="bilinear", antialias=True)[0].numpy().transpose(1, 2, 0)
    assert mine.dtype == np.uint8 and np.abs(mine - judge).max() <= 0.51
    floats = TF.resize(dm.tensor(PICTURE.transpose(2, 0, 1) / np.float32(255)), size)
    np.testing.assert_allclose(floats.numpy().transpose(1, 2, 0), judge / 255, atol=1e-5)


def test_pictures_are_moved_and_kept() -> None:
    tensor = TF.to_tensor(PICTURE)
    assert tensor.shape == (3, 6, 9) and tensor.max().item() <= 1
    for change in (
        TF.hflip,
        TF.vflip,
        lambda x: TF.pad(x, (1, 2, 3, 4)),
        lambda x: TF.center_crop(x, (4, 11)),
        lambda x: TF.crop(x, 1, 2, 3, 4),
    ):
        np.testing.assert_allclose(TF.to_tensor(change(PICTURE)).numpy(), change(tensor).numpy(), atol=1e-7)
    np.testing.assert_array_equal(TF.hflip(PICTURE), PICTURE[:, ::-1])
    np.testing.assert_array_equal(TF.rotate(PICTURE[:6, :6], 90), np.rot90(PICTURE[:6, :6]))
    np.testing.assert_array_equal(TF.adjust_brightness(PICTURE, 0.0), PICTURE * 0)
    assert TF.rgb_to_grayscale(PICTURE).shape == (6, 9) and TF.to_pil_image(tensor) is not None
    assert transforms.ToDtype(dm.float32, scale=True)(transforms.ToImage()(PICTURE)).max().item() <= 1


def test_chance_follows_the_seed() -> None:
    pipe = transforms.Compose(
        [
            *(transforms.RandomCrop(5, padding=2), transforms.RandomHorizontalFlip(), transforms.RandomRotation(20)),
            *(transforms.ColorJitter(0.4, 0.4, 0.4), transforms.RandomResizedCrop(7), transforms.RandomGrayscale(0.5)),
            *(transforms.RandomApply([transforms.RandomVerticalFlip()]), transforms.RandomChoice([TF.hflip, TF.vflip])),
            transforms.ToTensor(),
        ]
    )
    runs = []
    for seed in (1, 1, 2):
        dm.manual_seed(seed)
        runs.append(np.stack([pipe(PICTURE).numpy() for _ in range(4)]))
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2]) and runs[0].shape == (4, 3, 7, 7)
    dm.manual_seed(0)
    flips = [np.array_equal(transforms.RandomHorizontalFlip(0.25)(PICTURE), PICTURE) for _ in range(400)]
    assert 0.65 < np.mean(flips) < 0.85
    crops = {transforms.RandomCrop(5)(PICTURE)[0, 0].tobytes() for _ in range(200)}
    assert len(crops) == 2 * 5, "each place is taken"


def test_a_grid_is_written_as_a_png(tmp_path: Path) -> None:
    images = dm.rand(5, 1, 3, 4)
    grid = utils.make_grid(images, nrow=3, padding=1)
    assert grid.shape == (3, 2 * 4 + 1, 3 * 5 + 1)
    np.testing.assert_array_equal(grid[0, 1:4, 1:5].numpy(), images[0, 0].numpy())
    np.testing.assert_array_equal(grid[2, 5:8, 6:10].numpy(), images[4, 0].numpy())
    utils.save_image(images, tmp_path / "grid.png", nrow=3, padding=1)
    found = read_png((tmp_path / "grid.png").read_bytes())
    np.testing.assert_allclose(found / 255, grid.numpy().transpose(1, 2, 0), atol=0.51 / 255)
    file = io.BytesIO()
    utils.save_image(dm.tensor(PICTURE / np.float32(255)).permute(2, 0, 1), file)
    np.testing.assert_array_equal(read_png(file.getvalue()), PICTURE)
    assert utils.make_grid(images * 7 - 3, normalize=True).max().item() == 1
    with pytest.raises(DistmlError, match="save_image writes PNG files, got 'jpg'"):
        utils.save_image(images, tmp_path / "grid.jpg")


def test_models_have_torchvisions_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(shape: Any, *fan: int) -> dm.nn.Parameter:
        return dm.nn.Parameter(dm.zeros(1).expand(*shape))

    for place in ("nn.linear.fan_in_uniform", "nn.conv.fan_in_uniform", "models.resnet.kaiming_normal"):
        monkeypatch.setattr(f"distml_py.{place}", empty)
    counts = {"resnet50": 25_557_032, "vgg11": 132_863_336, "vgg16_bn": 138_365_992, "alexnet": 61_100_840}
    for name, count in counts.items():
        assert sum(parameter.numel() for parameter in getattr(models, name)().parameters()) == count
    small = models.resnet18(num_classes=3)
    names = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"]
    assert [name for name, _ in small.named_children()] == names, "programs cut a model into its children"
    assert dm.nn.Sequential(*list(small.children())[:-1])(dm.zeros(1, 3, 33, 33)).shape == (1, 512, 1, 1)
    assert small.fc.in_features == 512 and small.fc.out_features == 3 and "layer4.1.bn2.running_var" in small.state_dict()
    names = list(models.resnet50(num_classes=2).state_dict())
    assert "layer1.0.downsample.0.weight" in names and "layer4.2.conv3.weight" in names and len(names) == 320
    with pytest.raises(DistmlError, match="not implemented: torchvision.models.densenet121; nearest is resnet18"):
        _ = models.densenet121


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: transforms.Normalize((0.5,), (0.5,))(PICTURE),
            "Normalize needs a tensor of floating-point numbers, got ndarray; put ToTensor",
        ),
        (lambda: transforms.Normalize((0.5,), (0,))(dm.ones(1, 2, 2)), "no std may be 0"),
        (lambda: transforms.ToTensor()(dm.ones(1, 2, 2)), "ToTensor takes a picture .* got Tensor"),
        (lambda: transforms.RandomCrop(20)(PICTURE), r"RandomCrop: \(20, 20\) from a picture of \(6, 9\); give padding"),
        (lambda: transforms.Pad(1, padding_mode="wrap")(PICTURE), "padding_mode is constant, edge, reflect, symmetric"),
        (lambda: transforms.ColorJitter(hue=0.1), "leave hue at 0"),
        (lambda: transforms.AutoAugment, "not implemented: torchvision.transforms.AutoAugment; nearest is Lambda"),
        (lambda: datasets.SVHN, "not implemented: torchvision.datasets.SVHN; nearest is MNIST"),
        (lambda: utils.make_grid(dm.ones(2)), "make_grid takes"),
    ],
)
def test_what_does_not_fit_says_so(wrong: Any, message: str) -> None:
    with pytest.raises(DistmlError, match=message):
        wrong()
