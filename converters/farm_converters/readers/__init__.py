"""Readers of samples: files named after the form they read, listed without importing any.

A file provides ``fits(path)`` and ``open_samples(path, choices, asked)``. Whatever they read is foreign:
sizes are looked at before anything is unpacked, nothing is unpickled, and every error says which file.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from farm_agent.errors import UsageError
from farm_converters.readers.asked import Asked
from farm_converters.readers.samples import Samples

__all__ = ["Asked", "Samples", "located", "names", "open_samples"]

_HELPERS = ("__init__", "asked", "labels", "pictures", "samples")
_CHOICES = re.compile(r"[^=,]+=[^=,]+(,[^=,]+=[^=,]+)*")


class Reader(Protocol):
    """What a file must provide."""

    def fits(self, path: Path) -> bool:
        """Whether ``path``, which exists, is of this form."""

    def open_samples(self, path: Path, choices: Mapping[str, str], asked: Asked) -> Samples:
        """What lies there. Raises UsageError data.* or calib.*."""


def names() -> tuple[str, ...]:
    """Every form that can be read: csv, folder, npz."""
    found = {path.stem for path in Path(__file__).parent.glob("*.py")}
    return tuple(sorted(found - set(_HELPERS)))


def located(path: Path) -> tuple[Path, dict[str, str]]:
    """``set.npz:x=pixels,y=digits`` as the path and the arrays (or columns) chosen; both as they are when a
    file of the whole name exists."""
    text = str(path)
    if path.exists():
        return path, {}
    for at in (hit.start() for hit in re.finditer(":", text)):
        before, after = Path(text[:at]), text[at + 1 :]
        if before.exists() and _CHOICES.fullmatch(after):
            pairs = (pair.split("=", 1) for pair in after.split(","))
            return before, {key.strip(): value.strip() for key, value in pairs}
    return path, {}


def open_samples(path: Path, asked: Asked) -> Samples:
    """The samples at ``path`` (see ``located``), by the first reader that it fits.

    Raises UsageError data.missing, data.kind and what the readers raise (calib.* for calibration).
    """
    place, choices = located(path)
    if not place.exists():
        raise asked.error(f"{place}: there is no such file or folder", "missing", "check the path")
    for name in names():
        reader = cast("Reader", importlib.import_module(f"farm_converters.readers.{name}"))
        if reader.fits(place):
            try:
                return reader.open_samples(place, choices, asked)
            except UsageError:
                raise
            except OSError as error:
                why = error.strerror or str(error)
                raise asked.error(f"{place}: {why}", "unreadable", "make it readable") from error
    raise asked.error(
        f"{place}: samples are read from .npz, .csv or a folder by class",
        "kind",
        "save the samples with numpy.savez, or name a folder or a .csv",
    )
