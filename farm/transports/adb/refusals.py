"""What an adb server's refusal to open a stream means for the caller."""

from __future__ import annotations

from farm.devices import faults
from farm.errors import InfrastructureError
from farm.transports.adb.phones import ambiguous, unfit
from farm.transports.adb.server import Server, refusal

# How the releases of adb say it; the first that is found counts.
_STATES = (
    ("unauthorized", "unauthorized"),
    ("still authorizing", "unauthorized"),
    ("still connecting", "offline"),
    ("offline", "offline"),
    ("no permissions", "no permissions"),
    ("insufficient permissions", "no permissions"),
    ("not found", "absent"),
    ("no devices", "absent"),
)


def refused(device: str, server: Server, serial: str, error: Exception) -> InfrastructureError:
    """The right error for a stream that the server did not open."""
    text = str(error)
    if "more than one" in text:
        return ambiguous(server, serial, [])
    for words, state in _STATES:
        if words in text:
            return unfit(server, device, serial, state)
    if text == "closed" or "connection closed" in text or not text:
        return faults.lost(device, "the phone closed the connection")
    return refusal(server, error)
