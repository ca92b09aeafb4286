"""What disturbed, or did not disturb, one measured block: from the first inference to the block's end."""

from __future__ import annotations

from typing import Optional, Tuple

from farm_agent.late import dataclass


@dataclass(frozen=True)
class Observed:
    """Seen from outside the measured process. None: the kernel does not say; never a guess.

    ``other_cpu_pct``: busy time of all CPUs minus this process's, in percent of one CPU; ``steal_pct``:
    time the hypervisor took, in percent of one CPU. ``clock_step_ns``: largest change of CLOCK_REALTIME
    minus CLOCK_MONOTONIC; ``suspended_ns``: growth of CLOCK_BOOTTIME minus CLOCK_MONOTONIC.
    ``clock_low_share``: share of the frequency reads below 97 % of the target frequency (the highest that
    the block's CPUs showed or were pinned to). ``flags``: names of throttle or under-voltage flags that were
    set at any read, or counters that moved. ``stopped_reads``: reads that found the measured process stopped
    or frozen. ``governors``: "policy0: old -> new" for each that changed. ``charger``: "charging ->
    discharging" when the state changed. ``foreign_jobs``: other processes that measure or install
    (another farm agent's block, apt, dpkg, unattended-upgrades).
    """

    elapsed_ns: int = 0
    own_cpu_ns: Optional[int] = None
    own_waited_ns: Optional[int] = None
    other_cpu_pct: Optional[float] = None
    steal_pct: Optional[float] = None
    memory_pressure_pct: Optional[float] = None
    io_pressure_pct: Optional[float] = None
    involuntary_switches: Optional[int] = None
    major_faults: Optional[int] = None
    swapped_in_pages: Optional[int] = None
    swapped_out_pages: Optional[int] = None
    own_swap_bytes: Optional[int] = None
    clock_step_ns: Optional[int] = None
    suspended_ns: Optional[int] = None
    clock_low_share: Optional[float] = None
    clock_lowest_khz: Optional[int] = None
    clock_target_khz: Optional[int] = None
    temperature_start_c: Optional[float] = None
    temperature_max_c: Optional[float] = None
    flags: Tuple[str, ...] = ()
    stopped_reads: int = 0
    governors: Tuple[str, ...] = ()
    charger: str = ""
    foreign_jobs: Tuple[str, ...] = ()
    problems: Tuple[str, ...] = ()
