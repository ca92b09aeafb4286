"""``farm results``: a real store behind the command."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from pathlib import Path

import pytest

import farm.cli
from farm.config import load_config
from farm_results import report
from farm_results.model import Caveat, Latency, Result, Run, Verdict
from farm_results.store import open_store
from tests.support import need

Streams = pytest.CaptureFixture[str]


def result(job: str, run: str, **changes: object) -> Result:
    """A measured cell; times are in nanoseconds."""
    latency = Latency(
        count=300,
        blocks=3,
        p50_ns=1_500_000.0,
        p50_low_ns=1_400_000.0,
        p50_high_ns=1_600_000.0,
        p90_ns=1_700_000.0,
        p95_ns=1_800_000.0,
        p99_ns=None,
        min_ns=1_300_000.0,
        mean_ns=1_500_000.0,
        stdev_ns=50_000.0,
        mad_ns=30_000.0,
        between_block_spread=0.01,
    )
    values: dict[str, object] = {
        "job_id": job,
        "run_id": run,
        "created_unix_s": 1_800_000_000.0,
        "model": "digits",
        "model_sha256": "a" * 64,
        "device": "local",
        "profile": "x86-cpu",
        "format": "onnx",
        "runtime": "onnxruntime",
        "runtime_version": "1.0",
        "precision": "fp32",
        "executed_precision": "fp32",
        "threads": 1,
        "scenario": "latency",
        "protocol": "closed-loop/v0",
        "status": "ok",
        "latency": latency,
        "verdict": Verdict("noisy", (Caveat("load", "noisy", "load 4.7 on 2 cores", "stop other work"),)),
    }
    return Result(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def two_runs(private_folders: Path) -> None:
    """An older run with one result; a newer one with a measured and a failed cell."""
    store = open_store(load_config().store)
    store.add_run(Run("20260101-aaa", 1_800_000_000.0, ("farm", "bench"), "0.1.0", "host", "done"))
    store.add_run(
        Run("20260102-bbb", 1_800_086_400.0, ("farm", "bench", "net.onnx"), "0.1.0", "host", "done")
    )
    store.add_result(result("job-1", "20260101-aaa"))
    store.add_result(result("job-2", "20260102-bbb"))
    failed = {
        "status": "failed",
        "runtime": "openvino",
        "latency": None,
        "verdict": Verdict(""),
        "error_blame": "job",
        "error_code": "convert.unsupported-op",
        "error_message": "no rule for Det",
        "error_fix": "use onnxruntime",
    }
    store.add_result(result("job-3", "20260102-bbb", **failed))
    store.close()


def test_list_shows_every_result(capsys: Streams) -> None:
    """One line per result with its run."""
    assert farm.cli.main(["results", "list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t")[:4] == ["run", "when", "model", "device"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["20260101-aaa", "20260102-bbb", "20260102-bbb"]
    assert "2027-01-15 08:00:00Z" in lines[1]


def test_filters_narrow_down(capsys: Streams) -> None:
    """Each filter keeps what it names; nothing left is exit code 4."""
    assert farm.cli.main(["results", "list", "--status", "failed", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["job_id"] for row in document["results"]] == ["job-3"]

    assert farm.cli.main(["results", "list", "--device", "rpi4"]) == 4
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err == "no result matches\n"


def test_show_last_tells_the_reasons(capsys: Streams) -> None:
    """The newest run's table on stdout, why numbers are not simply valid on stderr."""
    assert farm.cli.main(["results", "show", "last"]) == 0

    out, err = capsys.readouterr()
    assert "NOISY" in out
    assert "FAILED convert.unsupported-op" in out
    assert "load 4.7 on 2 cores" in err
    assert "stop other work" in err
    farm.cli.main(["results", "show"])
    assert capsys.readouterr() == (out, err)


