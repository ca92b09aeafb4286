"""Raw samples as they come from a device: gzip of little-endian int64 pairs (start, end) in nanoseconds."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from farm_agent.errors import MeasurementError

Samples = npt.NDArray[np.int64]

PAIR_BYTES = 16
LIMIT_BYTES = 256 * 1024 * 1024
_GZIP = 31
_AGAIN = "measure again; if it happens again, check the device's disk and clock (farm doctor DEVICE)"


def read_samples(path: Path) -> Samples:
    """The samples of one process, shape [n, 2].

    Raises MeasurementError samples.unreadable, samples.truncated, samples.too-large (above 16 million).
    """
    return parse_samples(path.read_bytes(), path.name)


def parse_samples(packed: bytes, name: str) -> Samples:
    """``read_samples`` for bytes; a small file that unpacks to a huge one is refused early."""
    unpack = zlib.decompressobj(_GZIP)
    try:
        data = unpack.decompress(packed, LIMIT_BYTES)
    except zlib.error as error:
        raise MeasurementError(
            f"{name} is not a file of samples: {error}", code="samples.unreadable", fix=_AGAIN
        ) from error
    if unpack.unconsumed_tail:
        raise MeasurementError(
            f"{name} unpacks to more than {LIMIT_BYTES} bytes", code="samples.too-large", fix=_AGAIN
        )
    if unpack.unused_data:
        raise MeasurementError(f"{name} goes on after its end", code="samples.unreadable", fix=_AGAIN)
    if not unpack.eof or len(data) % PAIR_BYTES:
        raise MeasurementError(f"{name} ends in the middle", code="samples.truncated", fix=_AGAIN)
    return np.frombuffer(data, dtype="<i8").astype(np.int64).reshape(-1, 2)


def durations(samples: Any, name: str) -> Samples:  # noqa: ANN401 - anything numpy can read
    """end - start of each pair, after the pairs proved to be what a working clock gives.

    Raises MeasurementError samples.empty, samples.shape, samples.clock-stepped.
    """
    pairs = np.asarray(samples, dtype=np.int64)
    if pairs.size == 0:
        raise MeasurementError(f"{name} holds no samples", code="samples.empty", fix=_AGAIN)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise MeasurementError(f"{name} does not hold pairs of times", code="samples.shape", fix=_AGAIN)
    start, end = pairs[:, 0], pairs[:, 1]
    # Compared, not subtracted: a difference of hostile values overflows and looks fine.
    backwards = (end < start).any() or (start[1:] < end[:-1]).any() or (start < 0).any()
    if backwards:
        raise MeasurementError(
            f"{name}: the device's clock stepped back while it measured",
            code="samples.clock-stepped",
            fix=_AGAIN,
        )
    taken: Samples = end - start
    return taken
