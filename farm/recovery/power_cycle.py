"""Take the device's power away and give it back, by the switch that the settings name for it."""

from __future__ import annotations

from farm.recovery import Patient
from farm.recovery.common import held, spare_others, up_again

RUNG = 40


def skip(patient: Patient) -> str:
    """Only where a switch is known."""
    if patient.switch is None:
        return f"no power switch is known: see [switches.NAME] with device = {patient.name!r}"
    return ""


def climb(patient: Patient) -> str:
    """Raises switch.*, and what it means that the device stays away."""
    if patient.switch is None:
        return ""
    with held(patient) as hold:
        spare_others(patient, hold)
        said = patient.switch.cycle()
        up_again(patient)
    return f"{said}; it is up again"
