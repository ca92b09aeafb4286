"""Whether the samples are whole and the outputs right."""

from __future__ import annotations

from farm_results.evidence import Case


def count_differs(case: Case, _: float) -> str:
    """Process by process where their rows were looked at; a summary may leave some out."""
    said = sum(block.count for block in case.job.blocks)
    got = sum(one.count for one in case.outliers) if case.outliers else case.latency.count
    return "" if got == said else f"{got} samples arrived, the device says it took {said}"


def check_failed(case: Case, _: float) -> str:
    check = case.job.check
    if check is None or check.passed:
        return ""
    return (
        f"outputs differ from the source model's: max error {check.max_abs_error:.3g}"
        f" of {check.max_reference:.3g}, cosine {check.cosine:.6f}"
    )


def check_missing(case: Case, _: float) -> str:
    sent = case.spec.golden is not None and case.spec.golden.samples > 0
    return "the outputs were not compared on the device" if sent and case.job.check is None else ""


def check_none(case: Case, _: float) -> str:
    sent = case.spec.golden is not None and case.spec.golden.samples > 0
    return "" if sent or case.job.check is not None else "the outputs could not be compared with anything"
