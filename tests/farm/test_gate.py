"""Budgets read strictly, held against results, and turned into exit codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from farm.errors import UsageError
from farm.gate import BROKEN, MET, UNCLEAR, check, exit_code, parse_budget
from farm_results.compare.row import Compared, Row
from farm_results.model import Energy, Verdict
from farm_results.series import key_of
from tests.results.made import latency, result


def state_of(words: str, **changes: Any) -> tuple[str, float | None]:
    """Of the only limit against the only result."""
    (found,) = check([result(**changes)], parse_budget(words))
    return found.state, found.value


def test_a_budget_is_a_list_of_limits_with_units() -> None:
    limits = parse_budget("p50<=20ms, energy <= 50mJ,peak_mem<=200MB,accuracy>=97%,throughput>=30/s")
    assert [(one.metric, one.sense) for one in limits] == [
        ("p50", "<="),
        ("energy", "<="),
        ("peak_mem", "<="),
        ("accuracy", ">="),
        ("throughput", ">="),
    ]
    assert [one.bound for one in limits] == pytest.approx([20e6, 0.05, 200e6, 0.97, 30.0])


@pytest.mark.parametrize(
    "words",
    [
        *("", " , ", "p50", "p50<=", "p50<=20", "p50<=20mJ", "p50>=20ms", "p5o<=20ms", "p50<=1e999ms"),
        *("p50<=nanms", "p50<=-1ms", "p50<=1.2.3ms", "p50==3ms", "\x1b[31m<=3ms", "p50<=20ms;rm -rf /"),
    ],
)
def test_what_is_no_limit_is_refused(words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_budget(words)
    assert caught.value.code == "gate.budget"
    assert caught.value.fix
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "changes", "expected"),
    [
        ("p50<=5ms", {}, (MET, 4_910_000.0)),
        ("p50<=4ms", {}, (BROKEN, 4_910_000.0)),
        ("p50<=4.9ms", {}, (UNCLEAR, 4_910_000.0)),  # the interval is 4.87 to 4.96 ms
        ("p50<=5ms", {"verdict": Verdict("throttled")}, (BROKEN, 4_910_000.0)),  # nobody can believe it
        ("p50<=5ms", {"verdict": Verdict("invalid")}, (BROKEN, 4_910_000.0)),
        ("p50<=4ms", {"verdict": Verdict("noisy")}, (BROKEN, 4_910_000.0)),
        ("p99<=5.8ms", {}, (MET, 5_600_000.0)),
        ("p99<=5ms", {"latency": latency(p99_ns=None)}, (BROKEN, None)),
        ("peak_mem<=200MB", {}, (MET, 148e6)),
        ("energy<=50mJ", {}, (BROKEN, None)),
        ("energy<=50mJ", {"energy": (Energy("s", "c", "wall", gross_j=0.04, u_gross_j=0.001),)}, (MET, 0.04)),
        ("energy<=50mJ", {"energy": (Energy("s", "c", "wall", error_code="x"),)}, (BROKEN, None)),
        ("accuracy>=97%", {"accuracy": 0.98, "accuracy_metric": "top-1"}, (MET, 0.98)),
        ("accuracy>=97%", {"accuracy": 0.9, "accuracy_metric": "top-1"}, (BROKEN, 0.9)),
        ("accuracy>=97%", {"accuracy": 3.5, "accuracy_metric": "mae"}, (BROKEN, 3.5)),  # less is better
        ("accuracy<=4", {"accuracy": 3.5, "accuracy_metric": "mae"}, (MET, 3.5)),
        ("accuracy<=4%", {"accuracy": 0.03, "accuracy_metric": "mae"}, (BROKEN, 0.03)),  # no share
        ("accuracy<=4", {"accuracy": 0.0, "accuracy_metric": "mae"}, (MET, 0.0)),
        ("accuracy<=97%", {"accuracy": 0.5, "accuracy_metric": "top-1"}, (BROKEN, 0.5)),
        ("accuracy<=4", {"accuracy": -1.0, "accuracy_metric": "mine.py:f"}, (MET, -1.0)),
        ("throughput>=30/s", {}, (BROKEN, None)),
        (
            "throughput>=30/s",
            {"scenario": "throughput", "metrics": {"throughput_best_per_s": 40.0}},
            (MET, 40.0),
        ),
    ],
)
def test_a_limit_is_met_broken_or_cannot_be_told(
    words: str, changes: dict[str, Any], expected: tuple[str, float | None]
) -> None:
    """A number that was not measured breaks its limit: nobody checked it."""
    assert state_of(words, **changes) == expected


def test_failed_results_have_no_number_to_hold() -> None:
    assert check([result(status="failed", latency=None)], parse_budget("p50<=5ms")) == ()


def compared(section: str) -> Compared:
    """A comparison with one row."""
    row = Row(section, "p50", key_of(result()), "s", None, None)
    return Compared("a", "b", (row,))


@pytest.mark.parametrize(
    ("code", "fail_on", "limit", "section", "expected"),
    [
        (0, ("regression", "budget"), "p50<=5ms", "unchanged", 0),
        (0, ("regression", "budget"), "p50<=4ms", "unchanged", 1),
        (0, ("regression",), "p50<=4ms", "unchanged", 0),
        (0, ("regression", "budget"), "p50<=5ms", "regressed", 1),
        (3, ("regression",), "p50<=5ms", "regressed", 1),  # 1 outranks 3
        (3, ("regression", "budget"), "p50<=5ms", "unchanged", 3),
        (3, ("error",), "p50<=5ms", "unchanged", 1),
        (0, ("error",), "p50<=5ms", "unchanged", 0),
        (130, ("regression", "budget", "error"), "p50<=4ms", "regressed", 130),
        (0, ("noise",), "p50<=4.9ms", "unchanged", 5),
        (0, ("noise",), "p50<=5ms", "noisy but large", 5),
        (0, ("noise",), "p50<=5ms", "not comparable", 5),
        (0, ("noise",), "p50<=5ms", "only in one", 5),
        (0, ("regression", "budget"), "p50<=4.9ms", "noisy but large", 0),
        (3, ("noise",), "p50<=4.9ms", "unchanged", 3),
        (0, ("noise", "regression"), "p50<=5ms", "regressed", 1),
        (0, ("never", "regression", "budget"), "p50<=4ms", "regressed", 0),
    ],
)
def test_what_the_exit_code_becomes(
    code: int, fail_on: tuple[str, ...], limit: str, section: str, expected: int
) -> None:
    checks = check([replace(result(), verdict=Verdict("valid"))], parse_budget(limit))
    assert exit_code(code, fail_on, checks=checks, compared=compared(section)) == expected
