"""Where a row lands, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from farm_agent.errors import UsageError
from farm_results.compare.row import (
    ALONE,
    IMPROVED,
    INCOMPARABLE,
    LARGE,
    REGRESSED,
    UNCHANGED,
    Compared,
    Row,
)
from farm_results.compare.sides import Pasts, compare, compare_along
from farm_results.model import Caveat, Energy, Verdict
from farm_results.point import Point
from tests.results.compare.nights import FACTS, OTHER, history, measured

MS = 1e6


def only(found: Compared) -> Row:
    """The one row."""
    assert len(found.rows) == 1, [row.section for row in found.rows]
    return found.rows[0]


def held(points: list[Point]) -> Pasts:
    """The same history of every series."""
    return lambda series: dict.fromkeys(series, points)


def judged(before_ns: float, after_ns: float, past: list[Point], **changes: Any) -> Row:
    """One series, before and after."""
    return only(
        compare(
            [measured("a", before_ns)],
            [measured("b", after_ns, created_unix_s=2000.0, **changes)],
            past=held(past),
        )
    )


@pytest.mark.parametrize(
    ("after_ms", "sigma", "section", "word"),
    [
        (5.5, 0.01, REGRESSED, "higher"),
        (4.5, 0.01, IMPROVED, "lower"),
        (5.02, 0.01, UNCHANGED, "higher"),
        (5.04, 0.0005, UNCHANGED, "higher"),  # surely more, but less than 1 %
        (5.4, 0.06, LARGE, "higher"),
        (5.0, 0.01, UNCHANGED, "same"),
    ],
)
def test_a_change_is_one_where_it_is_beyond_the_history_s_noise(
    after_ms: float, sigma: float, section: str, word: str
) -> None:
    """The processes agree to 0.4 % each time; only the history tells what that is worth."""
    row = judged(5 * MS, after_ms * MS, history(sigma=sigma))
    assert (row.section, row.word) == (section, word)
    assert row.effect == pytest.approx(after_ms / 5 - 1)
    assert row.low is not None
    assert row.high is not None
    assert row.effect is not None
    assert row.low <= row.effect <= row.high
    assert "history of 30 runs" in row.noise


def test_the_interval_holds_what_the_noise_of_both_runs_allows() -> None:
    """Two nights of 1 % each differ by 1.4 %; times 2.2 of Student's t with 11 degrees of freedom."""
    row = judged(5 * MS, 5 * MS, history(400, sigma=0.01, seed=5)[-30:])
    assert row.high is not None
    assert 0.02 < row.high < 0.045


def test_without_a_history_less_than_five_percent_tells_nothing() -> None:
    """The processes of one run agree far better than two runs do: their chance alone would cry wolf."""
    small, big = judged(5 * MS, 5.2 * MS, []), judged(5 * MS, 5.6 * MS, [])
    assert (small.section, big.section) == (UNCHANGED, REGRESSED)
    assert small.q is not None
    assert small.q < 0.01
    assert "no history" in small.reason
    assert small.noise == big.noise == "the processes; no history"


def test_one_process_without_a_history_has_no_interval() -> None:
    """Neither an interval nor a chance is made up."""
    one = measured("b", 8 * MS)
    assert one.latency is not None
    alone = replace(one, latency=replace(one.latency, blocks=1, between_cv=None))
    row = only(compare([measured("a")], [alone]))
    assert (row.section, row.low, row.p, row.q) == (LARGE, None, None, None)
    assert row.effect == pytest.approx(0.6)
    assert "nobody knows" in row.reason
    broken = replace(one, latency=replace(one.latency, between_cv=float("nan")))
    assert only(compare([measured("a")], [broken])).low is None


def test_a_change_of_the_surroundings_forbids_the_comparison_and_is_named() -> None:
    row = judged(5 * MS, 9 * MS, history(), facts={**FACTS, "kernel": "6.6"})
    assert row.section == INCOMPARABLE
    assert row.reason == "kernel 6.1 → 6.6"
    assert (row.q, row.word) == (None, "")


def test_a_change_of_artifact_or_toolchain_is_a_suspect_and_no_obstacle() -> None:
    row = judged(5 * MS, 6 * MS, history(), artifact_sha256=OTHER, runtime_version="1.24.0")
    assert row.section == REGRESSED
    assert [one.name for one in row.differences] == ["onnxruntime", "artifact"]


