"""USB hubs that switch their ports' power, by the program uhubctl (GPL-2: a separate program).

A hub that cannot really switch says so by a port that stays on. Boards powered otherwise stay on, too.
"""

from __future__ import annotations

import re

from farm.kinds import Key
from farm.switches import SwitchError, SwitchSettings
from farm.switches.common import program
from farm.switches.common.relay import OFF_S, Relay

KEYS = {
    "location": Key((str,), required=True),
    "port": Key((int,), required=True),
    "program": Key((str,)),
}
# Such as "Port 2: 0507 power highspeed suspend enable connect" and "Port 2: 0000 off"
_PORT = re.compile(r"^\s*Port (\d+): [0-9a-fA-F]{4}(.*)$", re.MULTILINE)


def open(settings: SwitchSettings) -> Relay:  # noqa: A001 - the seam's name
    """``location``: the hub as uhubctl prints it (1-1.4); ``port``: from 1."""
    port = int(settings.options["port"])
    argv = [settings.text("program", "uhubctl"), "-l", settings.text("location"), "-p", str(port)]

    def turn(*, on: bool) -> None:
        program.run(settings, [*argv, "-a", "on" if on else "off"])

    return Relay(turn, lambda: parse(program.run(settings, argv), port), settings.number("off_s", OFF_S))


def parse(text: str, port: int) -> bool:
    """Whether the port has power: the last line about it counts. Raises SwitchError ``switch.garbled``."""
    found = [rest.split() for number, rest in _PORT.findall(text) if int(number) == port]
    if not found:
        raise SwitchError(
            f"uhubctl shows no port {port} there",
            code="switch.garbled",
            fix="run uhubctl by hand: it lists every hub's location and ports that can be switched",
        )
    return "power" in found[-1]
