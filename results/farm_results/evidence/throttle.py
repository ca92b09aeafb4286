"""Heat, clocks and power: whether the device slowed itself down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from farm_results.evidence import Case, listed, worst

# A trend by luck: of a hundred measurements without one, one looks like this in some process.
LUCK = 0.01
# What a device warms up by when it is the heat that slows it.
HEAT_C = 3.0
CLOCK_SHARE = 0.01
_PINNING = ("governor", "clocks", "power_mode", "power-mode")


def seen(case: Case, _: float) -> str:
    """Counters around the job, and flags and counters during the processes."""
    before, after = (_counts(case, when) for when in ("before", "after"))
    moved = [
        f"{name} rose" for name, value in sorted(after.items()) if name in before and value > before[name]
    ]
    flags = [f"{flag} was set" for flag in _flags(case) if not _is_voltage(flag)]
    return f"{listed(flags + moved)} while measuring" if flags or moved else ""


def undervoltage(case: Case, _: float) -> str:
    flags = [flag for flag in _flags(case) if _is_voltage(flag)]
    return f"{listed(flags)} while measuring" if flags else ""


def _flags(case: Case) -> Iterator[str]:
    for observed in case.observed():
        yield from observed.flags


def _is_voltage(flag: str) -> bool:
    return "volt" in flag.lower()


def _counts(case: Case, when: str) -> dict[str, float]:
    """Counters and the states of coolers that slow something down; a fan's state is no throttling."""
    part = case.job.environment.get(when)
    counts = part.get("throttle", {}) if isinstance(part, Mapping) else {}
    slowing = ("throttle_count", "Processor", "cpufreq", "devfreq", "cpu-", "gpu-")
    return {
        str(name): float(value)
        for name, value in (counts.items() if isinstance(counts, Mapping) else ())
        if isinstance(value, (int, float)) and any(word in str(name) for word in slowing)
    }


def clock_low(case: Case, threshold: float) -> str:
    """The clock fell although it was pinned."""
    return _clock(case, threshold) if _pinned(case) else ""


def clock_varies(case: Case, threshold: float) -> str:
    """The clock fell, and nothing held it."""
    return "" if _pinned(case) else _clock(case, threshold)


def _clock(case: Case, threshold: float) -> str:
    low = max(case.observed(), key=lambda seen: seen.clock_low_share or 0.0, default=None)
    if low is None or (low.clock_low_share or 0.0) <= threshold:
        return ""
    text = f"the clock was below 97 % of its target in {low.clock_low_share:.0%} of the reads"
    if low.clock_lowest_khz and low.clock_target_khz:
        text += f" (down to {low.clock_lowest_khz / 1000:.0f} of {low.clock_target_khz / 1000:.0f} MHz)"
    return text


def _pinned(case: Case) -> bool:
    return any(pin.name.startswith(_PINNING) and not pin.problem for pin in case.job.pins)


def slowed_by_heat(case: Case, threshold: float) -> str:
    """Runs became slower while the temperature rose or the clock fell."""
    slower, why = slower_by(case, threshold), _heat(case)
    return f"{slower} while {why}" if slower and why else ""


def slowed(case: Case, threshold: float) -> str:
    """The same where no sensor tells why."""
    slower = slower_by(case, threshold)
    return slower if slower and not _heat(case) else ""


def slower_by(case: Case, threshold: float) -> str:
    """By the quarters or by the slope, in the process where it is worst."""
    latency = case.latency
    if latency.drift is not None and latency.drift > threshold:
        return f"a process ended at least {latency.drift - 1:.1%} slower than it began"
    if latency.slope is None or latency.slope_p is None:
        return ""
    # The steepest of so many processes: each had its chance (Bonferroni).
    slope, luck = latency.slope, min(1.0, latency.slope_p * latency.blocks)
    if slope > threshold - 1 and luck < LUCK:
        return f"a process became {slope:.1%} slower from its first run to its last (p = {luck:.1g})"
    return ""


def _heat(case: Case) -> str:
    rise = worst(
        case,
        lambda seen: (
            None
            if seen.temperature_max_c is None or seen.temperature_start_c is None
            else seen.temperature_max_c - seen.temperature_start_c
        ),
    )
    if rise is not None and rise >= HEAT_C:
        return f"the device became {rise:.1f} °C warmer"
    low = worst(case, lambda seen: seen.clock_low_share)
    return f"the clock was low in {low:.0%} of the reads" if low is not None and low > CLOCK_SHARE else ""


def settling(case: Case, threshold: float) -> str:
    value = case.latency.settling
    if value is None or value <= threshold:
        return ""
    return f"a process began at least {value - 1:.1%} slower than it ended"
