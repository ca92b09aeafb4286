"""Shelly plugs and relays over HTTP: Gen2 and newer by RPC, Gen1 by its relay page.

The off carries the relay's own timer, so that the power comes back even when this machine dies in between.
"""

from __future__ import annotations

from farm.kinds import Key
from farm.switches import SwitchError, SwitchSettings
from farm.switches.common import web
from farm.switches.common.relay import OFF_S, Relay

KEYS = {**web.KEYS, "channel": web.CHANNEL, "generation": Key((int,))}
SAFETY_S = 30.0


def open(settings: SwitchSettings) -> Relay:  # noqa: A001 - the seam's name
    """``channel``: the switch, from 0. ``generation``: 1, else 2. Raises UsageError switch.address."""
    host = web.Web(settings)
    channel = int(settings.options.get("channel", 0))
    off_s = settings.number("off_s", OFF_S)
    timer = f"{off_s + SAFETY_S:g}"
    if settings.options.get("generation", 2) == 1:

        def turn_first(*, on: bool) -> None:
            word = "on" if on else f"off&timer={timer}"
            _flag(host.get(f"/relay/{channel}?turn={word}", login="basic"), "ison")

        return Relay(turn_first, lambda: _flag(host.get(f"/relay/{channel}", login="basic"), "ison"), off_s)

    def turn(*, on: bool) -> None:
        word = "true" if on else f"false&toggle_after={timer}"
        _flag(host.get(f"/rpc/Switch.Set?id={channel}&on={word}", login="digest"), "was_on")

    def ask() -> bool:
        return _flag(host.get(f"/rpc/Switch.GetStatus?id={channel}", login="digest"), "output")

    return Relay(turn, ask, off_s)


def _flag(answer: dict[str, object], key: str) -> bool:
    value = answer.get(key)
    if not isinstance(value, bool):
        raise SwitchError(
            f"the answer has no {key} that is true or false",
            code="switch.garbled",
            fix="set generation = 1 for a Shelly of the first generation; check channel, which counts from 0",
        )
    return value
