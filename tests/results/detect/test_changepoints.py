"""Change points against the truth, against apache-otava, and Student's t against scipy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from farm_results.detect.changepoints import change_points, likeness, segment_starts, steps
from farm_results.detect.student import two_sided_p
from tests.results.detect.nights import point, points

OTAVA = json.loads((Path(__file__).parent / "otava.json").read_text())


@pytest.mark.parametrize("history", OTAVA["histories"], ids=lambda history: history["name"])
def test_agrees_with_otava(history: dict[str, Any]) -> None:
    """The same places as apache-otava on clear histories (made by benchmarks/detection_golden.py)."""
    found = steps(np.log(np.array(history["values"])))
    assert [step.index for step in found] == [place for place, *_ in history["found"]]


def test_tells_levels_dates_and_the_range_to_bisect() -> None:
    """What a person needs of a step, with unusable nights in between and spikes around."""
    rng = np.random.default_rng(4)
    values = 5.0 * np.exp(rng.normal(0.0, 0.01, 60))
    values[30:] *= 1.08
    values[10] *= 1.5
    history = points(list(values))
    history.insert(30, point(1000, 50.0, verdict="invalid"))
    found = change_points(history)
    assert len(found) == 1
    step = found[0]
    assert (step.index, step.job_id, step.previous_job_id) == (31, "job-30", "job-29")
    assert step.effect == pytest.approx(0.08, abs=0.012)
    assert step.before == pytest.approx(5.0, rel=0.01)
    assert step.p < 1e-6


def test_a_step_between_surroundings_is_none() -> None:
    """The segment begins there, and nothing is said of the model."""
    rng = np.random.default_rng(5)
    old = points(list(5.0 * np.exp(rng.normal(0.0, 0.01, 30))))
    new = [
        point(30 + night, float(value), segment="two")
        for night, value in enumerate(6.0 * np.exp(rng.normal(0.0, 0.01, 30)))
    ]
    assert change_points([*old, *new]) == ()
    assert segment_starts([*old, point(90, None, status="failed", segment=""), *new]) == (31,)


def test_noise_has_no_steps() -> None:
    """Of 60 histories each, quiet, with outliers, and with nights that resemble each other, hardly any."""
    rng = np.random.default_rng(6)
    false = {"quiet": 0, "outliers": 0, "alike": 0}
    for _ in range(60):
        noise = rng.normal(0.0, 0.02, 90)
        alike = noise.copy()
        for night in range(1, 90):
            alike[night] = 0.5 * alike[night - 1] + noise[night]
        spiked = noise + np.where(rng.random(90) < 0.05, rng.uniform(0.1, 0.3, 90), 0.0)
        for name, values in (("quiet", noise), ("outliers", spiked), ("alike", alike)):
            false[name] += bool(steps(values))
    assert false["quiet"] <= 1
    assert max(false.values()) <= 4


def test_short_and_flat_histories() -> None:
    """Too few points, no spread at all, and a step without any spread."""
    assert steps(np.array([])) == ()
    assert steps(np.array([0.0, 1.0, 2.0])) == ()
    assert steps(np.zeros(40)) == ()
    exact = np.zeros(40)
    exact[20:] = 0.1
    assert [step.index for step in steps(exact)] == [20]
    assert steps(exact, min_change=0.5) == ()


def test_likeness_of_neighbours() -> None:
    """0 for independent nights, near the truth for those that resemble each other, never 1."""
    rng = np.random.default_rng(7)
    noise = rng.normal(0.0, 1.0, 500)
    alike = noise.copy()
    for night in range(1, 500):
        alike[night] = 0.6 * alike[night - 1] + noise[night]
    assert likeness(noise, []) < 0.15
    assert likeness(alike, []) == pytest.approx(0.6, abs=0.1)
    assert likeness(np.arange(100.0), []) <= 0.9


def test_student_against_scipy() -> None:
    """Over the whole range that matters, and its edges."""
    for degrees in (1.0, 2.5, 7.0, 30.0, 400.0):
        for t in (0.0, 0.1, 1.0, 2.0, 6.0, 40.0):
            assert two_sided_p(t, degrees) == pytest.approx(2 * stats.t.sf(t, degrees), rel=1e-9)
    assert two_sided_p(float("inf"), 5.0) == 0.0
    assert two_sided_p(float("nan"), 5.0) == 1.0
