"""Watches one process and the machine around it while it measures; from outside, through the kernel alone.

Cheap things are read at every tick, dearer ones now and then, the dearest at both ends. What the kernel does
not say stays None.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from farm_agent import observe_battery, observe_freezer, observe_proc, sysfs
from farm_agent.messages.observed import Observed
from farm_agent.messages.traces import Trace
from farm_agent.observe_counts import Counts
from farm_agent.observe_foreign import Scan

# Every so many ticks: governors, charger and foreign processes.
SELDOM = 5
# A step of the clock cannot be told from a pause between two reads of it that were not this close.
CLOCKS_APART_NS = 200_000
GAP_S = 1.5


@dataclass(frozen=True)
class _Ends:
    """Counters read at the beginning and at the end."""

    time_ns: int
    stat: Optional[observe_proc.ProcessStat]
    machine: Optional[Tuple[int, int]]
    memory_us: Optional[int]
    io_us: Optional[int]
    switches: Dict[str, int]
    swapped: Tuple[Optional[int], Optional[int]]
    boot_offset_ns: Optional[int]


@dataclass
class _Seen:
    """What the ticks gathered."""

    first: Dict[str, Tuple[int, int]] = field(default_factory=dict)
    last: Dict[str, Tuple[int, int]] = field(default_factory=dict)
    clock_offset_ns: Optional[int] = None
    clock_step_ns: Optional[int] = None
    stopped_reads: int = 0
    governors: Dict[str, List[str]] = field(default_factory=dict)
    charger: List[str] = field(default_factory=list)
    foreign: List[str] = field(default_factory=list)
    problems: List[str] = field(default_factory=list)


class Observer:
    """``begin``, then ``tick`` about five times a second, then ``end``; all from one thread at a time."""

    def __init__(
        self, pid: int, own_folder: str, root: Path = Path("/"), now: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._root = root
        self._process = root / "proc" / str(pid)
        self._now = now
        self._foreign = Scan(own_folder, root / "proc")
        self._frozen_file = observe_freezer.state_file(root, self._process)
        self._counts = Counts(self._process, root)
        self._seen = _Seen()
        self._ticks = 0
        self._last_tick_ns = 0
        self._begin: Optional[_Ends] = None

    def begin(self) -> None:
        """The measured phase begins."""
        self._begin = self._ends()
        self._last_tick_ns = self._begin.time_ns
        self._seen.first = self._threads()
        self._seen.last = dict(self._seen.first)
        self._look_seldom()
        self._clock()
        self._counts.read(self._begin.time_ns, self._begin.stat)

    def tick(self) -> None:
        """One look."""
        self._ticks += 1
        now = self._now()
        gap_s = (now - self._last_tick_ns) / 1e9
        if gap_s > GAP_S:
            self._problem(
                f"nothing was watched for {gap_s:.1f} s: the watching process was stopped or starved"
            )
        self._last_tick_ns = now
        stat = observe_proc.process_stat(sysfs.text(self._process / "stat"))
        if (stat is not None and stat.state in "Tt") or observe_freezer.is_frozen(self._frozen_file):
            self._seen.stopped_reads += 1
        self._counts.read(now, stat)
        self._threads()
        self._clock()
        if self._ticks % SELDOM == 0:
            self._look_seldom()

    def end(self) -> Observed:
        """The measured phase is over; the process must still live."""
        begin = self._begin or self._ends()
        self._threads()
        self._clock()
        self._look_seldom()
        end = self._ends()
        self._counts.read(end.time_ns, end.stat)
        elapsed_ns = max(1, end.time_ns - begin.time_ns)
        own_ns, waited_ns = self._own(begin, end)
        busy, steal = _busy(begin.machine, end.machine, elapsed_ns, own_ns)
        seen = self._seen
        status = sysfs.fields(sysfs.text(self._process / "status") or "")
        return Observed(
            elapsed_ns=elapsed_ns,
            own_cpu_ns=own_ns,
            own_waited_ns=waited_ns,
            other_cpu_pct=busy,
            steal_pct=steal,
            memory_pressure_pct=_share(begin.memory_us, end.memory_us, elapsed_ns),
            io_pressure_pct=_share(begin.io_us, end.io_us, elapsed_ns),
            involuntary_switches=_grown_by_thread(begin.switches, end.switches),
            major_faults=_grown(_faults(begin), _faults(end)),
            swapped_in_pages=_grown(begin.swapped[0], end.swapped[0]),
            swapped_out_pages=_grown(begin.swapped[1], end.swapped[1]),
            own_swap_bytes=sysfs.kib(status.get("VmSwap")),
            clock_step_ns=seen.clock_step_ns,
            suspended_ns=_suspended(begin.boot_offset_ns, end.boot_offset_ns),
            stopped_reads=seen.stopped_reads,
            governors=tuple(f"{name}: {' -> '.join(chain)}" for name, chain in _changed(seen.governors)),
            charger=" -> ".join(seen.charger) if len(seen.charger) > 1 else "",
            foreign_jobs=tuple(seen.foreign),
            problems=tuple(seen.problems),
        )

    def counted(self) -> Tuple[Trace, ...]:
        """The counters that moved, over time."""
        return self._counts.traces()

    def _ends(self) -> _Ends:
        pressure = self._root / "proc/pressure"
        return _Ends(
            time_ns=self._now(),
            stat=observe_proc.process_stat(sysfs.text(self._process / "stat")),
            machine=observe_proc.machine_ticks(sysfs.text(self._root / "proc/stat")),
            memory_us=observe_proc.stalled_us(sysfs.text(pressure / "memory")),
            io_us=observe_proc.stalled_us(sysfs.text(pressure / "io")),
            switches=self._switches(),
            swapped=observe_proc.swapped_pages(sysfs.text(self._root / "proc/vmstat")),
            boot_offset_ns=_apart(getattr(time, "CLOCK_BOOTTIME", None)),
        )

    def _tasks(self) -> List[Path]:
        try:
            return list((self._process / "task").iterdir())
        except OSError:
            return []

    def _threads(self) -> Dict[str, Tuple[int, int]]:
        """Times of the threads that live now; those that end keep what they were last seen with."""
        found = {}
        for task in self._tasks():
            times = observe_proc.thread_times(sysfs.text(task / "schedstat", 128))
            if times is not None:
                found[task.name] = times
        self._seen.last.update(found)
        return found

    def _switches(self) -> Dict[str, int]:
        found = {}
        for task in self._tasks():
            count = observe_proc.involuntary_switches(sysfs.text(task / "status", 8192))
            if count is not None:
                found[task.name] = count
        return found

    def _own(self, begin: _Ends, end: _Ends) -> Tuple[Optional[int], Optional[int]]:
        """(on a CPU, waiting for one) in ns; without schedstat only the first, in clock ticks."""
        first, last = self._seen.first, self._seen.last
        if not last:
            ticks = None
            if begin.stat is not None and end.stat is not None:
                ticks = max(0, end.stat.ticks - begin.stat.ticks)
            return (None if ticks is None else ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")), None
        sums = [
            sum(max(0, times[at] - first.get(task, (0, 0))[at]) for task, times in last.items())
            for at in (0, 1)
        ]
        return sums[0], sums[1]

    def _clock(self) -> None:
        offset = _apart(time.CLOCK_REALTIME)
        before = self._seen.clock_offset_ns
        if offset is None:
            return
        self._seen.clock_offset_ns = offset
        if before is not None:
            self._seen.clock_step_ns = max(self._seen.clock_step_ns or 0, abs(offset - before))

    def _look_seldom(self) -> None:
        for folder in sorted((self._root / "sys/devices/system/cpu/cpufreq").glob("policy*")):
            governor = sysfs.text(folder / "scaling_governor", 64)
            if governor:
                _append_new(self._seen.governors.setdefault(folder.name, []), governor)
        charge = observe_battery.charger(self._root)
        if charge:
            _append_new(self._seen.charger, charge)
        for found in self._foreign.find() or ():
            if found not in self._seen.foreign and len(self._seen.foreign) < 20:
                self._seen.foreign.append(found)

    def _problem(self, text: str) -> None:
        if len(self._seen.problems) < 10:
            self._seen.problems.append(text)


def _apart(clock: Optional[int]) -> Optional[int]:
    """A clock minus CLOCK_MONOTONIC; None when the two could not be read close together."""
    if clock is None:
        return None
    for _ in range(5):
        before = time.monotonic_ns()
        there = time.clock_gettime_ns(clock)
        after = time.monotonic_ns()
        if after - before < CLOCKS_APART_NS:
            return there - (before + after) // 2
    return None


def _suspended(before: Optional[int], after: Optional[int]) -> Optional[int]:
    """Below a millisecond it is the noise of reading two clocks."""
    grown = _grown(before, after)
    return 0 if grown is not None and grown < 1_000_000 else grown


def _faults(ends: _Ends) -> Optional[int]:
    return None if ends.stat is None else ends.stat.major_faults


def _grown(before: Optional[int], after: Optional[int]) -> Optional[int]:
    return None if before is None or after is None else max(0, after - before)


def _grown_by_thread(before: Dict[str, int], after: Dict[str, int]) -> Optional[int]:
    if not after:
        return None
    return sum(max(0, count - before.get(task, 0)) for task, count in after.items())


def _share(before: Optional[int], after: Optional[int], elapsed_ns: int) -> Optional[float]:
    grown = _grown(before, after)
    return None if grown is None else round(100.0 * grown * 1000 / elapsed_ns, 4)


def _busy(
    before: Optional[Tuple[int, int]],
    after: Optional[Tuple[int, int]],
    elapsed_ns: int,
    own_ns: Optional[int],
) -> Tuple[Optional[float], Optional[float]]:
    """(others' busy time, stolen time) in percent of one CPU."""
    if before is None or after is None:
        return None, None
    to_pct = 100.0 * 1e9 / os.sysconf("SC_CLK_TCK") / elapsed_ns
    busy, steal = (after[at] - before[at] for at in (0, 1))
    others = None if own_ns is None else round(max(0.0, busy * to_pct - 100.0 * own_ns / elapsed_ns), 3)
    return others, round(max(0.0, steal * to_pct), 3)


def _append_new(chain: List[str], value: str) -> None:
    if (not chain or chain[-1] != value) and len(chain) < 10:
        chain.append(value)


def _changed(chains: Dict[str, List[str]]) -> List[Tuple[str, List[str]]]:
    return [(name, chain) for name, chain in sorted(chains.items()) if len(chain) > 1]
