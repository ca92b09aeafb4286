"""Why a driver lets go of a job that may still end well."""

from __future__ import annotations

from farm.errors import InfrastructureError


def taken_over(device: str) -> InfrastructureError:
    """Our lease ran out, and another driver of the store has the device."""
    return InfrastructureError(
        f"another driver took {device} over",
        code="lease.lost",
        fix="it brings this job to its end: look at `farm jobs`, then at `farm results show`",
    )


def still_busy(device: str, job_id: str, *, stopped: bool) -> InfrastructureError:
    """Our own time is over while the job of a driver that died still runs."""
    if stopped:
        return InfrastructureError(f"stopped while waiting for {device}", code="lease.stopped")
    return InfrastructureError(
        f"{device} still runs {job_id}, whose driver died",
        code="lease.timeout",
        fix=f"wait longer with --wait 30m, or stop that job with `farm jobs drop {job_id}`",
    )


def while_measuring(error: InfrastructureError, job_id: str) -> InfrastructureError:
    """A link that went for good says what that means for the job."""
    from farm.devices.session import LINK_CODES

    if error.code not in LINK_CODES:
        return error
    return InfrastructureError(
        f"{error.message}; this was in the middle of job {job_id}",
        code=error.code,
        fix=f"{error.fix}; then run `farm jobs collect`: the device keeps the job's result",
    )
