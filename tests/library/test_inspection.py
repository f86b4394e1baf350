"""What people look at: each view against what the model itself says."""

from typing import Any

import numpy as np
import pytest

from distml_py import Recipe, Tensor, nn, optim
from distml_py.data import CharTokenizer, Splits, TensorDataset, TextDataset, digits
from distml_py.errors import FormatError
from distml_py.inspection import look
from distml_py.models import GPT
from distml_py.recipe import Training


class Digits(Recipe):
    classes = [f"digit {n}" for n in range(10)]

    def data(self) -> Splits:
        return digits()

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def optimizer(self, parameters: Any) -> optim.Optimizer:
        return optim.SGD(parameters, lr=0.1)


class Plane(Digits):
    classes: list[str] = []

    def data(self) -> Splits:
        x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
        part = TensorDataset(x, (x[:, 0] > 0).astype(np.int32))
        return Splits(part, part, part)

    def model(self) -> nn.Module:
        return nn.Linear(2, 2)


class Line(Digits):
    def data(self) -> Splits:
        x = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
        part = TensorDataset(x, x[:, 0] * 2)
        return Splits(part, part, part)

    def model(self) -> nn.Module:
        return nn.Linear(1, 1)


class Text(Digits):
    def data(self) -> Splits:
        text = "hello world, hello there, " * 8
        self.tokenizer = CharTokenizer(text)
        part = TextDataset(self.tokenizer.encode(text), 16)
        return Splits(part, part, part)

    def model(self) -> nn.Module:
        return GPT(self.tokenizer.vocab_size, 16, 1, 2, 8)


class Again(Digits):
    def data(self) -> Splits:
        images = digits().train.batch(np.arange(40))[0].numpy()
        part = TensorDataset(images)
        return Splits(part, part, part)

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 64))

    def again(self, model: nn.Module, images: Tensor) -> Tensor:
        return model(images)


@pytest.fixture(scope="module")
def seen() -> Training:
    training = Training(Digits(), 0)
    for step in range(30):
        training.step(step)
    return training


def test_about_names_the_kind_of_task_and_its_views(seen: Training) -> None:
    found = look(seen, "about", {})
    assert found["kind"] == "picture classes" and found["classes"][3] == "digit 3" and found["shape"] == [1, 8, 8]
    assert set(found["views"]) == {"confusion", "samples", "mistakes", "answer", "filters"}
    assert found["parameters"] == 650 and found["samples"]["validation"] == 360


def test_the_confusion_matrix_counts_each_sample_once_and_names_samples_behind_a_cell(seen: Training) -> None:
    found = look(seen, "confusion", {})
    counts = np.array(found["counts"])
    assert counts.sum() == 360 and counts.trace() / 360 == pytest.approx(seen.evaluate("validation")[1])
    truth = seen.splits.validation.batch(np.arange(360))[1].numpy()
    for cell, numbers in found["behind"].items():
        row, column = map(int, cell.split(","))
        assert 0 < len(numbers) <= counts[row, column] and all(truth[number] == row for number in numbers)


def test_mistakes_are_wrong_and_the_surest_come_first(seen: Training) -> None:
    found = look(seen, "mistakes", {})
    assert found["wrong"] > 0 and found["samples"]
    assert all(sample["truth"] != sample["answer"] for sample in found["samples"])
    sure = [sample["confidence"] for sample in found["samples"]]
    assert sure == sorted(sure, reverse=True)


def test_samples_are_those_asked_for_with_their_pictures(seen: Training) -> None:
    (one, other) = look(seen, "samples", {"numbers": [7, 9, 100_000]})["samples"]
    assert (one["number"], other["number"]) == (7, 9)
    assert len(one["picture"]["bytes"]) == 64 and max(one["picture"]["bytes"]) == 255


def test_a_drawing_is_answered_as_the_same_picture_of_the_data_would_be(seen: Training) -> None:
    image = seen.splits.validation.batch(np.arange(1))[0].numpy()[0, 0]
    low, high = image.min(), image.max()
    found = look(seen, "answer", {"ink": ((image - low) / (high - low)).ravel().tolist()})
    (sample,) = look(seen, "samples", {"numbers": [0]})["samples"]
    assert found["answer"] == sample["answer"] and sum(found["scores"]) == pytest.approx(1, abs=1e-4)
    with pytest.raises(FormatError, match="8 x 8 numbers, got 3"):
        look(seen, "answer", {"ink": [0, 0, 0]})


def test_filters_are_the_first_layers_weights(seen: Training) -> None:
    pictures = look(seen, "filters", {})["pictures"]
    assert len(pictures) == 10 and {(p["width"], p["height"]) for p in pictures} == {(8, 8)}


def test_samples_of_numbers_are_told_by_their_numbers() -> None:
    training = Training(Plane(), 0)
    assert {"confusion", "samples", "mistakes"} < set(look(training, "about", {})["views"])
    (sample,) = look(training, "samples", {"numbers": [3]})["samples"]
    assert sample["picture"] is None
    np.testing.assert_allclose(sample["values"], training.splits.validation.batch(np.array([3]))[0].numpy()[0], rtol=6e-3)
    assert look(training, "mistakes", {})["samples"][0]["values"]


def test_the_border_of_a_plane_is_the_models() -> None:
    training = Training(Plane(), 0)
    found = look(training, "boundary", {"size": 8})
    assert len(found["answers"]) == 64 and len(found["points"]) == 60
    corner = Tensor(np.array([[found["low"][0], found["high"][1]]], np.float32))
    assert found["answers"][0] == training.model(corner).argmax(1).item()


def test_a_curve_is_the_models_line() -> None:
    training = Training(Line(), 0)
    found = look(training, "curve", {})
    assert found["line_y"][0] == pytest.approx(training.model(Tensor(np.array([[-1.0]], np.float32))).item())


def test_text_goes_on_from_a_beginning_and_an_unknown_character_is_named() -> None:
    training = Training(Text(), 0)
    found = look(training, "text", {"prompt": "hello", "length": 12})
    assert found["prompt"] == "hello" and len(found["text"]) == 12
    with pytest.raises(FormatError, match="does not know"):
        look(training, "text", {"prompt": "Ω"})


def test_pictures_come_back_from_an_autoencoder() -> None:
    found = look(Training(Again(), 0), "again", {})
    assert len(found["pictures"]) == len(found["again"]) == 12


def test_looking_does_not_change_what_training_does() -> None:
    one, other = Training(Digits(), 0), Training(Digits(), 0)
    for step in range(4):
        look(other, "confusion", {})
        assert one.step(step) == other.step(step)


def test_a_view_that_is_not_there_is_refused_in_words() -> None:
    with pytest.raises(FormatError, match="no view 'text'; there are boundary, confusion"):
        look(Training(Plane(), 0), "text", {})
