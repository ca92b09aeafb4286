"""Probe a sensor the honest way: open it, read it once, close it."""

from __future__ import annotations

from typing import Callable

from farm_agent.sensors import Probe, Sensor, SensorError


def attempt(open_sensor: Callable[[], Sensor]) -> Probe:
    """Available when it opened and gave at least one value; else why not, and what helps."""
    try:
        sensor = open_sensor()
        try:
            sensor.read()
        finally:
            sensor.close()
    except SensorError as error:
        return Probe(error.message, error.fix)
    except OSError as error:
        return Probe(f"it could not be read: {error}")
    return Probe()
