"""What may disturb a measurement on this box, out of /proc and /sys. What cannot be read is None or empty."""

from __future__ import annotations

import ctypes
import math
import os
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from farm_agent import sysfs
from farm_agent.checkup import neighbours, updates
from farm_agent.messages.checkup import PowerSupply, Surroundings

STA_UNSYNC = 0x40
# Larger than ``struct timex`` on any machine; its status lies behind four longs and a padded int.
TIMEX_BYTES = 512
WATCH_S = 1.0


def look(root: Path = Path("/"), watch_s: float = WATCH_S) -> Surroundings:
    """Read everything; ``root`` is the folder that holds proc, sys and etc."""
    before = neighbours.ticks(root / "proc")
    time.sleep(watch_s)
    others, steal_pct = neighbours.busiest(root / "proc", before, watch_s)
    cpu = sysfs.fields(sysfs.text(root / "proc/cpuinfo", 1 << 20) or "")
    memory = sysfs.fields(sysfs.text(root / "proc/meminfo") or "")
    clocks = root / "sys/devices/system/clocksource/clocksource0"
    return Surroundings(
        governors=governors(root),
        turbo=turbo(root),
        cpu_pressure_pct=pressure(root, "cpu"),
        memory_pressure_pct=pressure(root, "memory"),
        io_pressure_pct=pressure(root, "io"),
        load_1m=_first_number(sysfs.text(root / "proc/loadavg")),
        cores=os.cpu_count() or 1,
        neighbours=others,
        steal_pct=steal_pct,
        virtual_machine=virtual_machine(root, cpu),
        container=container(root),
        memory_bytes=sysfs.kib(memory.get("MemTotal")),
        available_bytes=sysfs.kib(memory.get("MemAvailable")),
        swap_bytes=sysfs.kib(memory.get("SwapTotal")),
        swap_free_bytes=sysfs.kib(memory.get("SwapFree")),
        package_jobs=updates.jobs(root),
        package_timers=updates.timers(root),
        supplies=supplies(root),
        clock_synchronised=clock_synchronised(),
        clocksource=sysfs.text(clocks / "current_clocksource") or "",
        clocksources=tuple((sysfs.text(clocks / "available_clocksource") or "").split()[:16]),
        scheduler=scheduler(),
        rt_runtime_us=sysfs.number(root / "proc/sys/kernel/sched_rt_runtime_us"),
        rt_period_us=sysfs.number(root / "proc/sys/kernel/sched_rt_period_us"),
        passive_c=passive_c(root),
    )


def governors(root: Path) -> Dict[str, str]:
    """The governor of each frequency policy."""
    policies = sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))
    found = {folder.name: sysfs.text(folder / "scaling_governor", 64) for folder in policies}
    return {name: governor for name, governor in found.items() if governor}


def turbo(root: Path) -> Optional[bool]:
    """Intel's switch says what is off, all others' says what is on."""
    no_turbo = sysfs.number(root / "sys/devices/system/cpu/intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == 0
    boost = sysfs.number(root / "sys/devices/system/cpu/cpufreq/boost")
    return None if boost is None else boost != 0


def pressure(root: Path, what: str) -> Optional[float]:
    """``some avg10`` of a file of /proc/pressure."""
    words = (sysfs.text(root / "proc/pressure" / what, 1024) or "").partition("\n")[0].split()
    found = [word[len("avg10=") :] for word in words if word.startswith("avg10=")]
    number = _first_number(found[0]) if words[:1] == ["some"] and found else None
    return number if number is not None and 0.0 <= number <= 100.0 else None


def virtual_machine(root: Path, cpu: Dict[str, str]) -> str:
    """What the machine is when it is none of its own; the product's name where DMI tells one."""
    if "hypervisor" not in (cpu.get("flags") or "").split():
        kind = sysfs.text(root / "sys/hypervisor/type", 64)
        return f"under {kind}" if kind else ""
    vendor = sysfs.text(root / "sys/class/dmi/id/sys_vendor", 128)
    product = sysfs.text(root / "sys/class/dmi/id/product_name", 128)
    return " ".join(part for part in (vendor, product) if part) or "an unnamed hypervisor"


def container(root: Path) -> str:
    """Which kind of container this is, where it says so."""
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    return sysfs.text(root / "run/systemd/container", 64) or ""


def supplies(root: Path) -> Tuple[PowerSupply, ...]:
    """Batteries and chargers, in order of name."""
    found: List[PowerSupply] = []
    for folder in sorted((root / "sys/class/power_supply").glob("*"))[:16]:
        online = sysfs.number(folder / "online")
        level_pct = sysfs.number(folder / "capacity")
        found.append(
            PowerSupply(
                folder.name,
                sysfs.text(folder / "type", 64) or "",
                sysfs.text(folder / "status", 64) or "",
                level_pct if level_pct is not None and 0 <= level_pct <= 100 else None,
                None if online is None else online != 0,
            )
        )
    return tuple(found)


def passive_c(root: Path) -> Optional[float]:
    """The lowest trip point at which the kernel slows something down, of all zones."""
    found = []
    for path in (root / "sys/class/thermal").glob("thermal_zone*/trip_point_*_type"):
        if sysfs.text(path, 64) == "passive":
            value = sysfs.number(path.with_name(path.name.replace("_type", "_temp")))
            if value is not None and 20_000 < value < 150_000:
                found.append(value / 1000)
    return min(found) if found else None


def clock_synchronised() -> Optional[bool]:
    """Whether the kernel thinks that its time of day is steered (adjtimex(2), which only reads here)."""
    buffer = (ctypes.c_char * TIMEX_BYTES)()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(buffer))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    at = 5 * ctypes.sizeof(ctypes.c_long)
    return not ctypes.c_int.from_buffer(buffer, at).value & STA_UNSYNC


def scheduler() -> str:
    """By which rules the kernel runs this process, and so what it starts."""
    try:
        policy = os.sched_getscheduler(0)
    except OSError:
        return ""
    return {0: "other", 1: "fifo", 2: "rr", 3: "batch", 5: "idle"}.get(policy & 0xFF, "")


def _first_number(text: Optional[str]) -> Optional[float]:
    try:
        number = float((text or "").split()[0])
    except (IndexError, ValueError):
        return None
    return number if math.isfinite(number) else None
