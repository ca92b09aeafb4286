"""Small reads from /proc and /sys. What cannot be read is None, never an error and never a guess."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Union


def text(path: Union[str, Path], limit: int = 65536) -> Optional[str]:
    """A pseudo-file's text without blanks and NULs around it."""
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode("utf-8", "replace").strip("\0 \t\r\n")
    except OSError:
        return None


def number(path: Union[str, Path]) -> Optional[int]:
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
    known = bool(words) and words[0].isascii() and words[0].isdigit() and len(words[0]) < 20
    return int(words[0]) * 1024 if known else None


def cpu_pressure_pct(content: Optional[str] = None) -> Optional[float]:
    """``some avg10`` of /proc/pressure/cpu: percent of time that some task waited for a CPU."""
    content = text("/proc/pressure/cpu") if content is None else content
    found = re.match(r"some avg10=([0-9]{1,3}(?:\.[0-9]{1,6})?)\s", content or "")
    return float(found.group(1)) if found else None


def thermal_zones() -> List[Dict[str, Any]]:
    """Every zone's type and temperature; a gated sensor (below -100 degrees) has none."""
    zones = []
    for folder in sorted(Path("/sys/class/thermal").glob("thermal_zone*")):
        value = number(folder / "temp")
        celsius = value / 1000 if value is not None and value > -100_000 else None
        zones.append({"type": text(folder / "type") or folder.name, "celsius": celsius})
    return zones


def throttle_counts() -> Dict[str, int]:
    """What tells of throttling: states of cooling devices, and x86's event counters."""
    found = {}
    for folder in sorted(Path("/sys/class/thermal").glob("cooling_device*")):
        state = number(folder / "cur_state")
        if state is not None:
            found["{}:{}".format(folder.name, text(folder / "type"))] = state
    cpus = Path("/sys/devices/system/cpu")
    for path in sorted(cpus.glob("cpu*/thermal_throttle/*_throttle_count")):
        count = number(path)
        if count is not None:
            found[str(path.relative_to(cpus))] = count
    return found


def cpu_clocks() -> List[Dict[str, Any]]:
    """Governor and frequencies of every frequency domain."""
    return [
        {
            "policy": folder.name,
            "cpus": text(folder / "affected_cpus"),
            "governor": text(folder / "scaling_governor"),
            "current_khz": number(folder / "scaling_cur_freq"),
            "minimum_khz": number(folder / "scaling_min_freq"),
            "maximum_khz": number(folder / "scaling_max_freq"),
        }
        for folder in sorted(Path("/sys/devices/system/cpu/cpufreq").glob("policy*"))
    ]


def os_release() -> str:
    """PRETTY_NAME of /etc/os-release; "" where it is missing."""
    lines = fields(text("/etc/os-release") or "", "=")
    return lines.get("PRETTY_NAME", "").strip('"')
