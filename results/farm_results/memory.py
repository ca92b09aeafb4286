"""Memory of the measured processes, out of what was read at the end of each phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from farm_agent.wire import MemoryPhase


class Held(Protocol):
    """A process: a ``BlockResult``, or only what it held."""

    @property
    def memory(self) -> Sequence[MemoryPhase]:
        """At the end of each phase."""
        ...


def peak_bytes(blocks: Sequence[Held]) -> int | None:
    """The largest peak over the processes; None when nobody could tell."""
    return max((peak for block in blocks if (peak := _peak(block)) is not None), default=None)


def delta_bytes(blocks: Sequence[Held]) -> int | None:
    """What the model took: the peak less what the process held once the runtime was imported, the largest
    over the processes. None when nobody could tell."""
    found = []
    for block in blocks:
        imported = next((p.rss_bytes for p in block.memory if p.phase == "imported"), None)
        peak = _peak(block)
        if imported is not None and peak is not None:
            found.append(max(0, peak - imported))
    return max(found, default=None)


def _peak(block: Held) -> int | None:
    """The peak (VmHWM) at the end of the measured phase, without the timed loop's own buffers; at least that
    of the phases before there were any."""
    known = [p for p in block.memory if p.peak_rss_bytes is not None]
    if not any(p.phase == "measured" for p in known):
        return None
    return max(_without_harness(p) for p in known)


def _without_harness(phase: MemoryPhase) -> int:
    return max(0, (phase.peak_rss_bytes or 0) - phase.harness_bytes)
