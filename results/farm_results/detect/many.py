"""Many A/Bs in one night: of hundreds, some call something slower by luck alone.

Each has a chance: the exact two-sided sign test of its own pairs against "the difference lies within the
zone" (W. J. Conover, Practical Nonparametric Statistics, 3rd ed. (1999), section 3.4). All of a night are
corrected together (Y. Benjamini and Y. Hochberg, J. R. Statist. Soc. B 57 (1995) 289). The percentile
bootstrap of a median depends on the same count of pairs, but its tails are too thin there: with three of 20
pairs on the wrong side 0.0005 instead of 0.003. That is little for one comparison, and decides a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farm_results.comparison import FASTER, SLOWER, Comparison

FALSE_SHARE = 0.1
"""Of what a night calls slower or faster, so much may be false in the long run, at the worst: where all that
did not change lies at the very edge of the zone."""


@dataclass(frozen=True)
class Chance:
    """``alone``: of so many pairs on one side by luck; ``among``: the same corrected for ``count`` A/Bs."""

    alone: float
    among: float
    count: int

    @property
    def holds(self) -> bool:
        """Whether it may be called slower or faster beside the night's other A/Bs."""
        return self.among <= FALSE_SHARE


def chance_of(comparison: Comparison, zone: float) -> float:
    """The chance that so many pairs lie beyond ``zone`` (0.01 for 1 %) on one side where the truth does not.

    1 for what is not called slower or faster, which is no attempt at it; where the pairs are not told, what
    the interval's level leaves.
    """
    if comparison.word not in (SLOWER, FASTER):
        return 1.0
    pairs = list(zip(comparison.reference.medians_ns, comparison.candidate.medians_ns, strict=False))
    if not pairs or any(not 0 < each < math.inf for pair in pairs for each in pair):
        return 1.0 - comparison.effect.level if comparison.effect else 1.0
    logs = [math.log(after / before) for before, after in pairs]
    edge = math.log1p(zone)
    most = max(sum(log > edge for log in logs), sum(log < -edge for log in logs))
    return min(1.0, 2.0 * at_least(most, len(logs)))


def at_least(hits: int, tosses: int) -> float:
    """The chance of so many heads or more; exact."""
    ways = sum(math.comb(tosses, each) for each in range(hits, tosses + 1))
    return float(ways / 2**tosses)


def among(chances: Mapping[str, float]) -> dict[str, Chance]:
    """The chances of a night's A/Bs, each corrected for all of them."""
    from farm_results.compare.chance import benjamini_hochberg

    corrected = benjamini_hochberg(list(chances.values()))
    return {
        name: Chance(alone, share, len(chances))
        for (name, alone), share in zip(chances.items(), corrected, strict=True)
    }


def of_two(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Those of two artifacts: one against itself can never be called a regression, so it is no attempt."""
    return [each for each in comparisons if not one_artifact(each)]


def one_artifact(comparison: Comparison) -> bool:
    """Whether both sides ran the same file."""
    hashes = comparison.reference.artifact_sha256, comparison.candidate.artifact_sha256
    return comparison.kind == "aa" or (hashes[0] != "" and hashes[0] == hashes[1])
