"""Whether the processes agree, and whether they had time enough."""

from __future__ import annotations

from farm_results.evidence import Case


def unsteady(case: Case, _: float) -> str:
    count = sum(not block.steady for block in case.job.blocks)
    return f"{count} of {len(case.job.blocks)} processes were not steady after their warm-up" if count else ""


def spread(case: Case, threshold: float) -> str:
    value = case.latency.between_block_spread
    return f"medians of the processes lie {value:.1%} apart" if value and value > threshold else ""


def interval_missing(case: Case, threshold: float) -> str:
    if case.latency.p50_low_ns is not None:
        return ""
    least = min((block.count for block in case.job.blocks), default=0)
    return f"a process has {least} samples; an interval of the median needs {threshold:.0f}"


def interval_wide(case: Case, threshold: float) -> str:
    latency = case.latency
    if latency.p50_low_ns is None or latency.p50_high_ns is None or latency.p50_ns <= 0:
        return ""
    half = (latency.p50_high_ns - latency.p50_low_ns) / 2 / latency.p50_ns
    return f"the 95 % interval of the median is ±{half:.1%}" if half > threshold else ""


def interval_unmet(case: Case, _: float) -> str:
    """At the time limit, with samples enough, and the interval still wider than asked for."""
    plan = case.spec.plan
    short = [b for b in case.job.blocks if b.ended == "cap" and b.count >= plan.min_runs]
    if not plan.ci_half_width or not short:
        return ""
    known = [block.ci_half_width for block in short if block.ci_half_width is not None]
    reached = f"±{max(known):.2%}" if known else "unknown"
    return (
        f"{len(short)} of {len(case.job.blocks)} processes reached their time limit with an interval of"
        f" {reached} instead of ±{plan.ci_half_width:.2%}"
    )


def missing(case: Case, _: float) -> str:
    got, planned = len(case.job.blocks), case.spec.plan.blocks
    return f"{got} of {planned} processes were measured" if got < planned else ""


def cut_short(case: Case, _: float) -> str:
    return "stopped after the last process" if case.job.outcome == "stopped" else ""


def capped(case: Case, _: float) -> str:
    short = [b for b in case.job.blocks if b.ended == "cap" and b.count < case.spec.plan.min_runs]
    if not short:
        return ""
    least = min(block.count for block in short)
    return f"{len(short)} of {len(case.job.blocks)} processes reached their time limit, one with {least} runs"


def one(case: Case, _: float) -> str:
    alone = len(case.job.blocks) == 1
    return "one process only: the spread between processes is unknown" if alone else ""


def few(case: Case, threshold: float) -> str:
    count = len(case.job.blocks)
    return f"{count} processes; the protocol takes {threshold:.0f}" if 1 < count < threshold else ""
