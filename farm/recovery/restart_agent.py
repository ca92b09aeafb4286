"""End what drivers of this store left running there, make room where there is none, ship the agent anew.

Jobs of other coordinators, and those that can still be brought home, are left alone: the device is then busy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.recovery import Patient
from farm.recovery.common import held, ours_of

if TYPE_CHECKING:
    from farm.devices.hold import Hold

RUNG = 20
LITTLE_BYTES = 64 * 1024 * 1024


def skip(patient: Patient) -> str:  # noqa: ARG001 - the seam's signature
    """It can always be tried."""
    return ""


def climb(patient: Patient) -> str:
    """Raises device.busy where another coordinator's job runs."""
    session = patient.session
    session.close()  # the next call proves the agent's file by its hash, or ships it again
    with held(patient) as hold:
        stopped = _stop_ours(patient, hold)
        hello = session.hello(patience_s=patient.patience_s)
        freed = 0
        if hello.free_bytes < LITTLE_BYTES:
            said = session.call(lambda client, _: client.gc(0), patience_s=patient.patience_s)
            freed = int(said.get("freed_bytes", 0))
    parts = [f"stopped {', '.join(stopped)}" if stopped else "no job of ours ran", "agent answers"]
    return "; ".join([*parts, f"freed {freed / 2**20:.0f} MiB"] if freed else parts)


def _stop_ours(patient: Patient, hold: Hold) -> list[str]:
    from farm.devices import leases

    hello = patient.session.hello(patience_s=patient.patience_s)
    ours = ours_of(patient, hold, hello.running)
    fence = hold.lease.fence
    if hello.fence >= fence:
        fence = leases.raise_fence(patient.engine, hold.lease, hello.fence + 1)
    for job in ours:
        patient.session.call(lambda client, _: client.stop(job, fence), patience_s=patient.patience_s)  # noqa: B023
    return ours
