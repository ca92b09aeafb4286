"""Plugs with Tasmota firmware over HTTP: Power of "Status 10". Wall power.

Not Total: it counts thousandths of a kilowatt-hour, steps of 3600 J. Power has whole watts unless the plug
was told ``PowerRes 1`` or more (setting ``decimals``). Devices with several channels answer with arrays.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from farm.kinds import Key
from farm.power import MeterSettings
from farm.power.common.http import KEYS as HTTP_KEYS
from farm.power.common.http import garbled, host_of, number
from farm.power.common.polled import Polled

INTERVAL_S = 1.0
KEYS = {**HTTP_KEYS, "channel": Key((int,)), "decimals": Key((int,))}


def open(settings: MeterSettings) -> Polled:  # noqa: A001 - the seam's name
    """``channel``: from 1, needed where the device has several. Raises MeterError, UsageError."""
    host = host_of(settings)
    channel = settings.options.get("channel")
    words = {"cmnd": "Status 10"}
    if host.login:
        # The firmware takes a password no other way; the path is in no message.
        words = {"user": host.login.user, "password": host.login.password, **words}
    path = f"/cm?{urlencode(words)}"

    def ask() -> float:
        return parse(host.get(path), channel)

    ask()
    quantum_w = 10.0 ** -int(settings.options.get("decimals", 0))
    return Polled(settings.channel("wall", quantum=quantum_w), settings.number("interval_s", INTERVAL_S), ask)


def parse(answer: Any, channel: int | None) -> float:  # noqa: ANN401 - JSON
    """Watts of a Status 10 answer. Raises MeterError ``meter.garbled``."""
    status = answer.get("StatusSNS") if isinstance(answer, dict) else None
    energy = status.get("ENERGY") if isinstance(status, dict) else None
    if not isinstance(energy, dict) or "Power" not in energy:
        raise garbled(
            "the answer has no StatusSNS.ENERGY.Power: the device measures no power, or wants a login"
        )
    power = energy["Power"]
    if not isinstance(power, list):
        return number(power, "Power")
    if channel is None:
        raise garbled(f"the device has {len(power)} channels: set channel = 1 to {len(power)} for the meter")
    if not 1 <= channel <= len(power):
        raise garbled(f"the device has {len(power)} channels, no channel {channel}")
    return number(power[channel - 1], f"Power of channel {channel}")
