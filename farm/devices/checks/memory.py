"""Memory and swap."""

from __future__ import annotations

from collections.abc import Iterator

from farm.devices.finding import FAIL, OK, WARN, Finding
from farm_agent.messages.checkup import Surroundings

NO_BYTES = 64 * 1000 * 1000
FEW_BYTES = 256 * 1000 * 1000
SWAPPED_BYTES = 1_000_000
WAITED_PCT = 1.0


def check(name: str, seen: Surroundings) -> Iterator[Finding]:
    """Free memory, memory pressure, swap that is in use."""
    if seen.available_bytes is not None:
        yield _free(name, seen.available_bytes, seen.memory_pressure_pct or 0.0)
    if seen.swap_bytes:
        yield _swap(name, seen.swap_bytes, seen.swap_free_bytes)


def _free(name: str, available_bytes: int, waited_pct: float) -> Finding:
    text, fix = f"{available_bytes / 1e6:.0f} MB free", "end programs that hold memory; see top(1), then M"
    if available_bytes < NO_BYTES:
        return Finding(name, "memory", FAIL, f"{text}: no runtime can be loaded", fix)
    if available_bytes < FEW_BYTES:
        return Finding(name, "memory", WARN, text, fix)
    if waited_pct >= WAITED_PCT:
        text = f"{text}, yet tasks waited for memory {waited_pct:.0f} % of the last 10 s"
        return Finding(name, "memory", WARN, text, fix)
    return Finding(name, "memory", OK, text)


def _swap(name: str, total_bytes: int, free_bytes: int | None) -> Finding:
    used_bytes = total_bytes - (total_bytes if free_bytes is None else free_bytes)
    if used_bytes < SWAPPED_BYTES:
        return Finding(name, "swap", OK, f"{total_bytes / 1e6:.0f} MB, unused")
    text = (
        f"{used_bytes / 1e6:.0f} of {total_bytes / 1e6:.0f} MB used: pages may come back while it is measured"
    )
    return Finding(name, "swap", WARN, text, "end programs that hold memory, then: sudo swapoff -a")
