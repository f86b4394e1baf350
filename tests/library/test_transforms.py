"""Transforms of images: what they do to one, to a batch, and that chance is the seed's and each image's own."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import random
from distml_py.data import transforms as T
from distml_py.errors import DistmlError
from op_examples import numbers

BATCH = numbers(64, 3, 9, 7)


def applied(transform: Any, batch: np.ndarray = BATCH, seed: int = 5) -> np.ndarray:
    dm.manual_seed(seed)
    return transform(dm.tensor(batch)).numpy()


def test_pictures_become_tensors_and_are_normalised() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    both = T.Compose([T.ToTensor(), T.Normalize((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)), T.Lambda(lambda x: x * 2)])
    wanted = (
        (picture.transpose(2, 0, 1) / 255 - np.reshape([0.1, 0.2, 0.3], (3, 1, 1))) / np.reshape([0.5, 0.6, 0.7], (3, 1, 1)) * 2
    )
    np.testing.assert_allclose(both(picture).numpy(), wanted, rtol=1e-5, atol=1e-6)
    assert T.ToTensor()(np.ones((4, 5), np.float32) * 3).tolist() == np.full((1, 4, 5), 3.0).tolist()
    assert T.Normalize((0.5,), (0.25,))(dm.ones(2, 1, 3, 3)).shape == (2, 1, 3, 3)


@pytest.mark.parametrize(("flip", "axis"), [(T.RandomHorizontalFlip, 3), (T.RandomVerticalFlip, 2)])
def test_each_image_is_flipped_by_its_own_chance(flip: Any, axis: int) -> None:
    found = applied(flip())
    turned = [np.array_equal(image, whole) for image, whole in zip(found, np.flip(BATCH, axis), strict=True)]
    same = [np.array_equal(image, whole) for image, whole in zip(found, BATCH, strict=True)]
    assert all(a != b for a, b in zip(turned, same, strict=True)) and 16 <= sum(turned) <= 48
    assert np.array_equal(applied(flip(1.0)), np.flip(BATCH, axis)) and np.array_equal(applied(flip(0.0)), BATCH)
    assert np.array_equal(applied(flip()), found) and not np.array_equal(applied(flip(), seed=6), found)
    assert np.array_equal(applied(flip(1.0), BATCH[0]), np.flip(BATCH[0], axis - 1)), "one image as well"


def test_crops_are_parts_of_the_padded_image_from_all_places() -> None:
    found, padded = applied(T.RandomCrop(7, padding=2)), np.pad(BATCH, ((0, 0), (0, 0), (2, 2), (2, 2)))
    places = set()
    for image, whole in zip(found, padded, strict=True):
        hits = [(y, x) for y in range(7) for x in range(5) if np.array_equal(image, whole[:, y : y + 7, x : x + 7])]
        assert hits
        places.add(hits[0])
    assert len({y for y, _ in places}) == 7 and len({x for _, x in places}) == 5
    assert applied(T.RandomCrop((12, 10), pad_if_needed=True, padding_mode="edge"), np.ones((2, 1, 9, 7), np.float32)).min() == 1
    assert applied(T.RandomCrop((9, 7))).tolist() == BATCH.tolist()


def test_a_part_of_the_batch_is_changed_as_in_the_whole() -> None:
    """Two workers that share a step see each the images that one alone would see."""
    transform = T.Compose([T.RandomCrop(7, padding=2), T.RandomHorizontalFlip(), T.RandomErasing()])
    with random.training_step(3, 10):
        whole = transform(dm.tensor(BATCH)).numpy()
    with random.training_step(3, 10, first=40):
        part = transform(dm.tensor(BATCH[40:])).numpy()
    assert np.array_equal(part, whole[40:])


def test_rectangles_are_erased() -> None:
    found = applied(T.RandomErasing(p=1.0, value=9.0))
    shares = (found == 9).all(1).mean((1, 2))
    assert 0 < shares.min() and shares.max() < 0.4 and len(set(shares.tolist())) > 10
    for image in (found == 9).all(1):
        rows, columns = image.any(1), image.any(0)
        assert image.sum() == rows.sum() * columns.sum(), "it is a rectangle"
    assert applied(T.RandomErasing(p=0.0)).tolist() == BATCH.tolist()


def test_the_middle_is_cut_out() -> None:
    around = np.pad(BATCH, ((0, 0), (0, 0), (1, 1), (1, 1)))
    cases = {(5, 3): BATCH[:, :, 2:7, 2:5], 4: BATCH[:, :, 2:6, 2:6], (11, 9): around, (9, 2): BATCH[:, :, :, 2:4]}
    for size, wanted in cases.items():
        assert np.array_equal(applied(T.CenterCrop(size)), wanted), size


@pytest.mark.parametrize("size", [5, (4, 12), [8]])
def test_images_are_resized(size: Any) -> None:
    found = applied(T.Resize(size))
    shape = found.shape[2:]
    assert shape == {5: (6, 5), (4, 12): (4, 12)}.get(size if not isinstance(size, list) else 0, (10, 8))
    wanted = torch.nn.functional.interpolate(torch.tensor(BATCH), shape, mode="bilinear")
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5, atol=1e-5)
    assert applied(T.Resize(size, "nearest"), BATCH[0]).shape == (3, *shape)


def test_pixels_are_added_around() -> None:
    assert np.array_equal(applied(T.Pad((1, 2), fill=3.0)), np.pad(BATCH, ((0, 0), (0, 0), (2, 2), (1, 1)), constant_values=3))
    assert np.array_equal(
        applied(T.Pad((1, 2, 3, 0), padding_mode="edge")), np.pad(BATCH, ((0, 0), (0, 0), (2, 0), (1, 3)), "edge")
    )


def test_transforms_say_what_they_are() -> None:
    whole = T.Compose([T.ToTensor(), T.RandomHorizontalFlip(0.3), T.Normalize((0.5,), (0.2,))])
    text = "Compose(\n    ToTensor()\n    RandomHorizontalFlip(p=0.3)\n    Normalize(mean=(0.5,), std=(0.2,))\n)"
    assert repr(whole) == text


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: T.RandomCrop(10)(dm.ones(1, 9, 9)),
            r"RandomCrop: \(10, 10\) from images of \(9, 9\); give padding or pad_if_needed",
        ),
        (lambda: T.RandomCrop(0), "a size is an int or two ints of at least 1, got 0"),
        (lambda: T.RandomHorizontalFlip()(np.ones((3, 3))), "needs a tensor .* got ndarray; begin with ToTensor"),
        (lambda: T.RandomHorizontalFlip()(dm.ones(3, 3)), r"RandomHorizontalFlip needs a tensor .*, got \(3, 3\)"),
        (lambda: T.ToTensor()(np.ones(3)), r"ToTensor needs an array \(h, w\) or \(h, w, c\) of numbers, got float64 \(3,\)"),
        (lambda: T.Normalize((0.5,), (0.0,)), r"Normalize: no std may be 0, got \(0.0,\)"),
        (lambda: T.Normalize((0.5,), (1.0,))(dm.ones(1, 2, 2).int()), "Normalize needs floating-point numbers, got int32"),
        (lambda: T.Pad(1, padding_mode="mirror"), "padding_mode is constant, edge, reflect, got 'mirror'"),
    ],
)
def test_what_cannot_be_done_is_said(wrong: Any, message: str) -> None:
    with pytest.raises(DistmlError, match=message):
        wrong()
