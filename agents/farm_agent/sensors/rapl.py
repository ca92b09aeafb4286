"""Energy counters of x86 packages, cores, memory and platform through the kernel's powercap folder (RAPL).

Counters wrap at ``max_energy_range_uj`` (65 532 J on AMD: 17 minutes at 65 W; 262 143 J on Intel), so they
must be read at least every quarter of the shortest wrap. ``energy_uj`` belongs to root since Linux 5.10
(CVE-2020-8694). A package is no computer: board, disks and power supply are not in it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Iterable, List

from farm_agent.late import dataclass
from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import sysfiles
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "power"
# The processor itself adds to the counters about every millisecond; reading more often shows the steps.
INTERVAL_S = 0.01
UPDATE_S = 0.001
POWERCAP = Path("sys/class/powercap")
# intel-rapl-mmio shows the same packages a second time and is not looked at.
ZONE = re.compile(r"(?:^|/)(intel-rapl:[0-9]+(?::[0-9]+)?)/energy_uj$")
SCOPES = {"package": "package", "core": "core", "uncore": "gpu", "dram": "dram", "psys": "platform"}
# More than any package that fits a socket draws, for the longest time between two reads.
HIGHEST_W = 1000.0
FIX = (
    "as root, put into /etc/udev/rules.d/60-farm-rapl.rules: "
    'SUBSYSTEM=="powercap", KERNEL=="intel-rapl*", '
    'RUN+="/bin/chgrp farm /sys/%p/energy_uj", RUN+="/bin/chmod g+r /sys/%p/energy_uj" '
    "; add the agent's user to the group farm, and run: udevadm trigger -s powercap -c add"
)


@dataclass(frozen=True)
class Zone:
    """One counter. ``name``: intel-rapl:0 or intel-rapl:0:1; ``parent``: the package's zone of a part."""

    name: str
    folder: str

    @property
    def parent(self) -> str:
        return ":".join(self.name.split(":")[:2]) if self.name.count(":") == 2 else ""


def parse_zones(paths: Iterable[str]) -> List[Zone]:
    """The zones in a listing of files, each once, packages before their parts."""
    found: Dict[str, str] = {}
    for path in paths:
        match = ZONE.search(path.strip())
        if match:
            found.setdefault(match.group(1), path.strip()[: -len("/energy_uj")])
    order = sorted(found, key=lambda name: [int(part) for part in name.split(":")[1:]])
    return [Zone(name, found[name]) for name in order]


def scope_of(name: str) -> str:
    """What a zone called package-0, package-0-die-1, core, uncore, dram or psys covers; "" for others."""
    return SCOPES.get(name.partition("-")[0], "")


def longest_interval_s(range_j: float, highest_w: float = HIGHEST_W) -> float:
    """Read at least this often: a quarter of the time to a wrap, for two wraps cannot be told from one."""
    return range_j / (4 * highest_w)


def sources(root: Path) -> List[sysfiles.Source]:
    """Every zone with a known name, called ``package-0`` or ``package-0/dram``."""
    top = root / POWERCAP
    folders = sysfiles.folders(top, "intel-rapl:*") + sysfiles.folders(top, "intel-rapl:*/intel-rapl:*")
    zones = parse_zones(str(folder / "energy_uj") for folder in folders)
    names = {zone.name: sysfiles.read_word(Path(zone.folder) / "name") for zone in zones}
    found = []
    for zone in zones:
        if scope_of(names[zone.name]):
            prefix = names.get(zone.parent) or zone.parent
            found.append(
                _source(zone, f"{prefix}/{names[zone.name]}".lstrip("/"), scope_of(names[zone.name]))
            )
    return found


def _source(zone: Zone, name: str, scope: str) -> sysfiles.Source:
    """The kernel's range is 2^32 steps of the processor's energy unit, which gives the quantum."""
    range_uj = sysfiles.number(Path(zone.folder) / "max_energy_range_uj")
    wraps_at = range_uj * 1e-6 if range_uj and range_uj > 0 else None
    quantum = None if wraps_at is None else wraps_at / 2**32
    channel = Channel(name, "energy_j", scope, quantum, wraps_at, UPDATE_S)
    return sysfiles.Source(channel, Path(zone.folder) / "energy_uj", 1e-6)


def probe(root: Path = Path("/")) -> Probe:
    """Available where one counter can be read now."""
    return attempt(lambda: open(root))


def open(root: Path = Path("/")) -> sysfiles.FileSensor:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable``, or ``sensor.permission`` with the rule that helps."""
    found = sources(root)
    if not found:
        raise SensorError(
            f"the kernel shows no energy counter below /{POWERCAP}",
            code="sensor.unavailable",
            fix="modprobe intel_rapl_msr; virtual machines and AMD before Zen have none",
        )
    sensor = sysfiles.FileSensor(found, INTERVAL_S)
    try:
        sensor.read()
    except SensorError as error:
        if error.code == "sensor.permission":
            raise SensorError(error.message, code=error.code, fix=FIX) from error
        raise
    return sensor