@pytest.mark.parametrize("word", ["throttled", "invalid"])
def test_a_number_that_cannot_be_believed_is_not_compared(word: str) -> None:
    verdict = Verdict(word, (Caveat("clock", word, "the clock fell to 60 %"),))
    row = judged(5 * MS, 9 * MS, history(), verdict=verdict)
    assert (row.section, row.reason) == (INCOMPARABLE, f"the candidate is {word}: the clock fell to 60 %")


def test_what_depends_on_no_moment_is_compared_all_the_same() -> None:
    """The size of an artifact is what it is on a throttled device with another kernel."""
    verdict, facts = Verdict("throttled"), {**FACTS, "kernel": "6.6"}
    before = measured("a", artifact_bytes=1000)
    after = measured("b", artifact_bytes=900, verdict=verdict, facts=facts)
    rows = {row.metric: row.section for row in compare([before], [after], metrics=("own", "size")).rows}
    assert rows == {"p50": INCOMPARABLE, "size": IMPROVED}


def test_a_noisy_number_is_compared_and_keeps_its_mark() -> None:
    row = judged(5 * MS, 9 * MS, history(), verdict=Verdict("noisy"))
    assert row.section == REGRESSED
    assert row.candidate is not None
    assert row.candidate.verdict == "noisy"


def test_what_only_one_side_has_says_why() -> None:
    failed = measured("c", runtime="openvino", status="failed", latency=None, error_code="job.killed")
    found = compare([measured("a"), measured("b", runtime="openvino")], [failed])
    reasons = {row.key.runtime: (row.section, row.reason) for row in found.rows}
    assert reasons == {
        "openvino": (ALONE, "the candidate failed [job.killed]"),
        "onnxruntime": (ALONE, "the candidate has no such result"),
    }


def test_simulated_results_never_meet_measured_ones() -> None:
    found = compare([measured("a")], [measured("b", origin="simulated")])
    assert [row.section for row in found.rows] == [ALONE, ALONE]
    assert sorted(row.origin for row in found.rows) == ["", "simulated"]


def test_more_is_better_for_a_throughput() -> None:
    def rate(job: str, per_s: float) -> Any:
        return measured(job, scenario="throughput", metrics={"throughput_best_per_s": per_s})

    past = [replace(point, value=100.0 + k % 3) for k, point in enumerate(history())]
    row = only(compare([rate("a", 100.0)], [rate("b", 60.0)], past=held(past)))
    assert (row.section, row.metric, row.word) == (REGRESSED, "throughput_best", "lower")


def test_many_rows_of_noise_make_no_regression() -> None:
    """One row in a hundred has p < 0.01 by luck; corrected for their number none stands out."""
    import numpy as np

    rng = np.random.default_rng(7)
    before = [measured(f"a{k}", model=f"m{k}") for k in range(300)]
    after = [measured(f"b{k}", 5e6 * float(np.exp(rng.normal(0, 0.014))), model=f"m{k}") for k in range(300)]
    found = compare(before, after, past=held(history(60, sigma=0.01)))
    assert sum(row.p is not None and row.p < 0.05 for row in found.rows) > 3
    assert not found.of(REGRESSED)
    assert not found.of(IMPROVED)


def test_what_is_counted_makes_no_room_for_false_alarms() -> None:
    """A hundred artifacts that shrank leave the one uncertain row as uncertain as it is alone."""
    past = history(sigma=0.01)
    alone = judged(5 * MS, 5.17 * MS, past)
    before = [measured(f"a{k}", model=f"m{k}", artifact_bytes=1000) for k in range(20)]
    after = [
        measured(f"b{k}", 5.17e6 if k == 0 else 5e6, model=f"m{k}", artifact_bytes=900) for k in range(20)
    ]
    found = compare(before, after, metrics=("own", "size"), past=held(past))
    row = next(row for row in found.rows if row.metric == "p50" and row.key.model == "m0")
    assert alone.q is not None
    assert row.q is not None
    assert row.q > 10 * alone.q
    assert len(found.of(IMPROVED)) == 20


def test_several_runs_of_a_side_count_as_one_better_known_number() -> None:
    past = history(sigma=0.04)
    before = [measured(f"a{k}", 5e6 * (1 + k / 1000), created_unix_s=1000.0 + k) for k in range(5)]
    after = [measured(f"b{k}", 5.5e6 * (1 + k / 1000), created_unix_s=2000.0 + k) for k in range(5)]
    one = only(compare(before[:1], after[:1], past=held(past)))
    many = only(compare(before, after, past=held(past)))
    assert one.section != REGRESSED
    assert many.section == REGRESSED
    assert many.candidate is not None
    assert (many.candidate.runs, many.candidate.job_id) == (5, "b4")


