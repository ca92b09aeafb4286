"""Samples as a reader found them, read one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

MAX_BYTES = 4 << 30
MAX_SAMPLES = 10_000_000


class Samples(Protocol):
    """``labels``: int64 [N] (class numbers), float32 [N, ...], or None. ``classes``: their names, where the
    numbers were given by us. ``pictures``: arrays are decoded images, [H, W] or [H, W, 3] uint8.
    ``extras``: further arrays of the file by name, such as a scale. ``notes``: what was left out."""

    count: int
    labels: np.ndarray[Any, Any] | None
    classes: tuple[str, ...]
    pictures: bool
    extras: Mapping[str, np.ndarray[Any, Any]]
    notes: tuple[str, ...]

    def where(self, index: int) -> str:
        """Which file, row or array a sample is, for messages."""

    def read(self, index: int) -> dict[str, np.ndarray[Any, Any]]:
        """One sample: an array per input of the model. Raises UsageError data.* or calib.*."""
