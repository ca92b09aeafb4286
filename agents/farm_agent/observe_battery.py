"""Battery and charger, as /sys/class/power_supply tells; on a phone, whose shell may not read it, Android."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from farm_agent import android, sysfs
from farm_agent.late import dataclass

SUPPLIES = "sys/class/power_supply"


@dataclass(frozen=True)
class Battery:
    """The device's own battery. ``status``: charging, discharging, full, not charging; "" not known.

    ``saving``: the phone saves it, which slows everything down.
    """

    level_pct: Optional[int]
    status: str
    saving: bool = False


def battery(root: Path = Path("/")) -> Optional[Battery]:
    """The first battery that feeds the device itself, not a mouse; None where there is none."""
    for folder in sorted((root / SUPPLIES).glob("*")):
        if sysfs.text(folder / "type", 64) == "Battery" and sysfs.text(folder / "scope", 64) != "Device":
            status = (sysfs.text(folder / "status", 64) or "").lower()
            level = sysfs.number(folder / "capacity")
            known = level is not None and 0 <= level <= 100
            return Battery(level if known else None, "" if status == "unknown" else status, saving(root))
    found = android.charge(root)
    return None if found is None else Battery(found.level_pct, found.status, found.saving is True)


def saving(root: Path = Path("/")) -> bool:
    """Whether a phone's battery saver is known to be on."""
    found = android.charge(root)
    return found is not None and found.saving is True


def plugged(root: Path = Path("/")) -> Optional[bool]:
    """Whether the mains are there; None where no supply says."""
    states = [
        sysfs.number(folder / "online")
        for folder in sorted((root / SUPPLIES).glob("*"))
        if sysfs.text(folder / "type", 64) == "Mains"
    ]
    known = [state for state in states if state is not None]
    if known:
        return any(known)
    found = android.charge(root)
    return None if found is None else found.plugged


def charger(root: Path = Path("/")) -> str:
    """What the battery does, else whether the mains are there; "" where nothing says."""
    found = battery(root)
    if found is not None and found.status:
        return found.status
    mains = plugged(root)
    return "" if mains is None else "plugged in" if mains else "unplugged"
