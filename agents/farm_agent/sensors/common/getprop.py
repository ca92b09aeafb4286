"""Android's properties as ``getprop`` prints them."""

from __future__ import annotations

import re
from typing import Dict

from farm_agent.sensors import SensorError

PROPERTY = re.compile(r"\[([^\]]{1,200})\]: \[(.{0,4096})\]")


def parse(text: str) -> Dict[str, str]:
    """Values by name; a line of another form (a value of several lines, a cut) is left out.

    Raises SensorError ``sensor.bad-text`` when there is no property at all.
    """
    found: Dict[str, str] = {}
    for line in text.splitlines():
        match = PROPERTY.fullmatch(line.strip())
        if match:
            found.setdefault(match.group(1), match.group(2))
    if not found:
        raise SensorError(f"no property: {text.strip()[:80]!r}", code="sensor.bad-text")
    return found
