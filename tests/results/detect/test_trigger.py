"""The trigger: what calls for an A/B, what does not, and how often it errs."""

from __future__ import annotations

import numpy as np
import pytest

from farm_results.detect.robust import centre_and_sigma, hampel
from farm_results.detect.trigger import trigger
from tests.results.detect.nights import point, points

QUIET = [5.0, 5.02, 4.97, 5.01, 4.99, 5.03, 4.98, 5.0, 5.01, 4.99]


@pytest.mark.parametrize(("value", "fires", "sign"), [(5.2, True, 1), (4.8, True, -1), (5.01, False, 1)])
def test_fires_in_both_directions(value: float, fires: bool, sign: int) -> None:
    """A step up and one down fire, an ordinary night does not; the words say which way."""
    found = trigger(points(QUIET), point(10, value))
    assert (found.fired, found.count) == (fires, 10)
    assert found.z is not None
    assert found.z * sign > 0
    assert ("above" if sign > 0 else "below") in found.reason


def test_history_may_hold_the_night_itself_and_unusable_ones() -> None:
    """A job is never held against itself, nor against what is invalid, throttled, failed, or no number."""
    now = point(10, 6.0)
    others = [
        point(11, 6.0, verdict="invalid"),
        point(12, 6.0, verdict="throttled"),
        point(13, None, status="failed", verdict=""),
        point(14, 0.0),
        point(15, float("nan")),
    ]
    assert trigger([*points(QUIET), now, *others], now) == trigger(points(QUIET), now)


@pytest.mark.parametrize("changes", [{"verdict": "invalid"}, {"status": "failed"}, {"verdict": "throttled"}])
def test_an_unusable_night_calls_for_nothing(changes: dict[str, str]) -> None:
    """What may not be believed says nothing."""
    found = trigger(points(QUIET), point(10, 9.0, **changes))
    assert (found.fired, found.z) == (False, None)
    assert next(iter(changes.values())) in found.reason


def test_surroundings_split_a_history() -> None:
    """Another segment's points are no measure; that it is a new one is told apart from a new series."""
    moved = trigger(points(QUIET), point(10, 9.0, segment="two"))
    assert (moved.fired, moved.count, moved.new_segment) == (False, 0, True)
    assert trigger([], point(0, 5.0)).new_segment is False


def test_only_the_newest_thirty_count() -> None:
    """A level that was left long ago is forgotten."""
    long_ago, since = [1.0] * 40, [5.0 + 0.01 * (k % 3) for k in range(30)]
    found = trigger(points([*long_ago, *since]), point(99, 5.01))
    assert (found.fired, found.count) == (False, 30)


def test_a_new_artifact_is_looked_at_sooner() -> None:
    """For three nights; an artifact that nobody knows is none."""
    old = points(QUIET, artifact_sha256="a")
    value = 5.025
    assert 1.0 < (trigger(old, point(10, value, artifact_sha256="a")).z or 0.0) < 1.5
    assert not trigger(old, point(10, value, artifact_sha256="a")).fired
    assert not trigger(old, point(10, value)).fired
    new = trigger(old, point(10, value, artifact_sha256="b"))
    assert new.fired
    assert "artifact is new" in new.reason
    third = [*old, *(point(10 + k, 5.0, artifact_sha256="b") for k in range(2))]
    assert trigger(third, point(12, value, artifact_sha256="b")).fired
    fourth = [*third, point(12, 5.0, artifact_sha256="b")]
    assert not trigger(fourth, point(13, value, artifact_sha256="b")).fired


def test_a_young_series_is_given_a_spread() -> None:
    """Two equal nights do not make the third one an alarm; identical nights never divide by zero."""
    assert not trigger(points([5.0, 5.0]), point(2, 5.1)).fired
    assert trigger(points([5.0, 5.0]), point(2, 5.5)).fired
    same = trigger(points([5.0] * 30), point(30, 5.0))
    assert (same.fired, same.z) == (False, 0.0)
    assert trigger(points([5.0] * 30), point(30, 5.05)).fired


@pytest.mark.parametrize("count", [5, 8, 30])
def test_z_means_the_same_however_few_nights_are_known(count: int) -> None:
    """13 % of quiet nights lie beyond 1.5 and hardly any beyond 3, from five nights of history on."""
    rng = np.random.default_rng(count)
    found = []
    for _ in range(600):
        values = np.exp(rng.normal(0.0, 0.02, count + 1))
        found.append(trigger(points(list(values[:-1])), point(count, values[-1])).z or 0.0)
    sizes = np.abs(found)
    assert 0.09 < (sizes > 1.5).mean() < 0.18
    assert (sizes > 3.0).mean() < 0.015


def test_spread_is_deaf_to_outliers_and_right_for_the_normal() -> None:
    """A third of absurd nights hardly matters, and small samples are not biased."""
    rng = np.random.default_rng(1)
    values = rng.normal(0.0, 1.0, 30)
    values[:9] += 50.0
    assert centre_and_sigma(values)[1] < 3.0
    for count in (5, 6, 9, 10, 30):
        mean = np.mean([centre_and_sigma(rng.normal(0.0, 1.0, count))[1] for _ in range(1500)])
        assert mean == pytest.approx(1.0, abs=0.06)
    assert centre_and_sigma(np.array([3.0])) == (3.0, 0.0)


def test_hampel_clips_spikes_and_keeps_steps() -> None:
    """One absurd night comes down to its neighbours; a step stays where it is."""
    values = np.array([0.0, 0.01, -0.01] * 8)
    values[12:] += 1.0
    spiked = values.copy()
    spiked[5] = 9.0
    clipped = hampel(spiked)
    assert clipped[5] < 0.2
    assert np.abs(clipped[12:] - 1.0).max() < 0.05
    assert hampel(np.array([1.0, 9.0])).tolist() == [1.0, 9.0]
