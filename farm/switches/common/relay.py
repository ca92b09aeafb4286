"""A switch that is told off and on: the cycle, each half proved where the switch can tell its state."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from farm.switches import SwitchError

OFF_S = 5.0
ATTEMPTS = 3
AGAIN_S = 1.0


class Turn(Protocol):
    """Tells a switch what to do."""

    def __call__(self, *, on: bool) -> None:
        """Raises SwitchError."""


class Relay:
    """A Switch (see ``farm.switches``). ``turn`` and ``ask`` raise SwitchError."""

    def __init__(self, turn: Turn, ask: Callable[[], bool | None], off_s: float = OFF_S) -> None:
        self._turn = turn
        self._ask = ask
        self._off_s = off_s

    def state(self) -> bool | None:
        """Whether it is on; None where it cannot tell."""
        return self._ask()

    def cycle(self) -> str:
        """Off, ``off_s``, on. Raises SwitchError; switch.stuck when it does not do what it is told.

        Whatever went wrong behind the off, on is tried: a device without power is worse than one that hangs.
        """
        try:
            self._turn(on=False)
            self._prove(on=False)
            time.sleep(self._off_s)
        finally:
            self._on()
        return f"switched off for {self._off_s:g} s and on again"

    def _on(self) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._turn(on=True)
                self._prove(on=True)
            except SwitchError:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(min(AGAIN_S, self._off_s))
            else:
                return

    def _prove(self, *, on: bool) -> None:
        if self._ask() is (not on):
            word = "on" if on else "off"
            raise SwitchError(
                f"it was told to switch {word} and is not",
                code="switch.stuck",
                fix="check the switch by hand: its relay may be broken, or the settings name another one",
            )
