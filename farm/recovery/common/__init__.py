"""What several steps need: the device's lease, and waiting until the device is up again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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


def up_again(patient: Patient) -> None:
    """Return when the agent answers after a start. Raises device.unreachable, link.* when it does not."""
    patient.session.close()
    patient.session.hello(patience_s=patient.boot_s)
