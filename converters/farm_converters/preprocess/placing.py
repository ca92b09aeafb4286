"""Put an array into the model's layout and type, where there is one way only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farm_converters.preprocess import Target, Unfit

if TYPE_CHECKING:
    import numpy as np

CHANNELS = (1, 3)


def strict(array: np.ndarray[Any, Any], target: Target) -> np.ndarray[Any, Any]:
    """The array itself: its type is the model's, and so is its shape but for axes of size 1."""
    if str(array.dtype) != target.dtype:
        raise Unfit(
            "dtype",
            f"is {array.dtype}; {target.name} takes {target.dtype}",
            "say how they become that: --preprocess raw keeps the values, unit divides 0..255 by 255"
            " (farm bench --help lists all), or save them as the network was trained",
        )
    return shaped(array, target)


def shaped(array: np.ndarray[Any, Any], target: Target) -> np.ndarray[Any, Any]:
    """With the axes of size 1 that the target has. Raises Unfit shape."""
    if array.shape == target.shape:
        return array
    if [size for size in array.shape if size != 1] == [size for size in target.shape if size != 1]:
        return array.reshape(target.shape)
    raise Unfit(
        "shape",
        f"has the shape {list(array.shape)}; a sample of {target.name} is {list(target.shape)}",
        "save samples of that shape; named preprocesses also scale images and order their channels",
    )


def cast(array: np.ndarray[Any, Any], target: Target) -> np.ndarray[Any, Any]:
    """As the target's type, where floats may lose digits and nothing else may change. Raises Unfit dtype."""
    import numpy as np

    wanted = np.dtype(target.dtype)
    if array.dtype == wanted:
        return array
    if array.dtype.kind not in "iufb":
        raise Unfit("dtype", f"is {array.dtype}, which is no number", f"save the samples as {target.dtype}")
    with np.errstate(all="ignore"):
        result = array.astype(wanted)
        if array.dtype.kind == "f" and wanted.kind == "f":
            kept = bool(np.array_equal(np.isfinite(array), np.isfinite(result)))
        else:
            kept = bool(np.array_equal(result.astype(array.dtype), array))
    if not kept:
        raise Unfit(
            "dtype",
            f"holds {array.dtype} values that {target.dtype} cannot hold",
            f"save the samples as {target.dtype}",
        )
    return result


def layout(target: Target) -> str:
    """Where the channels of an image input stand: CHW, HWC, or HW without. Raises Unfit layout."""
    shape = target.shape
    if len(shape) == 2:
        return "HW"
    if len(shape) != 3:
        raise Unfit("layout", f"{target.name} takes {list(shape)}, which is no image", "give an .npz")
    first, last = shape[0] in CHANNELS, shape[2] in CHANNELS
    if first == last:
        why = "both ends could be the channels" if first else "neither end is 1 or 3 channels"
        raise Unfit(
            "layout", f"{target.name} takes {list(shape)}: {why}", "give an .npz in the model's own layout"
        )
    return "CHW" if first else "HWC"


def size(target: Target) -> tuple[int, int, int]:
    """(height, width, channels) of an image input. Raises Unfit layout."""
    kind = layout(target)
    if kind == "HW":
        return target.shape[0], target.shape[1], 1
    if kind == "CHW":
        return target.shape[1], target.shape[2], target.shape[0]
    return target.shape[0], target.shape[1], target.shape[2]


def placed(image: np.ndarray[Any, Any], target: Target) -> np.ndarray[Any, Any]:
    """[H, W, C] in the target's layout and type."""
    import numpy as np

    if layout(target) == "CHW":
        image = image.transpose(2, 0, 1)
    elif layout(target) == "HW":
        image = image[:, :, 0]
    return np.ascontiguousarray(cast(image, target))
