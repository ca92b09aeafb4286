"""Gates: what a run must keep, and what its exit code says of it. Budgets are limits on single numbers."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.errors import EXIT_GATE, EXIT_INCONCLUSIVE, EXIT_OK, EXIT_PARTIAL, UsageError
from farm.tune.goals import BYTES, SHARE, TIME

if TYPE_CHECKING:
    from farm_results.compare.row import Compared
    from farm_results.model import Result

REGRESSION, BUDGET, ERROR, NOISE, NEVER = "regression", "budget", "error", "noise", "never"
FAIL_ON = (REGRESSION, BUDGET, ERROR, NOISE, NEVER)
MET, BROKEN, UNCLEAR = "met", "broken", "unclear"
UNUSABLE = ("invalid", "throttled")
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
    on both sides of the limit or the number itself cannot be believed. ``value``: None: not measured, which
    is broken: a budget that nobody checked must not pass. ``unit``: of the value, as in ``compare.words``."""

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
    """Whether something could not be judged: a number too close to its limit or without belief, a large
    effect within the noise, or rows that must not be compared."""
    unclear = any(one.state == UNCLEAR for one in checks)
    if compared is None:
        return unclear
    return unclear or bool(compared.of("noisy but large") or compared.of("not comparable"))


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
        state, reason = UNCLEAR, f"the result is {result.verdict.word}"
    elif low is not None and high is not None and low < limit.bound < high:
        state, reason = UNCLEAR, "its interval lies on both sides of the limit"
    return Check(limit, result, state, value, low, high, reason, metric.unit)


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
