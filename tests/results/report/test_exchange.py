"""What other tools are given: marks that cannot be hidden, limits that are kept, numbers that may be used."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import parser

from farm_agent.errors import FarmError
from farm_results import report
from farm_results.model import Caveat, Energy, Result, Verdict
from farm_results.report import github, junit
from farm_results.report.destination import destination
from farm_results.report.figures import figures
from tests.results.made import HOSTILE, latency, result

NOISY = Verdict("noisy", (Caveat("load", "noisy", "load 4.7 on 2 cores", "stop other work"),))
MIXED = [
    result("good"),
    result("noisy", model="second", verdict=NOISY),
    result("wrong", model="third", verdict=Verdict("invalid", (Caveat("check", "invalid", "outputs"),))),
    result("hot", model="fourth", verdict=Verdict("throttled")),
    result("failed", status="failed", latency=None, error_code="device.gone", error_message="it went away",
           error_fix="plug it in", verdict=Verdict("")),
    result("skipped", status="skipped", latency=None, error_message="no such runtime", verdict=Verdict("")),
    result("made up", origin="simulated"),
]  # fmt: skip
TRACKED = ("bmf", "gha_bench", "gitlab", "otava")


def cases(results: list[Result], failures: junit.Gate | None = None) -> dict[str, Any]:
    """Every case of the JUnit report by its job's id, read by a parser of its own."""
    from xml.etree import ElementTree as ET

    document = ET.fromstring(junit.render(results, failures))  # noqa: S314 - our own
    found = {}
    for case in document.iter("testcase"):
        properties = {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}
        found[properties["job"]] = (case, properties)
    return found


def test_junit_tells_failures_errors_and_skips_apart() -> None:
    """A gate fails a case; a number that must not be believed does not pass it."""
    found = cases(MIXED, {"good": ["p50<=4ms is 4.91 ms"]})
    kinds = {job: {child.tag for child in case} for job, (case, _) in found.items()}
    assert "failure" in kinds["good"]
    assert "error" in kinds["wrong"] & kinds["failed"]
    assert "skipped" in kinds["skipped"]
    assert not {"failure", "error", "skipped"} & (kinds["noisy"] | kinds["hot"] | kinds["made up"])
    assert found["failed"][0].find("error").attrib == {"type": "device.gone", "message": "it went away"}
    assert found["good"][1]["p50 ms"] == "4.9100"
    assert found["good"][1]["p50 95 % interval"] == "4.8700 to 4.9600"
    assert found["made up"][1]["verdict"] == "SIMULATED valid"
    assert "p50 ms" not in found["hot"][1]
    assert "load 4.7" in found["noisy"][0].find("system-out").text


def test_junit_is_xml_whatever_a_name_holds() -> None:
    hostile = [
        result(f"job-{n}", model=text, device=text, options={"o": text}, error_message=text, status="failed")
        for n, text in enumerate([*HOSTILE, "]]><x>&amp;"])
    ]
    assert len(cases(hostile)) == len(hostile)


@pytest.mark.parametrize("name", TRACKED)
def test_what_is_followed_over_time_may_be_used(name: str) -> None:
    """Neither failed, throttled nor invalid numbers; noisy and simulated ones say so."""
    text = report.render(name, MIXED)
    assert "third" not in text
    assert "fourth" not in text
    assert "second" in text
    assert "noisy" in text.lower()
    assert "simulated" in text.lower()


def test_github_action_benchmark_has_one_direction() -> None:
    """Throughput and accuracy, which are better when higher, would be alarmed about when they improve."""
    fast = result("fast", scenario="throughput", metrics={"throughput_best_per_s": 210.0}, latency=None,
                  accuracy=0.9, accuracy_metric="top-1")  # fmt: skip
    entries = json.loads(report.render("gha_bench", [fast, result()]))
    assert {entry["name"].rpartition(": ")[2] for entry in entries} == {"peak memory", "p50", "p99"}
    (p50,) = [entry for entry in entries if entry["name"].endswith(": p50")]
    assert (p50["value"], p50["unit"], p50["range"]) == (4.91, "ms", "± 0.0450")
    assert "verdict: valid" in p50["extra"]


def test_bencher_gets_base_units_and_bounds() -> None:
    used = Energy("rapl", "package-0", "package", gross_j=0.02, u_gross_j=0.001)
    (benchmark,) = json.loads(report.render("bmf", [result(energy=(used,), verdict=NOISY)])).values()
    assert benchmark["latency"] == {
        "value": 4_910_000.0,
        "lower_value": 4_870_000.0,
        "upper_value": 4_960_000.0,
    }
    assert benchmark["energy"] == {"value": 20.0, "lower_value": 18.0, "upper_value": 22.0}
    assert benchmark["peak-memory"]["value"] == 148e6
    assert benchmark["noisy"] == {"value": 1.0}


def test_gitlab_lines_keep_their_names_from_run_to_run() -> None:
    """Name and labels say nothing of the run, so that a merge request compares; braces end labels there."""
    first = report.render("gitlab", [result("a", model='x{y}\\"')])
    second = report.render("gitlab", [result("b", run_id="another", created_unix_s=9e9, model='x{y}\\"')])
    assert first == second
    for line in first.splitlines():
        assert re.fullmatch(r"farm_\w+\{[^{}]*\} [0-9.]+", line)


