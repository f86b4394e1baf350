"""What people look at in a model while it trains: answers, mistakes, borders, filters, text. It reads, and changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .errors import FormatError
from .recipe import EVALUATION_BATCH, Training
from .tensor import Tensor, no_grad

MOST_SAMPLES = 2000
MOST_PICTURES = 32
MOST_POINTS = 400
BEHIND_A_CELL = 12
MOST_VALUES = 6
LONGEST_TEXT = 400
LARGEST_GRID = 64

Found = dict[str, Any]


def look(training: Training, what: str, options: Mapping[str, Any]) -> Found:
    """One view as plain data. what: a key of VIEWS. Raises FormatError when this model has no such view."""
    view = VIEWS.get(what)
    if view is None or (what != "about" and what not in about(training, {})["views"]):
        raise FormatError(f"this model has no view {what!r}; there are {', '.join(about(training, {})['views']) or 'none'}")
    was_training = training.model.training
    training.model.eval()
    try:
        with no_grad():
            return view(training, options)
    finally:
        training.model.train(was_training)


def about(training: Training, options: Mapping[str, Any]) -> Found:
    """What kind of task this is, seen from one sample, and which views it has."""
    inputs, labels = _first(training)
    kind = _kind(training, inputs, labels)
    views = {
        "picture classes": ["confusion", "samples", "mistakes", "answer", "filters"],
        "plane classes": ["boundary", "confusion", "samples", "mistakes"],
        "classes": ["confusion", "samples", "mistakes"],
        "curve": ["curve"],
        "text": ["text"],
        "pictures again": ["again", "filters"],
    }.get(kind, [])
    if "filters" in views and _filters(training) is None:
        views.remove("filters")
    return {
        "kind": kind,
        "views": views,
        "classes": _classes(training, labels) if kind.endswith("classes") else [],
        "shape": [int(size) for size in inputs.shape[1:]],
        "parameters": sum(math.prod(parameter.shape) for parameter in training.parameters.values()),
        "samples": {name: len(getattr(training.splits, name)) for name in ("train", "validation", "test")},
    }


def _first(training: Training) -> tuple[np.ndarray, np.ndarray | None]:
    batch = training.splits.train.batch(np.arange(1))
    arrays = [part.numpy() for part in batch]
    return arrays[0], arrays[1] if len(arrays) > 1 else None


def _kind(training: Training, inputs: np.ndarray, labels: np.ndarray | None) -> str:
    if _whole(inputs) and inputs.ndim == 2 and hasattr(training.model, "generate"):
        return "text"
    picture = inputs.ndim == 4 and inputs.shape[1] in (1, 3)
    if labels is None:
        return "pictures again" if picture and hasattr(training.recipe, "again") else "other"
    if labels.ndim == 1 and _whole(labels):
        if picture or inputs.ndim != 2:
            return "picture classes" if picture else "other"
        return "plane classes" if inputs.shape[1] == 2 else "classes"
    return "curve" if inputs.ndim == 2 and inputs.shape[1] == 1 and not _whole(labels) else "other"


def _whole(array: np.ndarray) -> bool:
    return np.issubdtype(array.dtype, np.integer)


def _classes(training: Training, labels: np.ndarray | None) -> list[str]:
    """The recipe's `classes`, else the numbers of as many classes as the model tells apart."""
    count = int(_scores(training, training.splits.validation, np.arange(1)).shape[1])
    named = [str(name) for name in getattr(training.recipe, "classes", [])]
    return named if len(named) == count else [str(number) for number in range(count)]


def _scores(training: Training, split: Any, numbers: np.ndarray) -> np.ndarray:
    """Probabilities (n, classes)."""
    parts = []
    with no_grad():
        for first in range(0, len(numbers), EVALUATION_BATCH):
            inputs = split.batch(numbers[first : first + EVALUATION_BATCH])[0]
            parts.append(training.model(inputs).softmax(1).detach().numpy())
    return np.concatenate(parts)


