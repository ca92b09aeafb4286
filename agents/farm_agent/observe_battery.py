"""Battery and charger, as /sys/class/power_supply tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from farm_agent import sysfs

SUPPLIES = "sys/class/power_supply"


@dataclass(frozen=True)
class Battery:
    """The device's own battery. ``status``: charging, discharging, full, not charging; "" not known."""

    level_pct: Optional[int]
    status: str


def battery(root: Path = Path("/")) -> Optional[Battery]:
    """The first battery that feeds the device itself, not a mouse; None where there is none."""
    for folder in sorted((root / SUPPLIES).glob("*")):
        if sysfs.text(folder / "type", 64) == "Battery" and sysfs.text(folder / "scope", 64) != "Device":
            status = (sysfs.text(folder / "status", 64) or "").lower()
            level = sysfs.number(folder / "capacity")
            known = level is not None and 0 <= level <= 100
            return Battery(level if known else None, "" if status == "unknown" else status)
    return None


def plugged(root: Path = Path("/")) -> Optional[bool]:
    """Whether the mains are there; None where no supply says."""
    states = [
        sysfs.number(folder / "online")
        for folder in sorted((root / SUPPLIES).glob("*"))
        if sysfs.text(folder / "type", 64) == "Mains"
    ]
    known = [state for state in states if state is not None]
    return any(known) if known else None


def charger(root: Path = Path("/")) -> str:
    """What the battery does, else whether the mains are there; "" where nothing says."""
    found = battery(root)
    if found is not None and found.status:
        return found.status
    mains = plugged(root)
    return "" if mains is None else "plugged in" if mains else "unplugged"
