"""1,797 handwritten digits of 8 x 8 pixels: real data that ships with the library.

Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI (CC BY 4.0); see LICENSE-digits.txt.
"""

from __future__ import annotations

from importlib import resources

import numpy as np

from .. import safetensors
from .dataset import Splits, TensorDataset

MEAN, DEVIATION = 0.305, 0.376


def digits() -> Splits:
    """A fixed, stratified split of 1,077 / 360 / 360. Images (n, 1, 8, 8), float32; labels (n,), int64.

    Images are standardised: ink in [0, 1], less the training split's mean MEAN, in units of its deviation DEVIATION.
    """
    data = safetensors.loads(resources.files(__package__).joinpath("digits.safetensors").read_bytes())

    def part(name: str) -> TensorDataset:
        images = data[f"{name}_images"].astype(np.float32)[:, None] / np.float32(16)
        images = (images - np.float32(MEAN)) / np.float32(DEVIATION)
        return TensorDataset(images, data[f"{name}_labels"].astype(np.int64))

    return Splits(part("train"), part("validation"), part("test"))
