"""Shelly plugs over HTTP: Gen2 and newer by RPC, Gen1 by its status page. Wall power.

Not the energy counter: it counts whole thousandths of a watt-hour, steps of 3.6 J, and once a minute at that.
"""

from __future__ import annotations

from typing import Any

from farm.kinds import Key
from farm.power import MeterSettings
from farm.power.common.http import KEYS as HTTP_KEYS
from farm.power.common.http import garbled, host_of, number
from farm.power.common.polled import Polled

INTERVAL_S = 0.5
QUANTUM_W = {1: 0.01, 2: 0.1}
KEYS = {**HTTP_KEYS, "channel": Key((int,)), "generation": Key((int,))}


def open(settings: MeterSettings) -> Polled:  # noqa: A001 - the seam's name
    """``channel``: the switch, from 0. ``generation``: 1, else 2. Raises MeterError, UsageError."""
    host = host_of(settings)
    channel = int(settings.options.get("channel", 0))
    first = settings.options.get("generation", 2) == 1
    path = "/status" if first else f"/rpc/Switch.GetStatus?id={channel}"

    def ask() -> float:
        answer = host.get(path, login="basic" if first else "digest")
        return parse_gen1(answer, channel) if first else parse(answer, channel)

    ask()  # an address that does not answer is told before anything is measured
    return Polled(
        settings.channel("wall", quantum=QUANTUM_W[1 if first else 2]),
        settings.number("interval_s", INTERVAL_S),
        ask,
    )


def parse(answer: Any, channel: int) -> float:  # noqa: ANN401 - JSON
    """Watts of a Switch.GetStatus answer. Raises MeterError ``meter.garbled``."""
    if not isinstance(answer, dict) or "apower" not in answer:
        raise garbled(
            "the answer has no apower: the plug measures no power, or is no Shelly of Gen2 or newer"
        )
    if answer.get("id", channel) != channel:
        raise garbled(f"asked for switch {channel}, the answer is of {str(answer['id'])[:20]}")
    errors = answer.get("errors")
    if isinstance(errors, list) and errors:
        raise garbled(f"the plug reports {', '.join(str(word)[:40] for word in errors[:4])}")
    return number(answer["apower"], "apower")


def parse_gen1(answer: Any, channel: int) -> float:  # noqa: ANN401 - JSON
    """Watts of a Gen1 status page. Raises MeterError ``meter.garbled``."""
    meters = answer.get("meters") if isinstance(answer, dict) else None
    if (
        not isinstance(meters, list)
        or not 0 <= channel < len(meters)
        or not isinstance(meters[channel], dict)
    ):
        raise garbled(f"the status page has no meter {channel}")
    if meters[channel].get("is_valid") is False:
        raise garbled("the plug says that its value is not valid")
    return number(meters[channel].get("power"), "power")
