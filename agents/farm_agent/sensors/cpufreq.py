"""The clock of each frequency domain of the processor, and its governor."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import sysfiles
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "telemetry"
INTERVAL_S = 0.1
POLICIES = Path("sys/devices/system/cpu/cpufreq")


def sources(root: Path) -> List[sysfiles.Source]:
    """``scaling_cur_freq`` of each policy: what the kernel last set or, with hardware control, measured."""
    return [
        sysfiles.Source(
            Channel(folder.name, "frequency_khz", quantum=1.0), folder / "scaling_cur_freq", least=1
        )
        for folder in sysfiles.folders(root / POLICIES, "policy*")
    ]


def governors(root: Path = Path("/")) -> Dict[str, str]:
    """The governor of each policy; a policy whose governor cannot be read is left out."""
    found = {}
    for folder in sysfiles.folders(root / POLICIES, "policy*"):
        governor = sysfiles.read_word(folder / "scaling_governor")
        if governor:
            found[folder.name] = governor
    return found


def probe(root: Path = Path("/")) -> Probe:
    """Available where a policy tells a frequency now."""
    return attempt(lambda: open(root))


def open(root: Path = Path("/")) -> sysfiles.FileSensor:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` where the kernel has no frequency control."""
    found = sources(root)
    if not found:
        raise SensorError(
            f"the kernel shows no frequency policy below /{POLICIES}",
            code="sensor.unavailable",
            fix="none on most virtual machines; elsewhere load the cpufreq driver (lsmod | grep cpufreq)",
        )
    return sysfiles.FileSensor(found, INTERVAL_S)
