"""The last rung: keep the device out of measurements, each time for twice as long."""

from __future__ import annotations

from farm.recovery import Patient

RUNG = 100
MENDS = False


def skip(patient: Patient) -> str:  # noqa: ARG001 - the seam's signature
    """It can always be done."""
    return ""


def climb(patient: Patient) -> str:
    """Until when, for people."""
    from farm.health import quarantine
    from farm.health.states import when

    standing = quarantine.put(
        patient.engine, patient.name, patient.actor, quarantine.why(patient.problem), clock=patient.clock
    )
    return f"until {when(standing.until_unix_s)}"
