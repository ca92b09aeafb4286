"""Other programs that use the CPUs, seen from two reads of /proc."""

from __future__ import annotations

import os
from dataclasses import field
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple

from farm_agent import observe_proc, sysfs
from farm_agent.late import dataclass
from farm_agent.messages.checkup import Neighbour

LEAST_PCT = 5.0
MOST = 5


@dataclass(frozen=True)
class Ticks:
    """CPU time in clock ticks: by process (pid and start), and what the hypervisor took from all CPUs."""

    by_process: Dict[Tuple[int, int], int] = field(default_factory=dict)
    stolen: Optional[int] = None


def ticks(proc: Path) -> Ticks:
    """One look at every process; one that vanishes meanwhile is left out."""
    found = {}
    for pid in _pids(proc):
        stat = observe_proc.process_stat(sysfs.text(proc / str(pid) / "stat"))
        if stat is not None:
            found[pid, stat.start_ticks] = stat.ticks
    machine = observe_proc.machine_ticks(sysfs.text(proc / "stat"))
    return Ticks(found, machine[1] if machine else None)


def busiest(proc: Path, before: Ticks, elapsed_s: float) -> Tuple[Tuple[Neighbour, ...], Optional[float]]:
    """The programs that used most since ``before``, and the stolen time in percent of one CPU.

    Neither this process nor those that started it count: on the coordinator's own machine farm is one.
    """
    now, own = ticks(proc), ancestors(proc)
    per_tick_pct = 100.0 / max(1e-3, elapsed_s * os.sysconf("SC_CLK_TCK"))
    found: List[Neighbour] = []
    for (pid, start), used in now.by_process.items():
        cpu_pct = (used - before.by_process.get((pid, start), used)) * per_tick_pct
        if cpu_pct >= LEAST_PCT and pid not in own:
            stat = observe_proc.process_stat(sysfs.text(proc / str(pid) / "stat"))
            if stat is not None:
                found.append(Neighbour(stat.name[:64], pid, _user(proc / str(pid)), round(cpu_pct, 1)))
    found.sort(key=lambda other: -other.cpu_pct)
    if before.stolen is None or now.stolen is None:
        return tuple(found[:MOST]), None
    return tuple(found[:MOST]), max(0, now.stolen - before.stolen) * per_tick_pct


def ancestors(proc: Path, pid: Optional[int] = None) -> Set[int]:
    """This process, the one that started it, and so on."""
    pid, found = os.getpid() if pid is None else pid, set()
    while pid > 1 and pid not in found:
        found.add(pid)
        words = (sysfs.text(proc / str(pid) / "stat") or "").rpartition(")")[2].split()
        pid = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return found


def _pids(proc: Path) -> List[int]:
    try:
        return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit() and len(entry.name) < 10]
    except OSError:
        return []


def _user(folder: Path) -> str:
    """The owner's name, or number where it has no name."""
    import pwd

    try:
        uid = folder.stat().st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
