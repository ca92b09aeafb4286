"""Every report format, over calm, broken and hostile results."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from farm_agent.errors import FarmError, UsageError
from farm_results import report
from farm_results.model import Energy, Outliers, Result
from farm_results.report.flat import KINDS
from tests.results.made import HOSTILE, latency, result

HOSTILE_RESULTS = [
    result(f"job-{index}", model=text, device=text, runtime=text, error_message=text, document={text: text})
    for index, text in enumerate(HOSTILE)
]
CASES: dict[str, list[Result]] = {
    "none": [],
    "calm": [result("a"), result("b", runtime="openvino")],
    "broken": [
        result("a", status="failed", latency=None, error_code="x.y"),
        result("b", latency=latency(p99_ns=None)),
    ],
    "hostile": HOSTILE_RESULTS,
}


def test_formats_are_listed_without_importing_them() -> None:
    program = (
        "import sys; from farm_results import report;"
        "print({'csv', 'json', 'md', 'parquet', 'tsv', 'openmetrics'} <= set(report.names()),"
        "'numpy' in sys.modules, 'pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True False False"


@pytest.mark.parametrize("name", report.names())
@pytest.mark.parametrize("case", CASES)
def test_every_format_takes_every_result(name: str, case: str, tmp_path: Path) -> None:
    """And writes a file that appears whole, under its own suffix, with nothing left beside it."""
    target = tmp_path / f"results.{report.load(name).SUFFIX}"
    report.write(name, CASES[case], target)
    assert target.stat().st_size > 0
    assert list(tmp_path.iterdir()) == [target]
    if hasattr(report.load(name), "render"):
        text = report.render(name, CASES[case])
        assert target.read_bytes() == text.encode("utf-8")
        assert "\x1b" not in text


def rows_of(results: list[Result]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(report.render("csv", results), newline="")))


def test_csv_holds_numbers_in_full() -> None:
    (row,) = rows_of([result(latency=latency(p50_ns=4910000.25, p99_ns=None))])
    assert tuple(row) == tuple(KINDS)
    assert (row["p50_ns"], row["p99_ns"], row["peak_memory_bytes"]) == ("4910000.25", "", "148000000")
    assert (row["samples"], row["processes"], row["caveats"]) == ("2000", "5", "processes.one")


def test_csv_carries_intervals_outliers_metrics_and_energy_flat() -> None:
    """Every number by its name and unit; a metric that only one result has is an empty cell in the others."""
    measured = Energy("rapl", "package-0", "package", 1000, 30.0, 300, 0.02, 0.001, 0.012, 0.002, 12.0, 5.0)
    many = (Outliers(400, high_severe=2, longest_stall_ns=7.5), Outliers(400, high_severe=1))
    rows = rows_of(
        [
            result("a", metrics={"paced_p50_ns": 34.5}, energy=(measured,), outliers=many, harness="native",
                   memory_delta_bytes=5, options={"o": "1"}, conditions={"b": "2", "a": "1,8"}),
            result("b"),
        ]
    )  # fmt: skip
    assert (rows[0]["p99_low_ns"], rows[0]["p99_high_ns"]) == ("5500000.0", "5750000.0")
    assert (rows[0]["metrics.paced_p50_ns"], rows[1]["metrics.paced_p50_ns"]) == ("34.5", "")
    assert (rows[0]["energy_net_j"], rows[0]["energy_scope"], rows[1]["energy_net_j"]) == (
        "0.012",
        "package",
        "",
    )
    assert (rows[0]["outliers_high_severe"], rows[0]["longest_stall_ns"]) == ("3", "7.5")
    assert (rows[1]["outliers_high_severe"], rows[0]["harness"]) == ("", "native")
    assert rows[0]["memory_delta_bytes"] == "5"
    assert [(row["options"], row["conditions"]) for row in rows] == [("o=1", "a=1,8 b=2"), ("", "")]


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "  =1", "\uff1d1", "-"]
)
def test_csv_runs_no_formula(text: str) -> None:
    """A spreadsheet takes a cell that begins with a quote as text; numbers keep their sign."""
    (row,) = rows_of([result(device=text, latency=latency(min_ns=-1.5))])
    assert row["device"][0] in ("'", "\\")
    assert row["min_ns"] == "-1.5"


def test_tsv_has_one_line_per_result() -> None:
    lines = report.render("tsv", HOSTILE_RESULTS).split("\n")
    assert len(lines) == len(HOSTILE) + 2
    assert {line.count("\t") for line in lines[:-1]} == {lines[0].count("\t")}


def test_markdown_is_a_table_whatever_a_name_holds() -> None:
    bad = "a|b`c`<img src=x>[l](http://x)@someone"
    text = report.render("md", [result(device=bad)])
    header, rule, row = text.splitlines()[:3]
    assert rule.count("|") == header.count("|")
    assert row.replace("\\|", "").count("|") == header.count("|")
    assert "\\<img" in row
    assert "\\[l\\]" in row
    assert "- note" in text


def test_json_is_strict_and_complete() -> None:
    """NaN and infinity, which JSON does not have, become null; nulls of the summary say why."""

    def refuse(word: str) -> Any:
        raise AssertionError(word)

    lacking = latency(count=100, p99_ns=None, p99_9_ns=None, between_block_spread=None, mean_ns=float("nan"))
    wanted = result(latency=lacking, document={"deep": [float("inf"), 1.5]})
    document = json.loads(report.render("json", [wanted]), parse_constant=refuse)
    assert document["schema"] == "farm.results/1"
    (record,) = document["results"]
    assert record["latency"]["p50_ns"] == 4_910_000.0
    assert record["latency"]["mean_ns"] is None
    assert record["latency"]["not_estimable"] == {
        "p99_ns": "needs 299 samples, has 100",
        "p99_9_ns": "needs 2995 samples, has 100",
        "between_block_spread": "needs two processes",
        "between_cv": "needs two processes",
    }
    assert record["document"] == {"deep": [None, 1.5]}
    assert record["verdict"]["caveats"][0]["code"] == "processes.one"


@pytest.mark.parametrize("text", HOSTILE)
def test_json_keeps_strings_verbatim(text: str) -> None:
    document = json.loads(report.render("json", [result(device=text)]))
    assert document["results"][0]["device"] == text


def test_parquet_reads_back_with_its_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    results = [result(metrics={"cold_total_ns": 3.0}), result("b", latency=None)]
    report.write("parquet", results, tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table.column_names == [*KINDS, "metrics.cold_total_ns"]
    assert table["metrics.cold_total_ns"].to_pylist() == [3.0, None]
    assert table["p50_ns"].to_pylist() == [4_910_000.0, None]
    assert str(table.schema.field("samples").type) == "int64"


def test_parquet_without_pyarrow_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError) as caught:
        report.write("parquet", [result()], tmp_path / "x.parquet")
    assert (caught.value.code, caught.value.fix) == (
        "report.needs-pyarrow",
        "pip install 'edgefarm[parquet]'",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "path", "code"),
    [
        ("xlsx", "x", "report.unknown-format"),
        ("rows", "x", "report.unknown-format"),
        ("csv", "no/such/folder/x.csv", "report.not-writable"),
        ("csv", "/proc/x.csv", "report.not-writable"),
        ("csv", ".", "report.not-writable"),
    ],
)
def test_what_cannot_be_written_is_an_error(tmp_path: Path, name: str, path: str, code: str) -> None:
    with pytest.raises(FarmError) as caught:
        report.write(name, [result()], tmp_path / path)
    assert caught.value.code == code
    assert caught.value.fix


def test_a_binary_format_does_not_render() -> None:
    with pytest.raises(UsageError) as caught:
        report.render("parquet", [])
    assert caught.value.code == "report.needs-file"
