"""Switches behind a program: started without a shell, with a deadline and a bound on what it prints."""

from __future__ import annotations

from collections.abc import Sequence

from farm.power.command import run as run_command
from farm.switches import SwitchError, SwitchSettings
from farm.switches.common.web import switch_errors

TIMEOUT_S = 60.0


def run(settings: SwitchSettings, argv: Sequence[str]) -> str:
    """What it printed. Raises SwitchError switch.command, switch.silent, switch.garbled."""
    timeout_s = settings.number("timeout_s", TIMEOUT_S)
    with switch_errors():
        try:
            return run_command(list(argv), settings.folder, timeout_s)
        except ValueError as error:  # a NUL in a word
            raise SwitchError(f"{argv[0]}: {error}", code="switch.command", fix="correct argv") from error
