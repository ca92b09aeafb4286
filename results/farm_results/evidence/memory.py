"""Whether the device was short of memory."""

from __future__ import annotations

from farm_agent.messages.observed import Observed
from farm_results.evidence import Case, above


def swapping(case: Case, threshold: float) -> str:
    """Pages to and from swap, of the whole device."""

    def pages(seen: Observed) -> float | None:
        known = [count for count in (seen.swapped_in_pages, seen.swapped_out_pages) if count is not None]
        return float(sum(known)) if known else None

    return above(case, threshold, pages, "{:.0f} pages went to or came from swap during one process")


def swapped_out(case: Case, threshold: float) -> str:
    own = above(case, threshold, lambda seen: seen.own_swap_bytes, "{:.0f}")
    return f"{float(own) / 1e6:.1f} MB of the measured process lay in swap" if own else ""


def pressure(case: Case, threshold: float) -> str:
    text = "programs waited for memory for {:.1f} % of the time"
    return above(case, threshold, lambda seen: seen.memory_pressure_pct, text)


def faults(case: Case, threshold: float) -> str:
    """Pages that came back from disk; a handful is ordinary, so a short block needs ten."""
    for block in case.job.blocks:
        count = block.observed.major_faults if block.observed is not None else None
        if count is not None and count > threshold * max(block.count, 1000):
            return f"{count} pages were read back from disk during {block.count} runs"
    return ""
