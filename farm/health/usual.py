"""Whether a canary took longer than a device's own canaries usually do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from farm.health.record import KEPT, Canary

LEAST = 5
"""Fewer canaries say nothing about what is usual."""

MOST_Z = 4.0
LEAST_SHARE = 0.10
LEAST_SPREAD = 0.02
FLAGGED = 5


def usual_ns(canaries: Sequence[Canary], series: str) -> tuple[float, float] | None:
    """Centre and spread (robust standard deviation) of the canaries of a series that were not flagged."""
    values = [canary.p50_ns for canary in canaries if canary.series == series and not canary.slower]
    if len(values) < LEAST:
        return None
    centre = median(values)
    spread = 1.4826 * median(abs(value - centre) for value in values)
    return centre, max(spread, LEAST_SPREAD * centre)


def judged(canary: Canary, canaries: Sequence[Canary]) -> Canary:
    """The canary, flagged when it is slower beyond the device's own noise and by a tenth at least."""
    usual = usual_ns(canaries, canary.series)
    if usual is None:
        return canary
    centre, spread = usual
    share = canary.p50_ns / centre - 1.0
    beyond = (canary.p50_ns - centre) / spread > MOST_Z and share > LEAST_SHARE
    return replace(canary, slower=share if beyond else 0.0)


def kept(canaries: Sequence[Canary], canary: Canary) -> tuple[Canary, ...]:
    """The canaries to remember. Slow ones never push out the usual ones: slowness is not to become usual
    by itself."""
    everything = (*canaries, canary)
    usual = [each for each in everything if not each.slower][-KEPT:]
    flagged = [each for each in everything if each.slower][-FLAGGED:]
    return tuple(sorted((*usual, *flagged), key=lambda each: each.unix_s))