def test_otava_reads_rows_oldest_first() -> None:
    series = [result("b", created_unix_s=2e9), result("a", created_unix_s=1e9), MIXED[4], MIXED[2]]
    rows = list(csv.DictReader(io.StringIO(report.render("otava", series))))
    assert [row["job"] for row in rows] == ["a", "b"]
    assert rows[0]["time"] == "2001-09-09 01:46:40 +0000"
    assert len({row["branch"] for row in rows}) == 1
    (spreadsheet,) = csv.DictReader(io.StringIO(report.render("otava", [result("=1+1")])))
    assert spreadsheet["job"] == "'=1+1"


def test_a_figure_names_its_direction() -> None:
    worse = result(accuracy=0.4, accuracy_metric="mae")
    assert {one.name: one.better for one in figures(worse)}["accuracy mae"] == "lower"
    assert {one.name: one.better for one in figures(result(accuracy=0.9, accuracy_metric="top-1"))}[
        "accuracy top-1"
    ] == "higher"
    assert not [one for one in figures(result(accuracy=1.0, accuracy_metric="own.py:f")) if "acc" in one.name]


def test_a_summary_fits_into_what_github_takes() -> None:
    """Worst first, so that what is cut off is the calm rest; and it says how much that is."""
    many = [result(f"job-{n}", model=f"model-{n:04}" + "é" * 200) for n in range(400)]
    text = github.render([*many, MIXED[4]], {"job-7": ["p50<=4ms is 4.91 ms"]}, limit_bytes=40_000)
    assert len(text.encode()) <= 40_000
    lines = text.splitlines()
    assert lines[0].startswith("### farm: **1 behind a gate that did not hold** · ")
    rows = [line for line in lines if line.startswith("| ")]
    assert "model-0007" in rows[2]
    assert "FAILED device.gone" in rows[3]
    assert re.search(r"Left out for GitHub's limit on summaries: \d+ rows, \d+ reasons", lines[-1])
    assert len(github.render([*many, MIXED[4]], limit_bytes=-5).encode()) < 3_000


def test_annotations_are_few_and_cannot_be_forged() -> None:
    """GitHub shows ten of a kind; a name cannot begin a command of its own."""
    bad = "x\n::add-mask::a,b%0A::stop-commands::y"
    failed = [
        result(f"f{n}", status="failed", error_code="a.b", error_message=bad, model=bad) for n in range(12)
    ]
    lines = github.workflow_commands([*failed, *[result(f"n{n}", verdict=NOISY) for n in range(3)]])
    assert sum(line.startswith("::error ") for line in lines) == 10
    assert sum(line.startswith("::warning ") for line in lines) == 3
    assert "3 more stand in the summary" in [line for line in lines if line.startswith("::error")][-1]
    for line in lines:
        assert "\n" not in line
        title = line.split("::")[1]
        assert title.count(",") == 0
    assert "%250A" in lines[0]


def test_prometheus_reads_its_text() -> None:
    """By its own parser: base units, the verdict on every number, only the newest of a series."""
    hostile = [result(f"job-{n}", model=text) for n, text in enumerate(HOSTILE)]
    older = result("older", created_unix_s=1.0, latency=latency(p50_ns=9e9))
    text = report.render("openmetrics", [*hostile, *MIXED, older])
    samples = [one for family in parser.text_string_to_metric_families(text) for one in family.samples]
    p50 = {s.labels["model"]: s for s in samples if s.name == "farm_latency_p50_seconds"}
    assert p50["mobilenet"].value == pytest.approx(0.00491)
    assert p50["second"].labels["verdict"] == "noisy"
    assert p50["fourth"].labels["verdict"] == "throttled"
    assert "third" not in p50
    assert {s.labels["verdict"] for s in samples if s.labels["model"] == "third"} == {"invalid"}
    assert [s.value for s in samples if s.name == "farm_measured_timestamp_seconds"].count(1.0) == 0
    assert {s.labels["origin"] for s in samples} == {"measured", "simulated"}


@pytest.mark.parametrize(
    ("text", "format_name"),
    [
        ("bmf.json", "bmf"),
        ("gha-bench.json", "gha_bench"),
        ("metrics.txt", "gitlab"),
        ("otava.csv", "otava"),
        ("results.csv", "csv"),
        ("results.XML", "junit"),
        ("farm.prom", "openmetrics"),
        ("gha-bench=x.json", "gha_bench"),
        ("gitlab=x", "gitlab"),
    ],
)
def test_a_name_tells_its_format(tmp_path: Path, text: str, format_name: str) -> None:
    name, sign, rest = text.rpartition("=")
    found = destination(f"{name}{sign}{tmp_path / rest}")
    assert (found.format, found.path) == (format_name, tmp_path / rest)
    left = found.write(MIXED)
    assert found.path.stat().st_size > 0
    assert left == (4 if format_name in TRACKED else 0)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x.docx", "report.unknown-format"),
        ("nope=x.csv", "report.unknown-format"),
        ("x", "report.unknown-format"),
        ("no/folder/x.csv", "report.not-writable"),
        ("csv=.", "report.not-writable"),
    ],
)
def test_what_cannot_be_written_is_refused_early(text: str, code: str) -> None:
    with pytest.raises(FarmError) as caught:
        destination(text)
    assert (caught.value.code, bool(caught.value.fix)) == (code, True)
