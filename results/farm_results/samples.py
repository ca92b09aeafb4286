"""Raw samples as they come from a device: gzip of little-endian int64 rows of times in nanoseconds.

What a row holds is named by its columns: ("start", "end"), ("scheduled", "start", "end") or
("start", "end", "stream"). The latency of a row is its end minus its first time: a run that began late
because the one before it was slow has waited since its schedule.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from farm_agent.errors import MeasurementError

Samples = npt.NDArray[np.int64]
Times = npt.NDArray[Any]

PAIR = ("start", "end")
LAYOUTS = (PAIR, ("scheduled", "start", "end"), ("start", "end", "stream"))
VALUE_BYTES = 8
MOST_STREAMS = 1024
LIMIT_BYTES = 256 * 1024 * 1024
_GZIP = 31
_AGAIN = "measure again; if it happens again, check the device's disk and clock (farm doctor DEVICE)"


def read_samples(path: Path, columns: Sequence[str] = PAIR) -> Samples:
    """The samples of one process, shape [n, len(columns)].

    Raises MeasurementError samples.columns, samples.unreadable, samples.truncated, samples.too-large
    (more than 256 MiB unpacked).
    """
    return parse_samples(path.read_bytes(), path.name, columns)


def parse_samples(packed: bytes, name: str, columns: Sequence[str] = PAIR) -> Samples:
    """``read_samples`` for bytes; a small file that unpacks to a huge one is refused early."""
    row_bytes = VALUE_BYTES * len(_layout(columns, name))
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
    if not unpack.eof or len(data) % row_bytes:
        raise MeasurementError(f"{name} ends in the middle", code="samples.truncated", fix=_AGAIN)
    return np.frombuffer(data, dtype="<i8").astype(np.int64).reshape(-1, len(columns))


def durations(samples: Any, name: str, columns: Sequence[str] = PAIR, calls: int = 1) -> Times:  # noqa: ANN401
    """Time of one inference per row, end minus first time, after the rows proved to be what a working clock
    gives. With ``calls`` > 1 each row timed as many inferences, and this is their mean.

    Raises MeasurementError samples.columns, samples.empty, samples.shape, samples.clock-stepped.
    """
    rows = np.asarray(samples, dtype=np.int64)
    known = _layout(columns, name)
    if rows.size == 0:
        raise MeasurementError(f"{name} holds no samples", code="samples.empty", fix=_AGAIN)
    if rows.ndim != 2 or rows.shape[1] != len(known) or calls < 1:
        raise MeasurementError(
            f"{name} does not hold rows of {', '.join(known)}", code="samples.shape", fix=_AGAIN
        )
    if any(_steps_back(part, known) for part in by_stream(rows, known, name)):
        raise MeasurementError(
            f"{name}: the device's clock stepped back while it measured",
            code="samples.clock-stepped",
            fix=_AGAIN,
        )
    taken = rows[:, known.index("end")] - rows[:, 0]
    return taken if calls == 1 else taken / calls


def by_stream(rows: Samples, columns: Sequence[str], name: str = "a process") -> list[Samples]:
    """The rows of each stream, in order; all rows where there is only one.

    Raises MeasurementError samples.shape for more streams than any process can have.
    """
    if "stream" not in columns:
        return [rows]
    numbers = rows[:, list(columns).index("stream")]
    known = np.unique(numbers)
    if len(known) > MOST_STREAMS:
        raise MeasurementError(f"{name} names {len(known)} streams", code="samples.shape", fix=_AGAIN)
    return [rows[numbers == number] for number in known]


def _steps_back(rows: Samples, columns: Sequence[str]) -> bool:
    """Compared, not subtracted: a difference of hostile values overflows and looks fine."""
    first = rows[:, 0]
    start, end = (rows[:, list(columns).index(name)] for name in PAIR)
    bad = (end < start).any() or (start < first).any() or (first < 0).any()
    return bool(bad or (start[1:] < end[:-1]).any() or (first[1:] < first[:-1]).any())


def _layout(columns: Sequence[str], name: str) -> tuple[str, ...]:
    """The columns, when they are ones that this program knows."""
    if tuple(columns) not in LAYOUTS:
        raise MeasurementError(
            f"{name} has rows of {', '.join(map(str, columns)) or 'nothing'}, which this farm cannot read",
            code="samples.columns",
            fix="update farm; the device's agent is newer",
        )
    return tuple(columns)
