"""Moving baselines: to the results of a run, to what a finding found, and back from there. Nothing else moves
one but the first night of a series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm_agent.errors import UsageError
from farm_results.finding import ACCEPTED as STATE_ACCEPTED
from farm_results.finding import NEW, Finding
from farm_results.history import baselines, findings
from farm_results.history.baselines import ACCEPTED, SET, Baseline
from farm_results.series import key_of, series_id
from farm_results.storage.session import changing

if TYPE_CHECKING:
    from farm_results.model import Result
    from farm_results.storage.session import Source
    from farm_results.store import Store

LEAST_TYPED = 4
"""Of a finding's id, as of a git commit's: what moves something takes no slip of a finger."""
UNUSABLE = ("invalid", "throttled")


@dataclass(frozen=True)
class Move:
    """One series' baseline before and after. ``refused``: why it stays where it is, "" where it moved."""

    series: str
    result: Result
    before: Baseline | None
    after: Baseline | None
    refused: str = ""

    @property
    def moves(self) -> bool:
        """Whether the baseline goes elsewhere than it was."""
        return not self.refused and (self.before is None or self.before.job_id != self.result.job_id)


def moves(store: Store, results: Iterable[Result]) -> tuple[Move, ...]:
    """What setting the baselines to these results would do: per series the newest ok one, unless it cannot
    be believed. Nothing is changed."""
    newest: dict[str, Result] = {}
    for result in sorted(results, key=lambda one: one.created_unix_s):
        name = series_id(key_of(result))
        if result.status == "ok" or name not in newest:
            newest[name] = result
    now = baselines.currents(store, list(newest)) if newest else {}
    return tuple(Move(name, one, now.get(name), None, refusal(one)) for name, one in newest.items())


def refusal(result: Result) -> str:
    """Why a result cannot be a baseline; "" where it can. A noisy one can: what is kept for an A/B is its
    artifact."""
    if result.status != "ok":
        return f"{result.status}" + (f" [{result.error_code}]" if result.error_code else "")
    if result.verdict.word in UNUSABLE:
        reasons = [c.evidence for c in result.verdict.caveats if c.severity == result.verdict.word]
        return result.verdict.word + (f": {reasons[0]}" if reasons else "")
    return ""


def moved(source: Source, move: Move, *, actor: str, reason: str, event: str = SET) -> Move:
    """Carry a move out, with its row of audit; a refused one, or one to where it is, changes nothing."""
    if not move.moves:
        return Move(move.series, move.result, move.before, move.before, move.refused)
    after = baselines.put(
        source,
        series=move.series,
        job_id=move.result.job_id,
        artifact_sha256=move.result.artifact_sha256,
        actor=actor,
        event=event,
        reason=reason,
    )
    return Move(move.series, move.result, move.before, after)


def accept(store: Store, finding_id: str, *, actor: str, reason: str = "", was: str | None = None) -> Move:
    """Make what a finding found the new baseline, and the finding accepted: both, or neither.

    ``was``: the state that the person saw. Raises UsageError ``results.unknown-finding``,
    ``results.ambiguous-finding``, ``baseline.accepted``, ``baseline.no-result``, ``baseline.unusable``,
    ``dashboard.decided``.
    """
    finding = findings.get(store, finding_id)
    if len(finding_id) < LEAST_TYPED:
        raise UsageError(
            f"{finding_id!r} is too short to move a baseline by",
            code="results.ambiguous-finding",
            fix=f"write more of the id: {finding.finding_id} ({finding.word})",
        )
    if finding.state == STATE_ACCEPTED:  # a second time would undo what was set since
        raise UsageError(
            f"finding {finding.finding_id} ({finding.word}) was accepted before",
            code="baseline.accepted",
            fix=f"farm baseline set {finding.job_id} moves the baseline there again",
        )
    if not finding.job_id:
        raise UsageError(
            f"finding {finding.finding_id} ({finding.word}) is about no result",
            code="baseline.no-result",
            fix="farm baseline set RUN, once there is a run to set",
        )
    move = moves(store, [store.result(finding.job_id)])[0]
    if move.refused:
        raise UsageError(
            f"{finding.job_id} cannot be a baseline: it is {move.refused}",
            code="baseline.unusable",
            fix="measure it again, then farm baseline set last",
        )
    why = reason or f"finding {finding.finding_id}: {finding.word}"
    seen = finding.state if was is None else was
    with changing(store) as connection:
        findings.triage(connection, finding.finding_id, STATE_ACCEPTED, actor, reason, was=seen)
        return moved(connection, move, actor=actor, reason=why, event=ACCEPTED)


def reopen(store: Store, finding_id: str, *, actor: str, reason: str = "", was: str | None = None) -> Finding:
    """Let a finding wait for somebody again. Where it was accepted, and its series is still held against what
    it found, the baseline goes back to where it was before.

    Raises UsageError ``results.unknown-finding``, ``results.ambiguous-finding``, ``dashboard.decided``.
    """
    finding = findings.get(store, finding_id)
    seen = finding.state if was is None else was
    with changing(store) as connection:
        after = findings.triage(connection, finding.finding_id, NEW, actor, reason, was=seen)
        held = baselines.history(connection, finding.series, limit=2)
        moved_by_it = len(held) == 2 and held[0].event == ACCEPTED and held[0].job_id == finding.job_id
        if seen == STATE_ACCEPTED and moved_by_it:
            baselines.put(
                connection,
                series=finding.series,
                job_id=held[1].job_id,
                artifact_sha256=held[1].artifact_sha256,
                actor=actor,
                reason=f"finding {finding.finding_id} is open again" + (f": {reason}" if reason else ""),
            )
    return after
