"""One look at the device before a block: everything that may keep it from being quiet, at one moment."""

from __future__ import annotations

import os
import time
from dataclasses import field
from pathlib import Path
from typing import Callable, Dict, Optional, Tuple

from farm_agent import observe_battery, observe_proc, observe_traces, sysfs
from farm_agent.late import dataclass
from farm_agent.messages.traces import Channel
from farm_agent.observe_foreign import Scan


@dataclass(frozen=True)
class Look:
    """None: the kernel does not say. Counters are since boot; ``processes``: clock ticks by (pid, name)."""

    time_s: float
    cpus: int
    stalled_us: Optional[int] = None
    runnable: Optional[int] = None
    busy_ticks: Optional[int] = None
    available_bytes: Optional[int] = None
    swapped_in: Optional[int] = None
    temperature_c: Optional[float] = None
    throttled: Tuple[str, ...] = ()
    foreign: Tuple[str, ...] = ()
    battery: Optional[observe_battery.Battery] = None
    plugged: Optional[bool] = None
    processes: Dict[Tuple[str, str], int] = field(default_factory=dict)


class Looker:
    """Takes looks. ``latest``: the newest values of the telemetry sensors."""

    def __init__(
        self,
        own_folder: str,
        latest: Callable[[], Dict[Channel, float]],
        root: Path = Path("/"),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._latest = latest
        self._root = root
        self._now = now
        self._scan = Scan(own_folder, root / "proc")

    def look(self) -> Look:
        """Everything, now."""
        proc = self._root / "proc"
        values = self._latest()
        machine = observe_proc.machine_ticks(sysfs.text(proc / "stat"))
        lines = sysfs.fields(sysfs.text(proc / "meminfo") or "")
        return Look(
            time_s=self._now(),
            cpus=os.cpu_count() or 1,
            stalled_us=observe_proc.stalled_us(sysfs.text(proc / "pressure/cpu")),
            runnable=observe_proc.runnable_threads(sysfs.text(proc / "loadavg")),
            busy_ticks=None if machine is None else machine[0],
            available_bytes=sysfs.kib(lines.get("MemAvailable")),
            swapped_in=observe_proc.swapped_pages(sysfs.text(proc / "vmstat"))[0],
            temperature_c=temperature_c(values),
            throttled=tuple(observe_traces.flags_now(values)),
            foreign=tuple(self._scan.find() or ()),
            battery=observe_battery.battery(self._root),
            plugged=observe_battery.plugged(self._root),
            processes=self._processes(),
        )

    def _processes(self) -> Dict[Tuple[str, str], int]:
        found = {}
        try:
            pids = [entry.name for entry in (self._root / "proc").iterdir() if entry.name.isdigit()]
        except OSError:
            return {}
        for pid in pids:
            stat = observe_proc.process_stat(sysfs.text(self._root / "proc" / pid / "stat", 1024))
            if stat is not None:
                found[(pid, stat.name)] = stat.ticks
        return found


def temperature_c(values: Dict[Channel, float]) -> Optional[float]:
    """The hottest processor zone in one reading of the sensors."""
    return observe_traces.hottest_c(
        (channel.name, value) for channel, value in values.items() if channel.kind == "temperature_c"
    )
