"""From comparisons to exit codes, tables and what GitHub is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from farm.benchmark import Outcome
from farm.cli.ab_options import Ab, finished
from farm.cli.gate_options import Gate
from farm.cli.state import State
from farm.config import load_config
from farm.errors import InfrastructureError
from farm_results.comparison import Comparison
from farm_results.model import Result
from tests.results.made import result
from tests.results.test_versus import made

SLOW, SAME, UNSURE = made("slower", 0.05), made("same", 0.0), made("inconclusive", 0.01)
BROKEN = replace(result("job-9"), status="failed", error_code="link.lost", error_message="gone")
AB = Ab("last", 20, None, gate=True)


def ended(
    *comparisons: Comparison,
    fail_on: tuple[str, ...] = ("regression", "budget"),
    results: tuple[Result, ...] = (),
    layout: str = "table",
    interrupted: bool = False,
    ab: Ab = AB,
) -> int:
    outcome = Outcome("run", results, interrupted, comparisons)
    return finished(ab, outcome, Gate(fail_on=fail_on), State(config=load_config()), layout)


@pytest.mark.parametrize(
    ("comparisons", "words", "code"),
    [
        ((SAME,), {}, 0),
        ((SAME, SLOW), {}, 1),
        ((SAME, SLOW), {"fail_on": ("never",)}, 0),
        ((SAME, SLOW), {"fail_on": ("noise",)}, 0),
        ((SAME, UNSURE), {}, 0),
        ((SAME, UNSURE), {"fail_on": ("noise",)}, 5),
        ((SLOW, UNSURE), {"fail_on": ("noise", "regression")}, 1),
        ((SAME,), {"results": (BROKEN,)}, 3),
        ((SAME,), {"results": (BROKEN,), "fail_on": ("error",)}, 1),
        ((), {}, 4),
        ((SLOW,), {"interrupted": True}, 130),
    ],
)
def test_exit_codes(
    comparisons: tuple[Comparison, ...],
    words: dict[str, object],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended(*comparisons, **words) == code  # type: ignore[arg-type]
    assert "Traceback" not in capsys.readouterr().err


def test_json_has_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    ended(SLOW, results=(BROKEN,), layout="json")
    document = json.loads(capsys.readouterr().out)
    assert [one["word"] for one in document["comparisons"]] == ["slower"]
    assert document["errors"][0]["code"] == "link.lost"


def test_github_is_told_of_what_is_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    hostile = replace(SLOW, device="pi\n::error::forged")
    ended(*[SLOW] * 15, hostile, UNSURE, SAME, ab=replace(AB, github=True))
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("::error title=farm::") for line in lines) == 10
    assert sum(line.startswith("::warning title=farm::") for line in lines) == 1
    assert not any(line.startswith("::error::") for line in lines)
    assert "+5.0 %25" in next(line for line in lines if line.startswith("::error"))
    assert summary.read_text().count("SLOWER") == 16


def test_errors_of_an_aa_count(capsys: pytest.CaptureFixture[str]) -> None:
    gone = InfrastructureError("no answer", code="link.lost", fix="look")
    outcome = Outcome("run", (), comparisons=(SAME,))
    assert finished(AB, outcome, Gate(), State(config=load_config()), "table", [gone]) == 3
    assert "error[link.lost]: no answer" in capsys.readouterr().err
