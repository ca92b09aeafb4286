"""Counters of the measured process and of the machine over time, so that single slow runs can be explained.

Read a few times a second: what grew between two reads coincides with the runs between them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Tuple

from farm_agent import observe_proc, sysfs
from farm_agent.messages.traces import Channel, Trace

NAMES = ("major_faults", "involuntary_switches", "swapped_pages")
# An hour at five reads a second; what comes later is left out.
MOST_READS = 18_000


class Counts:
    """``read`` now and then; ``traces`` at the end."""

    def __init__(self, process: Path, root: Path = Path("/")) -> None:
        self._process = process
        self._root = root
        self._reads: Dict[str, List[Tuple[int, int]]] = {name: [] for name in NAMES}

    def read(self, time_ns: int, stat: Optional[observe_proc.ProcessStat]) -> None:
        """Keep what the kernel tells. The main thread's switches stand for the process: it runs the loop."""
        status = sysfs.text(self._process / "status", 8192)
        swapped = observe_proc.swapped_pages(sysfs.text(self._root / "proc/vmstat"))
        known = [pages for pages in swapped if pages is not None]
        values = (
            stat.major_faults if stat is not None else None,
            observe_proc.involuntary_switches(status),
            sum(known) if known else None,
        )
        for name, value in zip(NAMES, values):
            if value is not None and len(self._reads[name]) < MOST_READS:
                self._reads[name].append((time_ns, value))

    def traces(self) -> Tuple[Trace, ...]:
        """One trace per counter that moved; one that stood still explains nothing and takes no space."""
        return tuple(
            Trace(
                "kernel",
                Channel(name, "count", quantum=1.0),
                tuple(time_ns for time_ns, _ in reads),
                tuple(float(value) for _, value in reads),
            )
            for name, reads in self._reads.items()
            if reads and reads[-1][1] != reads[0][1]
        )
