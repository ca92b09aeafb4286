"""ImageNet's usual evaluation: short side to 256/224 of the model's size, centre crop, mean and deviation.

The numbers are those of torchvision's reference classification weights: resize 256, crop 224, mean
(0.485, 0.456, 0.406), deviation (0.229, 0.224, 0.225) of values from 0 to 1, RGB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farm_converters.preprocess import Sample, Target, Unfit, pixels, placing

if TYPE_CHECKING:
    import numpy as np

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESIZE, CROP = 256, 224


def apply(sample: Sample, target: Target) -> np.ndarray[Any, Any]:
    """Normalised centre crop. Raises Unfit when the model takes no colour image."""
    import numpy as np

    height, width, channels = placing.size(target)
    if channels != 3:
        raise Unfit(
            "preprocess",
            f"goes into {target.name}, which takes {channels} channels; imagenet is for colours",
            "use --preprocess unit, signed or mnist",
        )
    image = pixels.with_channels(pixels.height_width_channels(sample, target), target)
    image = _cropped(_short_side(image, height, width), height, width).astype(np.float32) / np.float32(255)
    mean, deviation = np.array(MEAN, np.float32), np.array(DEVIATION, np.float32)
    return placing.placed((image - mean) / deviation, target)


def _short_side(image: np.ndarray[Any, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    """Scaled so that the crop of (height, width) takes CROP/RESIZE of the side that limits it."""
    factor = max(height * RESIZE / CROP / image.shape[0], width * RESIZE / CROP / image.shape[1])
    high, wide = (max(1, int(size * factor + 1e-6)) for size in image.shape[:2])
    return pixels.resized(image, max(high, height), max(wide, width))


def _cropped(image: np.ndarray[Any, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    top = round((image.shape[0] - height) / 2)
    left = round((image.shape[1] - width) / 2)
    return image[top : top + height, left : left + width]
