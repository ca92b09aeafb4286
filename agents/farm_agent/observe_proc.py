"""What the kernel tells of one process and of the whole machine, out of the texts of /proc. Pure functions.

A line that is missing or cut gives None, never an error and never a zero.
"""

from __future__ import annotations

from typing import Optional, Tuple

from farm_agent import sysfs
from farm_agent.late import dataclass


@dataclass(frozen=True)
class ProcessStat:
    """Of /proc/PID/stat. ``ticks``: user and system time of all threads, in clock ticks."""

    state: str
    ticks: int
    major_faults: int
    name: str = ""
    start_ticks: int = 0


def process_stat(text: Optional[str]) -> Optional[ProcessStat]:
    """The second field is the name in parentheses, which may hold blanks and parentheses itself."""
    head, mark, rest = (text or "").rpartition(")")
    words = rest.split()
    if not mark or len(words) < 20:
        return None
    # Field k of proc(5) is word k - 3 here.
    faults, user, system, start = (whole(words[at]) for at in (9, 11, 12, 19))
    if faults is None or user is None or system is None or start is None:
        return None
    return ProcessStat(words[0], user + system, faults, head.partition("(")[2], start)


def whole(text: str) -> Optional[int]:
    """A non-negative integer of at most 20 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def machine_ticks(text: Optional[str]) -> Optional[Tuple[int, int]]:
    """(busy, stolen) clock ticks of all CPUs since boot, of the first line of /proc/stat.

    Busy: user, nice, system, irq and softirq; guests are in user already.
    """
    words = (text or "").partition("\n")[0].split()
    numbers = [whole(word) for word in words[1:9]]
    if words[:1] != ["cpu"] or len(numbers) < 8 or None in numbers:
        return None
    user, nice, system, _, _, irq, softirq, steal = (number or 0 for number in numbers)
    return user + nice + system + irq + softirq, steal


def thread_times(text: Optional[str]) -> Optional[Tuple[int, int]]:
    """(on a CPU, waiting for one) in ns, of /proc/PID/task/TID/schedstat."""
    numbers = [whole(word) for word in (text or "").split()[:2]]
    if len(numbers) < 2 or numbers[0] is None or numbers[1] is None:
        return None
    return numbers[0], numbers[1]


def stalled_us(text: Optional[str]) -> Optional[int]:
    """``some total`` of a file of /proc/pressure: µs since boot in which some task waited."""
    words = (text or "").partition("\n")[0].split()
    found = [word[len("total=") :] for word in words if word.startswith("total=")]
    return whole(found[0]) if words[:1] == ["some"] and found else None


def involuntary_switches(status: Optional[str]) -> Optional[int]:
    """``nonvoluntary_ctxt_switches`` of a status file."""
    return whole(sysfs.fields(status or "").get("nonvoluntary_ctxt_switches", ""))


def swapped_pages(vmstat: Optional[str]) -> Tuple[Optional[int], Optional[int]]:
    """(in, out) since boot, of /proc/vmstat."""
    lines = sysfs.fields(vmstat or "", " ")
    return whole(lines.get("pswpin", "")), whole(lines.get("pswpout", ""))


def runnable_threads(loadavg: Optional[str]) -> Optional[int]:
    """Threads that run or want to, the reader included: before the slash in /proc/loadavg's fourth field."""
    words = (loadavg or "").split()
    return whole(words[3].partition("/")[0]) if len(words) > 3 else None
