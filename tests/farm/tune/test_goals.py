"""Objectives and constraints as people write them."""

from __future__ import annotations

import pytest

from farm.errors import UsageError
from farm.tune import goals


@pytest.mark.parametrize(
    ("words", "metric", "sense", "bound"),
    [
        ("latency<=5ms", "latency", "<=", 5e6),
        ("p99 <= 250 us", "p99", "<=", 250e3),
        ("accuracy_drop<=1pp", "accuracy_drop", "<=", 0.01),
        ("accuracy>=97%", "accuracy", ">=", 0.97),
        ("energy<=3mJ", "energy", "<=", 3e-3),
        ("size<=1.5MB", "size", "<=", 1.5e6),
        ("throughput>=100/s", "throughput", ">=", 100.0),
    ],
)
def test_a_constraint_is_read_in_its_unit(words: str, metric: str, sense: str, bound: float) -> None:
    found = goals.constraint(words)

    assert (found.metric, found.sense) == (metric, sense)
    assert found.bound == pytest.approx(bound)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("latncy<=5ms", "'latency'"),
        ("latency<5ms", "latency<=5ms"),
        ("latency>=5ms", "latency<=5ms"),
        ("latency<=5", "ms"),
        ("latency<=5MB", "ms"),
        ("throughput<=5/s", ">="),
        ("latency<=nan ms", "latency"),
        ("latency<=-1ms", "zero or more"),
        ("fast", "latency<=5ms"),
    ],
)
def test_a_wrong_constraint_says_what_to_write(words: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        goals.constraint(words)

    assert caught.value.code == "tune.constraint"
    assert hint in caught.value.fix


def test_an_objective_that_is_none_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="acuracy") as caught:
        goals.objectives(("acuracy",))
    assert caught.value.fix == "did you mean 'accuracy'?"


def test_a_difference_is_no_objective() -> None:
    with pytest.raises(UsageError):
        goals.objectives(("accuracy_drop",))
