"""One line of tegrastats, of JetPack 3 to 7, as numbers.

What differs: a date in front (5 and newer), swap left out, loads with or without a clock, clocks without a
load, lists of clocks, cores and units that are off, temperatures once or twice (7), powers of two or three
parts (7: now, average, peak), with or without mW. Rails may be called like temperature sensors (GPU).
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Dict, List, Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.sensors import SensorError
from farm_agent.sensors.common import jetson_rails

MIB = 1024 * 1024
HEAD = re.compile(r"\s*(?:\d\d-\d\d-\d{4} \d\d:\d\d:\d\d )?RAM (\d{1,9})/(\d{1,9})MB\b", re.ASCII)
SWAP = re.compile(r"\sSWAP (\d{1,9})/(\d{1,9})MB\b", re.ASCII)
CPUS = re.compile(r"\sCPU \[([^\]]{1,4096})\]")
CORE = re.compile(r"(\d{1,3})%@(\d{1,6})", re.ASCII)
# A number at the very end may have lost digits, so something must follow.
UNIT = re.compile(
    r"\s([A-Za-z0-9_]+_FREQ)\s+(?:(\d{1,3})%)?(?:@?(\d{1,6})|@?\[([\d,]{1,200})\])?(?=\s)", re.ASCII
)
HEAT = re.compile(r"\s([A-Za-z][A-Za-z0-9_-]*)@(-?\d{1,4}(?:[.,]\d{1,6})?)C(?=[\s/]|$)", re.ASCII)
POWER = re.compile(
    r"\s([A-Za-z0-9_]+)\s+(\d{1,7})(?:mW)?/\d{1,7}(?:mW)?(?:/\d{1,7}(?:mW)?)?(?=\s|$)", re.ASCII
)
MEMORIES = ("RAM", "SWAP", "IRAM")


@dataclass(frozen=True)
class Core:
    """Load in percent and clock in MHz."""

    load_pct: int
    mhz: int


@dataclass(frozen=True)
class Unit:
    """A clocked unit (EMC, GR3D, VIC, NVDLA0). ``load_pct`` None: not shown; ``mhz``: none, one or more."""

    load_pct: Optional[int]
    mhz: Tuple[int, ...]


@dataclass(frozen=True)
class Line:
    """``cores``: None for each that is off. ``powers_w``: of the moment, by rail."""

    ram_used_bytes: int
    ram_total_bytes: int
    swap_used_bytes: Optional[int] = None
    cores: Tuple[Optional[Core], ...] = ()
    units: Dict[str, Unit] = field(default_factory=dict)
    temperatures_c: Dict[str, float] = field(default_factory=dict)
    powers_w: Dict[str, float] = field(default_factory=dict)


def parse(text: str) -> Line:
    """One line. What a cut at its end took is missing, never wrong.

    Raises SensorError ``sensor.bad-text``: no line of tegrastats, cut in front, or two lines in one.
    """
    head = HEAD.match(text)
    if head is None or len(re.findall(r"(?<!I)RAM \d", text)) != 1:
        raise SensorError(f"no line of tegrastats: {text.strip()[:80]!r}", code="sensor.bad-text")
    swap = SWAP.search(text)
    cpus = CPUS.search(text)
    return Line(
        int(head.group(1)) * MIB,
        int(head.group(2)) * MIB,
        int(swap.group(1)) * MIB if swap else None,
        tuple(_cores(cpus.group(1))) if cpus else (),
        _units(text),
        _first(HEAT.findall(text)),
        {
            rail: milliwatts / 1000
            for rail, milliwatts in _first(POWER.findall(text)).items()
            if rail not in MEMORIES and jetson_rails.is_rail(rail)
        },
    )


def _cores(text: str) -> List[Optional[Core]]:
    found: List[Optional[Core]] = []
    for part in text.split(","):
        match = CORE.fullmatch(part.strip())
        if match is None and part.strip() != "off":
            raise SensorError(f"no load of a core: {part[:40]!r}", code="sensor.bad-text")
        found.append(Core(int(match.group(1)), int(match.group(2))) if match else None)
    return found


def _units(text: str) -> Dict[str, Unit]:
    found: Dict[str, Unit] = {}
    for name, load, clock, clocks in UNIT.findall(text):
        mhz = tuple(int(part[:9]) for part in (clock or clocks).split(",") if part)
        if load or mhz:
            found.setdefault(name, Unit(int(load) if load else None, mhz))
    return found


def _first(pairs: List[Tuple[str, str]]) -> Dict[str, float]:
    """Numbers by name, the first of equal names; a decimal comma is a point."""
    found: Dict[str, float] = {}
    for name, number in pairs:
        found.setdefault(name, float(number.replace(",", ".")))
    return found
