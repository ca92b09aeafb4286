"""Who a process is: pid, start time and boot id, because a pid alone is reused; and how to start our own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import List, Optional

from farm_agent.late import dataclass


@dataclass(frozen=True)
class ProcessId:
    """One process of one boot. ``start_ticks``: field 22 of /proc/PID/stat."""

    pid: int
    start_ticks: int
    boot_id: str


def boot_id() -> str:
    """The kernel's id of this boot; "" where it does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def identify(pid: int) -> Optional[ProcessId]:
    """The process that has this pid now; None when there is none, or only a zombie."""
    try:
        # Of its first thread, which says the same: an emulator (qemu-user) answers for /proc/PID/stat of the
        # process itself, and leaves out the start.
        stat = Path(f"/proc/{pid}/task/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the name in parentheses, which may hold blanks and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in "ZX":
        return None
    return ProcessId(pid, int(fields[19]), boot_id())


def lives(process: Optional[ProcessId]) -> bool:
    """Whether this very process still runs."""
    return process is not None and identify(process.pid) == process


def agent_argv(*words: str) -> List[str]:
    """The command that starts this agent again with these words, from the zipapp or from a checkout."""
    package = Path(__file__).resolve().parent
    entry = package.parent if package.parent.is_file() else package / "__main__.py"
    return [sys.executable, str(entry), *words]
