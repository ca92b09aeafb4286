"""Jetson's power modes: the text of ``nvpmodel -q``, and the command."""

from __future__ import annotations

import re
from typing import List

from farm_agent.errors import InfrastructureError
from farm_agent.late import dataclass

COMMAND = "nvpmodel"
MODE = re.compile(r"^(?:NVPM VERB: Current mode: )?NV Power Mode:\s*(\S.{0,63}?)\s*$")
NUMBER = re.compile(r"^\s*(\d{1,3})\s*$")


@dataclass(frozen=True)
class PowerMode:
    """A mode's number, by which it is set, and its name on this board."""

    number: int
    name: str


def parse(text: str) -> PowerMode:
    """From ``nvpmodel -q`` with or without ``--verbose``: the name, and the number on the line after it.

    Raises InfrastructureError ``pins.unreadable``.
    """
    name = ""
    for line in text[:65536].splitlines():
        mode = MODE.match(line)
        if mode:
            name = mode.group(1)
            continue
        number = NUMBER.match(line)
        if name and number:
            return PowerMode(int(number.group(1)), name)
        if name and line.strip():
            break
    raise InfrastructureError(
        "nvpmodel -q did not name the power mode and its number",
        code="pins.unreadable",
        fix="run nvpmodel -q on the device and look what it says",
    )


def query() -> List[str]:
    """The arguments that ask for the mode."""
    return [COMMAND, "-q"]


def choose(number: int) -> List[str]:
    """The arguments that set it."""
    return [COMMAND, "-m", str(number)]
