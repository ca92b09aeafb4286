"""CPUs to measure on: the fastest cluster, all, or a list; and the kernel's way to write lists of CPUs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Collection, Dict, Iterable, List, Set, Tuple

from farm_agent import sysfs
from farm_agent.errors import JobError

MOST_CPUS = 4096
PART = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


def choose(
    text: str, allowed: Collection[int], cpus: Path = Path("/sys/devices/system/cpu")
) -> Tuple[int, ...]:
    """The CPUs that ``text`` means, of those this process may use.

    Raises JobError ``pins.affinity`` for a list that cannot be read or names a CPU that is not allowed.
    """
    if text == "all":
        return tuple(sorted(allowed))
    if text == "auto":
        return fastest(allowed, cpus)
    wanted = parse(text)
    missing = sorted(wanted - set(allowed))
    if missing:
        raise JobError(
            f"--pin affinity={text}: this process may not use CPU {missing[0]}; there are {listed(allowed)}",
            code="pins.affinity",
            fix=f"choose among {listed(allowed)}, or give affinity=auto",
        )
    return tuple(sorted(wanted))


def fastest(allowed: Collection[int], cpus: Path) -> Tuple[int, ...]:
    """The cluster of the highest cpu_capacity (Arm), else of the highest maximum frequency; else all."""
    for file in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        speeds: Dict[int, int] = {}
        for cpu in allowed:
            speed = sysfs.number(cpus / f"cpu{cpu}" / file)
            if speed is not None:
                speeds[cpu] = speed
        if len(speeds) == len(allowed) and speeds:
            best = max(speeds.values())
            # The favoured cores of one cluster differ by a few percent: they are no cluster of their own.
            return tuple(sorted(cpu for cpu, speed in speeds.items() if speed >= 0.9 * best))
    return tuple(sorted(allowed))


def parse(text: str) -> Set[int]:
    """A list like ``0-3,6``. Raises JobError ``pins.affinity``."""
    found: Set[int] = set()
    for part in text.split(","):
        match = PART.fullmatch(part.strip())
        first, last = (int(match.group(1)), int(match.group(2) or match.group(1))) if match else (1, 0)
        if first > last or last >= MOST_CPUS:
            raise JobError(
                f"--pin affinity={text[:40]!r} is no list of CPUs",
                code="pins.affinity",
                fix="give auto, all, or a list like 0-3,6",
            )
        found.update(range(first, last + 1))
    return found


def listed(cpus: Iterable[int]) -> str:
    """CPUs as the kernel lists them: ``0-3,6``."""
    parts: List[List[int]] = []
    for cpu in sorted(cpus):
        if parts and cpu == parts[-1][-1] + 1:
            parts[-1][1:] = [cpu]
        else:
            parts.append([cpu])
    return ",".join("-".join(str(cpu) for cpu in part) for part in parts)
