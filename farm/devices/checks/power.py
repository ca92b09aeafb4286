"""Batteries and chargers."""

from __future__ import annotations

from collections.abc import Iterator

from farm.devices.finding import OK, WARN, Finding
from farm_agent.messages.checkup import PowerSupply, Surroundings
from farm_agent.messages.gate import GatePlan


def check(name: str, seen: Surroundings) -> Iterator[Finding]:
    """One finding per battery; mains alone is no finding."""
    for supply in seen.supplies:
        if supply.kind.lower() == "battery":
            yield _battery(name, supply)


def _battery(name: str, battery: PowerSupply) -> Finding:
    level = "" if battery.level_pct is None else f" at {battery.level_pct} %"
    text = f"{battery.name} {battery.status.lower() or 'of unknown state'}{level}"
    status = battery.status.lower()
    if status == "discharging":
        return Finding(name, "battery", WARN, f"{text}: many devices slow down on battery", "plug it in")
    if battery.level_pct is not None and battery.level_pct < GatePlan().battery_pct:
        return Finding(name, "battery", WARN, text, "charge it before you measure")
    if status == "charging":
        text = f"{text}: charging heats the device and hides its own power"
        return Finding(name, "battery", WARN, text, "let it charge to the end before you measure")
    return Finding(name, "battery", OK, text)
