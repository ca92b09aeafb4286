"""The table that people read."""

from __future__ import annotations

from typing import Any

from farm_results.model import Caveat, Verdict
from farm_results.report.rows import facts_of, lines_of_caveats, table_of
from tests.results.made import HOSTILE, latency, result


def row_of(**changes: Any) -> dict[str, str]:
    table = table_of([result(**changes)])
    return dict(zip(table.columns, table.rows[0], strict=True))


def test_a_measured_row_has_a_unit_on_every_number() -> None:
    assert row_of(accuracy=0.972, accuracy_count=360) == {
        "device": "pi",
        "runtime": "onnxruntime",
        "prec": "fp32",
        "p50": "4.91 ms",
        "95 % interval": "4.87–4.96 ms",
        "p99": "5.60 ms",
        "peak memory": "148 MB",
        "accuracy": "97.2 % (n=360)",
        "verdict": "valid",
    }


def test_what_is_unknown_says_so() -> None:
    """A percentile without support names its count; other gaps are a dash."""
    row = row_of(
        latency=latency(count=100, p99_ns=None, p50_low_ns=None, p50_high_ns=None), peak_memory_bytes=None
    )
    assert row["p99"] == row["95 % interval"] == "n/a (n=100)"
    assert row["peak memory"] == row["accuracy"] == "–"


def test_precision_shows_what_really_ran() -> None:
    assert row_of(precision="fp16", executed_precision="fp32")["prec"] == "fp16→fp32"
    assert row_of(executed_precision="")["prec"] == "fp32"
    assert row_of(executed_precision="other")["prec"] == "fp32"


def test_rows_without_numbers_say_why() -> None:
    broken = row_of(status="failed", latency=None, error_code="runtime.crashed", error_message="signal 11")
    assert broken["verdict"] == "FAILED runtime.crashed: signal 11"
    assert broken["p50"] == "–"
    assert (
        row_of(status="skipped", latency=None, error_message="no TFLite")["verdict"] == "skipped: no TFLite"
    )
    assert row_of(verdict=Verdict("noisy"))["verdict"] == "NOISY"


def test_model_and_threads_appear_only_where_they_differ() -> None:
    one = table_of([result("a"), result("b")])
    assert "model" not in one.columns
    assert "threads" not in one.columns
    two = table_of([result("a", model="x", threads=1), result("b", model="y", threads=4)])
    assert two.columns[:4] == ("model", "device", "runtime", "threads")
    assert [row[:4] for row in two.rows] == [("x", "pi", "onnxruntime", "1"), ("y", "pi", "onnxruntime", "4")]
    assert len(two.align) == len(two.columns)
    assert table_of([]).rows == ()


def test_every_cell_is_safe_to_print() -> None:
    """Whatever a device or a model file calls itself."""
    for text in HOSTILE:
        caveat = Caveat("x.y", "noisy", text, text)
        bad = result(
            model=text, device=text, runtime=text, precision=text, executed_precision=text, status="failed",
            error_code=text, error_message=text, error_fix=text, verdict=Verdict(text, (caveat,)),
        )  # fmt: skip
        cells = [cell for row in table_of([bad, result()]).rows for cell in row]
        lines = lines_of_caveats([bad]) + [value for _, value in facts_of(bad)]
        for line in cells + lines:
            assert "\x1b" not in line
            assert len(line.splitlines()) <= 1
            line.encode("utf-8")


def test_equal_caveats_are_said_once() -> None:
    """With the rows they are about; different ones stay apart."""
    noisy = Caveat("cpu.pressure", "noisy", "CPU pressure reached 9 %", "end other load")
    note = Caveat("processes.one", "note", "one process only", "use three")
    rows = [
        result("a", device="pi-1", verdict=Verdict("noisy", (noisy, note))),
        result("b", device="pi-2", verdict=Verdict("valid", (note,))),
        result(
            "c",
            device="pi-3",
            status="failed",
            error_message="gone",
            error_fix="plug it in",
            verdict=Verdict(""),
        ),
    ]
    assert lines_of_caveats(rows) == [
        "NOISY  pi-1 onnxruntime fp32: CPU pressure reached 9 % → end other load",
        "note  pi-1 onnxruntime fp32, pi-2 onnxruntime fp32: one process only → use three",
        "FAILED  pi-3 onnxruntime fp32: gone → plug it in",
    ]
    assert lines_of_caveats(rows[1:2] * 2)[0].startswith("note  all 2 rows: ")


def test_a_brief_table_leaves_a_failure_s_message_to_the_lines_below() -> None:
    """Which name its code, also where there is no fix."""
    gone = result(
        status="failed", latency=None, error_code="link.lost", error_message="gone: away", verdict=Verdict("")
    )
    assert table_of([gone], brief=True).rows[0][-1] == "FAILED link.lost"
    assert table_of([gone]).rows[0][-1] == "FAILED link.lost: gone: away"
    assert lines_of_caveats([gone]) == ["FAILED  pi onnxruntime fp32: link.lost: gone: away"]


def test_the_vertical_view_has_what_the_table_leaves_out() -> None:
    facts = dict(facts_of(result(first_inference_ns=9e6, artifact_bytes=14_000_000, max_abs_error=2e-6)))
    assert facts["load"] == "30.0 ms"
    assert facts["first inference"] == "9.00 ms"
    assert facts["artifact"].startswith("14.0 MB")
    assert facts["max error"] == "2e-06"
    assert facts["between processes"] == "1.00% of p50"
    assert facts["p95"] == "5.20 ms"
