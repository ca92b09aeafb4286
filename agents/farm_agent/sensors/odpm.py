"""Energy counters of a Pixel's power rails (ODPM), Pixel 6 and newer.

Two power chips, each an iio device whose ``energy_value`` tells uJ since boot by rail, and the chip's own
time in ms. Rails cover processors, memory and radios, not the whole
phone; some feed others, so they are never summed.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Dict, List, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import command, getprop, plausible, sysfiles
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "power"
INTERVAL_S = 0.1
DEVICES = Path("sys/bus/iio/devices")
TIME = re.compile(r"t=(\d{1,18})", re.ASCII)
RAIL = re.compile(r"CH\d{1,3}\(T=(\d{1,18})\)\[([A-Za-z0-9_-]{1,60})\], ?(\d{1,18})", re.ASCII)
ENABLED = re.compile(r"CH\d{1,3}\[([A-Za-z0-9_-]{1,60})\]:(.{1,60})", re.ASCII)


@dataclass(frozen=True)
class Counters:
    """One chip at one moment: its time in ms and each rail's uJ since boot."""

    time_ms: int
    energy_uj: Dict[str, int]


def parse(text: str) -> Counters:
    """An ``energy_value`` file.

    Raises SensorError ``sensor.bad-text``, also for a last line without its end: it may have lost digits.
    """
    lines = text.splitlines()
    head = TIME.fullmatch(lines[0].strip()) if text.endswith("\n") else None
    rows = [RAIL.fullmatch(line.strip()) for line in lines[1:]]
    if head is None or not rows or None in rows:
        raise SensorError(f"no energy_value: {text.strip()[:80]!r}", code="sensor.bad-text")
    return Counters(int(head.group(1)), {row.group(2): int(row.group(3)) for row in rows if row is not None})


def parse_enabled(text: str) -> Dict[str, str]:
    """An ``enabled_rails`` file: the subsystem of each rail; lines of another form are left out."""
    rows = (ENABLED.fullmatch(line.strip()) for line in text.splitlines())
    return {row.group(1): row.group(2).strip() for row in rows if row is not None}


class Odpm:
    """Counters of every chip; names are ``S10M_VDD_TPU:Tensor`` where the subsystem is known."""

    interval_s = INTERVAL_S

    def __init__(self, folders: List[Path]) -> None:
        self._chips = [(folder / "energy_value", _names(folder)) for folder in folders]
        names = [
            names[rail] for path, names in self._chips for rail in parse(sysfiles.read_whole(path)).energy_uj
        ]
        self.channels: Tuple[Channel, ...] = tuple(
            Channel(name, "energy_j", "unknown", 1e-6) for name in names
        )

    def read(self) -> Dict[str, float]:
        """Joules by rail. Raises SensorError when a chip cannot be read."""
        values: Dict[str, float] = {}
        for path, names in self._chips:
            for rail, energy_uj in parse(sysfiles.read_whole(path)).energy_uj.items():
                if rail in names:
                    values[names[rail]] = energy_uj * 1e-6
        return plausible.keep(self.channels, values)

    def close(self) -> None:
        """Nothing is held."""


def _names(folder: Path) -> Dict[str, str]:
    subsystems = parse_enabled(sysfiles.read_word(folder / "enabled_rails"))
    rails = parse(sysfiles.read_whole(folder / "energy_value")).energy_uj
    return {rail: f"{rail}:{subsystems[rail]}" if rail in subsystems else rail for rail in rails}


def _build_type() -> str:
    with contextlib.suppress(SensorError):
        return getprop.parse(command.run(["getprop"])).get("ro.build.type", "")
    return ""


def probe(root: Path = Path("/")) -> Probe:
    """Available where the counters can be read now."""
    return attempt(lambda: open(root))


def open(root: Path = Path("/")) -> Odpm:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable``, or ``sensor.permission`` where only root may."""
    found = [
        folder
        for folder in sysfiles.folders(root / DEVICES, "iio:device*")
        if (folder / "energy_value").exists()
    ]
    if not found:
        raise SensorError(
            f"no power chip with counters below /{DEVICES}",
            code="sensor.unavailable",
            fix="only Pixel 6 and newer have them",
        )
    try:
        return Odpm(found)
    except SensorError as error:
        if error.code != "sensor.permission":
            raise
        build = _build_type()
        told = f" (this is a {build} build)" if build else ""
        raise SensorError(
            error.message + told, code=error.code, fix="run the agent as root, or use a userdebug build"
        ) from error
