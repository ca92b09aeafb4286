"""Small reads from /proc and /sys. What cannot be read is None, never an error and never a guess."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any, Dict, List, Optional


def text(path: str, limit: int = 65536) -> Optional[str]:
    """A pseudo-file's text without blanks and NULs around it."""
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode("utf-8", "replace").strip("\0 \t\r\n")
    except OSError:
        return None


def number(path: str) -> Optional[int]:
    """A pseudo-file that holds one integer."""
    value = text(path, 64)
    try:
        return int(value) if value is not None else None
    except ValueError:
        return None


def fields(content: str, separator: str = ":") -> Dict[str, str]:
    """``key: value`` lines; the first of equal keys stays."""
    found: Dict[str, str] = {}
    for line in content.splitlines():
        key, mark, value = line.partition(separator)
        if mark:
            found.setdefault(key.strip(), value.strip())
    return found


def memory() -> Dict[str, Optional[int]]:
    """total_bytes, available_bytes and swap_free_bytes from /proc/meminfo."""
    lines = fields(text("/proc/meminfo") or "")
    return {
        "total_bytes": kib(lines.get("MemTotal")),
        "available_bytes": kib(lines.get("MemAvailable")),
        "swap_free_bytes": kib(lines.get("SwapFree")),
    }


def kib(value: Optional[str]) -> Optional[int]:
    """Bytes of a value like ``1696 kB``."""
    words = (value or "").split()
    return int(words[0]) * 1024 if words and words[0].isdigit() else None


def cpu_pressure_pct(content: Optional[str] = None) -> Optional[float]:
    """``some avg10`` of /proc/pressure/cpu: percent of time that some task waited for a CPU."""
    content = text("/proc/pressure/cpu") if content is None else content
    for word in (content or "").splitlines()[:1]:
        for part in word.split():
            if part.startswith("avg10="):
                return float(part[len("avg10=") :])
    return None


def thermal_zones() -> List[Dict[str, Any]]:
    """Every zone's type and temperature; a gated sensor (below -100 degrees) has none."""
    zones = []
    for folder in sorted(glob.glob("/sys/class/thermal/thermal_zone*")):
        value = number(os.path.join(folder, "temp"))
        known = value is not None and value > -100_000
        zones.append(
            {
                "type": text(os.path.join(folder, "type")) or os.path.basename(folder),
                "celsius": value / 1000 if known and value is not None else None,
            }
        )
    return zones


def throttle_counts() -> Dict[str, int]:
    """What tells of throttling: cooling states above zero, and x86's event counters."""
    found = {}
    for folder in sorted(glob.glob("/sys/class/thermal/cooling_device*")):
        state = number(os.path.join(folder, "cur_state"))
        if state is not None:
            found["{}:{}".format(os.path.basename(folder), text(os.path.join(folder, "type")))] = state
    for path in sorted(glob.glob("/sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count")):
        count = number(path)
        if count is not None:
            found[os.path.relpath(path, "/sys/devices/system/cpu")] = count
    return found


def cpu_clocks() -> List[Dict[str, Any]]:
    """Governor and frequencies of every frequency domain."""
    return [
        {
            "policy": os.path.basename(folder),
            "cpus": text(os.path.join(folder, "affected_cpus")),
            "governor": text(os.path.join(folder, "scaling_governor")),
            "current_khz": number(os.path.join(folder, "scaling_cur_freq")),
            "minimum_khz": number(os.path.join(folder, "scaling_min_freq")),
            "maximum_khz": number(os.path.join(folder, "scaling_max_freq")),
        }
        for folder in sorted(glob.glob("/sys/devices/system/cpu/cpufreq/policy*"))
    ]


def os_release() -> str:
    """PRETTY_NAME of /etc/os-release; "" where it is missing."""
    lines = fields(text("/etc/os-release") or "", "=")
    return lines.get("PRETTY_NAME", "").strip('"')


def exists(path: str) -> bool:
    """Whether a pseudo-file is there."""
    return Path(path).exists()
