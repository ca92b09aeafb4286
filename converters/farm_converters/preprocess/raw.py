"""The values as they are: cast where every value survives (floats may lose digits), channels put in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farm_converters.preprocess import Sample, Target, Unfit, placing

if TYPE_CHECKING:
    import numpy as np


def apply(sample: Sample, target: Target) -> np.ndarray[Any, Any]:
    """An image of the model's size, or an array of its shape. Raises Unfit."""
    if not sample.picture:
        return placing.cast(placing.shaped(sample.array, target), target)
    array = sample.array if sample.array.ndim == 3 else sample.array[:, :, None]
    if array.shape != placing.size(target):
        high, wide, channels = placing.size(target)
        raise Unfit(
            "shape",
            f"is an image of {list(array.shape)}; {target.name} takes {[high, wide, channels]}",
            "scale it: --preprocess unit, signed, mnist or imagenet; or save it in that size",
        )
    return placing.placed(array, target)
