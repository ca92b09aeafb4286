"""Gates: what a run must keep, and what its exit code says of it. Budgets are limits on single numbers."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from farm.errors import EXIT_GATE, EXIT_INCONCLUSIVE, EXIT_OK, EXIT_PARTIAL, UsageError
from farm.tune.goals import BYTES, SHARE, TIME
from farm_results.series import LOWER

if TYPE_CHECKING:
    from farm_results.compare.metrics import Metric
    from farm_results.compare.row import Compared
    from farm_results.model import Result

REGRESSION, BUDGET, ERROR, NOISE, NEVER = "regression", "budget", "error", "noise", "never"
FAIL_ON = (REGRESSION, BUDGET, ERROR, NOISE, NEVER)
MET, BROKEN, UNCLEAR = "met", "broken", "unclear"
UNUSABLE = ("invalid", "throttled")
UNSURE = ("noisy but large", "not comparable", "only in one")
_ENERGY = {"uJ": 1e-6, "µJ": 1e-6, "mJ": 1e-3, "J": 1.0}
UNITS: Mapping[str, Mapping[str, float]] = {
    **dict.fromkeys(("p50", "p90", "p95", "p99", "load", "first", "cold_total"), TIME),
    "throughput": {"/s": 1.0},
    "energy": _ENERGY,
    **dict.fromkeys(("peak_mem", "size"), BYTES),
    "accuracy": SHARE,
}
"""What a budget may limit, and the units of each: word -> its size in the stored unit."""
_LIMIT = re.compile(r"\s*([A-Za-z_0-9]+)\s*(<=|>=|==|=|<|>)\s*([0-9.eE+-]+)\s*([A-Za-zµ%/]*)\s*")


@dataclass(frozen=True)
class Limit:
    """``metric`` must be at most (``sense`` "<=") or at least (">=") ``bound``, in the stored unit."""

    metric: str
    sense: str
    bound: float
    text: str


@dataclass(frozen=True)
class Check:
    """One limit held against one result. ``state``: met, broken, or unclear where the number's interval lies
    on both sides of the limit. ``value``: None: not measured, which is broken, as is a number that cannot be
    believed: a budget that nobody checked must not pass. ``unit``: of the value, as in ``compare.words``."""

    limit: Limit
    result: Result
    state: str
    value: float | None
    low: float | None
    high: float | None
    reason: str = ""
    unit: str = ""


def parse_budget(words: str) -> tuple[Limit, ...]:
    """``p50<=20ms,energy<=50mJ,peak_mem<=200MB``. Raises UsageError ``gate.budget``."""
    parts = [part for part in words.split(",") if part.strip()]
    if not parts:
        raise _wrong(words, "it is empty", "write for example --budget 'p50<=20ms'")
    return tuple(_limit(part) for part in parts)


def check(results: Sequence[Result], limits: Sequence[Limit]) -> tuple[Check, ...]:
    """Every limit against every result that was measured; failed and skipped ones have no number to hold."""
    return tuple(_check(result, limit) for result in results if result.status == "ok" for limit in limits)


def exit_code(
    code: int,
    fail_on: Collection[str],
    *,
    checks: Sequence[Check] = (),
    compared: Compared | None = None,
) -> int:
    """What the run's own exit code becomes: 1 where a gate failed (it outranks 3), 5 where one could not be
    judged and ``noise`` was asked for. Other codes, such as 130, stay."""
    if NEVER in fail_on or code not in (EXIT_OK, EXIT_PARTIAL):
        return code
    regressed = compared is not None and bool(compared.of("regressed"))
    broken = any(one.state == BROKEN for one in checks)
    failed = (REGRESSION in fail_on and regressed) or (BUDGET in fail_on and broken)
    if failed or (ERROR in fail_on and code == EXIT_PARTIAL):
        return EXIT_GATE
    return EXIT_INCONCLUSIVE if code == EXIT_OK and NOISE in fail_on and unsure(checks, compared) else code


def unsure(checks: Sequence[Check], compared: Compared | None) -> bool:
    """Whether something could not be judged: a number too close to its limit, a large effect within the
    noise, rows that must not be compared, or what only one side has."""
    unclear = any(one.state == UNCLEAR for one in checks)
    return unclear or (compared is not None and any(compared.of(section) for section in UNSURE))


def document(
    fail_on: Collection[str],
    failures: Mapping[str, Sequence[str]],
    code: int,
    *,
    checks: Sequence[Check] = (),
    compared: Compared | None = None,
) -> dict[str, Any]:
    """As ``farm bench --json`` tells it: what was asked, each limit and each row of the comparison with how
    it stands, and ``failures``, in words, by the id of the job or comparison that failed. ``held``: whether
    nothing that was asked for failed; ``exit_code``: what came of it all."""
    from farm_results.compare import tables

    return {
        "fail_on": list(fail_on),
        "held": not failures,
        "failures": {job_id: list(lines) for job_id, lines in failures.items()},
        "budget": [_check_document(one) for one in checks],
        "baseline": None if compared is None else tables.document(compared),
        "exit_code": code,
    }


def _check_document(one: Check) -> dict[str, Any]:
    limit = one.limit
    asked = {"limit": limit.text, "metric": limit.metric, "sense": limit.sense, "bound": limit.bound}
    numbers = {"value": one.value, "low": one.low, "high": one.high}
    finite = {name: None if n is None or not math.isfinite(n) else n for name, n in numbers.items()}
    return {"job_id": one.result.job_id, **asked, "state": one.state, **finite, "reason": one.reason}


def _check(result: Result, limit: Limit) -> Check:
    from farm_results.compare.metrics import OWN, metric_of

    own = limit.metric in ("throughput", "cold_total")
    metric = metric_of(OWN if own else limit.metric, result)
    reading = metric.read(result) if not own or metric.name.startswith(limit.metric) else None
    if reading is None:
        return Check(limit, result, BROKEN, None, None, None, f"{limit.metric} was not measured")
    value, low, high = reading.value, reading.low, reading.high
    kept = value <= limit.bound if limit.sense == "<=" else value >= limit.bound
    state, reason = (MET if kept else BROKEN), ""
    if result.verdict.word in UNUSABLE:
        state, reason = BROKEN, f"the result is {result.verdict.word}, nothing can be held against it"
    elif senseless := _senseless(limit, metric, result):
        state, reason = BROKEN, senseless
    elif low is not None and high is not None and low < limit.bound < high:
        state, reason = UNCLEAR, "its interval lies on both sides of the limit"
    return Check(limit, result, state, value, low, high, reason, metric.unit)


def _senseless(limit: Limit, metric: Metric, result: Result) -> str:
    """Why an accuracy of this metric cannot be limited so; the direction of a user's own is not known."""
    from farm_results import metrics

    if limit.metric != "accuracy" or metrics.is_custom(result.accuracy_metric):
        return ""
    sense = "<=" if metric.better == LOWER else ">="
    if limit.sense != sense:
        word = "less" if metric.better == LOWER else "more"
        return f"{word} is better of {metric.name}: limit it with accuracy{sense}"
    return f"{metric.name} is no share: limit it without %" if "%" in limit.text and not metric.unit else ""


