"""Android's fixed-performance mode, which needs no root: clocks that the phone can hold, not its fastest.

Nothing tells whether it is on, so a file in the agent's folder remembers that we switched it on, and in which
boot: it ends with the boot.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Callable, List, Sequence

from farm_agent import files, identity
from farm_agent.errors import FarmError

SAVED = "fixed-performance.boot"


class FixedPerformanceKnob:
    """``on`` or ``off``. ``run``: of a pins_knobs.Device."""

    name = "fixed-performance"

    def __init__(self, folder: Path, run: Callable[[Sequence[str]], str]) -> None:
        self._saved = folder / SAVED
        self._run = run

    def read(self) -> str:
        """Whether we switched it on in this boot. Raises InfrastructureError ``pins.command``: no Android."""
        self._run(["getprop", "ro.build.version.sdk"])
        with contextlib.suppress(OSError):
            if self._saved.read_text(encoding="utf-8") == identity.boot_id():
                return "on"
        return "off"

    def prepare(self) -> None:
        """There is no old value to save: off is how a phone boots."""

    def write(self, value: str) -> None:
        """Raises InfrastructureError ``pins.command`` where the phone has no such mode."""
        if value == "on":
            files.write_atomic(self._saved, identity.boot_id().encode())
        try:
            self._run(command(value))
        except FarmError:
            if value == "on":
                self._forget()
            raise
        if value == "off":
            self._forget()

    def _forget(self) -> None:
        with contextlib.suppress(OSError):
            self._saved.unlink()


def command(value: str) -> List[str]:
    """What switches it."""
    return ["cmd", "power", "set-fixed-performance-mode-enabled", "true" if value == "on" else "false"]
