"""Which precision really ran."""

from __future__ import annotations

from farm_agent import precisions
from farm_results import text
from farm_results.evidence import Case

# How much a precision can hold, for "lower" and "higher"; unknown words are only ever equal or different.
_RANK = {"fp64": 64, "fp32": 32, "tf32": 19, "fp16": 16, "bf16": 15, "fp8": 9, "int8": 8, "int4": 4}
SAME_DATA = " of them in the set that accuracy is counted on"
_REDUCED_FLOATS = ("tf32", "fp16", "bf16", "fp8")


def differs(case: Case, threshold: float) -> str:
    asked, executed = case.asked, case.executed
    if not executed:
        return ""
    if executed not in (asked, case.native) and _RANK.get(executed, 0) <= _RANK.get(asked, 0):
        return f"asked for {asked}, executed in {executed} ({_operators(case)})"
    return f"asked for {asked}; {_operators(case)}" if _lower_share(case) > threshold else ""


def mixed(case: Case, threshold: float) -> str:
    within = 0 < _lower_share(case) <= threshold
    return f"asked for {case.asked}; {_operators(case)}" if within else ""


def native(case: Case, _: float) -> str:
    if case.native in ("", case.asked) or not case.executed:
        return ""
    if case.native == case.executed:
        return f"asked for {case.asked}; the model itself is {case.native} and ran so"
    ran = case.job.proof.weighted.get(case.native, 0) if case.job.proof else 0
    what = "operator with weights" if ran == 1 else "operators with weights"
    return f"asked for {case.asked}; {ran} {what} ran in {case.native}, as the model itself is" if ran else ""


def higher(case: Case, _: float) -> str:
    asked, executed = case.asked, case.executed
    if precisions.of(asked).quantised:
        return ""  # the share of its promise says more: see ``partial``
    higher = asked in _RANK and executed in _RANK and _RANK[executed] > _RANK[asked]
    return f"weights {asked}, computed in {executed}" if higher else ""


def unkept(case: Case, _: float) -> str:
    reason = precisions.refusal(case.asked, case.job.proof)
    return f"asked for {case.asked}; {reason}" if reason else ""


def partial(case: Case, threshold: float) -> str:
    promise = precisions.of(case.asked)
    share = precisions.share(case.asked, case.job.proof)
    if case.job.proof is None or share is None or not promise.quantised or not 0 < share < threshold:
        return ""
    if promise.computes:
        counts = precisions.counts(precisions.computing(case.job.proof))
        return (
            f"{text.kept(share)} of the operators with weights computed in {promise.computes[0]} ({counts})"
        )
    return f"{text.kept(share)} of the weights are stored in {promise.stores[0]}"


def same_calibration(case: Case, _: float) -> str:
    return f"calibrated on {case.calibration}" if case.calibration.endswith(SAME_DATA) else ""


def random_calibration(case: Case, _: float) -> str:
    return f"calibrated on {case.calibration}" if "random" in case.calibration else ""


def unproven(case: Case, _: float) -> str:
    return "" if case.executed else f"{case.spec.runtime} does not tell which precision ran"


def _lower_share(case: Case) -> float:
    """Share of the operators that ran in a reduced float below the precision asked for."""
    operators = case.job.proof.operators if case.job.proof else {}
    total = sum(count for name, count in operators.items() if name != "other")
    asked = _RANK.get(case.asked, 0)
    reduced = [name for name in _REDUCED_FLOATS if _RANK[name] < asked and name != case.native]
    lower = sum(operators.get(name, 0) for name in reduced)
    return lower / total if total else 0.0


def _operators(case: Case) -> str:
    operators = case.job.proof.operators if case.job.proof else {}
    counts = sorted(operators.items(), key=lambda item: (-item[1], item[0]))
    return "operators: " + ", ".join(f"{count} {name}" for name, count in counts)