def _judged(training: Training) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(probabilities, true classes, sample numbers) of the validation split, at most MOST_SAMPLES of it."""
    split = training.splits.validation
    numbers = np.arange(min(len(split), MOST_SAMPLES))
    truth = split.batch(numbers)[1].numpy()
    return _scores(training, split, numbers), truth, numbers


def _confusion(training: Training, options: Mapping[str, Any]) -> Found:
    """counts[truth][answer]; behind "truth,answer" the numbers of some validation samples."""
    scores, truth, numbers = _judged(training)
    answers, size = scores.argmax(1), scores.shape[1]
    counts = np.zeros((size, size), int)
    np.add.at(counts, (truth, answers), 1)
    behind: dict[str, list[int]] = {}
    for number, true, answer in zip(numbers, truth, answers, strict=True):
        cell = behind.setdefault(f"{true},{answer}", [])
        if len(cell) < BEHIND_A_CELL:
            cell.append(int(number))
    return {"counts": counts.tolist(), "behind": behind}


def _samples(training: Training, options: Mapping[str, Any]) -> Found:
    """Validation samples with what the model says of them. numbers: which ones; default: spread over the split."""
    split = training.splits.validation
    asked = options.get("numbers")
    spread = np.linspace(0, len(split) - 1, min(len(split), 24)).astype(int)
    numbers = spread if asked is None else np.array([int(n) for n in asked if 0 <= int(n) < len(split)][:MOST_PICTURES], int)
    if not len(numbers):
        return {"samples": []}
    return {"samples": _told(training, numbers, _scores(training, split, numbers))}


def _mistakes(training: Training, options: Mapping[str, Any]) -> Found:
    """The validation samples that the model is surest of, and wrong."""
    scores, truth, numbers = _judged(training)
    answers = scores.argmax(1)
    wrong = np.flatnonzero(answers != truth)
    worst = wrong[np.argsort(-scores[wrong, answers[wrong]], kind="stable")][:24]
    return {"samples": _told(training, numbers[worst], scores[worst]) if len(worst) else [], "wrong": len(wrong), "of": len(truth)}


def _told(training: Training, numbers: np.ndarray, scores: np.ndarray) -> list[Found]:
    inputs, labels = (part.numpy() for part in training.splits.validation.batch(numbers)[:2])
    pictures = _pictures(inputs) if inputs.ndim == 4 else [None] * len(numbers)
    values = [[float(f"{value:.3g}") for value in row[:MOST_VALUES]] if inputs.ndim == 2 else None for row in inputs]
    return [
        {
            "number": int(number),
            "truth": int(label),
            "answer": int(row.argmax()),
            "confidence": float(row.max()),
            "picture": picture,
            "values": value,
        }
        for number, label, row, picture, value in zip(numbers, labels, scores, pictures, values, strict=True)
    ]


def _pictures(images: np.ndarray, low: float | None = None, high: float | None = None) -> list[Found]:
    """Images (n, c, h, w) as bytes in rows, 0-255; c 1 or 3. low, high: what is black and white, default the extremes."""
    low = float(images.min()) if low is None else low
    high = float(images.max()) if high is None else high
    grey = np.clip((images - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    height, width = images.shape[2:]
    size = {"width": width, "height": height}
    return [size | {"channels": len(one), "bytes": one.transpose(1, 2, 0).ravel().tolist()} for one in grey]


def _answer(training: Training, options: Mapping[str, Any]) -> Found:
    """What the model says of a drawing. ink: (h * w,) numbers from 0 to 1, for pictures of one channel or three equal ones."""
    inputs, labels = _first(training)
    channels, height, width = inputs.shape[1:]
    ink = np.asarray(options.get("ink", []), np.float32)
    if ink.shape != (height * width,) or not np.isfinite(ink).all():
        raise FormatError(f"a drawing for this model has {height} x {width} numbers, got {ink.size}")
    seen = training.splits.train.batch(np.arange(min(len(training.splits.train), 256)))[0].numpy()
    low, high = float(seen.min()), float(seen.max())  # what the recipe made of no ink, and of the most
    image = np.broadcast_to(low + ink.reshape(1, 1, height, width) * (high - low), (1, channels, height, width))
    scores = training.model(Tensor(np.ascontiguousarray(image, np.float32))).softmax(1).detach().numpy()[0]
    return {"scores": [float(score) for score in scores], "answer": int(scores.argmax())}


def _boundary(training: Training, options: Mapping[str, Any]) -> Found:
    """The class at each place of a grid over the plane, how sure the model is of it, and the samples."""
    split = training.splits.train
    points, labels = (part.numpy() for part in split.batch(np.arange(min(len(split), MOST_POINTS))))
    low, high = points.min(0), points.max(0)
    margin = (high - low) * 0.06 + 1e-6
    low, high = low - margin, high + margin
    size = int(min(max(int(options.get("size", 40)), 2), LARGEST_GRID))
    xs, ys = np.linspace(low[0], high[0], size), np.linspace(high[1], low[1], size)
    grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2).astype(np.float32)
    scores = training.model(Tensor(grid)).softmax(1).detach().numpy()
    return {
        "size": size,
        "low": low.tolist(),
        "high": high.tolist(),
        "answers": scores.argmax(1).tolist(),
        "sure": np.round(scores.max(1), 3).tolist(),
        "points": np.round(points, 4).tolist(),
        "labels": labels.tolist(),
    }


def _curve(training: Training, options: Mapping[str, Any]) -> Found:
    """A function of one number: the samples, and the model's line through them."""
    split = training.splits.train
    x, y = (part.numpy() for part in split.batch(np.arange(min(len(split), MOST_POINTS)))[:2])
    line = np.linspace(x.min(), x.max(), 128, dtype=np.float32)[:, None]
    told = training.model(Tensor(line)).detach().numpy().reshape(len(line), -1)[:, 0]
    y = y.reshape(len(y), -1)[:, 0]
    return {"x": x[:, 0].tolist(), "y": y.tolist(), "line_x": line[:, 0].tolist(), "line_y": told.tolist()}


