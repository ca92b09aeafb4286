"""Which layers take longer than they did, where both results were profiled."""

from __future__ import annotations

from farm_results.finding import Cause
from farm_results.model import Result

MOST, LEAST_SHARE = 3, 0.005


def grown(before: Result, after: Result) -> tuple[Cause, ...]:
    """Up to three layers whose time moved most, each by at least 0.5 % of an inference; new ones count as
    from nothing."""
    from farm_results.layers import profile_of, typical_us

    old, new = profile_of(before), profile_of(after)
    if old is None or new is None:
        return ()
    was = {layer.name: typical_us(layer) for layer in old.layers if layer.status == "run"}
    is_now = {layer.name: typical_us(layer) for layer in new.layers if layer.status == "run"}
    whole = sum(was.values())
    moved = {name: is_now.get(name, 0.0) - was.get(name, 0.0) for name in {*was, *is_now}}
    most = sorted((name for name in moved if whole), key=lambda name: (-abs(moved[name]), name))[:MOST]
    return tuple(
        Cause("layer", f"{name[:80]}: {was.get(name, 0.0):.1f} → {is_now.get(name, 0.0):.1f} µs")
        for name in most
        if abs(moved[name]) >= LEAST_SHARE * whole
    )
