"""Where the agent keeps its files on a device."""

from __future__ import annotations

from farm.devices import faults
from farm.devices.device import Device
from farm.errors import InfrastructureError
from farm.transports import Transport

DEFAULT_ROOT = "~/.farm"
# Where the adb shell's user may write and execute; a phone has no home.
PHONE_ROOT = "/data/local/tmp/farm"

_MARK = "farm-home="  # shells may print noise of their own before it
# HOME may be missing in a bare sshd session or point nowhere; the account's own entry is then the truth.
_SCRIPT = f"""printf '{_MARK}%s\\n' "${{HOME:-$(cd && pwd)}}" """


def resolve_root(transport: Transport, device: Device, *, timeout_s: float = 30.0) -> str:
    """The absolute path of ``device.root`` (or the default) on the device.

    For this machine the default lies in farm's own state folder, on a phone where the adb shell may write;
    elsewhere ``~`` and relative paths start at the home of the device's user.

    Raises InfrastructureError device.no-home where the user has none and ``root`` is not absolute.
    """
    if device.transport == "local" and not device.root:
        from farm.config import load_config

        return str(load_config().state_dir.absolute() / "device")
    root = device.root or (PHONE_ROOT if device.transport == "adb" else DEFAULT_ROOT)
    if root.startswith("/"):
        return root.rstrip("/") or "/"
    done = transport.run(["sh", "-c", _SCRIPT], timeout_s=timeout_s)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    home = next((line.partition(_MARK)[2] for line in lines if _MARK in line), "").rstrip("/")
    if not home.startswith("/"):
        raise InfrastructureError(
            f"device {device.name}: its user has no home directory",
            code="device.no-home",
            fix=f"give the device an absolute `root` in the inventory (table devices.{device.name})",
        )
    return f"{home}/{root.removeprefix('~').lstrip('/')}".rstrip("/")


def make_root(transport: Transport, device: Device, *, timeout_s: float = 30.0) -> str:
    """``resolve_root`` and the folders below it. Raises device.not-writable and device.disk-full, too."""
    root = resolve_root(transport, device, timeout_s=timeout_s)
    folders = [f"{root}/{name}" for name in ("agents", "cas", "jobs")]
    done = transport.run(["mkdir", "-p", "--", *folders], timeout_s=timeout_s)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").splitlines()
        # One line for each folder, behind what the shell may have to say.
        lines = [line.removeprefix("mkdir: ") for line in said if line.startswith("mkdir: ")] or said[-1:]
        why = lines[0].strip()[:300] if lines else f"mkdir ended with {done.returncode}"
        if "No space left" in why or "quota" in why.lower():
            raise faults.disk_full(device.name, root)
        raise faults.not_writable(device.name, root, why)
    return root
