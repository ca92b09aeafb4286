"""Whether something else used the processor."""

from __future__ import annotations

from farm_agent.messages.observed import Observed
from farm_results.evidence import Case, above, listed


def pressure(case: Case, threshold: float) -> str:
    known = [block.cpu_pressure_pct for block in case.job.blocks if block.cpu_pressure_pct is not None]
    reached = max(known, default=0.0)
    return f"CPU pressure reached {reached:.0f} %" if reached >= threshold else ""


def shared(case: Case, threshold: float) -> str:
    text = "other programs used {:.0f} % of one CPU"
    return above(case, threshold, lambda seen: seen.other_cpu_pct, text)


def waited(case: Case, threshold: float) -> str:
    threads = max(1, case.spec.threads)

    def share(seen: Observed) -> float | None:
        if seen.own_waited_ns is None or seen.elapsed_ns <= 0:
            return None
        return 100.0 * seen.own_waited_ns / seen.elapsed_ns / threads

    return above(case, threshold, share, "the measured process waited for a CPU for {:.1f} % of its time")


def stolen(case: Case, threshold: float) -> str:
    return above(
        case, threshold, lambda seen: seen.steal_pct, "the hypervisor took {:.1f} % of one CPU for others"
    )


def foreign_jobs(case: Case, _: float) -> str:
    names = [name for seen in case.observed() for name in seen.foreign_jobs]
    return f"{listed(names)} ran at the same time" if names else ""


def contention(case: Case, threshold: float) -> str:
    ratio = case.latency.median_to_min
    if ratio is None or ratio <= threshold:
        return ""
    return f"in every process the median is at least {ratio:.2f} times the fastest run"
