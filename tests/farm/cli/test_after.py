"""What ``farm bench`` writes beside the store: files for other tools, and GitHub's summary."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import farm.cli
from farm.cli.after_options import after_of
from tests.farm.runs import QUICK
from tests.results.made import result

Streams = pytest.CaptureFixture[str]
NONE = {"junit": None, "html": None, "exports": (), "github": False}


def test_one_run_tells_every_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Streams) -> None:
    """A real measurement whose budget cannot hold: exit code 1, a failure in JUnit, an error on GitHub."""
    monkeypatch.chdir(tmp_path)
    summary, output = tmp_path / "summary.md", tmp_path / "output"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    words = ["bench", *QUICK, "--github", "--junit", "tests.xml", "--budget", "p50<=1ns"]
    for name in ("bmf.json", "gha-bench.json", "metrics.txt", "farm.prom", "json=out"):
        words += ["--export", name]
    assert farm.cli.main(words) == 1
    err = capsys.readouterr().err

    run_id = output.read_text().removeprefix("run-id=").strip()
    (case,) = ET.parse("tests.xml").getroot().iter("testcase")  # noqa: S314 - our own
    failure = case.find("failure")
    assert failure is not None
    assert "p50<=1ns is" in failure.attrib["message"]
    assert "::error title=digits · local · onnxruntime · fp32 · 1 thread::BUDGET BROKEN" in err
    text = summary.read_text()
    assert text.startswith("before\n### farm: **1 behind a gate that did not hold**")
    (record,) = json.loads(Path("out").read_text())["results"]
    assert record["run_id"] == run_id
    p50 = record["latency"]["p50_ns"]
    (benchmark,) = json.loads(Path("bmf.json").read_text()).values()
    assert benchmark["latency"]["value"] == pytest.approx(p50)
    names = [entry["name"] for entry in json.loads(Path("gha-bench.json").read_text())]
    assert "digits · local · onnxruntime · fp32 · 1 thread: p50" in names
    assert 'farm_p50_ms{model="digits",device="local"' in Path("metrics.txt").read_text()
    assert "farm_latency_p50_seconds{" in Path("farm.prom").read_text()

    assert farm.cli.main(["results", "export", "last", "--out", "otava.csv"]) == 0
    assert "p50_ns,lower" in Path("otava.csv").read_text()
    assert farm.cli.main(["results", "export", "last", "--format", "junit"]) == 0
    assert "<testcase" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--export", "x.docx"], "report.unknown-format"),
        (["--junit", "no/folder/x.xml"], "report.not-writable"),
        (["--export", "a.csv", "--export", "csv=a.csv"], "report.not-writable"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_measured(
    words: list[str], code: str, capsys: Streams
) -> None:
    assert farm.cli.main(["bench", *QUICK, *words]) == 2
    assert f"error[{code}]" in capsys.readouterr().err
    assert farm.cli.main(["results", "runs"]) == 4


def test_outside_of_github_there_are_annotations_only(
    monkeypatch: pytest.MonkeyPatch, capsys: Streams
) -> None:
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.delenv(name, raising=False)
    after = after_of({**NONE, "github": True})
    after.write([result(status="failed", error_code="a.b", error_message="away")], run_id="r")
    err = capsys.readouterr().err
    assert "GITHUB_STEP_SUMMARY is not set" in err
    assert "::error title=" in err


def test_a_summary_that_is_nearly_full_is_not_made_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub drops a summary of more than 1 MiB whole; earlier commands of the step count."""
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * ((1 << 20) - 4_000))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    after = after_of({**NONE, "github": True})
    after.write([result(f"job-{n}", model=f"model-{n}") for n in range(60)], run_id="r")
    assert (1 << 20) - 4_000 < path.stat().st_size <= 1 << 20
    assert "Left out" in path.read_text()[-200:]
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "folder"))
    after_of({**NONE, "github": True}).write([result()], run_id="r")


def test_what_is_left_out_is_counted(tmp_path: Path, capsys: Streams) -> None:
    after = after_of({**NONE, "exports": (f"bmf={tmp_path / 'x'}",)})
    after.write([result(), result("b", status="failed")], run_id="r")
    assert "1 of 2 results left out" in capsys.readouterr().err
