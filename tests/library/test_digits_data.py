"""The checked-in digits are scikit-learn's, every one of them once, in three parts alike."""

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits

import digits_source
from distml_py import safetensors

SIZES = {"train": 1077, "validation": 360, "test": 360}


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    return safetensors.loads(digits_source.FILE.read_bytes())


def test_the_file_is_byte_for_byte_what_scikit_learn_gives_when_split_again() -> None:
    assert digits_source.FILE.read_bytes() == safetensors.dumps(digits_source.digits_tensors())


def test_the_three_parts_have_the_promised_shapes_and_values(tensors: dict[str, np.ndarray]) -> None:
    expected = {f"{part}_images": (size, 8, 8) for part, size in SIZES.items()}
    expected |= {f"{part}_labels": (size,) for part, size in SIZES.items()}
    assert {name: array.shape for name, array in tensors.items()} == expected
    assert {array.dtype for array in tensors.values()} == {np.dtype(np.uint8)}
    for part in SIZES:
        assert (tensors[f"{part}_images"].min(), tensors[f"{part}_images"].max()) == (0, 16)


def test_every_sample_of_scikit_learn_is_in_exactly_one_part(tensors: dict[str, np.ndarray]) -> None:
    source = load_digits()
    ours = Counter(
        (image.tobytes(), int(label))
        for part in SIZES
        for image, label in zip(tensors[f"{part}_images"], tensors[f"{part}_labels"], strict=True)
    )
    theirs = Counter(
        (image.astype(np.uint8).tobytes(), int(label)) for image, label in zip(source.images, source.target, strict=True)
    )
    assert ours == theirs


def test_every_class_has_its_share_of_each_part(tensors: dict[str, np.ndarray]) -> None:
    whole = np.bincount(load_digits().target) / 1797
    for part, size in SIZES.items():
        counts = np.bincount(tensors[f"{part}_labels"], minlength=10)
        assert np.abs(counts - whole * size).max() < 2


def test_no_part_is_sorted_by_class(tensors: dict[str, np.ndarray]) -> None:
    for part in SIZES:
        assert set(tensors[f"{part}_labels"][:120].tolist()) == set(range(10))
