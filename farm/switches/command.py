"""A program of yours: one that cycles the power, or two that switch it off and on; no shell is involved."""

from __future__ import annotations

from farm.errors import UsageError
from farm.kinds import Key
from farm.switches import SwitchError, SwitchSettings
from farm.switches.common import program
from farm.switches.common.relay import OFF_S, Relay

KEYS = {
    "cycle": Key((list,)),
    "off": Key((list,)),
    "on": Key((list,)),
    "state": Key((list,)),
}
_ON, _OFF = ("on", "1", "true"), ("off", "0", "false")


class _Cycle:
    """A switch whose one program does it all."""

    def __init__(self, settings: SwitchSettings) -> None:
        self._settings = settings

    def state(self) -> bool | None:
        """What the state program says."""
        return _state(self._settings)

    def cycle(self) -> str:
        """Run it; the power must be on afterwards where that can be told."""
        argv = self._settings.words("cycle")
        program.run(self._settings, argv)
        if self.state() is False:
            raise SwitchError(
                f"{argv[0]} ended well, and the power is off", code="switch.stuck", fix="run it by hand"
            )
        return f"{argv[0]} cycled the power"


def open(settings: SwitchSettings) -> Relay | _Cycle:  # noqa: A001 - the seam's name
    """``cycle``, or ``off`` and ``on``; ``state`` prints on or off. Raises UsageError switch.command."""
    cycle, off, on = (bool(settings.words(key)) for key in ("cycle", "off", "on"))
    if cycle == off or off != on:
        raise UsageError(
            "a switch of kind command needs cycle, or off and on",
            code="switch.command",
            fix='give cycle = ["program", "argument"], or off = [...] and on = [...]',
        )
    if cycle:
        return _Cycle(settings)

    def turn(*, on: bool) -> None:
        program.run(settings, settings.words("on" if on else "off"))

    return Relay(turn, lambda: _state(settings), settings.number("off_s", OFF_S))


def _state(settings: SwitchSettings) -> bool | None:
    argv = settings.words("state")
    if not argv:
        return None
    lines = program.run(settings, argv).split()
    word = lines[-1].lower() if lines else ""
    if word not in (*_ON, *_OFF):
        raise SwitchError(
            f"{argv[0]} printed {word[:40]!r}, neither on nor off", code="switch.garbled", fix="correct state"
        )
    return word in _ON