def test_show_takes_the_beginning_of_an_id(capsys: Streams) -> None:
    """And says which runs there are when it fits none or several."""
    assert farm.cli.main(["results", "show", "20260101", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["job_id"] == "job-1"

    assert farm.cli.main(["results", "show", "2026"]) == 2
    assert "error[results.ambiguous-run]" in capsys.readouterr().err

    assert farm.cli.main(["results", "show", "1999"]) == 2
    assert "error[results.unknown-run]" in capsys.readouterr().err


def test_runs_are_listed_newest_first(capsys: Streams) -> None:
    """With the command that made them; passwords in it are hidden."""
    assert farm.cli.main(["results", "runs"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == ["20260102-bbb", "20260101-aaa"]
    assert lines[1].endswith("farm bench net.onnx")


def test_export_as_csv_is_readable(tmp_path: Path, capsys: Streams) -> None:
    """To a file by its ending, and to stdout, with the same content."""
    out = tmp_path / "results.csv"
    assert farm.cli.main(["results", "export", "--out", str(out)]) == 0
    assert "3 results" in capsys.readouterr().err
    assert farm.cli.main(["results", "export", "--format", "csv"]) == 0

    text = capsys.readouterr().out
    assert out.read_text().splitlines() == text.splitlines()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["job_id"] for row in rows] == ["job-1", "job-2", "job-3"]


def test_export_run_by_run_is_the_same(
    tmp_path: Path, capsys: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written a part at a time is what is made at once, also with metrics that only some have; what
    cannot be written so is refused beyond a bound."""
    store = open_store(load_config().store)
    store.add_result(result("job-4", "20260101-aaa", metrics={"b": 2.0, "=a": 1.0}))
    results = store.results()
    store.close()
    for name in ("csv", "json"):
        assert farm.cli.main(["results", "export", "--format", name]) == 0
        assert capsys.readouterr().out == report.render(name, results)
    need(importlib.util.find_spec("pyarrow"), "pyarrow is not installed")
    import pandas as pd

    for words in ([], ["--limit", "9"]):
        assert (
            farm.cli.main(["results", "export", *words, "--out", str(tmp_path / f"{len(words)}.parquet")])
            == 0
        )
    both = [pd.read_parquet(tmp_path / f"{count}.parquet") for count in (0, 2)]
    pd.testing.assert_frame_equal(both[0], both[1])
    assert farm.cli.main(["results", "export", "--status", "skipped"]) == 4
    monkeypatch.setattr("farm.cli.results_transfer.MOST_AT_ONCE", 3)
    capsys.readouterr()
    assert farm.cli.main(["results", "export", "--format", "md"]) == 2
    assert "error[results.too-many]" in capsys.readouterr().err
    assert farm.cli.main(["results", "export", "last", "--format", "md"]) == 0


def test_export_as_parquet_reads_back(tmp_path: Path, capsys: Streams) -> None:
    """Where the extra is installed."""
    need(importlib.util.find_spec("pyarrow"), "pyarrow is not installed")
    import pandas as pd

    out = tmp_path / "results.parquet"
    assert farm.cli.main(["results", "export", "last", "--out", str(out)]) == 0

    assert sorted(pd.read_parquet(out)["job_id"]) == ["job-2", "job-3"]


def test_export_as_markdown_is_a_table(capsys: Streams) -> None:
    """Header, rule, rows."""
    assert farm.cli.main(["results", "export", "last", "--format", "md"]) == 0

    assert [line[0] for line in capsys.readouterr().out.splitlines()[:3]] == ["|"] * 3


@pytest.mark.parametrize(("name", "begins"), [("junit", "<?xml"), ("gha-bench", "["), ("tsv", "device\t")])
def test_export_to_a_file_whose_name_tells_nothing(name: str, begins: str, tmp_path: Path) -> None:
    """FORMAT=FILE, which is what the refusal of such a name advises."""
    out = tmp_path / "results.txt"
    assert farm.cli.main(["results", "export", "last", "--out", f"{name}={out}"]) == 0
    assert out.read_text().startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--out", "results.xyz"], "report.unknown-format"),
        (["--format", "parquet"], "report.needs-file"),
        (["--out", "no/such/folder/results.csv"], "report.not-writable"),
    ],
)
def test_export_refuses_what_cannot_be_written(
    arguments: list[str], code: str, capsys: Streams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed, with exit code 2."""
    monkeypatch.chdir(tmp_path)

    assert farm.cli.main(["results", "export", *arguments]) == 2

    assert f"error[{code}]" in capsys.readouterr().err
