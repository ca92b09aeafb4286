"""What the trials conclude from the lines that they wrote, and how they go on after an abort."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    def one(name: str) -> ModuleType:
        import importlib

        monkeypatch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module(name)

    yield one
    for name in ("trials", "aa", "disturbance", "disturbances"):
        sys.modules.pop(name, None)


def test_an_aborted_trial_goes_on_behind_its_last_whole_line(load: Any, tmp_path: Path) -> None:
    trials, path = load("trials"), tmp_path / "lines.jsonl"
    trials.Lines(path, {"blocks": 3}).add({"run": 0})
    with path.open("a") as file:
        file.write('{"run": 1, "p50')

    again = trials.Lines(path, {"blocks": 3})
    again.add({"run": 1})

    assert again.runs == [{"run": 0}, {"run": 1}]
    assert trials.Lines(path, {"blocks": 3}).runs == again.runs
    with pytest.raises(SystemExit, match="another --out"):
        trials.Lines(path, {"blocks": 5})


def test_shares_have_wilsons_interval(load: Any) -> None:
    """The values of Wilson's interval for 0 of 30 and 15 of 30 at 95 %, as R's binom.confint gives them."""
    trials = load("trials")

    assert trials.wilson(0, 30) == pytest.approx((0.0, 0.1135), abs=1e-4)
    assert trials.wilson(15, 30) == pytest.approx((0.3315, 0.6685), abs=1e-4)
    assert trials.wilson(0, 0) == (0.0, 1.0)


def test_students_t_test_has_the_tables_values(load: Any) -> None:
    """t = 4.604 with 4 degrees of freedom is the 99 % two-sided critical value."""
    trials = load("trials")
    base = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    shifted = base + 4.604 * base.std(ddof=1) / np.sqrt(5)

    assert trials.two_sided_p(list(shifted)) == pytest.approx(0.01, abs=2e-5)
    assert trials.two_sided_p([0.3, -0.3]) == pytest.approx(1.0)
    assert trials.two_sided_p([0.5]) == 1.0


def line(run: int, p50_ns: float, *, verdict: str = "valid", half: float = 10.0) -> dict[str, Any]:
    return {
        "run": run,
        "pair": run // 2,
        "member": "ab"[run % 2],
        "net": "n",
        "status": "ok",
        "p50_ns": p50_ns,
        "low_ns": p50_ns - half,
        "high_ns": p50_ns + half,
        "medians_ns": [p50_ns - half / 2, p50_ns, p50_ns + half / 2],
        "verdict": verdict,
        "codes": [],
    }


def test_pairs_are_called_different_by_each_rule_and_only_whole_pairs_count(
    load: Any, tmp_path: Path
) -> None:
    load("trials")
    aa = load("aa")
    lines = sys.modules["trials"].Lines(tmp_path / "aa.jsonl", {"trial": "aa"})
    for row in (
        *(line(0, 1000.0), line(1, 1000.0)),
        *(line(2, 1000.0), line(3, 1050.0)),
        *(line(4, 1000.0), line(5, 1005.0, verdict="noisy")),
        line(6, 1000.0),
        {"run": 7, "pair": 3, "member": "b", "net": "n", "status": "failed", "error": "x.y"},
    ):
        lines.add(row)
    found = aa.summary(lines)["nets"]["n"]

    assert (found["runs"], found["failed"], found["valid"]) == (8, 1, 6)
    assert (found["all_pairs"]["pairs"], found["all_pairs"]["hull"], found["all_pairs"]["hull_1pct"]) == (
        3,
        1,
        1,
    )
    assert (found["all_pairs"]["paired"], found["all_pairs"]["paired_1pct"]) == (2, 1)
    assert (found["valid_pairs"]["pairs"], found["valid_pairs"]["paired"]) == (2, 1)
    aa.print_summary(aa.summary(lines))


def test_an_error_instead_of_a_number_counts_as_flagged_and_a_skipped_kind_does_not(
    load: Any, tmp_path: Path
) -> None:
    load("trials")
    trial = load("disturbance")
    lines = sys.modules["trials"].Lines(tmp_path / "d.jsonl", {"trial": "disturbance"})
    fine = {"word": "valid", "codes": [], "error": ""}
    for row in (
        {"run": 0, "kind": "quiet", **fine},
        {"run": 0, "kind": "frozen", "word": "noisy", "codes": ["process.frozen"], "error": ""},
        {"run": 1, "kind": "frozen", "word": "noisy", "codes": ["cpu.shared"], "error": ""},
        {"run": 2, "kind": "frozen", **fine},
        {"run": 0, "kind": "bf16", "word": "", "codes": [], "error": "check.mismatch"},
        {"run": 0, "kind": "memory", "skipped": "a swap file needs root"},
    ):
        lines.add(row)
    found = trial.summary(lines)

    assert (found["kinds"]["quiet"]["flagged"], found["kinds"]["bf16"]["flagged"]) == (0, 1)
    assert (found["kinds"]["frozen"]["flagged"], found["kinds"]["frozen"]["named"]) == (2, 1)
    assert found["kinds"]["memory"]["runs"] == 0
    assert (found["disturbed"]["runs"], found["disturbed"]["flagged"]) == (4, 3)
    trial.print_summary(found)
