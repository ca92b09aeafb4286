"""Power of a Raspberry Pi 5: voltage and current of twelve rails of its power chip.

``vcgencmd pmic_read_adc`` tells a rail's current in one line and its voltage in another; they belong
together by name (VDD_CORE_A, VDD_CORE_V), not by the number in parentheses. The sum has no conversion losses
and nothing that hangs on 5 V (USB, fan, HATs): it is a sum of rails, not the input. EXT5V has no current.
The chip shows exactly 0 A below its smallest step. There is no energy counter: read it at 10 Hz or more.
"""

from __future__ import annotations

import math
import re
from typing import Dict, List, Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import firmware, plausible
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "power"
# Through vcgencmd each read costs a process of some milliseconds; through the mailbox none.
MAILBOX_INTERVAL_S = 0.05
COMMAND_INTERVAL_S = 0.1
QUESTION = "pmic_read_adc"
TOTAL = "total"
LINE = re.compile(
    r"\s*(\w{1,40})_(?:(?P<A>A) current|(?P<V>V) volt)\(\d{1,4}\)=(\d{1,6}[.,]\d{1,12})(?(A)A|V)\s*", re.ASCII
)


@dataclass(frozen=True)
class Rail:
    """``amperes`` None: only the voltage is measured (EXT5V, BATT)."""

    volts: float
    amperes: Optional[float] = None


def parse(text: str) -> Dict[str, Rail]:
    """Every rail by name.

    Raises SensorError ``sensor.bad-text`` for a line of another form, and for a current without its voltage:
    a cut text must not become a smaller sum.
    """
    volts: Dict[str, float] = {}
    amperes: Dict[str, float] = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is None and line.strip():
            raise SensorError(f"no line of pmic_read_adc: {line.strip()[:80]!r}", code="sensor.bad-text")
        if match is not None:
            values = amperes if match.group("A") else volts
            values[match.group(1)] = float(match.group(4).replace(",", "."))
    lost = sorted(set(amperes) - set(volts))
    if lost or not amperes:
        what = "no voltage for {}".format(", ".join(lost)) if lost else "no rail"
        raise SensorError(f"pmic_read_adc told {what}", code="sensor.bad-text")
    return {name: Rail(volts[name], amperes.get(name)) for name in volts}


def powers_w(rails: Dict[str, Rail]) -> Dict[str, float]:
    """Volts times amperes of each rail that has both; NaN where one of them cannot be true."""
    return {
        name: rail.volts * rail.amperes
        if plausible.plausible("voltage_v", rail.volts) and plausible.plausible("current_a", rail.amperes)
        else math.nan
        for name, rail in rails.items()
        if rail.amperes is not None
    }


def values_of(rails: Dict[str, Rail]) -> Dict[str, float]:
    """Watts by rail, their sum as ``total`` (NaN if one is), and volts of the rails without a current."""
    powers = powers_w(rails)
    values = {name: rail.volts for name, rail in rails.items() if rail.amperes is None}
    return dict(values, **powers, **{TOTAL: sum(powers.values())})


def channels_of(rails: Dict[str, Rail]) -> List[Channel]:
    """Powers of scope rail, the total of scope rail_sum, voltages."""
    channels = [Channel(name, "power_w", "rail") for name in powers_w(rails)]
    voltages = [
        Channel(name, "voltage_v", "input" if name == "EXT5V" else "")
        for name, rail in rails.items()
        if rail.amperes is None
    ]
    return [Channel(TOTAL, "power_w", "rail_sum"), *channels, *voltages]


class Pmic:
    """Asks the firmware at every read."""

    def __init__(self, ask: firmware.Ask, interval_s: float) -> None:
        self._ask = ask
        self.interval_s = interval_s
        self.channels: Tuple[Channel, ...] = tuple(channels_of(parse(ask(QUESTION))))

    def read(self) -> Dict[str, float]:
        """Raises SensorError when the firmware does not answer, or when rails are missing in its answer."""
        rails = parse(self._ask(QUESTION))
        known = [channel.name for channel in self.channels if channel.scope == "rail"]
        lost = [name for name in known if name not in rails]
        if lost:
            raise SensorError("the rails {} are gone".format(", ".join(lost)), code="sensor.silent")
        return plausible.keep(self.channels, values_of(rails))

    def close(self) -> None:
        """Nothing is held."""


def probe() -> Probe:
    """Available where the firmware tells currents: a Raspberry Pi 5."""
    return attempt(open)


def open(ask: Optional[firmware.Ask] = None) -> Pmic:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable``; ``sensor.bad-text`` or ``sensor.silent`` on older boards."""
    if ask is None:
        ask = firmware.mailbox()
        if ask is None:
            return Pmic(firmware.by_command, COMMAND_INTERVAL_S)
    return Pmic(ask, MAILBOX_INTERVAL_S)
