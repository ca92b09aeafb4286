"""What a night writes down of a series: a finding, unless an earlier one says the same already."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from farm.nightly.look import RECOVERED, Look
from farm.nightly.record import CellRecord
from farm.nightly.verdict import Judgement, effect_text
from farm_results.comparison import Comparison
from farm_results.finding import ACKNOWLEDGED, IMPROVEMENT, INCONCLUSIVE, NEW, REGRESSION, Finding

if TYPE_CHECKING:
    from farm_results.store import Store

ACTOR = "farm nightly"
ALIKE = (REGRESSION, IMPROVEMENT, INCONCLUSIVE)
MOST_LETTERS = 500


def finding_of(
    cell: CellRecord,
    found: Look,
    comparison: Comparison | None,
    verdict: Judgement,
    night_id: str,
    origin: str,
) -> Finding | None:
    """The finding, with an id of its own per night and series; None where there is nothing to tell.

    Its effect is the A/B's; where the reference itself moved, how far that is from its past.
    """
    if not verdict.word:
        return None
    effect = comparison.effect if comparison and verdict.word in ALIKE else None
    shift = found.reference_shift(comparison) if comparison and verdict.word not in ALIKE else None
    return Finding(
        finding_id=hashlib.sha256(f"{night_id} {found.series}".encode()).hexdigest()[:16],
        night_id=night_id,
        series=found.series,
        device=cell.device,
        model=cell.model,
        at_unix_s=found.now.at_unix_s,
        word=verdict.word,
        job_id=found.now.job_id,
        reference_job_id=found.reference_job_id,
        comparison_id=comparison.comparison_id if comparison else "",
        effect=effect.ratio if effect else (shift.change if shift else None),
        low=effect.low if effect else None,
        high=effect.high if effect else None,
        trigger_z=found.trigger.z,
        causes=verdict.causes,
        message=verdict.text[:MOST_LETTERS],
        origin=origin,
    )


def known_before(found: Look, finding: Finding) -> str | None:
    """The id of the earlier finding that says the same: against the same baseline, as far as can be told as
    large."""
    if finding.word not in ALIKE:
        return None
    for each in found.findings:
        same = (each.word, each.reference_job_id) == (finding.word, finding.reference_job_id)
        if not same or each.note.startswith(RECOVERED) or each.finding_id == finding.finding_id:
            continue
        if finding.word == INCONCLUSIVE:
            return each.finding_id if each.state in (NEW, ACKNOWLEDGED) else None
        return each.finding_id if _overlap(each, finding) else None
    return None


def back_at_baseline(store: Store, found: Look, comparison: Comparison) -> None:
    """The A/B says that the series is where its baseline was: what is open of it waits for nobody."""
    from farm_results.history import findings

    for each in found.findings:
        waits = each.word in ALIKE and each.state in (NEW, ACKNOWLEDGED)
        ours = each.reference_job_id == comparison.reference.job_id
        if waits and ours and not each.note.startswith(RECOVERED):
            note = f"{RECOVERED}{found.now.job_id} ({effect_text(comparison)})"
            findings.triage(store, each.finding_id, ACKNOWLEDGED, ACTOR, note)


def _overlap(one: Finding, other: Finding) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return True
    return max(one.low, other.low) <= min(one.high, other.high)
