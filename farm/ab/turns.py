"""In which order the two are measured: pairs of fresh processes, drawn by lot, two mirrored at a time."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from farm_results.statistics.paired import LEAST_PAIRS

if TYPE_CHECKING:
    from farm.ab.contender import Contender
    from farm.drive import Shipment
    from farm_agent.wire import BlockPlan, GatePlan, JobSpec

MOST_PAIRS = 500


def drawn(pairs: int, seed: int) -> tuple[str, ...]:
    """One of "rc" and "cr" per pair. Two neighbouring pairs mirror each other (ABBA), so that a steady drift
    falls out of their mean; which of the two begins is drawn, so that nothing periodic keeps step.

    Raises UsageError ab.pairs.
    """
    refuse_pairs(pairs)
    coin = random.Random(seed)  # noqa: S311 - no secret
    turns: list[str] = []
    while len(turns) < pairs:
        turns += coin.choice((("rc", "cr"), ("cr", "rc")))
    return tuple(turns[:pairs])


def refuse_pairs(pairs: int) -> None:
    """What is no number of pairs: too few, too many, or odd. Of an odd number one pair has no mirror, so that
    a drift stays in, and the bootstrap's interval of 9 holds the truth in 96 % where that of 8 does in 98 %.

    Raises UsageError ab.pairs.
    """
    from farm.errors import UsageError

    if not LEAST_PAIRS <= pairs <= MOST_PAIRS or pairs % 2:
        raise UsageError(
            f"{pairs} pairs were asked for",
            code="ab.pairs",
            fix=f"ask for an even number from {LEAST_PAIRS} to {MOST_PAIRS}; 20 see a change of 3 %",
        )


def seed_of(*words: str) -> int:
    """The same for the same words, everywhere."""
    return int.from_bytes(hashlib.sha256("\n".join(words).encode()).digest()[:4], "big")


def job_of(
    job_id: str,
    reference: Contender,
    candidate: Contender,
    turns: tuple[str, ...],
    *,
    plan: BlockPlan | None = None,
    gate: GatePlan | None,
) -> tuple[JobSpec, Shipment]:
    """The job of both, and the files that it needs. All that is not the artifact's is the candidate's.

    Every process lasts its least time: the spread between processes is what counts, and an interval within
    one process says nothing of it. Raises UsageError and JobError ab.scenario.
    """
    from farm.drive import shipment_of
    from farm_agent import arms

    base = candidate.spec
    refuse_scenario(base.tool or base.scenario)
    each = plan or base.plan
    built = base.build is not None or reference.spec.build is not None
    spec = replace(
        base,
        job_id=job_id,
        fence=0,
        plan=replace(each, blocks=2 * len(turns), ci_half_width=0.0),
        dataset=None,
        energy=None,
        profile_ops=False,
        gate=gate,
        memory_limit_bytes=0 if built else base.memory_limit_bytes,
        process_timeout_s=max(base.process_timeout_s, reference.spec.process_timeout_s),
        reference=reference.arm,
        turns=turns,
    )
    arms.points(spec)
    return spec, shipment_of([*candidate.parts, *reference.parts])


def refuse_scenario(name: str, streams: int = 1) -> None:
    """What cannot be measured in turns. ``name``: a scenario or a native tool; ``streams``: how many numbers
    of streams throughput was asked for. Raises UsageError ab.scenario."""
    from farm.errors import UsageError
    from farm_agent.arms import SCENARIOS

    if name not in SCENARIOS:
        why = "each of its processes takes minutes" if name == "sustained" else "its loop is not farm's own"
        raise UsageError(
            f"two artifacts cannot be measured in turns with {name}: {why}",
            code="ab.scenario",
            fix=f"choose one of the scenarios {', '.join(SCENARIOS)}",
        )
    if name == "throughput" and streams != 1:
        raise UsageError(
            "in turns every process runs the same number of streams, and throughput is a curve over several",
            code="ab.scenario",
            fix="name one: --streams 2",
        )
