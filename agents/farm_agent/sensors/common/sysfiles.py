"""Sensors that are files of the kernel: one channel per file, one number per file."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.traces import Channel
from farm_agent.sensors import SensorError
from farm_agent.sensors.common import plausible

READ_LIMIT_BYTES = 65536
INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
DENIED = (errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Source:
    """A channel and the file behind it; a value is the file's integer times ``scale``.

    ``least``: an integer below it means that the kernel has no value.
    """

    channel: Channel
    path: Path
    scale: float = 1.0
    least: Optional[int] = None


def read_text(path: Path) -> str:
    """A pseudo-file's text without blanks around it. Raises SensorError like ``read_whole``."""
    return read_whole(path).strip("\0 \t\r\n")


def read_whole(path: Path) -> str:
    """A pseudo-file's text as it is.

    Raises SensorError ``sensor.permission`` or ``sensor.silent``.
    """
    try:
        with open(path, "rb") as file:
            return file.read(READ_LIMIT_BYTES).decode("utf-8", "replace")
    except OSError as error:
        denied = error.errno in DENIED
        raise SensorError(
            f"cannot read {path}: {error.strerror}",
            code="sensor.permission" if denied else "sensor.silent",
            fix=f"let the agent's user read {path}" if denied else "",
        ) from error


def read_word(path: Path) -> str:
    """Like ``read_text``, but "" where it cannot be read."""
    try:
        return read_text(path)
    except SensorError:
        return ""


def parse_integer(text: str) -> Optional[int]:
    """A decimal integer of at most 19 digits; None for anything else."""
    text = text.strip()
    return int(text) if INTEGER.fullmatch(text) else None


def number(path: Path) -> Optional[int]:
    """A pseudo-file that holds one integer; None where there is none."""
    return parse_integer(read_word(path))


def number_after(name: str) -> Tuple[int, str]:
    """Sorts ``thermal_zone10`` behind ``thermal_zone9``."""
    digits = re.findall(r"[0-9]+", name)
    return (int(digits[-1][:9]) if digits else 0, name)


def folders(parent: Path, pattern: str) -> List[Path]:
    """Entries of a folder by their number; nothing where the folder cannot be read."""
    try:
        return sorted(parent.glob(pattern), key=lambda path: number_after(path.name))
    except OSError:
        return []


class FileSensor:
    """Reads every source at each read; ``channels`` are those of the sources."""

    def __init__(self, sources: Sequence[Source], interval_s: float) -> None:
        self._sources = tuple(sources)
        self.channels: Tuple[Channel, ...] = tuple(source.channel for source in self._sources)
        self.interval_s = interval_s

    def read(self) -> Dict[str, float]:
        """Values by channel. Raises SensorError ``sensor.silent`` or ``sensor.permission`` when no file holds
        a plausible one."""
        values: Dict[str, float] = {}
        problem = SensorError("none of its files holds a plausible number", code="sensor.silent")
        for source in self._sources:
            try:
                value = parse_integer(read_text(source.path))
            except SensorError as error:
                problem = error
                continue
            if value is not None and (source.least is None or value >= source.least):
                values[source.channel.name] = value * source.scale
        kept = plausible.keep(self.channels, values)
        if not kept:
            raise problem
        return kept

    def close(self) -> None:
        """No file stays open between reads."""
