"""What can be wrong with a scenario's own promise: its cadence, its state of the caches, its streams."""

from __future__ import annotations

from farm_results.evidence import Case
from farm_results.measured import resident_share


def unserved(case: Case, _: float) -> str:
    """Schedules that a paced process never came to before its time limit."""
    if case.spec.scenario != "paced":
        return ""
    behind = [
        (b, int(b.state["scheduled"])) for b in case.job.blocks if b.state.get("scheduled", "").isdigit()
    ]
    missing = sum(max(0, scheduled - block.count) for block, scheduled in behind)
    total = sum(scheduled for _, scheduled in behind)
    return f"{missing} of {total} scheduled inferences were never served" if missing else ""


def page_cache(case: Case, _: float) -> str:
    """A cold start whose files lay otherwise in the page cache than asked for, as far as could be seen."""
    if case.spec.scenario != "cold-start":
        return ""
    blocks = [block for block in case.job.blocks if "page_cache" in block.state]
    asked = [block.state.get("page_cache_asked", "warm") for block in blocks]
    wrong = sorted({block.state["page_cache"] for block in blocks} - set(asked))
    if not wrong:
        return ""
    known = [share for share in map(resident_share, (block.state for block in blocks)) if share is not None]
    at_most = f", up to {max(known):.0%} of the files' pages resident" if known else ""
    return f"asked for a {asked[0]} page cache, seen: {', '.join(wrong)}{at_most}"
