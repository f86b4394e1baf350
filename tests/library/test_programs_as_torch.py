"""Whole programs in the style of PyTorch's tutorials: what they print with PyTorch, step by step, they print with this library."""

import json
import pickle
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent / "programs_as_torch"
PROGRAMS = sorted(path.stem for path in HERE.glob("*.py") if path.name != "run.py")
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")


def write_idx(path: Path, array: np.ndarray) -> None:
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def make_data(folder: Path) -> None:
    """Pictures in which a bright bar says the class: IDX files and CIFAR-10's batches."""
    draws = np.random.RandomState(0)
    raw, batches = folder / "MNIST" / "raw", folder / "cifar-10-batches-py"
    raw.mkdir(parents=True)
    batches.mkdir()
    for part, count in (("train", 96), ("t10k", 64)):
        labels = draws.randint(0, 10, count).astype("u1")
        images = draws.randint(0, 60, (count, 28, 28)).astype("u1")
        for image, label in zip(images, labels, strict=True):
            image[2 + 2 * label : 6 + 2 * label, 4:24] = 200
        write_idx(raw / f"{part}-images-idx3-ubyte", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte", labels)
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        labels = draws.randint(0, 10, 12)
        pixels = draws.randint(0, 80, (12, 3072)).astype("u1")
        for row, label in zip(pixels, labels, strict=True):
            row[label * 100 : label * 100 + 200] = 220
        batch = {b"data": pixels, b"labels": [int(label) for label in labels]}
        (batches / name).write_bytes(pickle.dumps(batch, protocol=2))


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    """What each program printed, by library."""
    found = {}
    for which in ("torch", "ours"):
        folder = tmp_path_factory.mktemp(which)
        make_data(folder / "data")
        command = [sys.executable, str(HERE / "run.py"), which, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=250)
        assert done.returncode == 0, done.stderr
        found[which] = {name: text.splitlines() for name, (text, _) in json.loads(done.stdout.splitlines()[-1]).items()}
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_it_prints_with_pytorch(printed: dict[str, dict[str, list[str]]], name: str) -> None:
    judge, ours = printed["torch"][name], printed["ours"][name]
    assert [NUMBER.sub("#", line) for line in ours] == [NUMBER.sub("#", line) for line in judge]
    wanted, found = ([float(n) for line in lines for n in NUMBER.findall(line)] for lines in (judge, ours))
    assert len(wanted) > 15
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)
