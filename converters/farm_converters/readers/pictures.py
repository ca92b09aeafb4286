"""One file that holds one sample: an image (by Pillow) or an .npy array."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_converters.readers.asked import Asked

if TYPE_CHECKING:
    import numpy as np

IMAGES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}
ARRAY = ".npy"
MAX_PIXELS = 64_000_000
MAX_FILE_BYTES = 512 << 20


def is_sample(path: Path) -> bool:
    """Whether the name says that it is an image or an array."""
    return path.suffix.lower() in (*IMAGES, ARRAY)


def is_image(path: Path) -> bool:
    """Whether the name says that it is an image."""
    return path.suffix.lower() in IMAGES


def read(path: Path, asked: Asked) -> np.ndarray[Any, Any]:
    """[H, W] or [H, W, 3] uint8 of an image, or the array of an .npy file.

    Raises UsageError data.missing, .unreadable, .too-large, .pillow (or calib.*).
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise asked.error(f"{path}: {error.strerror}", "missing", "check the path") from error
    if not path.is_file():
        raise asked.error(f"{path}: it is no file", "unreadable", "name files")
    if size > MAX_FILE_BYTES:
        raise asked.error(f"{path}: {size / 2**20:.0f} MiB for one sample", "too-large", "use smaller files")
    if path.suffix.lower() == ARRAY:
        return _array(path, asked)
    if path.suffix.lower() not in IMAGES:
        known = ", ".join((*IMAGES, ARRAY))
        raise asked.error(f"{path}: samples are {known}", "unreadable", "convert it to one of these")
    return _image(path, asked)


def _array(path: Path, asked: Asked) -> np.ndarray[Any, Any]:
    import numpy as np

    try:
        return np.asarray(np.load(path, allow_pickle=False, mmap_mode="r"))
    except Exception as error:
        reason = f"{path}: it cannot be read as .npy ({error})"
        raise asked.error(reason, "unreadable", "save it with numpy.save, without objects") from error


def _image(path: Path, asked: Asked) -> np.ndarray[Any, Any]:
    import numpy as np

    image_module = pillow(asked)
    try:
        with path.open("rb") as file, image_module.open(file, formats=sorted(set(IMAGES.values()))) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                what = f"{path}: {width} x {height} pixels"
                raise asked.error(
                    what, "too-large", f"scale images to at most {MAX_PIXELS / 1e6:.0f} Mpixels"
                )
            if image.mode.startswith(("I", "F")):
                raise asked.error(
                    f"{path}: its pixels are {image.mode}, not 8 bits", "unreadable", "save it with 8 bits"
                )
            wanted = "L" if image.mode in ("1", "L") else "RGB"
            return np.array(image.convert(wanted), dtype=np.uint8)
    except image_module.DecompressionBombError as error:
        what = f"{path}: far over {MAX_PIXELS / 1e6:.0f} Mpixels"
        raise asked.error(what, "too-large", "leave it out, or scale it down") from error
    except image_module.UnidentifiedImageError as error:
        kinds = ", ".join(sorted(set(IMAGES.values())))
        what = f"{path}: it is none of {kinds}, whatever its name says"
        raise asked.error(what, "unreadable", "leave it out, or save it again") from error
    except (OSError, ValueError, SyntaxError, MemoryError, OverflowError, EOFError, TypeError) as error:
        reason = f"{path}: it cannot be read as an image ({error})"
        raise asked.error(reason, "unreadable", "leave it out, or save it again") from error


def pillow(asked: Asked) -> Any:  # noqa: ANN401 - the module PIL.Image
    """The module PIL.Image. Raises UsageError data.pillow when it is not installed."""
    import warnings

    try:
        from PIL import Image
    except ImportError as error:
        raise asked.error(
            "images are read by Pillow, which is not installed", "pillow", "pip install 'edgefarm[images]'"
        ) from error
    # ours is the limit that counts; Pillow's own warning would only repeat it on the terminal
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    return Image
