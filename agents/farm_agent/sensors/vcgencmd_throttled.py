"""Under-voltage and throttling of a Raspberry Pi, its temperature and core voltage.

Bits 0 to 3 tell what is wrong now: under-voltage, frequency capped, throttled, soft temperature limit. Bits
16 to 19 tell the same since boot and stay, so that a set one is no news; one that appears between two reads
is an event. The kernel's own file is read where it exists, else the firmware is asked.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List, Optional, Pattern, Tuple

from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import firmware, plausible, sysfiles
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "telemetry"
INTERVAL_S = 0.2
FLAGS = Channel("throttled", "flags", quantum=1.0)
TEMPERATURE = Channel("soc", "temperature_c", quantum=0.1)
VOLTAGE = Channel("core", "voltage_v")
NAMES = ("under-voltage", "frequency-capped", "throttled", "soft-temperature-limit")
FILES = "sys/devices/platform/soc*"
THROTTLED = re.compile(r"throttled=0x([0-9a-fA-F]{1,8})", re.ASCII)
TEMP = re.compile(r"temp=(-?\d{1,3}[.,]\d{1,3})'C", re.ASCII)
VOLT = re.compile(r"volt=(\d{1,2}[.,]\d{1,6})V", re.ASCII)
HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{1,8}", re.ASCII)


def parse_throttled(text: str) -> int:
    """The bits of ``throttled=0x50005``. Raises SensorError ``sensor.bad-text``."""
    return int(_match(THROTTLED, text), 16)


def parse_temperature(text: str) -> float:
    """Degrees Celsius of ``temp=39.5'C``. Raises SensorError ``sensor.bad-text``."""
    return float(_match(TEMP, text).replace(",", "."))


def parse_volts(text: str) -> float:
    """Volts of ``volt=0.7200V``. Raises SensorError ``sensor.bad-text``."""
    return float(_match(VOLT, text).replace(",", "."))


def parse_file(text: str) -> int:
    """The bits in the kernel's file, hexadecimal. Raises SensorError ``sensor.bad-text``."""
    if not HEX.fullmatch(text.strip()):
        raise SensorError(f"no throttle bits: {text.strip()[:80]!r}", code="sensor.bad-text")
    return int(text.strip(), 16)


def _match(pattern: Pattern[str], text: str) -> str:
    match = pattern.fullmatch(text.strip())
    if match is None:
        raise SensorError(f"not what vcgencmd says: {text.strip()[:80]!r}", code="sensor.bad-text")
    return match.group(1)


def names_now(bits: int) -> Tuple[str, ...]:
    """What is wrong at this moment."""
    return tuple(name for at, name in enumerate(NAMES) if bits >> at & 1)


def names_ever(bits: int) -> Tuple[str, ...]:
    """What was wrong at some time since boot."""
    return names_now(bits >> 16)


def kernel_file(root: Path) -> Optional[Path]:
    """``get_throttled`` of the firmware's driver, where the kernel has it."""
    for folder in sysfiles.folders(root, FILES):
        for path in sysfiles.folders(folder, "soc*:firmware/get_throttled"):
            return path
    return None


class Throttled:
    """Bits at every read; temperature and voltage as well where the mailbox makes that cheap."""

    interval_s = INTERVAL_S

    def __init__(self, file: Optional[Path], ask: Optional[firmware.Ask]) -> None:
        self._file = file
        self._ask = ask
        extra: List[Channel] = [TEMPERATURE, VOLTAGE] if ask is not None else []
        self.channels: Tuple[Channel, ...] = (FLAGS, *extra)

    def read(self) -> Dict[str, float]:
        """Raises SensorError when neither the kernel nor the firmware answers."""
        values: Dict[str, float] = {}
        if self._file is not None:
            values[FLAGS.name] = parse_file(sysfiles.read_text(self._file))
        else:
            values[FLAGS.name] = parse_throttled((self._ask or firmware.by_command)("get_throttled"))
        if self._ask is not None:
            values[TEMPERATURE.name] = parse_temperature(self._ask("measure_temp"))
            values[VOLTAGE.name] = parse_volts(self._ask("measure_volts core"))
        return plausible.keep(self.channels, values)

    def close(self) -> None:
        """Nothing is held."""


def probe(root: Path = Path("/")) -> Probe:
    """Available on every Raspberry Pi whose firmware answers."""
    return attempt(lambda: open(root))


def open(root: Path = Path("/"), ask: Optional[firmware.Ask] = None) -> Throttled:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` where nothing answers."""
    sensor = Throttled(kernel_file(root), ask or firmware.mailbox())
    sensor.read()
    return sensor
