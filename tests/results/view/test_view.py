"""The page of one result: every section, any width, any rows."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from farm_agent import codec
from farm_agent.errors import MeasurementError
from farm_agent.messages.gate import GateCheck, GateReport, Pin
from farm_agent.messages.traces import Channel, Trace, TraceFile
from farm_agent.wire import JobResult
from farm_results.measured import Measured
from farm_results.model import Caveat, Energy, Outliers, Result, Verdict
from farm_results.view import Line, bars, histogram, page, raw, timeline
from farm_results.view.raw import Process
from tests.results.made import HOSTILE, block, job, latency, observed, pairs_of, result, spec

MS = 1_000_000


def process(durations: Any, *traces: Trace, index: int = 0) -> Process:
    rows = pairs_of(durations)
    return Process(block(index, count=len(rows)), Measured(rows), TraceFile(traces))


def told(kind: str, values: list[float], name: str = "x") -> Trace:
    times = tuple((200 * k + 100) * MS for k in range(len(values)))
    return Trace("sensor", Channel(name, kind), times, tuple(values))


def text_of(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


def shown(one: Result, job_result: JobResult | None = None, *processes: Process, width: int = 100) -> str:
    return text_of(page.page(one, job_result, processes, width))


def test_every_run_is_in_the_histogram() -> None:
    """Even bins for the body, growing ones for the tail, and a mark wherever there is a run at all."""
    taken = np.concatenate([np.linspace(5e6, 5.1e6, 990), [2e7, 4e8]])
    edges, counts = histogram.counts(taken)
    assert counts.sum() == 992
    steps = np.diff(edges)
    assert steps[:10] == pytest.approx(steps[0])
    assert np.all(np.diff(steps[10:]) > 0)
    lines = histogram.lines([taken], 80)
    assert len(lines) == len(counts)
    assert all(line.text.endswith(f" {count}") for line, count in zip(lines, counts, strict=True))
    marked = [bool(set("█▏▎▍▌▋▊▉") & set(line.text)) for line in lines]
    assert marked == [count > 0 for count in counts]


def test_bins_of_nearly_equal_times_are_told_apart() -> None:
    lines = histogram.lines([np.linspace(5e6, 5.0001e6, 500)], 80)
    names = [line.text.split("  ")[0] for line in lines]
    assert len(set(names)) == len(names)


def test_a_slice_holds_the_median_of_the_runs_that_began_in_it() -> None:
    one = process([10 * MS] * 50 + [20 * MS] * 25)
    assert timeline.slices(one, 4) == [10 * MS, 10 * MS, 20 * MS, 20 * MS]
    assert timeline.slices(process([10 * MS, 70 * MS, 20 * MS]), 10).count(None) == 7


def test_sensor_values_lie_on_the_clock_of_the_runs() -> None:
    """What was read before or after the process stays out; of several channels the highest counts."""
    one = process([10 * MS] * 100, told("frequency_khz", [1e6, 2e6, 3e6, 4e6, 5e6, 9e6]),
                  told("frequency_khz", [1e6, 1e6, 8e6], "y"))  # fmt: skip
    assert timeline.sensor_slices(one, "frequency_khz", 5) == [1e6, 2e6, 8e6, 4e6, 5e6]
    assert timeline.sensor_slices(one, "power_w", 5) == []
    text = text_of(timeline.lines([one], 80))
    assert "clock" in text
    assert "1.00–8.00 GHz" in text


def test_one_stall_does_not_flatten_the_timeline() -> None:
    taken = np.linspace(10 * MS, 11 * MS, 400)
    taken[100:110] = 500 * MS
    (_, line) = timeline.lines([process(taken)], 80)
    assert len(set(line.text) & set("▁▂▃▄▅▆▇")) >= 3


def test_bars_show_whatever_is_above_zero() -> None:
    assert bars.bar(1.0, 4) == "████"
    assert bars.bar(0.0, 4) == ""
    assert bars.bar(1e-9, 4) == "▏"
    assert bars.bar(7.0, 4) == "████"
    assert bars.spark([1.0, None, 2.0], 1.0, 2.0) == "▁ ▇"
    assert bars.spark([1.0, 1.0], 1.0, 1.0) == "▁▁"


def test_in_ascii_heights_are_digits_and_lengths_are_hashes() -> None:
    assert bars.plain("▁▇ █▋▏ 5 µs ±2 °C → ok … ü") == "17 ##. 5 us +/-2  deg C -> ok ... ?"


FULL = result(
    verdict=Verdict("noisy", (Caveat("cpu.shared", "noisy", "others used 30 %", "end them"),)),
    outliers=(Outliers(400, 0, 1, 2, 3, {"unknown": 4, "swap": 1}, 9e6, 5e6),),
    memory_delta_bytes=27_800_000,
    energy=(
        Energy("rapl", "package-0", "package", 1000, 30.0, 300, 0.02, 0.001, 0.012, 0.002, 12.0, 5.0),
        Energy("plug", "", "wall", error_code="energy.window-short", error_message="too short"),
    ),
    document={"job": codec.encode(job())},
)
GATE = GateReport(False, 3.0, 2, (GateCheck("cpu-pressure", False, "CPU pressure 40 %"),), warm_start=True)


def test_the_page_answers_what_people_ask() -> None:
    """How sure, how spread, how far out, how much memory, under which conditions, why the verdict."""
    whole = job(
        blocks=(replace(block(), gate=GATE, fallback="no compiler", observed=observed(other_cpu_pct=30.0)),),
        pins=(
            Pin("governor", "ondemand", "performance", restored=False),
            Pin("turbo", "", "", "no such file"),
        ),
    )
    text = shown(FULL, whole, process(np.linspace(4.9e6, 5.1e6, 400)))
    for wanted in (
        "95 % interval 4.87–4.96 ms",
        "CV 0.40 % of 5 processes' medians",
        "p99             5.60 ms   95 % interval 5.50–5.75 ms",
        "p99.9           n/a (n=2000)",
        "high severe     3 of 400 runs (0.75 %)",
        "coincide        unknown 4, swap 1",
        "longest         9.00 ms beyond the median run",
        "peak            148 MB",
        "model delta     27.8 MB",
        "fp32 ran (50 fp32, 3 other; told by profile)",
        "not met: CPU pressure 40 %, waited 3 s, some began warm",
        "governor ondemand → performance, NOT set back, turbo: no such file",
        "python (no compiler)",
        "other programs 30.0 % of one CPU",
        "noisy           others used 30 %",
        "→ end them  [cpu.shared]",
        "net 12",
        "plug (wall): energy.window-short: too short",
    ):
        assert wanted in text, wanted


def test_too_few_runs_say_so() -> None:
    text = shown(result(latency=latency(count=100, p99_ns=None, p99_9_ns=None, blocks=1, between_cv=None)))
    assert "p99             n/a (n=100)" in text
    assert "unknown: one process" in text


def test_a_failed_result_says_why_and_what_to_do() -> None:
    bad = result(status="failed", latency=None, error_code="runtime.crashed", error_message="signal 11",
                 error_fix="try another", verdict=Verdict(""))  # fmt: skip
    text = shown(bad)
    assert "FAILED runtime.crashed: signal 11" in text
    assert "try another" in text
    assert "Memory" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_every_line_fits_the_terminal(width: int) -> None:
    one = process(np.linspace(4.9e6, 5.1e6, 400), told("temperature_c", [50.0, 60.0, 70.0]))
    for line in page.page(FULL, job(), [one, one], width):
        # Foreign words that are longer than the line stay whole.
        assert len(line.text) <= width or len(line.text.split()) <= 2, line.text


def test_every_text_is_safe_to_print() -> None:
    for text in HOSTILE:
        caveat = Caveat(text, "noisy", text, text)
        bad = result(text, model=text, device=text, runtime=text, precision=text, protocol=text, harness=text,
                     verdict=Verdict("noisy", (caveat,)), error_fix=text, scenario=text,
                     options={"batch": text, "provider": text})  # fmt: skip
        whole = job(blocks=(block(fallback=text, observed=observed(flags=(text,))),),
                    pins=(Pin(text, text, text, text),))  # fmt: skip
        for line in page.page(bad, whole, [], 80):
            assert "\x1b" not in line.text
            assert len(line.text.splitlines()) <= 1
            line.text.encode("utf-8")


def test_a_record_that_is_none_is_an_error() -> None:
    assert raw.job_of(result()) is None
    with pytest.raises(MeasurementError) as caught:
        raw.job_of(result(document={"job": {"outcome": 3}}))
    assert caught.value.code == "samples.document"


@settings(max_examples=60, deadline=None)
@given(
    rows=arrays.arrays(
        np.int64,
        st.tuples(st.integers(1, 60), st.just(2)),
        elements=st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2000)),
    ),
    values=st.lists(st.tuples(st.integers(-(2**62), 2**62), st.floats()), max_size=6),
    width=st.integers(40, 120),
)
def test_any_rows_and_traces_give_a_page_or_a_measurement_error(rows: Any, values: Any, width: int) -> None:
    trace = Trace(
        "s", Channel("c", "temperature_c"), tuple(t for t, _ in values), tuple(v for _, v in values)
    )
    one = Process(block(), Measured(rows), TraceFile((trace,)))
    with contextlib.suppress(MeasurementError):
        page.page(result(), None, [one], width)
        page.document(result(), [one])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**50), min_size=1, max_size=80), st.integers(40, 120))
def test_any_durations_give_a_page(durations: list[int], width: int) -> None:
    one = process(durations)
    assert page.page(result(), job(), [one, one], width)


def test_a_scenario_s_numbers_have_a_section_of_their_own() -> None:
    """Under its name; the processes of a curve carry their place on it."""
    metrics = {"throughput_best_per_s": 100.0, "throughput_best_streams": 2.0}
    sent = codec.encode(spec(scenario="throughput"))
    curve = result(scenario="throughput", metrics=metrics, document={"spec": sent})
    one = process([5 * MS] * 50)
    placed = replace(one, block=replace(one.block, point={"streams": "2"}))
    text = shown(curve, job(), placed)
    assert "\nThroughput\nbest" in text
    assert "\n2 streams" in text
    assert "\nThroughput\n" not in shown(result(), job(), placed)


def test_the_summary_s_own_processes_are_in_the_histogram() -> None:
    """Of a curve, those that its latency is of; the timeline shows all."""
    sent = codec.encode(spec(scenario="throughput"))
    curve = result(scenario="throughput", document={"spec": sent})
    points = [
        replace(process([5 * MS] * 50, index=n), block=block(n, point={"streams": str(n + 1)}))
        for n in (0, 1)
    ]
    placed = [replace(p, measured=replace(p.measured, point=p.block.point)) for p in points]
    chosen = raw.summarised(curve, placed)
    assert set(map(id, chosen)) <= set(map(id, placed))
    assert len(chosen) == 1
    assert raw.summarised(replace(curve, document={"spec": 7}), placed) == placed
