"""Where src/distml_py/data/digits.safetensors comes from: scikit-learn's copy of the UCI digits, split by a fixed rule.

The rule. Sample i of scikit-learn's order gets the key SHA-256("distml_py digits split 0: i"). Each class, ordered by key,
gives its first samples to the test part, as many next ones to the validation part and the rest to training; how many is the
class's share of 360, rounded so that they add up (largest remainders first, then the smaller class). Each part is ordered
by key. No random number generator takes part, so no version of one can change the split.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from distml_py import safetensors

FILE = Path(__file__).parents[2] / "src" / "distml_py" / "data" / "digits.safetensors"
PART_SAMPLES = 360  # of the test and of the validation part


def split(labels: np.ndarray) -> dict[str, list[int]]:
    """The indices of each part, by the rule above."""
    keys = [hashlib.sha256(f"distml_py digits split 0: {i}".encode()).digest() for i in range(len(labels))]
    counts = class_counts(np.bincount(labels))
    parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for digit, count in enumerate(counts):
        members = sorted(np.flatnonzero(labels == digit).tolist(), key=keys.__getitem__)
        parts["test"] += members[:count]
        parts["validation"] += members[count : 2 * count]
        parts["train"] += members[2 * count :]
    return {part: sorted(indices, key=keys.__getitem__) for part, indices in parts.items()}


def class_counts(sizes: np.ndarray) -> list[int]:
    """How many samples of each class the test part takes; they add up to PART_SAMPLES."""
    total = int(sizes.sum())
    counts = [int(size) * PART_SAMPLES // total for size in sizes]
    remainders = [int(size) * PART_SAMPLES % total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda digit: (-remainders[digit], digit))
    for digit in by_remainder[: PART_SAMPLES - sum(counts)]:
        counts[digit] += 1
    return counts


def digits_tensors() -> dict[str, np.ndarray]:
    """The six arrays of the file: images (n, 8, 8) with values 0-16 and labels (n,), uint8, for each part."""
    source = load_digits()
    images, labels = source.images.astype(np.uint8), source.target.astype(np.uint8)
    tensors = {}
    for part, indices in split(labels).items():
        tensors[f"{part}_images"] = images[indices]
        tensors[f"{part}_labels"] = labels[indices]
    return tensors


if __name__ == "__main__":
    data = safetensors.dumps(digits_tensors())
    if "--write" in sys.argv:
        FILE.write_bytes(data)
    print(f"{FILE}: {'equal to' if FILE.read_bytes() == data else 'NOT'} what scikit-learn's digits give")
