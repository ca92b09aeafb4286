"""Integers with a scale: real = scale * (integer - zero_point); the file holds q, scale and zero_point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farm_converters.preprocess import Sample, Target, Unfit, placing

if TYPE_CHECKING:
    import numpy as np


def apply(sample: Sample, target: Target) -> np.ndarray[Any, Any]:
    """One scale for all values; zero_point is 0 where the file has none. Raises Unfit preprocess."""
    import numpy as np

    scale = sample.extras.get("scale")
    zero = sample.extras.get("zero_point", np.zeros((), np.int64))
    if scale is None or scale.size != 1 or zero.size != 1 or sample.array.dtype.kind not in "iu":
        raise Unfit(
            "preprocess",
            "is not quantised: dequantise needs integers, and an array scale with one number",
            "save q (integers) and scale; see docs/accuracy.md",
        )
    if not np.isfinite(scale).all() or float(scale.reshape(())) <= 0 or zero.dtype.kind not in "iu":
        raise Unfit("preprocess", "has a scale that is not above zero", "save the scale that made q")
    factor = np.asarray(scale.reshape(()), np.float32)
    real = (sample.array.astype(np.int64) - int(zero.reshape(()))).astype(np.float32) * factor
    return placing.shaped(placing.cast(real, target), target)