def test_a_runtime_is_held_against_another_on_purpose() -> None:
    results = [
        measured("a", runtime="onnxruntime"),
        measured("b", 4e6, runtime="openvino", format="openvino", created_unix_s=1002.0),
    ]
    row = only(compare_along(results, ("runtime",), past=held(history())))
    assert (row.section, row.axis) == (IMPROVED, "onnxruntime → openvino")
    assert not row.differences
    found = compare_along([*results, measured("c", device="nano")], ("runtime",))
    assert [one.key.device for one in found.rows] == ["pi"]
    assert found.notes == ("of 1 result there is no other runtime to hold against it",)
    with pytest.raises(UsageError) as caught:
        compare_along(results, ("colour",))
    assert caught.value.code == "compare.axis"


def test_devices_may_be_compared_although_they_differ() -> None:
    other = measured("b", 2e6, device="jetson", profile="jetson-orin", facts={**FACTS, "cpu": "A78AE"})
    row = only(compare([measured("a")], [other], by=("device",)))
    assert (row.section, row.axis) == (IMPROVED, "pi → jetson")


def test_every_metric_is_compared_by_its_own_measure() -> None:
    """Counted bytes, percentage points, joules of one sensor: and what nobody measured has no row."""

    def with_all(job: str, *, size: int, accuracy: float, joules: float, sensor: str = "rail") -> Any:
        return measured(
            job,
            artifact_bytes=size,
            accuracy_metric="top-1",
            accuracy=accuracy,
            accuracy_low=accuracy - 0.01,
            accuracy_high=accuracy + 0.01,
            accuracy_count=1000,
            peak_memory_bytes=None if job == "c" else 1_000_000,
            energy=(Energy(sensor, "in", "module", gross_j=joules, u_gross_j=joules * 0.002),),
        )

    before = with_all("a", size=1000, accuracy=0.95, joules=0.05)
    after = with_all("b", size=1100, accuracy=0.90, joules=0.06)
    names = ("size", "accuracy", "energy", "p99", "load", "peak_mem")
    rows = {row.metric: row for row in compare([before], [after], metrics=names).rows}
    assert set(rows) == {"size", "top-1", "energy", "p99", "load", "peak_mem"}
    assert (rows["load"].section, rows["load"].low) == (UNCHANGED, None)  # no document, no process's own time
    assert (rows["size"].section, rows["size"].noise, rows["size"].p) == (REGRESSED, "counted", 0.0)
    assert rows["top-1"].effect == pytest.approx(-0.05)
    assert (rows["top-1"].section, rows["top-1"].word) == (REGRESSED, "lower")
    assert rows["energy"].section == REGRESSED
    other = with_all("c", size=1000, accuracy=0.95, joules=0.05, sensor="wall")
    row = only(compare([before], [other], metrics=("energy",)))
    assert (row.section, row.reason) == (INCOMPARABLE, "energy: rail in (module) → wall in (module)")
    with pytest.raises(UsageError) as caught:
        compare([before], [after], metrics=("beauty",))
    assert caught.value.code == "compare.metric"


def test_a_scenario_with_other_options_is_another_series_and_old_ones_are_not_compared() -> None:
    """New results carry what was asked for in their key; of older ones only the document tells."""

    def rate(job: str, streams: str, **changes: Any) -> Any:
        spec = {"scenario_options": {"streams": streams, "batch": "1"}}
        document = {"facts": FACTS, "spec": spec}
        values = {"throughput_best_per_s": 100.0}
        return measured(job, scenario="throughput", metrics=values, document=document, **changes)

    before = rate("a", "1,2,4")
    new = compare([before], [rate("b", "1,8", conditions={"throughput.streams": "1,8"})])
    assert [row.section for row in new.rows] == [ALONE, ALONE]
    row = only(compare([before], [rate("b", "1,8")]))
    assert (row.section, row.reason) == (INCOMPARABLE, "throughput.streams 1,2,4 → 1,8")
    assert only(compare([before], [rate("b", "4,2,1")])).section == UNCHANGED


def test_times_at_different_streams_are_not_compared() -> None:
    """A throughput's p50 is that at its knee."""

    def at(job: str, streams: float) -> Any:
        values = {"throughput_best_per_s": 100.0, "throughput_knee_streams_count": streams}
        return measured(job, scenario="throughput", metrics=values)

    row = only(compare([at("a", 2.0)], [at("b", 4.0)], metrics=("p50",)))
    assert (row.section, row.reason) == (INCOMPARABLE, "p50: at 2 streams → at 4 streams")


