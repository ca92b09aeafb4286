"""Restart the device's system through the root-owned helper; only where its owner allowed that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.errors import FarmError, InfrastructureError
from farm.recovery import Patient
from farm.recovery.common import held, spare_others, up_again

if TYPE_CHECKING:
    from farm.transports import Transport

RUNG = 30
HELPER = "/usr/local/sbin/farm-helper"
CONNECT_TIMEOUT_S = 20.0
CALL_TIMEOUT_S = 30.0
_LOST = ("link.lost", "link.timeout")


def skip(patient: Patient) -> str:
    """Never this machine; others when the inventory says so."""
    device = patient.session.device
    if device.transport == "local":
        return "this machine is not restarted"
    if not device.may_reboot:
        return f"not allowed: set may_reboot = true for {device.name} in the inventory"
    return ""


def climb(patient: Patient) -> str:
    """Raises recovery.reboot where the helper refuses, and what it means that the device stays away."""
    from farm.transports import connect

    with held(patient) as hold:
        spare_others(patient, hold)
        # Below the session: the agent and its Python may be what is broken
        transport = connect(patient.session.device, CONNECT_TIMEOUT_S)
        try:
            before = _boot_id(transport)
            _ask(patient.name, transport)
        finally:
            transport.close()
        # An answer from before the restart is none: the boot id tells.
        patient.stop.wait(min(2.0, patient.boot_s))
        up_again(patient)
        after = patient.session.call(lambda _, link: _boot_id(link), patience_s=patient.patience_s)
    if before and after == before:
        raise InfrastructureError(
            f"{patient.name} did not restart",
            code="recovery.reboot",
            fix=f"try {HELPER} reboot there by hand",
        )
    return "restarted"


def _ask(name: str, transport: Transport) -> None:
    try:
        done = transport.run(["sudo", "-n", HELPER, "reboot"], timeout_s=CALL_TIMEOUT_S)
    except FarmError as error:
        if error.code not in _LOST:
            raise
        return  # the link went with the system: as it should
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise InfrastructureError(
            f"{name} refused to restart: {said[-1][:200] if said else f'status {done.returncode}'}",
            code="recovery.reboot",
            fix="enrol it again, which installs the helper: farm enroll",
        )


def _boot_id(transport: Transport) -> str:
    done = transport.run(["cat", "/proc/sys/kernel/random/boot_id"], timeout_s=CALL_TIMEOUT_S)
    return done.stdout.decode("ascii", "replace").strip()
