"""What speaks against a comparison, or has to be known beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from farm_agent import arms
from farm_results.model import Caveat

if TYPE_CHECKING:
    from farm.ab.contender import Contender
    from farm_results.model import Result

# What no pairing takes out: with one of these nothing is said of which is slower.
FATAL = ("invalid", "throttled")
# What pairs are there to take out, or what their interval says better.
COVERED = ("processes.", "interval.")
# Judged when the stored result was measured, with facts that are not kept.
JUDGED = ("precision.", "calibration.")


def hopeless(caveats: Sequence[Caveat]) -> bool:
    """Whether one of them forbids any other word than inconclusive."""
    return any(caveat.severity in FATAL for caveat in caveats)


def of_match(reference: Contender, candidate: Contender, results: Mapping[str, Result]) -> tuple[Caveat, ...]:
    """``results``: each half by its arm, as if it had been measured alone."""
    found: list[Caveat] = []
    for arm, own in ((arms.REFERENCE, reference), (arms.CANDIDATE, candidate)):
        found += _verdict(arm, own, results[arm])
        found += _kept(arm, own, results[arm])
    found += _unlike(reference, candidate, results)
    found.sort(key=lambda caveat: caveat.severity not in FATAL)
    return tuple(found)


def _verdict(arm: str, own: Contender, result: Result) -> Iterator[Caveat]:
    left_out = (*COVERED, *(JUDGED if own.job_id else ()))
    for caveat in result.verdict.caveats:
        if caveat.severity != "note" and not caveat.code.startswith(left_out):
            yield replace(caveat, evidence=f"{arm}: {caveat.evidence}")


def _kept(arm: str, own: Contender, result: Result) -> Iterator[Caveat]:
    """Of an artifact that was measured before: what is no longer as it was then."""
    now = result.runtime_version
    if own.before and now and own.before != now:
        yield Caveat(
            "ab.runtime-moved",
            "note",
            f"{arm}: {own.job_id} was measured with {own.spec.runtime} {own.before}, this with {now}",
            "both ran with the same version here: what an update changed shows between nights, not in this",
        )
    built = result.document["job"].get("build") or {}
    if own.job_id and built and not built.get("reused"):
        yield Caveat(
            "ab.rebuilt",
            "note",
            f"{arm}: its engine was built again on the device, and two builds of one model differ",
            "read a small effect as one of the build, not of the model",
        )


def _unlike(reference: Contender, candidate: Contender, results: Mapping[str, Result]) -> Iterator[Caveat]:
    loops = [results[arm].harness for arm in (arms.REFERENCE, arms.CANDIDATE)]
    if loops[0] != loops[1]:
        yield Caveat(
            "ab.harness",
            "invalid",
            f"the reference was timed by the loop {loops[0]}, the candidate by {loops[1]}",
            "measure both with --harness python",
        )
    shapes = [[entry.source.shape for entry in own.spec.artifact.inputs] for own in (reference, candidate)]
    if shapes[0] != shapes[1]:
        yield Caveat(
            "ab.inputs",
            "note",
            f"the inputs have other shapes: {shapes[0]} and {shapes[1]}",
            "know that the two do not do the same work",
        )
