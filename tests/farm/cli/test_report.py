"""``farm report``: a real store behind the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import farm.cli
from farm_results.comparison import Comparison, Effect, Side
from farm_results.history import comparisons
from farm_results.model import Caveat
from farm_results.store import open_store
from tests.results import made
from tests.results.pages import stage

Streams = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and a store with one full run and a second one of the same series."""
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    store = stage.filled(tmp_path / "store")
    store.add_run(made.run("20261122-aaaa", 1_795_100_000.0))
    later = stage.measured(store, "job-9", 3, 5.3e6, run_id="20261122-aaaa", created_unix_s=2000.0)
    store.add_result(later)
    store.close()
    return tmp_path


def report(*arguments: str) -> int:
    return farm.cli.main(["report", *arguments])


def test_a_run_becomes_one_file(here: Path, capsys: Streams) -> None:
    """Named after its run without --html; the path alone on standard output."""
    assert report(stage.RUN_ID) == 0
    name = f"farm-report-{stage.RUN_ID}.html"
    assert capsys.readouterr().out == f"{name}\n"
    text = (here / name).read_text()
    assert "Timeline" in text
    assert "farm bench m.onnx -d pi,jetson" in text


def test_a_file_of_its_own_and_json(here: Path, capsys: Streams) -> None:
    """--json tells the file, its size and how many results it holds."""
    assert report("last", "--html", "r.html", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "schema": "farm.report/1",
        "file": "r.html",
        "bytes": (here / "r.html").stat().st_size,
        "results": 1,
        "comparisons": 0,
    }


def test_filters_and_jobs(here: Path, capsys: Streams) -> None:
    """One job, one device; nothing matching is exit code 4 and writes nothing."""
    assert report("job-2", "--html", "-") == 0
    assert "litert" in capsys.readouterr().out
    assert report(stage.RUN_ID, "--device", "nobody") == 4
    assert not list(here.glob("*.html"))


def test_against_another_run(here: Path, capsys: Streams) -> None:
    """What is higher or lower, and by how much; never "slower", which only an A/B says."""
    assert report("last", "--against", stage.RUN_ID, "--html", "-") == 0
    text = capsys.readouterr().out
    assert "higher (less is better)" in text
    assert "+6.0 %" in text
    assert report("job-2", "--against", "last", "--html", "x.html") == 2
    assert "report.nothing-against" in capsys.readouterr().err


def test_a_run_of_comparisons_alone_is_reported(here: Path, capsys: Streams) -> None:
    """Its word, both sides, the pairs and what stands against them; filters narrow it down like results."""
    store = open_store(here / "store")
    store.add_run(made.run("20261123-ab", 1_795_200_000.0))
    reference, candidate = (
        Side(name, "mobilenet", "d" * 64, name[0] * 64, "onnxruntime", "1.24", medians_ns=(median, median))
        for name, median in (("main", 5e6), ("branch", 5.2e6))
    )
    effect = Effect(0.04, 0.03, 0.05, 0.99, 0.01)
    caveat = Caveat("load.cpu", "noisy", "CPU pressure reached 40 %")
    comparisons.add(
        store,
        Comparison(
            "ab-9",
            1_795_200_060.0,
            "ab",
            "",
            "pi",
            "20261123-ab",
            reference,
            candidate,
            "slower",
            2,
            effect,
            ("rc", "cr"),
            (caveat,),
        ),
    )
    store.close()
    assert report("20261123-ab") == 0
    said = capsys.readouterr()
    assert said.out == "farm-report-20261123-ab.html\n"
    assert "1 comparison in" in said.err
    text = (here / said.out.strip()).read_text()
    for words in (
        "branch is slower than main",
        "pair 2",
        "load.cpu",
        "SLOWER",
        "Measured in turns",
    ):
        assert words in text
    assert "nothing was measured" not in text
    assert report("20261123-ab", "--md") == 0
    assert capsys.readouterr().out.startswith("| device | runtime | reference |")
    for wanted in (
        ("--device", "nano"),
        ("--model", "other"),
        ("--runtime", "litert"),
        ("--status", "failed"),
    ):
        assert report("20261123-ab", *wanted) == 4
    assert report("20261123-ab", "--model", "mobilenet", "--device", "pi", "--html", "-") == 0
    capsys.readouterr()
    store = open_store(here / "store")
    store.add_result(made.result("job-ab", run_id="20261123-ab", model="other"))
    other = replace(candidate, model="larger")
    for number, kind, second in ((10, "aa", candidate), (11, "ab", other)):
        sides = (reference, second, "slower", 2, effect)
        own = Comparison(f"ab-{number}", 1_795_200_070.0, kind, "", "pi", "20261123-ab", *sides)
        comparisons.add(store, own)
    store.close()
    assert report("20261123-ab", "--md") == 0
    told = capsys.readouterr().out
    assert "| model | device | runtime | reference |" in told, "several models are told apart"
    assert "| larger | pi |" in told
    assert report("20261123-ab", "--html", "-") == 0
    text = capsys.readouterr().out
    for words in ("A/A", "mobilenet → larger", "mobilenet → larger: branch over main"):
        assert words in text, words
    assert report("job-ab", "--html", "-") == 0
    assert "branch over main" not in capsys.readouterr().out, "of another model"


def test_markdown(here: Path, capsys: Streams) -> None:
    """A table for a pull request on standard output."""
    assert report("last", "--md") == 0
    assert capsys.readouterr().out.startswith("| device | runtime |")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--md", "--open"),
        ("--html", "-", "--open"),
        ("nope",),
        ("last", "--html", "."),
        ("last", "--html", "no/such/folder/r.html"),
    ],
)
def test_wrong_use_is_said(here: Path, capsys: Streams, arguments: tuple[str, ...]) -> None:
    """Exit code 2 and a message, never a stack trace, never half a file."""
    assert report(*arguments) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not list(here.glob("*.html"))


def test_missing_samples_do_not_stop_a_report(here: Path, capsys: Streams) -> None:
    """The numbers are shown, and why the charts are not."""
    store = open_store(here / "store")
    for path in (here / "store" / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    store.close()
    assert report("job-1", "--html", "-") == 0
    out = capsys.readouterr().out
    assert "store.object-missing" in out
    assert "Conditions" in out
