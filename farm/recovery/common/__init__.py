"""What several steps need: the device's lease, and waiting until the device is up again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from farm.errors import FarmError, InfrastructureError

if TYPE_CHECKING:
    from farm.devices.hold import Hold
    from farm.recovery import Patient

LEASE_WAIT_S = 5.0


@contextmanager
def held(patient: Patient) -> Iterator[Hold]:
    """The device's lease, so that no step hits a measurement. Raises lease.timeout while another holds it."""
    import uuid

    from farm import audit
    from farm.devices.hold import Wish, hold
    from farm.devices.holder import holder_text

    person = audit.person()
    wish = Wish(
        patient.name,
        f"recovery-{uuid.uuid4().hex[:8]}",
        holder_text(f"{patient.actor}, recovery"),
        owner=person,
    )
    with hold(
        patient.engine,
        wish,
        wait_s=LEASE_WAIT_S,
        stop=patient.stop,
        waiting=lambda _who: None,
    ) as found:
        yield found


def ours_of(patient: Patient, hold: Hold, running: Collection[str]) -> list[str]:
    """Those of the running jobs that drivers of this store left, and that nobody will bring home any more.

    Raises device.busy when any other job runs there.
    """
    from farm.devices import leases
    from farm.jobs import rows

    kept = {row.job_id for row in rows.unfinished(patient.engine, patient.name)}
    ours = [job for job in running if job not in kept and leases.was_ours(patient.engine, hold.lease, job)]
    for job in running:
        if job not in ours:
            raise InfrastructureError(
                f"{patient.name} runs {job}, which is not ours to end",
                code="device.busy",
                fix="wait until it has ended; farm jobs shows what can still be brought home",
            )
    return ours


def spare_others(patient: Patient, hold: Hold) -> None:
    """Raises device.busy when the agent tells of a job that a restart would destroy; it may not answer."""
    try:
        running = patient.session.hello(patience_s=0.0).running
    except FarmError:
        return
    ours_of(patient, hold, running)


def up_again(patient: Patient) -> None:
    """Return when the agent answers after a start. Raises device.unreachable, link.* when it does not."""
    patient.session.close()
    patient.session.hello(patience_s=patient.boot_s)
