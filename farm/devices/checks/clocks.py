"""Clocks of the processor, and the clock that times everything."""

from __future__ import annotations

from collections.abc import Iterator

from farm.devices.finding import OK, WARN, Finding
from farm_agent.messages.checkup import Surroundings

# Read in user space within tens of ns; the others cost a call into the kernel, or a microsecond.
GOOD_SOURCES = ("tsc", "arch_sys_counter", "riscv_clocksource")
SET_GOVERNOR = "echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor"


def check(name: str, seen: Surroundings) -> Iterator[Finding]:
    """Governor, turbo, clock source, synchronisation, real-time limit."""
    yield _governor(name, seen)
    if seen.turbo is not None:
        yield _turbo(name, on=seen.turbo)
    yield _source(name, seen)
    if seen.clock_synchronised is not None:
        yield _time_service(name, synchronised=seen.clock_synchronised)
    yield from _real_time(name, seen)


def _governor(name: str, seen: Surroundings) -> Finding:
    if not seen.governors:
        if seen.virtual_machine:
            return Finding(name, "governor", OK, "a virtual machine shows none")
        text = "the kernel shows no frequency policy: clocks can be neither pinned nor watched"
        return Finding(name, "governor", WARN, text, "load the cpufreq driver; see lsmod | grep cpufreq")
    others = {policy: word for policy, word in seen.governors.items() if word != "performance"}
    if not others:
        return Finding(name, "governor", OK, "performance everywhere")
    text = ", ".join(f"{policy} {word}" for policy, word in sorted(others.items()))
    return Finding(
        name, "governor", WARN, text, f"farm bench --pin governor=performance; or there: {SET_GOVERNOR}"
    )


def _turbo(name: str, *, on: bool) -> Finding:
    if not on:
        return Finding(name, "turbo", OK, "off")
    text = "on: clocks depend on heat and on what else runs"
    return Finding(name, "turbo", WARN, text, "farm bench --pin turbo=off")


def _source(name: str, seen: Surroundings) -> Finding:
    if not seen.clocksource:
        fix = "cat /sys/devices/system/clocksource/clocksource0/current_clocksource"
        return Finding(name, "clock source", WARN, "the kernel does not tell it", fix)
    if seen.clocksource in GOOD_SOURCES:
        return Finding(name, "clock source", OK, seen.clocksource)
    better = [each for each in seen.clocksources if each in GOOD_SOURCES]
    text = f"{seen.clocksource}: reading it takes longer than reading the processor's own counter"
    fix = "boot with tsc=reliable where the processor has a steady counter; else time longer models only"
    if better:
        where = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
        fix = f"echo {better[0]} | sudo tee {where}"
    return Finding(name, "clock source", WARN, text, fix)


def _time_service(name: str, *, synchronised: bool) -> Finding:
    if synchronised:
        return Finding(name, "time service", OK, "the kernel's clock is steered")
    text = "nothing steers the clock: external meters are aligned worse, and the time of day may jump"
    return Finding(name, "time service", WARN, text, "sudo timedatectl set-ntp true")


def _real_time(name: str, seen: Surroundings) -> Iterator[Finding]:
    """Only an agent that was itself started under a real-time policy is paused once per period."""
    if seen.scheduler not in ("fifo", "rr"):
        return
    runtime, period = seen.rt_runtime_us, seen.rt_period_us
    if runtime is None or period is None or runtime < 0 or runtime >= period:
        return
    text = (
        f"the agent runs as {seen.scheduler}, which stops for {(period - runtime) / 1000:.0f} ms each period"
    )
    yield Finding(
        name, "real-time limit", WARN, text, "start it without chrt, or: sysctl kernel.sched_rt_runtime_us=-1"
    )
