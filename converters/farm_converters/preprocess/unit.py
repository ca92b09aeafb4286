"""Pixels divided by 255: from 0 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farm_converters.preprocess import Sample, Target, pixels, placing

if TYPE_CHECKING:
    import numpy as np


def apply(sample: Sample, target: Target) -> np.ndarray[Any, Any]:
    """x / 255, scaled to the model's size. Raises Unfit."""
    import numpy as np

    return placing.placed(pixels.scaled(sample, target).astype(np.float32) / np.float32(255), target)
