"""Pixels from -1 to 1, as MobileNet and Inception were trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farm_converters.preprocess import Sample, Target, pixels, placing

if TYPE_CHECKING:
    import numpy as np


def apply(sample: Sample, target: Target) -> np.ndarray[Any, Any]:
    """x / 127.5 - 1, scaled to the model's size. Raises Unfit."""
    import numpy as np

    image = pixels.scaled(sample, target).astype(np.float32)
    return placing.placed(image / np.float32(127.5) - np.float32(1), target)
