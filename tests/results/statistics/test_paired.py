"""The effect of pairs: against scipy, over simulated comparisons, and at its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from farm_agent.errors import MeasurementError
from farm_results.comparison import FASTER, INCONCLUSIVE, SAME, SLOWER, Effect
from farm_results.statistics.paired import LEAST_PAIRS, effect_of, word_of


def played(effect: float, pairs: int, seed: int) -> tuple[list[float], list[float]]:
    """1 % noise per process, 5 % of processes 5 to 30 % too slow, 3 % of drift over the whole."""
    rng = np.random.default_rng(seed)
    drift = np.linspace(0.0, math.log(1.03), pairs)

    def arm(shift: float) -> list[float]:
        outliers = (rng.random(pairs) < 0.05) * rng.uniform(0.05, 0.3, pairs)
        logs = rng.normal(math.log(5e6) + shift, 0.01, pairs) + outliers + drift
        return [float(each) for each in np.exp(logs)]

    return arm(0.0), arm(math.log1p(effect))


@pytest.mark.parametrize(
    ("effect", "pairs", "least", "most"),
    [(0.0, 20, 0.0, 0.0), (0.0, 8, 0.0, 0.0), (0.03, 20, 0.85, 1.0), (0.05, 20, 0.97, 1.0)],
)
def test_what_is_slower_is_found_and_what_is_not_is_never_said(
    effect: float, pairs: int, least: float, most: float
) -> None:
    words = [word_of(effect_of(*played(effect, pairs, seed))) for seed in range(150)]
    assert least <= words.count(SLOWER) / len(words) <= most
    assert words.count(FASTER) == 0


def test_the_interval_holds_the_truth() -> None:
    found = [effect_of(*played(0.02, 20, seed)) for seed in range(200)]
    assert sum(one.low <= 0.02 <= one.high for one in found) >= 190
    assert abs(float(np.median([one.ratio for one in found])) - 0.02) < 0.001


def test_the_interval_is_scipys() -> None:
    from scipy.stats import bootstrap  # type: ignore[import-untyped]

    before, after = played(0.02, 20, 7)
    logs = np.log(np.array(after) / np.array(before))
    theirs = bootstrap(
        (logs,), np.median, confidence_level=0.99, method="percentile", n_resamples=8_000, rng=1
    ).confidence_interval
    ours = effect_of(before, after)
    assert math.log1p(ours.low) == pytest.approx(theirs.low, abs=0.002)
    assert math.log1p(ours.high) == pytest.approx(theirs.high, abs=0.002)


@pytest.mark.parametrize("pairs", [8, 10, 20])
@pytest.mark.parametrize(
    "kind", ["heavy tails", "one arm disturbed", "drift", "coarse clock", "very coarse clock"]
)
def test_where_nothing_differs_nothing_is_called_different(kind: str, pairs: int) -> None:
    """Student's t with one degree of freedom; every other process of one arm up to 30 % too slow in one of
    five; 10 % of drift in turns; a clock with steps of 1 % and of 4 %."""
    words = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        before, after = rng.normal(0.0, 0.01, (2, pairs))
        if kind == "heavy tails":
            before, after = 0.004 * rng.standard_t(1, (2, pairs))
        elif kind == "one arm disturbed":
            after = after + (rng.random(pairs) < 0.2) * rng.uniform(0.05, 0.3, pairs)
        elif kind == "drift":
            first = np.arange(pairs) * 0.1 / pairs
            turned = np.arange(pairs) % 2 == 1  # mirrored, as the order of a comparison is
            second = first + 0.05 / pairs
            before, after = before + np.where(turned, second, first), after + np.where(turned, first, second)
        times = 5e6 * np.exp(np.clip((before, after), -0.7, 0.7))
        step = {"coarse clock": 5e4, "very coarse clock": 2e5}.get(kind, 1e-3)
        times = np.round(times / step) * step
        words.append(word_of(effect_of(times[0].tolist(), times[1].tolist(), seed=seed)))
    assert words.count(SLOWER) + words.count(FASTER) == 0
    if kind == "very coarse clock":
        assert words.count(SAME) == 0


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "skewed"])
@pytest.mark.parametrize("pairs", [8, 20])
def test_the_interval_holds_the_truth_whatever_the_tails(kind: str, pairs: int) -> None:
    """As exact intervals of a median do: 93 % of 80 is far below what 98 % would ever give."""
    held = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        noise = {
            "normal": lambda rng=rng: rng.normal(0.0, 0.01, (2, pairs)),
            "heavy tails": lambda rng=rng: 0.005 * rng.standard_t(2, (2, pairs)),
            "skewed": lambda rng=rng: 0.01 * rng.exponential(1.0, (2, pairs)),
        }[kind]()
        before, after = 5e6 * np.exp(np.clip(noise, -0.7, 0.7))
        found = effect_of(before.tolist(), (1.03 * after).tolist(), seed=seed)
        held += found.low <= 0.03 <= found.high
    assert held >= 0.93 * 80


def test_times_that_agree_to_the_last_digit_tell_of_the_clock() -> None:
    """All the same: nobody knows how coarse the clock is. A step of 1 % widens the interval by as much."""
    same = effect_of([5e6] * 20, [5e6] * 20)
    assert (word_of(same), same.ratio) == (INCONCLUSIVE, 0.0)
    one_step = effect_of([5e6] * 20, [5.05e6] * 20)
    assert word_of(one_step) == INCONCLUSIVE
    assert (one_step.low, one_step.high) == pytest.approx((0.0, 0.0201), abs=1e-6)
    fine = effect_of([5e6, 5.001e6] * 10, [5.3e6, 5.301e6] * 10)
    assert word_of(fine) == SLOWER


def test_swapping_the_sides_turns_everything_round() -> None:
    before, after = played(0.05, 20, 3)
    there, back = effect_of(before, after), effect_of(after, before)
    assert (word_of(there), word_of(back)) == (SLOWER, FASTER)
    assert (1 + there.ratio) * (1 + back.ratio) == pytest.approx(1.0)
    assert effect_of(before, after) == there


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.011, 0.02, SLOWER),
        (0.005, 0.02, INCONCLUSIVE),
        (0.002, 0.009, SAME),
        (-0.009, 0.009, SAME),
        (-0.05, 0.05, INCONCLUSIVE),
        (-0.03, -0.011, FASTER),
        (-0.03, -0.005, INCONCLUSIVE),
    ],
)
def test_the_whole_interval_decides(low: float, high: float, word: str) -> None:
    assert word_of(Effect((low + high) / 2, low, high, 0.99, 0.01)) == word


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1.0] * (LEAST_PAIRS - 1), [1.0] * (LEAST_PAIRS - 1)),
        ([1.0] * 20, [1.0] * 19),
        ([1.0] * 19 + [0.0], [1.0] * 20),
        ([1.0] * 20, [1.0] * 19 + [math.nan]),
        ([], []),
    ],
)
def test_what_makes_no_comparison_is_an_error(before: list[float], after: list[float]) -> None:
    with pytest.raises(MeasurementError) as caught:
        effect_of(before, after)
    assert caught.value.code == "ab.pairs"
