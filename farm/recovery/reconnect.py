"""Drop the connection and open a new one: enough for a link that hung."""

from __future__ import annotations

from farm.recovery import Patient

RUNG = 10


def skip(patient: Patient) -> str:  # noqa: ARG001 - the seam's signature
    """It can always be tried."""
    return ""


def climb(patient: Patient) -> str:
    """Connect anew and let the agent say hello."""
    patient.session.close()
    hello = patient.session.hello(patience_s=patient.patience_s)
    return f"connected anew; the agent answers on Python {hello.python}"
