"""Jetson's clocks: the text of ``jetson_clocks --show``, and the commands that fix and restore them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from farm_agent.errors import InfrastructureError
from farm_agent.late import dataclass

COMMAND = "jetson_clocks"
PAIR = re.compile(r"(MinFreq|MaxFreq|CurrentFreq|Online|Governor|FreqOverride)=(\S{1,32})")
UNIT = re.compile(r"^(cpu\d{1,3}:?|GPU|EMC)\b")


@dataclass(frozen=True)
class Clock:
    """One unit: cpu0, GPU, EMC. Frequencies as the tool prints them: kHz for CPUs, Hz for the others."""

    unit: str
    lowest: int
    highest: int
    current: int
    governor: str = ""

    @property
    def fixed(self) -> bool:
        """Whether it cannot go lower than its maximum."""
        return self.lowest == self.highest


def parse(text: str) -> Tuple[Clock, ...]:
    """Every unit that tells its frequencies; one that is offline tells none.

    Raises InfrastructureError ``pins.unreadable`` when there is no unit at all.
    """
    found: List[Clock] = []
    for line in text[:65536].splitlines():
        unit = UNIT.match(line)
        values: Dict[str, str] = dict(PAIR.findall(line))
        numbers = [_whole(values.get(name)) for name in ("MinFreq", "MaxFreq", "CurrentFreq")]
        lowest, highest, current = numbers
        if unit and lowest is not None and highest is not None and current is not None:
            governor = values.get("Governor", "")
            found.append(Clock(unit.group(1).rstrip(":"), lowest, highest, current, governor))
    if not found:
        raise InfrastructureError(
            "jetson_clocks --show named no clock",
            code="pins.unreadable",
            fix="run sudo jetson_clocks --show on the device and look what it says",
        )
    return tuple(found)


def described(clocks: Tuple[Clock, ...]) -> str:
    """max, when every clock is fixed at its highest; else dynamic. Memory is fixed by other means."""
    return "max" if all(clock.fixed for clock in clocks if clock.unit != "EMC") else "dynamic"


def show() -> List[str]:
    """The arguments that print all clocks."""
    return [COMMAND, "--show"]


def store(path: Path) -> List[str]:
    """The arguments that save the present state; the file must not be there."""
    return [COMMAND, "--store", str(path)]


def fix() -> List[str]:
    """The arguments that set every clock to its highest."""
    return [COMMAND]


def restore(path: Path) -> List[str]:
    """The arguments that go back to a saved state."""
    return [COMMAND, "--restore", str(path)]


def _whole(text: Optional[str]) -> Optional[int]:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else None
