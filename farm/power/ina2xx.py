"""An INA219, INA226 or kin wired to this machine, through the kernel's hwmon driver."""

from __future__ import annotations

from pathlib import Path

from farm.kinds import Key
from farm.power import MeterError, MeterSettings
from farm.power.common.polled import Polled
from farm_agent.sensors import SensorError
from farm_agent.sensors import ina2xx as sensor

INTERVAL_S = 0.02
KEYS = {"chip": Key((str,)), "root": Key((str,))}


def open(settings: MeterSettings) -> Polled:  # noqa: A001 - the seam's name
    """``chip``: its name as farm doctor shows it (hwmon2:ina226), needed where there are several.

    ``root``: the folder above sys, for a board whose files are mounted elsewhere. Raises MeterError.
    """
    try:
        opened = sensor.open(Path(settings.text("root", "/")))
    except SensorError as error:
        raise MeterError(error.message, code="meter.missing", fix=error.fix) from error
    chips = [channel for channel in opened.channels if channel.kind == "power_w"]
    wanted = settings.text("chip")
    found = [channel for channel in chips if channel.name == wanted or not wanted]
    if len(found) != 1:
        names = ", ".join(channel.name for channel in chips)
        raise MeterError(
            f"{len(found)} chips fit, one is needed: there are {names}",
            code="meter.missing",
            fix=f'set chip = "{chips[0].name}"',
        )
    name = found[0].name

    def ask() -> float:
        try:
            values = opened.read()
        except SensorError as error:
            raise MeterError(error.message, code="meter.silent", fix=error.fix) from error
        if name not in values:
            raise MeterError(f"{name} gave no power", code="meter.garbled", fix="check its wiring")
        return values[name]

    channel = settings.channel("input", quantum=found[0].quantum)
    return Polled(channel, settings.number("interval_s", INTERVAL_S), ask)
