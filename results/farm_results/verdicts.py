"""Whether a measurement can be believed, and why not: ``rules.RULES`` over one job.

Each rule looks at the job's spec, its result and the summary. The worst severity gives the verdict its
word: valid, noisy, throttled or invalid.
"""

from __future__ import annotations

from collections.abc import Sequence

from farm_agent.wire import JobResult, JobSpec
from farm_results.accuracy import Assessment
from farm_results.evidence import Case
from farm_results.model import Caveat, Energy, Latency, Outliers, Verdict
from farm_results.rules import INVALID, NOISY, NOTE, RULES, THROTTLED, Rule

_WORDS = {NOTE: "valid", NOISY: "noisy", THROTTLED: "throttled", INVALID: "invalid"}
_BADNESS = (NOTE, NOISY, THROTTLED, INVALID)
# A rule is not repeated where a worse one on the same matter has spoken.
_COVERED_BY = {"contention.suspect": "contention.heavy"}
# Stands for the summary where a tool measured: its rules look at no sample.
_NO_SAMPLES = Latency(0, 0, 0.0, None, None, None, None, None, 0.0, 0.0, None, 0.0, None)


def judge(  # noqa: PLR0913 - one argument per kind of evidence
    spec: JobSpec,
    result: JobResult,
    latency: Latency | None,
    *,
    native: str = "",
    outliers: Sequence[Outliers] = (),
    energy: Sequence[Energy] = (),
    assessment: Assessment | None = None,
    calibration: str = "",
    drift: Sequence[str] = (),
) -> Verdict:
    """The verdict on a job's numbers, the worst caveats first; the empty word when there are none.

    ``native``: the reduced precision that the source model itself holds ("int8", "fp16"), if any: to run
    in it is then no defect. ``assessment``: of its outputs over a data set. ``calibration``: what the
    artifact was calibrated on ("32 random samples"). ``drift``: what changed of the device since somebody
    accepted it.
    """
    if latency is None and result.tool is None:
        return Verdict("")
    case = Case(
        spec,
        result,
        latency or _NO_SAMPLES,
        native,
        tuple(outliers),
        tuple(energy),
        assessment,
        calibration,
        tuple(drift),
    )
    caveats = []
    for rule in RULES:
        seen = rule.see(case, rule.threshold) if _holds(rule, case) else ""
        if seen:
            caveats.append(Caveat(rule.code, rule.severity, seen, rule.next_step))
    codes = {caveat.code for caveat in caveats}
    kept = [caveat for caveat in caveats if _COVERED_BY.get(caveat.code) not in codes]
    kept.sort(key=lambda caveat: -_BADNESS.index(caveat.severity))
    return Verdict(_WORDS[kept[0].severity if kept else NOTE], tuple(kept))


def _holds(rule: Rule, case: Case) -> bool:
    if case.job.tool is not None:
        return rule.tools
    return case.spec.scenario not in rule.not_for
