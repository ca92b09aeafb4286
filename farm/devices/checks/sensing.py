"""What the device's own sensors say: which can be read, and whether they show heat or throttling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farm.devices.finding import OK, WARN, Finding
from farm_agent.messages.checkup import SensorReading, Surroundings
from farm_agent.messages.traces import Channel
from farm_profiles import Profile

SHOWN = 4
# Bits of the Raspberry Pi firmware: now, and 16 higher since boot.
FLAGS = ("under-voltage", "clock capped", "throttled", "soft temperature limit")
COOL = "cool the device, or let it rest, before you measure"
SUPPLY = "use the power supply and cable that the board's maker names"
UNITS = {
    "temperature_c": " °C",
    "frequency_khz": " kHz",
    "power_w": " W",
    "energy_j": " J",
    "voltage_v": " V",
    "current_a": " A",
    "load_pct": " %",
    "level_pct": " %",
}


def check(
    name: str, readings: Sequence[SensorReading], seen: Surroundings, profile: Profile | None
) -> Iterator[Finding]:
    """Each sensor that can be read or should be; then what they show together."""
    # No virtual machine has what its profile's real hardware has.
    wanted = set(profile.sensors) if profile and not seen.virtual_machine else set()
    absent = []
    for reading in readings:
        # A part that is missing matters where the sensor does: a laptop's battery need not tell its power.
        if not reading.problem or (reading.values and reading.sensor not in wanted):
            yield Finding(name, f"sensor {reading.sensor}", OK, _values(reading))
        elif reading.sensor in wanted or reading.code not in ("sensor.unavailable", "sensor.unknown"):
            fix = reading.fix or "look at it on the device; the other sensors are not concerned"
            yield Finding(name, f"sensor {reading.sensor}", WARN, reading.problem, fix, reading.code)
        else:
            absent.append(reading.sensor)
    if absent:
        yield Finding(name, "other sensors", OK, f"not on this device: {', '.join(absent)}")
    if not any(reading.purpose == "power" and not reading.problem for reading in readings):
        text = "no sensor of its own: only an external meter can measure it (docs/power.md)"
        yield Finding(name, "energy", OK, text)
    yield from _heat(name, readings, seen, profile)
    yield _throttling(name, readings)


def _values(reading: SensorReading) -> str:
    told = [
        f"{channel.name} {_value(channel, reading.values[channel.name])}"
        for channel in reading.channels
        if channel.name in reading.values
    ]
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return ", ".join(told[:SHOWN]) + more or "it answers, without a value now"


def _value(channel: Channel, value: float) -> str:
    if channel.kind == "flags":
        return hex(int(value))
    return f"{value:.6g}{UNITS.get(channel.kind, f' {channel.kind}')}"


def _of_kind(readings: Sequence[SensorReading], kind: str) -> dict[str, float]:
    return {
        channel.name: reading.values[channel.name]
        for reading in readings
        for channel in reading.channels
        if channel.kind == kind and channel.name in reading.values
    }


def _heat(
    name: str, readings: Sequence[SensorReading], seen: Surroundings, profile: Profile | None
) -> Iterator[Finding]:
    heat = _of_kind(readings, "temperature_c")
    if not heat:
        return
    where = max(heat, key=lambda zone: heat[zone])
    text = f"{where} {heat[where]:.1f} °C"
    limit_c = profile.limits.start_temperature_c if profile else None
    if limit_c is not None and heat[where] > limit_c:
        text = f"{text}: above the {limit_c:g} °C at which farm begins to measure"
        yield Finding(name, "temperature", WARN, text, COOL)
    elif seen.passive_c is not None and heat[where] > seen.passive_c - 5.0:
        text = f"{text}: the kernel slows the device down from {seen.passive_c:g} °C on"
        yield Finding(name, "temperature", WARN, text, COOL)
    else:
        yield Finding(name, "temperature", OK, text)


def _throttling(name: str, readings: Sequence[SensorReading]) -> Finding:
    slowed = [each for each, state in _of_kind(readings, "throttle_state").items() if state > 0]
    if slowed:
        return Finding(name, "throttling", WARN, f"slowed down now: {', '.join(slowed)}", COOL)
    for value in _of_kind(readings, "flags").values():
        now, since = _bits(int(value)), _bits(int(value) >> 16)
        if now or since:
            text = f"now: {', '.join(now)}" if now else f"since boot: {', '.join(since)}"
            fix = SUPPLY if "under-voltage" in now + since else COOL
            return Finding(name, "throttling", WARN, text, fix)
    events = sum(_of_kind(readings, "throttle_count").values())
    if events:
        return Finding(name, "throttling", OK, f"not now; {events:.0f} events since boot")
    kinds = {channel.kind for reading in readings for channel in reading.channels}
    if kinds & {"throttle_state", "flags", "throttle_count"}:
        return Finding(name, "throttling", OK, "none")
    text = "no sensor tells of it; results watch clocks and drift instead"
    return Finding(name, "throttling", OK, text)


def _bits(value: int) -> list[str]:
    return [flag for at, flag in enumerate(FLAGS) if value >> at & 1]
