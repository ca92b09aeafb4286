"""Labels as people write them: class numbers, class names, or values of a regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_converters.readers.asked import Asked

if TYPE_CHECKING:
    import numpy as np

FILE = "labels.txt"
MAX_NAMES_BYTES = 4 << 20
_FIX = "labels are class numbers from 0 (integers, one per sample), or numbers for a regression"


def listed(folder: Path, asked: Asked) -> tuple[str, ...]:
    """Class names of ``folder``/labels.txt, one per line in the order of the class numbers; () if none."""
    path = folder / FILE
    if not path.is_file():
        return ()
    if path.stat().st_size > MAX_NAMES_BYTES:
        raise asked.error(f"{path}: larger than any list of names", "labels", "one class name per line")
    try:
        names = tuple(line.strip() for line in path.read_text("utf-8-sig").splitlines())
    except ValueError as error:
        raise asked.error(f"{path}: it is no UTF-8 text", "labels", "one class name per line") from error
    while names and not names[-1]:
        names = names[:-1]
    if len(set(names)) != len(names) or not all(names):
        raise asked.error(f"{path}: a name is empty or appears twice", "labels", "one class name per line")
    return names


def from_array(path: Path, name: str, array: np.ndarray[Any, Any], asked: Asked) -> np.ndarray[Any, Any]:
    """Integers [N] from 0 as int64; finite floats [N, ...] as float32. Raises UsageError data.labels."""
    import numpy as np

    what = f"{path}: {name} is {array.dtype}{list(array.shape)}"
    if array.ndim and len(array) and array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        if bad.any():
            raise asked.error(f"{path}: {name}[{int(bad.argmax())}] is no finite float32", "labels", _FIX)
        return array
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iub" or not len(array):
        raise asked.error(what, "labels", _FIX)
    for at in (int(array.argmin()), int(array.argmax())):
        if not 0 <= int(array[at]) <= 2**52:
            raise asked.error(f"{path}: {name}[{at}] is {int(array[at])}", "labels", _FIX)
    return array.astype(np.int64)


def from_names(
    path: Path, names: Sequence[str], known: Sequence[str], asked: Asked, where: Callable[[int], str]
) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    """Class numbers of what was written, and the classes' names when the numbers are ours.

    In ``known`` (labels.txt) a name's place is its number. Else integers are class numbers themselves, other
    numbers values of a regression, and names are numbered in their sorted order.
    """
    import numpy as np

    if known:
        numbers = {name: index for index, name in enumerate(known)}
        for row, name in enumerate(names):
            if name not in numbers:
                raise asked.error(
                    f"{where(row)}: the class {name!r} does not stand in {FILE}",
                    "labels",
                    f"add it to {FILE}",
                )
        return np.array([numbers[name] for name in names], np.int64), tuple(known)
    values = [_number(name) for name in names]
    if all(value is not None for value in values):
        whole = all(name.strip().lstrip("+-").isdigit() for name in names)
        array = np.array(values, np.float64)
        if not np.isfinite(array).all() or (np.abs(array) > 2**52).any():
            row = int((~np.isfinite(array) | (np.abs(array) > 2**52)).argmax())
            raise asked.error(f"{where(row)}: {names[row]!r} is no label", "labels", _FIX)
        return from_array(path, "label", array.astype(np.int64) if whole else array, asked), ()
    if any(value is not None for value in values):
        row = next(k for k, value in enumerate(values) if (value is None) != (values[0] is None))
        raise asked.error(
            f"{where(row)}: {names[row]!r} among labels like {names[0]!r}: numbers and names are mixed",
            "labels",
            f"write class numbers throughout, or list the names in {FILE}",
        )
    return sorted_classes(names)


def sorted_classes(names: Sequence[str]) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    """Class numbers by the sorted order of the names, and the names in that order."""
    import numpy as np

    classes = tuple(sorted(set(names)))
    numbers = {name: index for index, name in enumerate(classes)}
    return np.array([numbers[name] for name in names], np.int64), classes


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
