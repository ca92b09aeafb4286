"""A file that another program writes: separated values with time stamps, PTDaemon's log, FNIRSI's log.

The file may grow while the device is measured; each read takes what is new. What its times count from must
be said: farm guesses no time base.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.errors import UsageError
from farm.kinds import Key
from farm.power import MeterError, MeterSettings
from farm.power.common import fnirsi, ptdaemon, table
from farm_agent.messages.traces import Channel

INTERVAL_S = 0.5
STEP_BYTES = 1024 * 1024
LINE_BYTES = 64 * 1024
LOOKS = 5
KEYS = {
    "path": Key((str,), required=True),
    "format": Key((str,), choices=("table", "ptdaemon", "fnirsi")),
    "time": Key((str,), required=True, choices=("unix", "monotonic", "utc", "local")),
    "time_column": Key((int, str)),
    "time_unit": Key((str,), choices=("s", "ms", "us", "ns")),
    "value_column": Key((int, str)),
    "unit": Key((str,), choices=("W", "mW", "J", "mJ")),
    "separator": Key((str,)),
    "date": Key((str,), choices=("day-first", "month-first")),
    "quantum": Key((float, int)),
    "wraps_at": Key((float, int)),
}


@dataclass
class _Place:
    """How far the file was read."""

    offset: int = 0
    rest: bytes = b""


class Log:
    """A Meter (see ``farm.power``) that follows a file."""

    def __init__(
        self, path: Path, parser: table.Parser, channel: Channel, interval_s: float, base: str
    ) -> None:
        self._path = path
        self._parser = parser
        self._channel = channel
        self._interval_s = interval_s
        self._base = base
        self._place = _Place()

    @property
    def channel(self) -> Channel:
        """What the file holds."""
        return self._channel

    @property
    def interval_s(self) -> float:
        """How often to look."""
        return self._interval_s

    def read(self) -> Sequence[tuple[int, float]]:
        """The new rows. Raises MeterError meter.silent (gone, cut), meter.garbled, meter.date."""
        shift_ns = _shift_ns() if self._base != "monotonic" else 0
        rows = self._parser.rows(self._lines())
        return tuple((time_ns + shift_ns, value) for time_ns, value in rows)

    def close(self) -> None:
        """The file is open only while it is read."""

    def _lines(self) -> list[str]:
        place = self._place
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < place.offset:
                    raise MeterError(
                        f"{self._path} became shorter", code="meter.silent", fix="let its writer append to it"
                    )
                file.seek(place.offset)
                data = file.read(STEP_BYTES)
        except OSError as error:
            raise MeterError(
                f"{self._path} cannot be read: {error.strerror}",
                code="meter.silent",
                fix="check the path and that the logging program runs",
            ) from error
        place.offset += len(data)
        *lines, place.rest = (place.rest + data).split(b"\n")
        if len(place.rest) > LINE_BYTES:
            place.rest = b""
            raise MeterError(
                f"{self._path} has a line of more than {LINE_BYTES} bytes",
                code="meter.garbled",
                fix="check what writes it",
            )
        return [line.decode("utf-8", "replace").strip() for line in lines]


def _shift_ns() -> int:
    """From unix time to our monotonic clock. Of several looks at both the quickest: the process may be held
    up between two readings for longer than a meter's whole interval."""
    looks = []
    for _ in range(LOOKS):
        before_ns, unix_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        looks.append((after_ns - before_ns, (before_ns + after_ns) // 2 - unix_ns))
    return min(looks)[1]


def open(settings: MeterSettings) -> Log:  # noqa: A001 - the seam's name
    """Raises UsageError meter.time, meter.column; MeterError when the file is not there."""
    layout, base = settings.text("format", "table"), settings.text("time")
    path = Path(settings.folder) / Path(settings.text("path")).expanduser()
    parser, scope, kind, quantum = _parser(settings, layout, base)
    log = Log(
        path,
        parser,
        settings.channel(scope, kind=kind, quantum=quantum, wraps_at=_scaled(settings, "wraps_at")),
        settings.number("interval_s", INTERVAL_S),
        base,
    )
    if not path.is_file():
        raise MeterError(
            f"{path} is not there", code="meter.missing", fix="start the program that writes it, then measure"
        )
    return log


def _parser(settings: MeterSettings, layout: str, base: str) -> tuple[table.Parser, str, str, float | None]:
    """(parser, scope, kind of channel, quantum)."""
    allowed = {"table": ("unix", "monotonic"), "ptdaemon": ("utc", "local"), "fnirsi": ("unix",)}[layout]
    if base not in allowed:
        raise UsageError(
            f"a {layout} file cannot have time = {base!r}",
            code="meter.time",
            fix=f"use one of: {', '.join(allowed)}",
        )
    if layout == "ptdaemon":
        return ptdaemon.Parser(base, settings.text("date")), "wall", "power_w", None
    if layout == "fnirsi":
        return fnirsi.Parser(), "input", "power_w", None
    kind = "energy_j" if settings.text("unit", "W").endswith("J") else "power_w"
    parser = table.Table(
        time_column=settings.options.get("time_column", 0),
        value_column=settings.options.get("value_column", 1),
        time_scale_ns={"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}[settings.text("time_unit", "s")],
        value_scale=_scale(settings),
        separator=settings.text("separator", ","),
    )
    return parser, "wall", kind, _scaled(settings, "quantum")


def _scale(settings: MeterSettings) -> float:
    return 1e-3 if settings.text("unit", "W").startswith("m") else 1.0


def _scaled(settings: MeterSettings, key: str) -> float | None:
    return _scale(settings) * settings.number(key, 0.0) if key in settings.options else None