def _limit(words: str) -> Limit:
    found = _LIMIT.fullmatch(words)
    if found is None:
        raise _wrong(words, "expected NAME<=VALUE with a unit", "write for example 'p50<=20ms'")
    name, sense, number, unit = found.groups()
    if name not in UNITS:
        near = difflib.get_close_matches(name, UNITS, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(UNITS)}"
        raise _wrong(words, f"there is no number {name!r}", fix)
    wanted = ">=" if name in ("throughput", "accuracy") else "<="
    if sense != wanted and not (name == "accuracy" and sense == "<="):
        unit = unit or next((word for word in ("ms", "mJ", "MB", "/s", "%") if word in UNITS[name]), "")
        raise _wrong(words, f"{sense} cannot be a limit of {name}", f"write '{name}{wanted}{number}{unit}'")
    if unit not in UNITS[name]:
        known = ", ".join(word or "a plain number" for word in UNITS[name])
        raise _wrong(words, f"{unit or 'no unit'} is no unit of {name}", f"use one of: {known}")
    try:
        bound = float(number) * UNITS[name][unit]
    except ValueError as error:
        raise _wrong(words, f"{number} is no number", f"write '{name}{sense}5{unit}'") from error
    if not math.isfinite(bound) or bound < 0:
        raise _wrong(words, f"{number} is out of range", "give a number of zero or more")
    return Limit(name, sense, bound, f"{name}{sense}{number}{unit}")


def _wrong(words: str, why: str, fix: str) -> UsageError:
    return UsageError(f"--budget {words.strip()[:80]!r}: {why}", code="gate.budget", fix=fix)
