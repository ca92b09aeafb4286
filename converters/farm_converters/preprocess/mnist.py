"""Pixels normalised by the mean and deviation of MNIST's training set (0.1307, 0.3081)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farm_converters.preprocess import Sample, Target, pixels, placing

if TYPE_CHECKING:
    import numpy as np

MEAN, DEVIATION = 0.1307, 0.3081


def apply(sample: Sample, target: Target) -> np.ndarray[Any, Any]:
    """(x / 255 - 0.1307) / 0.3081, scaled to the model's size. Raises Unfit."""
    import numpy as np

    image = pixels.scaled(sample, target).astype(np.float32) / np.float32(255)
    return placing.placed((image - np.float32(MEAN)) / np.float32(DEVIATION), target)
