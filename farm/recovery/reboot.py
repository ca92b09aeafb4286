"""Restart the device's system through the root-owned helper; only where its owner allowed that."""

from __future__ import annotations

from farm.errors import FarmError, InfrastructureError
from farm.recovery import Patient
from farm.recovery.common import held, up_again

RUNG = 30
HELPER = "/usr/local/sbin/farm-helper"
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
    with held(patient):
        before = _boot_id(patient)
        _ask(patient)
        # An answer from before the restart is none: the boot id tells.
        patient.stop.wait(min(2.0, patient.boot_s))
        up_again(patient)
        after = _boot_id(patient)
    if before and after == before:
        raise InfrastructureError(
            f"{patient.name} did not restart",
            code="recovery.reboot",
            fix=f"try {HELPER} reboot there by hand",
        )
    return "restarted"


def _ask(patient: Patient) -> None:
    try:
        done = patient.session.call(
            lambda _, transport: transport.run(["sudo", "-n", HELPER, "reboot"], timeout_s=CALL_TIMEOUT_S),
            patience_s=0.0,
        )
    except FarmError as error:
        if error.code not in _LOST:
            raise
        return  # the link went with the system: as it should
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise InfrastructureError(
            f"{patient.name} refused to restart: {said[-1][:200] if said else f'status {done.returncode}'}",
            code="recovery.reboot",
            fix="enrol it again, which installs the helper: farm enroll",
        )


def _boot_id(patient: Patient) -> str:
    done = patient.session.call(
        lambda _, transport: transport.run(
            ["cat", "/proc/sys/kernel/random/boot_id"], timeout_s=CALL_TIMEOUT_S
        ),
        patience_s=patient.patience_s,
    )
    return done.stdout.decode("ascii", "replace").strip()
