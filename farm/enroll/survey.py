"""What the device is, asked in plain sh before anything is changed there: it may have no Python yet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.enroll.failures import clock_is_off
from farm.errors import InfrastructureError

if TYPE_CHECKING:
    from farm.devices.device import Device
    from farm.enroll.link import Link

SURVEY_TIMEOUT_S = 60.0
CLOCK_S = 120.0
NEEDED_BYTES = 300 * 1024 * 1024
MARK = "farm-survey "
# One `farm-survey KEY VALUE` per line; a shell's own noise is skipped.
SCRIPT = r"""
say() { printf 'farm-survey %s %s\n' "$1" "$2"; }
say machine "$(uname -m)"
say kernel "$(uname -r)"
say clock "$(date -u +%s)"
say libc "$( (getconf GNU_LIBC_VERSION || ldd --version) 2>&1 | head -n 1)"
[ -r /proc/device-tree/model ] && say model "$(tr -d '\0' </proc/device-tree/model)"
[ -r /etc/nv_tegra_release ] && say l4t "$(head -n 1 /etc/nv_tegra_release)"
[ -e /proc/driver/nvidia/version ] && say nvidia yes
[ -d /run/systemd/system ] && say systemd yes
[ -e /opt/farm/runtimes.txt ] && say enrolled yes
say memory_kb "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
for tool in apt-get dnf apk; do command -v $tool >/dev/null && { say packages $tool; break; }; done
while read -r _ where _ how _; do
  [ "$where" = / ] && case ",$how," in *,ro,*) say readonly / ;; esac
done </proc/mounts
say free_kb "$(df -Pk /opt 2>/dev/null | sed -n '2s/[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p')"
program='import sys; print("%d.%d.%d %s" % (sys.version_info[:3] + (sys.executable,)))'
for python in /usr/bin/python3 python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8; do
  found=$("$python" -c "$program" 2>/dev/null)
  [ -n "$found" ] && say python "$found"
done
true
"""


@dataclass(frozen=True)
class Survey:
    """``pythons``: (version, program), the preferred first. Empty and None: it does not tell."""

    machine: str
    kernel: str
    libc: str
    model: str = ""
    l4t: str = ""
    nvidia: bool = False
    systemd: bool = False
    enrolled: bool = False
    packages: str = ""
    memory_bytes: int | None = None
    free_bytes: int | None = None
    read_only: bool = False
    clock_off_s: float | None = None
    pythons: tuple[tuple[tuple[int, ...], str], ...] = ()

    @property
    def python(self) -> str:
        """The program of the first Python that is new enough; empty where there is none."""
        return next((program for version, program in self.pythons if version >= (3, 8)), "")


def look(device: Device, link: Link) -> Survey:
    """Ask. Raises InfrastructureError enroll.survey where the answer makes no sense."""
    before = time.time()
    done = link.run(["sh", "-c", SCRIPT], timeout_s=SURVEY_TIMEOUT_S, output_limit_bytes=1 << 20)
    return read(device.name, done.stdout.decode("utf-8", "replace"), before, time.time())


def read(name: str, text: str, before_unix_s: float, after_unix_s: float) -> Survey:
    """The script's answer. Its clock was read between the two times: only what lies outside is off."""
    said: dict[str, str] = {}
    pythons: list[tuple[tuple[int, ...], str]] = []
    for line in text.splitlines():
        key, _, value = line.partition(MARK)[2].strip().partition(" ")
        version, _, program = value.partition(" ")
        parts = version.split(".")
        if key == "python" and program.startswith("/") and all(part.isdigit() for part in parts):
            pythons.append((tuple(int(part) for part in parts), program))
        elif key:
            said[key] = value[:500]
    if "machine" not in said:
        raise InfrastructureError(
            f"device {name}: its shell did not answer as a Unix shell does",
            code="enroll.survey",
            fix="check that the user's shell there is a POSIX shell that runs commands over SSH",
        )
    off = None
    if said.get("clock", "").isdigit():
        theirs = float(said["clock"])
        off = max(before_unix_s - 1.0 - theirs, theirs - after_unix_s, 0.0)
    return Survey(
        machine=said["machine"],
        kernel=said.get("kernel", ""),
        libc=said.get("libc", ""),
        model=said.get("model", ""),
        l4t=said.get("l4t", ""),
        nvidia="nvidia" in said,
        systemd="systemd" in said,
        enrolled="enrolled" in said,
        packages=said.get("packages", ""),
        memory_bytes=_kilobytes(said.get("memory_kb", "")),
        free_bytes=_kilobytes(said.get("free_kb", "")),
        read_only="readonly" in said,
        clock_off_s=off,
        pythons=tuple(dict.fromkeys(pythons)),
    )


def check(name: str, seen: Survey) -> None:
    """Refuse a device that cannot be enrolled, whatever is installed.

    Raises InfrastructureError enroll.read-only, device.disk-full, enroll.clock, device.python-too-old,
    enroll.no-python.
    """
    if seen.read_only:
        raise InfrastructureError(
            f"device {name}: its root file system is read-only",
            code="enroll.read-only",
            fix="make it writable while it is enrolled (`mount -o remount,rw /`; an overlay or write "
            "protection must be off), and make it so again afterwards if you like",
        )
    if not seen.enrolled and seen.free_bytes is not None and seen.free_bytes < NEEDED_BYTES:
        raise InfrastructureError(
            f"device {name}: {seen.free_bytes / 1e6:.0f} MB are free where /opt lies; runtimes need "
            f"{NEEDED_BYTES / 1e6:.0f} MB",
            code="device.disk-full",
            fix="free space there (df -h)",
        )
    if seen.clock_off_s is not None and seen.clock_off_s > CLOCK_S:
        raise clock_is_off(name, seen.clock_off_s)
    if not seen.python and not seen.packages:
        if seen.pythons:
            version, program = seen.pythons[0]
            raise InfrastructureError(
                f"device {name}: {program} is Python {'.'.join(map(str, version))}; 3.8 is needed",
                code="device.python-too-old",
                fix="install Python 3.8 or newer there; it has no apt-get, dnf or apk to do it with",
            )
        raise InfrastructureError(
            f"device {name}: it has no Python, and no apt-get, dnf or apk to install it with",
            code="enroll.no-python",
            fix="install Python 3.8 or newer there by hand",
        )


def _kilobytes(text: str) -> int | None:
    return int(text) * 1024 if text.isdigit() else None