def _filters(training: Training) -> np.ndarray | None:
    """The first layer's weights as pictures (n, c, h, w), where they are some."""
    inputs, _ = _first(training)
    channels, height, width = inputs.shape[1:]
    for parameter in training.parameters.values():
        if parameter.ndim == 4 and parameter.shape[1] == channels:
            return parameter.detach().numpy()[:MOST_PICTURES]
        if parameter.ndim == 2 and parameter.shape[1] == channels * height * width:
            return parameter.detach().numpy()[:MOST_PICTURES].reshape(-1, channels, height, width)
    return None


def _show_filters(training: Training, options: Mapping[str, Any]) -> Found:
    found = _filters(training)
    assert found is not None
    most = float(np.abs(found).max())
    return {"pictures": _pictures(found, -most, most)}


def _text(training: Training, options: Mapping[str, Any]) -> Found:
    """What the model writes after a beginning, in characters of the recipe's tokenizer. goes_on: its end can be a beginning."""
    tokenizer = getattr(training.recipe, "tokenizer", None)
    prompt = str(options.get("prompt") or "")
    known = training.splits.validation.batch(np.arange(1))[0].numpy()[0]
    try:
        tokens = np.asarray(tokenizer.encode(prompt) if tokenizer and prompt else known[:8], np.int32)
    except (KeyError, ValueError, IndexError) as error:
        raise FormatError(f"the model does not know a character of the beginning: {error}") from None
    length = int(min(max(int(options.get("length", 120)), 1), LONGEST_TEXT))
    generate = getattr(training.model, "generate")  # noqa: B009  # a Module's attribute, which its type does not promise
    told = generate(Tensor(tokens[None]), length, float(options.get("temperature", 0.8)), 20).numpy()[0]
    decode: Callable[[Any], str] = tokenizer.decode if tokenizer else lambda found: " ".join(map(str, found))
    return {"prompt": decode(tokens), "text": decode(told[len(tokens) :]), "goes_on": tokenizer is not None}


def _again(training: Training, options: Mapping[str, Any]) -> Found:
    """Pictures, and what the model makes of them (the recipe's again(model, pictures))."""
    split = training.splits.validation
    images = split.batch(np.arange(min(len(split), 12)))[0]
    again = training.recipe.again(training.model, images)  # type: ignore[attr-defined]
    return {"pictures": _pictures(images.detach().numpy()), "again": _pictures(again.detach().numpy().reshape(images.shape))}


VIEWS: dict[str, Callable[[Training, Mapping[str, Any]], Found]] = {
    "about": about,
    "confusion": _confusion,
    "samples": _samples,
    "mistakes": _mistakes,
    "answer": _answer,
    "boundary": _boundary,
    "curve": _curve,
    "filters": _show_filters,
    "text": _text,
    "again": _again,
}
