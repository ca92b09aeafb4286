"""What the device answered on a whole data set."""

from __future__ import annotations

from farm_results.evidence import Case


def miscounted(case: Case, _: float) -> str:
    found = case.assessment
    if found is None or found.counted is None or found.counted == found.recounted:
        return ""
    return f"the device counted {found.counted} hits, its outputs hold {found.recounted} (of {found.count})"


def unusable(case: Case, _: float) -> str:
    found = case.assessment
    return "" if found is None else found.problem


def not_finite(case: Case, _: float) -> str:
    found = case.assessment
    if found is None or not found.not_finite:
        return ""
    return f"{found.not_finite} of {found.count} samples gave NaN or infinity where the source does not"
