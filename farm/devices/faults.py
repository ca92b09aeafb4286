"""What can go wrong with a device on any transport: one maker per error code."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from farm.errors import InfrastructureError, UsageError


def check_arguments(argv: Sequence[str]) -> None:
    """No system passes a NUL byte to a program. Raises UsageError inventory.invalid."""
    if any("\0" in argument for argument in argv):
        raise UsageError(
            "a command for a device holds a NUL byte",
            code="inventory.invalid",
            fix="look for it in the device's entry of the inventory (python, root)",
        )


def late(device: str, argv: Sequence[str], timeout_s: float) -> InfrastructureError:
    """A call that did not end before its deadline."""
    what = " ".join(argv).replace("\n", " ")
    what = what if len(what) <= 80 else what[:77] + "..."
    return InfrastructureError(
        f"device {device}: {what} did not end within {timeout_s:g} s",
        code="link.timeout",
        fix=f"check the device's link and load: farm doctor {device}",
    )


def lost(device: str, why: object) -> InfrastructureError:
    """A link that was open and is gone."""
    return InfrastructureError(
        f"device {device}: the link is lost ({why})",
        code="link.lost",
        fix=f"check the link: farm doctor {device}",
    )


def silent(device: str, silent_s: float) -> InfrastructureError:
    """A device that does not answer although its link never ended: power, cable, or a frozen system."""
    return InfrastructureError(
        f"device {device}: no answer for {silent_s:.0f} s",
        code="link.lost",
        fix=f"check its power and its cable: farm doctor {device}",
    )


def too_large(device: str, what: str, limit_bytes: int) -> InfrastructureError:
    """More output than anything honest writes."""
    return InfrastructureError(
        f"device {device}: {what} is larger than {limit_bytes} bytes",
        code="device.output-too-large",
        fix=f"this is not what an agent writes; check what answers there: farm doctor {device}",
    )


def no_file(device: str, path: str, why: object) -> InfrastructureError:
    """A file of the device that cannot be read."""
    return InfrastructureError(
        f"device {device}: {path} cannot be read: {why}",
        code="device.no-file",
        fix="the agent's folder may have been cleaned; run the command again",
    )


def disk_full(device: str, path: str) -> InfrastructureError:
    """No space, or no quota, for a file."""
    return InfrastructureError(
        f"device {device}: no space left on the device for {path}",
        code="device.disk-full",
        fix=f"free space there (df -h), or remove what farm keeps: farm agent gc {device}",
    )


def not_writable(device: str, path: str, why: object) -> InfrastructureError:
    """A place where the device's user may not write, or that is no place for a file."""
    return InfrastructureError(
        f"device {device}: {path} cannot be written: {why}",
        code="device.not-writable",
        fix="let the device's user write there, or set the device's `root` in the inventory",
    )


def unwritten(device: str, path: str, error: OSError) -> InfrastructureError:
    """The right one of the two above for an error of the operating system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(device, path)
    return not_writable(device, path, error.strerror or error)
