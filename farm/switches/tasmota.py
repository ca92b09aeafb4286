"""Plugs and relays with Tasmota firmware over HTTP: the command Power."""

from __future__ import annotations

from urllib.parse import urlencode

from farm.switches import SwitchSettings
from farm.switches.common import web
from farm.switches.common.relay import OFF_S, Relay

KEYS = {**web.KEYS, "channel": web.CHANNEL}
_STATES = {"ON": True, "OFF": False}


def open(settings: SwitchSettings) -> Relay:  # noqa: A001 - the seam's name
    """``channel``: from 1, for devices with several. Raises UsageError switch.address, switch.password."""
    host = web.Web(settings)
    channel = int(settings.options.get("channel", 1))

    def power(word: str) -> bool:
        command = f"Power{channel} {word}".strip()
        words = {"cmnd": command}
        if host.login:
            # The firmware takes a password no other way; the path is in no message.
            words = {"user": host.login.user, "password": host.login.password, **words}
        return parse(host.get(f"/cm?{urlencode(words)}"), channel)

    def turn(*, on: bool) -> None:
        power("ON" if on else "OFF")

    return Relay(turn, lambda: power(""), settings.number("off_s", OFF_S))


def parse(answer: dict[str, object], channel: int) -> bool:
    """Whether it is on: ``{"POWER": "ON"}``, or ``POWER2`` where there are several.

    Raises SwitchError ``switch.garbled``.
    """
    keys = [f"POWER{channel}", *(["POWER"] if channel == 1 else [])]
    word = next((answer[key] for key in keys if key in answer), None)
    if not isinstance(word, str) or word not in _STATES:
        raise web.garbled(
            f"the answer has no {keys[0]} that is ON or OFF: another channel, or a login is wanted"
        )
    return _STATES[word]
