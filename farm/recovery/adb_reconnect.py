"""Have the adb server open its connection to a phone anew; the server itself, which others use, lives on."""

from __future__ import annotations

import contextlib
import time

from farm.recovery import Patient

RUNG = 15
CALL_TIMEOUT_S = 10.0


def skip(patient: Patient) -> str:
    """Only for phones."""
    return "" if patient.session.device.transport == "adb" else "not connected by adb"


def climb(patient: Patient) -> str:
    """Kick the connection and let the agent say hello."""
    from farm.devices.address import parse_address
    from farm.errors import FarmError
    from farm.transports.adb import server

    address = parse_address(patient.session.device.address)
    found = server.server_of(address)
    patient.session.close()
    server.require(found, time.monotonic() + CALL_TIMEOUT_S)
    said = "the server did not know it"
    with contextlib.suppress(FarmError):  # one that is not there any more is looked for below
        said = server.query(found, f"host-serial:{address.serial}:reconnect", CALL_TIMEOUT_S).strip()
    patient.session.hello(patience_s=patient.patience_s)
    return f"{said[:80]}; the agent answers"
