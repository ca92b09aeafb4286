"""Have the adb server open its connection to a phone anew; the server itself, which others use, lives on."""

from __future__ import annotations

from farm.recovery import Patient

RUNG = 15


def skip(patient: Patient) -> str:
    """Only for phones."""
    return "" if patient.session.device.transport == "adb" else "not connected by adb"


def climb(patient: Patient) -> str:
    """Reconnect and let the agent say hello."""
    import importlib

    adb = importlib.import_module("farm.transports.adb")
    patient.session.close()
    said = str(adb.reconnect(patient.session.device, patient.patience_s))
    patient.session.hello(patience_s=patient.patience_s)
    return said
