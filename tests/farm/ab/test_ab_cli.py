"""From comparisons to exit codes, tables and what GitHub is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from farm.benchmark import Outcome
from farm.cli.ab_options import finished
from farm.cli.after_options import After
from farm.cli.gate_options import Gate
from farm.cli.state import State
from farm.config import load_config
from farm_results.comparison import Comparison
from farm_results.report.destination import Destination
from tests.results.test_versus import made

SLOW, SAME, UNSURE = made("slower", 0.05), made("same", 0.0), made("inconclusive", 0.01)
BROKEN = made("failed", 0.0, effect=None, error_code="link.lost", error_message="gone", error_fix="look")
LEFT_OUT = made("skipped", 0.0, effect=None, error_message="no such runtime here")


def ended(
    *comparisons: Comparison,
    fail_on: tuple[str, ...] = ("regression", "budget"),
    layout: str = "table",
    interrupted: bool = False,
    after: After | None = None,
) -> int:
    outcome = Outcome("run", (), interrupted, comparisons)
    gate = Gate(fail_on=fail_on)
    return finished(outcome, gate, after or After((), None, False), State(config=load_config()), layout)


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
        ((SAME, BROKEN), {}, 3),
        ((SAME, BROKEN), {"fail_on": ("error",)}, 1),
        ((SAME, LEFT_OUT), {}, 0),
        ((LEFT_OUT,), {}, 4),
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


def test_json_has_what_failed_and_how_the_gates_stand(capsys: pytest.CaptureFixture[str]) -> None:
    ended(SLOW, BROKEN, layout="json")
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [one["word"] for one in document["comparisons"]] == ["slower", "failed"]
    assert document["errors"] == [{"code": "link.lost", "message": "gone", "fix": "look"}]
    assert "error[link.lost]" in err
    gates = document["gates"]
    assert (gates["held"], gates["exit_code"], gates["fail_on"]) == (False, 1, ["regression", "budget"])
    assert list(gates["failures"]) == [SLOW.comparison_id]


def test_a_table_says_why_a_cell_has_no_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    ended(SAME, BROKEN, LEFT_OUT)
    out, err = capsys.readouterr()
    assert [line.split("\t")[-1] for line in out.splitlines()[1:]] == ["same", "FAILED", "skipped"]
    assert "pi FAILED gone → look [link.lost]" in err
    assert "pi SKIPPED no such runtime here" in err


def test_github_is_told_of_what_is_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, output = tmp_path / "summary.md", tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    hostile = replace(SLOW, device="pi\n::error::forged")
    ended(*[SLOW] * 15, hostile, UNSURE, SAME, after=After((), summary, github=True))
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("::error title=farm::") for line in lines) == 10
    assert sum(line.startswith("::warning title=farm::") for line in lines) == 1
    assert "::error title=farm::7 more stand in the summary" in lines
    assert not any(line.startswith("::error::") for line in lines)
    assert "+5.0 %25" in next(line for line in lines if line.startswith("::error"))
    assert summary.read_text().count("SLOWER") == 16
    assert output.read_text() == "run-id=run\n"


def test_files_say_the_comparison(tmp_path: Path) -> None:
    """What a format cannot say is refused before anything is measured."""
    from farm.errors import UsageError

    names = {"junit": "tests.xml", "bmf": "bmf.json", "md": "ab.md", "csv": "ab.csv", "json": "ab.json"}
    after = After(tuple(Destination(name, tmp_path / file) for name, file in names.items()), None, False)
    after.refuse_unsaid()
    ended(SLOW, SAME, after=after)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names.values())
    assert (tmp_path / "tests.xml").read_text().count("<failure") == 1
    for name in ("openmetrics", "otava", "parquet"):
        with pytest.raises(UsageError) as caught:
            After((Destination(name, tmp_path / "x"),), None, False).refuse_unsaid()
        assert caught.value.code == "report.not-for-ab"
