"""Pixels from 0 to 255 in the size and with the channels that a model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farm_converters.preprocess import Sample, Target, Unfit, placing

if TYPE_CHECKING:
    import numpy as np


def height_width_channels(sample: Sample, target: Target) -> np.ndarray[Any, Any]:
    """[H, W, C] uint8 in the sample's own size. Arrays may stand in the model's layout or as [H, W, C].

    Raises Unfit preprocess when the values are no pixels.
    """
    array = sample.array
    if array.dtype.name != "uint8":
        raise Unfit(
            "preprocess",
            f"is {array.dtype}; this preprocess takes pixels from 0 to 255 (uint8)",
            "leave --preprocess out if the samples are prepared already",
        )
    if sample.picture or array.ndim == 2:
        return array if array.ndim == 3 else array[:, :, None]
    if array.ndim != 3:
        raise Unfit("shape", f"has the shape {list(array.shape)}, which is no image", "give images")
    own = placing.layout(target)
    if own == "CHW" and array.shape[0] == target.shape[0] and array.shape[2] not in placing.CHANNELS:
        return array.transpose(1, 2, 0)
    if array.shape[2] in placing.CHANNELS and array.shape[0] not in placing.CHANNELS:
        return array
    raise Unfit(
        "layout",
        f"has the shape {list(array.shape)}: where its channels stand is not clear",
        "save images as [N, height, width, channels]",
    )


def scaled(sample: Sample, target: Target) -> np.ndarray[Any, Any]:
    """[H, W, C] uint8 of the target's size and channels; bilinear where the size differs."""
    height, width, _ = placing.size(target)
    return with_channels(resized(height_width_channels(sample, target), height, width), target)


def with_channels(image: np.ndarray[Any, Any], target: Target) -> np.ndarray[Any, Any]:
    """Gray to colour by repetition, colour to gray by ITU-R 601-2 luma, as Pillow does."""
    wanted, have = placing.size(target)[2], image.shape[2]
    if have == wanted:
        return image
    mode, other = ("RGB", "L") if wanted == 3 else ("L", "RGB")
    import numpy as np

    picture = _image(image, other).convert(mode)
    return np.asarray(picture).reshape(*image.shape[:2], wanted)


def resized(image: np.ndarray[Any, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    """[height, width, C] by Pillow's bilinear filter, which averages when it shrinks."""
    import numpy as np

    if image.shape[:2] == (height, width):
        return image
    parts = [
        _image(image[:, :, k : k + 1], "L").resize((width, height), resample=2) for k in range(image.shape[2])
    ]
    return np.stack([np.asarray(part) for part in parts], axis=-1)


def _image(array: np.ndarray[Any, Any], mode: str) -> Any:  # noqa: ANN401 - PIL.Image.Image
    import numpy as np

    try:
        from PIL import Image
    except ImportError as error:
        raise Unfit(
            "pillow",
            "has another size or channels than the model takes; Pillow, which adapts it, is missing",
            "pip install 'edgefarm[images]'",
        ) from error
    image = Image.fromarray(np.ascontiguousarray(array[:, :, 0] if mode == "L" else array))
    return image
