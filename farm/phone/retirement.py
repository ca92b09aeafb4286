"""``farm retire`` for a phone: take away what farm put there."""

from __future__ import annotations

from farm.devices.device import Device
from farm.devices.root import resolve_root
from farm.errors import InfrastructureError, UsageError

CONNECT_TIMEOUT_S = 30.0
CALL_TIMEOUT_S = 120.0
# Only in a folder that farm made; a user's own tools stay.
_UNDO = """
[ -d "$1" ] || exit 0
[ -d "$1/agents" ] && [ -d "$1/cas" ] && [ -d "$1/jobs" ] || { echo "$1 is not farm's" >&2; exit 3; }
pgrep -f "$1/jobs/" >/dev/null && exit 4
cd "$1" && rm -rf agents cas jobs python tmp .cache fence lock running.lock *.json *.boot && cd / || exit 1
rmdir "$1" 2>/dev/null || true
"""


def undo(device: Device) -> None:
    """Raises InfrastructureError device.busy while a job runs, link.*; UsageError phone.not-farms."""
    from farm.transports import connect

    transport = connect(device, CONNECT_TIMEOUT_S)
    try:
        root = resolve_root(transport, device)
        done = transport.run(["sh", "-c", _UNDO, "sh", root], timeout_s=CALL_TIMEOUT_S)
    finally:
        transport.close()
    said = done.stderr.decode("utf-8", "replace").strip()[-200:]
    if done.returncode == 4:
        raise InfrastructureError(
            f"device {device.name}: a job still runs on it",
            code="device.busy",
            fix="wait for it, or end it: farm jobs",
        )
    if done.returncode == 3:
        raise UsageError(
            f"device {device.name}: {said}: nothing was removed",
            code="phone.not-farms",
            fix=f"look at it: adb shell ls {root}; only forget the phone: farm retire {device.name} --forget",
        )
    if done.returncode:
        raise InfrastructureError(
            f"device {device.name}: {root} cannot be removed: {said}",
            code="device.not-writable",
            fix=f"remove it by hand: adb shell rm -rf {root}",
        )