def test_accuracies_of_other_samples_are_not_compared_and_errors_may_be_nothing() -> None:
    """As many samples of another file are other samples; an error of zero has no ratio."""

    def scored(job: str, value: float, data: str, metric: str = "top-1") -> Any:
        spec = {"dataset": {"blob": {"sha256": data * 64}}}
        document = {"facts": FACTS, "spec": spec}
        return measured(job, document=document, accuracy=value, accuracy_metric=metric, accuracy_count=100)

    row = only(compare([scored("a", 0.9, "1")], [scored("b", 0.8, "2")], metrics=("accuracy",)))
    assert row.section == INCOMPARABLE
    assert "(11111111) → top-1 of 100 samples (22222222)" in row.reason
    row = only(compare([scored("a", 0.0, "1", "mae")], [scored("b", 0.2, "1", "mae")], metrics=("accuracy",)))
    assert (row.section, row.effect) == (INCOMPARABLE, None)
    assert "no ratio can be told of 0 and 0.2" in row.reason
    row = only(compare([scored("a", 0.0, "1", "mae")], [scored("b", 0.0, "1", "mae")], metrics=("accuracy",)))
    assert (row.section, row.effect) == (UNCHANGED, 0.0)


def test_processes_that_agree_to_the_last_digit_are_not_certain() -> None:
    """A coarse clock makes them agree; only what is counted is certain."""
    row = only(compare([measured("a", 5 * MS, cv=0.0)], [measured("b", 5.1 * MS, cv=0.0)]))
    assert (row.section, row.noise) == (UNCHANGED, "the processes; no history")
    assert row.low is not None
    assert row.effect is not None
    assert row.low < row.effect


def test_of_several_runs_only_those_to_be_believed_count_and_marks_stay() -> None:
    """A throttled one in the middle says nothing; a noisy one does, and the number is marked."""
    throttled, noisy = Verdict("throttled"), Verdict("noisy")
    before = [
        measured("a0", 5 * MS, created_unix_s=1000.0, verdict=noisy),
        measured("a1", 50 * MS, created_unix_s=1001.0, verdict=throttled),
        measured("a2", 5 * MS, created_unix_s=1002.0),
    ]
    row = only(compare(before, [measured("b", 5 * MS)], past=held(history())))
    assert row.reference is not None
    assert (row.reference.value, row.reference.runs, row.reference.verdict) == (5 * MS, 2, "noisy")
    row = only(compare(before[1:2], [measured("b", 5 * MS)], past=held(history())))
    assert row.section == INCOMPARABLE


def test_the_interval_of_several_runs_holds_the_truth() -> None:
    """The median of ten varies half as much again as their mean: without that, 88 % do."""
    import numpy as np

    rng = np.random.default_rng(3)

    def holds(past: list[Point]) -> bool:
        times = 5e6 * np.exp(rng.normal(0, 0.04, 20))
        sides = [measured(f"j{k}", float(time), created_unix_s=1000.0 + k) for k, time in enumerate(times)]
        row = only(compare(sides[:10], sides[10:], past=held(past)))
        return row.low is not None and row.high is not None and row.low <= 0.0 <= row.high

    true = sum(holds(history(sigma=0.04, seed=1000 + seed)) for seed in range(200))
    assert 0.92 <= true / 200 <= 0.99


def test_every_row_says_what_tells_it_from_the_others() -> None:
    """Options of a target, and a runtime beside the devices that are held against each other."""
    from farm_results.compare.words import namer

    both = [measured(f"a{k}", options={"provider": "CPU", "streams": str(k)}) for k in (1, 2)]
    found = compare(both, both)
    assert sorted(map(namer(found.rows), found.rows)) == [
        "mobilenet pi onnxruntime fp32 streams=1",
        "mobilenet pi onnxruntime fp32 streams=2",
    ]
    sides = [
        [
            measured(f"{device}{runtime}", device=device, runtime=runtime)
            for runtime in ("onnxruntime", "tflite")
        ]
        for device in ("pi", "jetson")
    ]
    found = compare(*sides, by=("device",))
    assert sorted(map(namer(found.rows), found.rows)) == [
        "mobilenet jetson pi → jetson onnxruntime fp32",
        "mobilenet jetson pi → jetson tflite fp32",
    ]
    found = compare_along([*sides[0]], ("runtime",))
    assert namer(found.rows)(found.rows[0]) == "mobilenet pi onnxruntime → tflite fp32"


def test_a_precision_that_ran_silently_is_named() -> None:
    """Asked for the same, executed in another: a suspect behind any change."""
    row = judged(5 * MS, 4 * MS, history(), executed_precision="fp16")
    assert [str(one) for one in row.differences] == ["executed precision fp32 → fp16"]
