"""Noise and what it hides, silence, and false alarms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from farm_results.comparison import FASTER, INCONCLUSIVE, SAME, SLOWER, Comparison, Effect, Side
from farm_results.detect import mde, noise
from farm_results.detect.false_alarms import false_alarms, of_device, share_interval
from farm_results.detect.silence import silence
from tests.results.detect.nights import DAY_S, point, points

SIDE = Side("r", "m", "", "", "litert", "")


def comparison(number: int, word: str, **changes: object) -> Comparison:
    """An A/A of device a, off by half a per mille for each number."""
    effect = Effect(0.0005 * number, -0.01, 0.01, 0.99, 0.01)
    base = Comparison(str(number), 0.0, "aa", "s", "a", "", SIDE, SIDE, word, 20, effect)
    return replace(base, **changes)  # type: ignore[arg-type]


def test_components_of_noise_are_found() -> None:
    """Nights of five processes of runs, with a known spread on each level."""
    rng = np.random.default_rng(1)
    nights = []
    for _ in range(80):
        night = rng.normal(0.0, 0.02)
        middles = night + rng.normal(0.0, 0.01, 5)
        nights.append([5e6 * np.exp(rng.normal(middle, 0.004, 200)) for middle in middles])
    found = noise.of_samples(nights)
    assert found.within == pytest.approx(0.004, rel=0.05)
    assert found.between_processes == pytest.approx(0.01, rel=0.1)
    assert found.between_nights == pytest.approx(0.02, rel=0.25)
    heads = points([float(np.median([np.median(process) for process in night])) for night in nights])
    rows = noise.of_points([replace(each, between_cv=0.01) for each in heads])
    assert rows.between_nights == pytest.approx(found.between_nights or 0.0, rel=0.1)
    assert noise.of_points(heads[:2]).night is None


def test_smallest_change_is_the_published_table() -> None:
    """For 2 % noise after 1, 3, 5 and 10 nights; in words for a caption."""
    table = [np.log1p(mde.smallest_change(0.02, nights=nights)) for nights in (1, 3, 5, 10)]
    assert table == pytest.approx([0.084, 0.050, 0.040, 0.030], abs=0.001)
    rng = np.random.default_rng(2)
    history = points(list(5.0 * np.exp(rng.normal(0.0, 0.02, 40))))
    seen = mde.visible(history, (1, 3))
    assert [each.nights for each in seen] == [1, 3]
    assert seen[0].history == 30
    assert seen[1].change == pytest.approx(0.05, rel=0.4)
    assert mde.words(replace(seen[1], change=0.0251)) == "sees ≥ 2.5 % after 3 nights"
    assert mde.visible(history[:4]) == ()


def test_a_step_is_no_noise() -> None:
    """What a series can see does not change because it once saw something."""
    rng = np.random.default_rng(8)
    values = 5.0 * np.exp(rng.normal(0.0, 0.01, 60))
    stepped = np.where(np.arange(60) < 30, values, 1.2 * values)
    before, after = (noise.of_points(points(list(each))).night for each in (values, stepped))
    assert before == pytest.approx(0.01, rel=0.3)
    assert after == pytest.approx(before, rel=0.1)


def test_smallest_change_is_seen_as_often_as_it_says() -> None:
    """A step of exactly that size is found by its test in about 80 % of the simulations."""
    rng = np.random.default_rng(3)
    sigma, nights = 0.02, 5
    step = np.log1p(mde.smallest_change(sigma, nights=nights))
    old, new = rng.normal(0, sigma, (4000, 30)), rng.normal(step, sigma, (4000, nights))
    z = (new.mean(axis=1) - old.mean(axis=1)) / (sigma * np.sqrt(1 / nights + 1 / 30))
    assert (np.abs(z) > 3.2905).mean() == pytest.approx(0.8, abs=0.03)


def test_silence_knows_the_series_own_rhythm() -> None:
    """Nightly, weekly, by rotation; too young; measured twice a night; a clock that steps."""
    nightly = points([5.0] * 10)
    last = nightly[-1].at_unix_s
    assert silence(nightly, last + 2 * DAY_S) is None
    quiet = silence(nightly, last + 3 * DAY_S)
    assert quiet is not None
    assert (quiet.kind, quiet.usual_gap_s) == ("no results", DAY_S)
    assert quiet.words(last + 3 * DAY_S) == "no number for 3 days (usually every 24 h)"
    weekly = [point(7 * week, 5.0) for week in range(10)]
    assert silence(weekly, weekly[-1].at_unix_s + 10 * DAY_S) is None
    assert silence(weekly, weekly[-1].at_unix_s + 18 * DAY_S) is not None
    rotated = [point(night, 5.0) for night in (0, 1, 2, 9, 10, 11)]
    assert silence(rotated, rotated[-1].at_unix_s + 8 * DAY_S) is None
    assert silence(nightly[:3], last + 99 * DAY_S) is None
    twice = [replace(each, at_unix_s=each.at_unix_s + k) for each in nightly for k in (0.0, 60.0)]
    assert silence(twice, last + 2 * DAY_S) is None
    assert silence(twice, last + 3 * DAY_S) is not None
    ahead = [*nightly, point(500, 5.0)]
    assert silence(ahead, last + DAY_S) is None
    assert silence([], 0.0) is None
    assert silence([replace(each, at_unix_s=7.0) for each in nightly], 9e9) is None


def test_a_pause_of_the_farm_and_an_afternoon_of_trials_hide_no_silence_and_make_none() -> None:
    """Three weeks without nights and then nights again: silent after three days, not never. Forty results
    by hand within hours say nothing of how often a series is due."""
    nights = [*range(10), *range(31, 45)]
    paused = [point(night, 5.0) for night in nights]
    last = paused[-1].at_unix_s
    assert silence(paused, last + 2.4 * DAY_S) is None
    found = silence(paused, last + 3 * DAY_S)
    assert found is not None
    assert found.usual_gap_s == DAY_S
    rotated = [point(night, 5.0) for night in (0, 1, 2, 9, 10, 11, 18, 19, 20, 27, 28, 29)]
    assert silence(rotated, rotated[-1].at_unix_s + 8 * DAY_S) is None
    by_hand = [replace(paused[0], at_unix_s=600.0 * each) for each in range(40)]
    assert silence(by_hand, by_hand[-1].at_unix_s + 5 * DAY_S) is None
    hours = [replace(paused[0], at_unix_s=7200.0 * each) for each in range(6)]
    assert silence(hours, hours[-1].at_unix_s + 0.9 * DAY_S) is None


def test_failures_are_a_silence_of_their_own() -> None:
    """Results keep coming, and none of them is a number; an unbelievable number is one."""
    nightly = points([5.0] * 10)
    failed = [point(10 + night, None, status="failed", verdict="") for night in range(3)]
    found = silence([*nightly, *failed], failed[-1].at_unix_s)
    assert found is not None
    assert (found.kind, found.failures) == ("no numbers", 3)
    invalid = [replace(each, status="ok", value=5.0, verdict="invalid") for each in failed]
    assert silence([*nightly, *invalid], failed[-1].at_unix_s) is None


def test_false_alarms_per_device_and_in_all() -> None:
    """A/B do not count, inconclusive is no alarm, simulated ones never mix with measured ones."""
    words = [SAME] * 27 + [SLOWER, FASTER, INCONCLUSIVE]
    tests = [comparison(number, word) for number, word in enumerate(words)]
    tests += [comparison(90, SAME, device="b")]
    tests += [comparison(100, SLOWER, kind="ab"), comparison(101, SLOWER, origin="simulated")]
    every, a, b = false_alarms(tests)
    assert (every.device, every.tests, every.alarms, every.inconclusive) == ("", 31, 2, 1)
    assert (a.device, a.tests) == ("a", 30)
    assert a.share == pytest.approx(2 / 30)
    assert a.spread == pytest.approx(0.0144, abs=0.001)
    assert (a.trusted, a.zone) == (True, 0.01), "two of thirty are no more than chance"
    assert (b.tests, b.alarms, b.spread, b.zone) == (1, 0, None, 0.01)
    simulated = false_alarms([comparison(1, SAME, origin="simulated")])
    assert [each.tests for each in simulated] == [1, 1]
    assert false_alarms([]) == ()


def test_a_device_that_calls_itself_different_has_a_zone_of_its_own() -> None:
    """Two alarms and more than one in a hundred make it one; its zone reaches beyond all that its own A/As
    showed; what is older than its newest 40 is forgiven."""

    def history(alarms: int, count: int) -> list[Comparison]:
        effects = [0.03 * (-1) ** number if number < alarms else 0.002 for number in range(count)]
        return [
            replace(
                comparison(number, SLOWER if number < alarms else SAME),
                created_unix_s=float(number),
                effect=Effect(effect, effect - 0.004, effect + 0.004, 0.99, 0.01),
            )
            for number, effect in enumerate(effects)
        ]

    trusted = [(alarms, count) for alarms, count in ((0, 12), (1, 1), (1, 12), (2, 30))]
    assert all(of_device("a", history(*each)).trusted for each in trusted)
    bad = of_device("a", history(3, 12))
    assert not bad.trusted
    assert 0.03 <= bad.zone < 0.08
    assert bad.words.startswith("calls itself different in 3 of 12 A/As: its zone is ±4.")
    assert of_device("a", history(2, 2)).zone > bad.zone, "of two A/As little is known"
    assert of_device("a", history(3, 43)).trusted
    every, single = false_alarms(history(3, 12))
    assert (every.trusted, single.trusted) == (True, False)
    assert of_device("nobody", []).trusted


@pytest.mark.parametrize(("hits", "tests"), [(0, 20), (3, 20), (20, 20), (1, 400), (200, 4000)])
def test_interval_of_a_share_against_scipy(hits: int, tests: int) -> None:
    """Clopper and Pearson's."""
    known = stats.binomtest(hits, tests).proportion_ci(method="exact")
    assert share_interval(hits, tests) == pytest.approx((known.low, known.high), abs=1e-9)
