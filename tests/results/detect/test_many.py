"""Many A/Bs of one night: what each is worth by itself, and beside the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from farm_results.comparison import FASTER, INCONCLUSIVE, SLOWER, Comparison, Side
from farm_results.detect.many import among, at_least, chance_of, of_two
from farm_results.statistics.paired import effect_of


def compared(ratios: list[float], word: str = SLOWER, kind: str = "ab") -> Comparison:
    """An A/B whose pairs have these ratios."""
    reference = Side("", "m", "", "a", "litert", "", medians_ns=(5e6,) * len(ratios))
    candidate = replace(reference, artifact_sha256="b", medians_ns=tuple(5e6 * each for each in ratios))
    effect = effect_of(reference.medians_ns, candidate.medians_ns)
    return Comparison("c", 0.0, kind, "s", "pi", "", reference, candidate, word, len(ratios), effect)


@pytest.mark.parametrize(("hits", "tosses"), [(0, 8), (8, 8), (17, 20), (20, 20), (270, 500)])
def test_the_tail_of_a_coin_against_scipy(hits: int, tosses: int) -> None:
    """Exact, however many pairs."""
    assert at_least(hits, tosses) == pytest.approx(
        stats.binomtest(hits, tosses, alternative="greater").pvalue, rel=1e-9
    )


def test_the_chance_counts_the_pairs_beyond_the_zone() -> None:
    """Either side; a wider zone makes it larger; swapping the two changes nothing; without pairs the
    interval's level is all that is known, and what calls nothing different is no attempt."""
    slower = compared([1.03] * 17 + [0.9] * 3)
    assert chance_of(slower, 0.01) == pytest.approx(2 * stats.binomtest(17, 20, alternative="greater").pvalue)
    assert chance_of(slower, 0.05) == 1.0
    swapped = replace(slower, reference=slower.candidate, candidate=slower.reference, word=FASTER)
    assert chance_of(swapped, 0.01) == chance_of(slower, 0.01)
    untold = replace(slower, candidate=replace(slower.candidate, medians_ns=()))
    assert chance_of(untold, 0.01) == pytest.approx(0.01)
    assert chance_of(replace(slower, word=INCONCLUSIVE), 0.01) == 1.0


def test_beside_a_hundred_others_it_takes_more() -> None:
    """What stands alone does not stand among a hundred; where many changed, it does. One artifact against
    itself is no attempt."""
    few, many = 0.008, 1e-6
    assert among({"a": few})["a"].holds
    quiet = {str(number): 1.0 for number in range(99)}
    assert not among({"a": few, **quiet})["a"].holds
    assert among({"a": many, **quiet})["a"].holds
    assert among({"a": few, **quiet, **{str(number): many for number in range(20)}})["a"].holds
    assert among({}) == {}
    itself = compared([1.03] * 8, kind="aa")
    assert of_two([itself, compared([1.03] * 8)]) == [compared([1.03] * 8)]


def test_nights_without_a_change_are_wrong_as_seldom_as_promised() -> None:
    """The worst there is: a hundred A/Bs that all lie at the very edge of the zone; in one night of ten at
    most does any of them stand, where each by itself at 1 % is wrong more often."""
    rng = np.random.default_rng(5)
    nights, alone, together = 60, 0, 0
    for _ in range(nights):
        chances = {}
        for number in range(100):
            ratios = list(1.01 * np.exp(rng.normal(0.0, 0.014, 20)))
            chances[str(number)] = chance_of(compared_quickly(ratios), 0.01)
        alone += any(each <= 0.01 for each in chances.values())
        together += any(each.holds for each in among(chances).values())
    assert alone > 0.1 * nights
    assert together <= 0.1 * nights


def compared_quickly(ratios: list[float]) -> Comparison:
    """The same without a bootstrap."""
    side = Side("", "", "", "a", "", "", medians_ns=(1.0,) * len(ratios))
    other = replace(side, artifact_sha256="b", medians_ns=tuple(ratios))
    return Comparison("c", 0.0, "ab", "s", "pi", "", side, other, SLOWER, len(ratios))
