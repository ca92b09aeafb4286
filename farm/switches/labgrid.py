"""A place of a labgrid rack, by the program labgrid-client (LGPL-2.1; a separate program).

labgrid cycles the power of places that one has acquired: that is done here where it is not so already, and
given back afterwards. farm's own lease on the device holds as ever.
"""

from __future__ import annotations

import re

from farm.kinds import Key
from farm.switches import SwitchError, SwitchSettings
from farm.switches.common import program

KEYS = {
    "place": Key((str,), required=True),
    "coordinator": Key((str,)),
    "program": Key((str,)),
}
_STATE = re.compile(r"power.* for place .* is (on|off)\s*$", re.MULTILINE)


class Place:
    """A Switch (see ``farm.switches``)."""

    def __init__(self, settings: SwitchSettings) -> None:
        self._settings = settings
        self._argv = [settings.text("program") or program.beside_us("labgrid-client")]
        if coordinator := settings.text("coordinator"):
            self._argv += ["-x", coordinator]
        self._argv += ["-p", settings.text("place")]

    def state(self) -> bool | None:
        """What labgrid says; None for power that it cannot ask."""
        try:
            found = _STATE.findall(self._held("power", "get"))
        except SwitchError as error:
            if error.code != "switch.command":
                raise
            return None
        return found[-1] == "on" if found else None

    def cycle(self) -> str:
        """Off, labgrid's own delay, on."""
        self._held("power", "cycle")
        return f"labgrid cycled the power of {self._settings.text('place')}"

    def _held(self, *words: str) -> str:
        """Run a command while the place is ours. Who holds it already, keeps it."""
        try:
            program.run(self._settings, [*self._argv, "acquire"])
        except SwitchError as error:
            if error.code != "switch.command":
                raise
            return program.run(self._settings, [*self._argv, *words])
        try:
            return program.run(self._settings, [*self._argv, *words])
        finally:
            program.run(self._settings, [*self._argv, "release"])


def open(settings: SwitchSettings) -> Place:  # noqa: A001 - the seam's name
    """``place``: its name; ``coordinator``: HOST:PORT, else what LG_COORDINATOR says."""
    return Place(settings)
