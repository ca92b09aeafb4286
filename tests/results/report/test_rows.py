"""The table that people read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from farm_results.model import Caveat, Energy, Verdict
from farm_results.report.caveats import lines_of_caveats
from farm_results.report.rows import closed_loop, measured_text, table_of
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
        "between": "0.40 %",
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
    assert row["peak memory"] == "–"
    assert "accuracy" not in row
    assert row_of(latency=latency(blocks=1, between_cv=None))["between"] == "n/a (1 process)"
    assert row_of(latency=latency(between_cv=None))["between"] == "–"
    assert row_of(latency=latency(p99_ns=None))["p99"] == "–"


def test_precision_shows_what_really_ran() -> None:
    assert row_of(precision="fp16", executed_precision="fp32")["prec"] == "fp16→fp32"
    shares = {1.0: "int8", 0.9999: "int8 (99 %)", 0.29: "int8 (29 %)", 0.4: "int8 (40 %)", None: "int8→fp32"}
    for share, text in shares.items():
        row = row_of(precision="int8", executed_precision="fp32", precision_share=share)
        assert row["prec"] == text
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
        for line in cells + lines_of_caveats([bad]):
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


def test_one_reason_in_many_different_numbers_takes_one_line() -> None:
    """Up to three rows are told apart; of more, the first stands for all."""
    rows = [
        result(
            str(k),
            device=f"pi-{k}",
            verdict=Verdict("noisy", (Caveat("cpu.pressure", "noisy", f"{k} %", "x"),)),
        )
        for k in range(4)
    ]
    assert len(lines_of_caveats(rows[:3])) == 3
    assert lines_of_caveats(rows) == ["NOISY  all 4 rows: 0 %; the others alike, farm show tells each → x"]


def test_a_brief_table_leaves_a_failure_s_message_to_the_lines_below() -> None:
    """Which name its code, also where there is no fix."""
    gone = result(
        status="failed", latency=None, error_code="link.lost", error_message="gone: away", verdict=Verdict("")
    )
    assert table_of([gone], brief=True).rows[0][-1] == "FAILED link.lost"
    assert table_of([gone]).rows[0][-1] == "FAILED link.lost: gone: away"
    assert lines_of_caveats([gone]) == ["FAILED  pi onnxruntime fp32: link.lost: gone: away"]


def test_another_scenario_s_numbers_have_columns_of_their_own() -> None:
    """Its times are no latency of a closed loop; neither stands in the other's column."""
    paced = result("a", scenario="paced", metrics={"paced_p50_ns": 34e6, "paced_miss_share": 0.01})
    alone = table_of([paced])
    assert "p50" not in alone.columns
    assert any(name.startswith("paced") for name in alone.columns)
    both = table_of([paced, result("b")])
    at = both.columns.index("p50")
    assert [row[at] for row in both.rows] == ["–", "4.91 ms"]
    other = next(k for k, name in enumerate(both.columns) if name.startswith("paced"))
    assert both.rows[1][other] == "–"


def test_a_tool_s_numbers_stand_under_its_protocol() -> None:
    """Never in the columns of our own loop."""
    tool = result("a", latency=None, protocol="benchmark_app/2026.4", harness="benchmark_app",
                  metrics={"tool_median_ns": 1.21e6, "tool_mean_ns": 1.3e6})  # fmt: skip
    both = table_of([tool, result("b")])
    rows = [dict(zip(both.columns, row, strict=True)) for row in both.rows]
    assert (rows[0]["tool's protocol"], rows[0]["tool's median"], rows[0]["p50"]) == (
        "benchmark_app/2026.4",
        "1.21 ms",
        "–",
    )
    assert (rows[1]["tool's median"], rows[1]["p50"]) == ("–", "4.91 ms")
    assert "p50" not in table_of([tool]).columns


def test_energy_has_a_column_as_soon_as_somebody_asked_for_it() -> None:
    """A row without a number says that it was not measured, never zero."""
    assert "energy" not in row_of()
    assert row_of(document={"spec": {"energy": {"window_ns": 1}}})["energy"] == "not measured"
    measured = Energy("rapl", "package-0", "package", 1000, 30.0, 300, 0.02, 0.001, 0.012, 0.002, 12.0, 5.0)
    assert "mJ" in row_of(energy=(measured,))["energy"]
    failed = Energy("rapl", "package-0", "package", error_code="energy.window-short")
    assert row_of(energy=(failed,))["energy"] == "error: energy.window-short"


@pytest.mark.parametrize(
    ("harness", "p50_ns", "shown"),
    [("native", 1e4, False), ("python", 499_999.0, True), ("python", 500_000.0, False)],
)
def test_the_loop_is_named_where_it_matters(harness: str, p50_ns: float, shown: bool) -> None:
    assert ("harness" in row_of(harness=harness, latency=latency(p50_ns=p50_ns))) is shown


def test_the_loop_and_the_batch_are_named_where_rows_differ() -> None:
    rows = [result("a", harness="native", options={"batch": "1"}), result("b", harness="python")]
    table = table_of(rows)
    assert {"harness", "batch"} <= set(table.columns)
    assert {"harness", "batch"}.isdisjoint(table_of(rows[:1]).columns)


def test_a_list_of_everything_names_what_was_measured() -> None:
    """The closed loop has columns of its own; other numbers carry their scenario's or tool's name."""
    assert measured_text(result()) == "latency"
    paced = result(scenario="paced", metrics={"paced_p50_ns": 34e6, "paced_miss_share": 0.01})
    assert measured_text(paced).startswith("paced")
    assert "34" in measured_text(paced)
    assert closed_loop(paced) is None
    tool = result(latency=None, protocol="trtexec/10", metrics={"tool_median_ns": 1.5e6})
    assert measured_text(tool) == "trtexec/10 median 1.50 ms"
    assert measured_text(result(scenario="unheard-of")) == "unheard-of"


def test_a_reason_names_the_batch_and_the_threads_where_rows_differ_in_them() -> None:
    """Two rows of one model on one device are told apart."""
    noisy = Verdict("noisy", (Caveat("a.b", "noisy", "something moved", "stop it"),))
    small = result("job-1", options={"batch": "1"}, verdict=Verdict("valid"))
    large = result("job-2", options={"batch": "8"}, threads=4, verdict=noisy)

    for each, threads in ((large, "4 threads"), (replace(large, threads=1), "1 thread")):
        assert lines_of_caveats([replace(small, threads=2), each]) == [
            f"NOISY  pi onnxruntime fp32 {threads} batch 8: something moved → stop it"
        ]
