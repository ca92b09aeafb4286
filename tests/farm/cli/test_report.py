"""``farm report``: a real store behind the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import farm.cli
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
