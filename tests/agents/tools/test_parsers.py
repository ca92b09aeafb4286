"""What each tool's text means, on text that real tools printed."""

from __future__ import annotations

import pytest

from farm_agent.errors import JobError, MeasurementError
from farm_agent.tools import benchmark_app, benchmark_model, litert_benchmark, perf_test, trtexec

from .parts import sample

TRT_7 = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v7103] # trtexec --onnx=model.onnx
[01/02/2021-10:00:00] [I] Host Latency
[01/02/2021-10:00:00] [I] min: 638.401 ms (end to end 638.401 ms)
[01/02/2021-10:00:00] [I] max: 640.5 ms (end to end 640.6 ms)
[01/02/2021-10:00:00] [I] mean: 639.1 ms (end to end 639.2 ms)
[01/02/2021-10:00:00] [I] median: 639 ms (end to end 639 ms)
[01/02/2021-10:00:00] [I] percentile: 640.5 ms at 99% (end to end 640.6 ms at 99%)
[01/02/2021-10:00:00] [I] throughput: 1.56 qps
[01/02/2021-10:00:00] [I] walltime: 6.4 s
[01/02/2021-10:00:00] [I] GPU Compute
[01/02/2021-10:00:00] [I] median: 630 ms
&&&& PASSED TensorRT.trtexec [TensorRT v7103] # trtexec --onnx=model.onnx
"""


def test_trtexec_10_gives_its_summary_its_count_and_that_it_was_unstable() -> None:
    report = trtexec.parse_log(sample("trtexec_10.16.log"))
    assert (report.tool, report.protocol, report.count) == ("trtexec", "trtexec/10.16.1", 46125)
    assert report.median_ns == pytest.approx(44_067.4)
    assert report.mean_ns == pytest.approx(44_105.3)
    assert report.percentiles_ns["p99"] == pytest.approx(51_269.5)
    assert report.throughput_per_s == pytest.approx(15374.3)
    assert report.details["gpu_compute_median_ns"] == pytest.approx(36_132.8)
    assert report.resolution_ns == pytest.approx(244.14, rel=1e-3)
    assert any("6.58751 %" in caveat for caveat in report.caveats)
    assert any("copies" in caveat for caveat in report.caveats)


def test_trtexec_8_has_only_the_99th_percentile_and_a_line_after_its_end() -> None:
    report = trtexec.parse_log(sample("trtexec_8.0.1_tail.log"))
    assert report.protocol == "trtexec/8.0.1"
    assert report.median_ns == pytest.approx(67.4934e6)
    assert list(report.percentiles_ns) == ["p99"]
    assert report.details["end_to_end_median_ns"] == pytest.approx(67.5059e6)


def test_trtexec_7_has_a_line_per_value() -> None:
    report = trtexec.parse_log(TRT_7)
    assert report.protocol == "trtexec/7.1.3"
    assert (report.median_ns, report.percentiles_ns["p99"]) == (639e6, 640.5e6)
    assert report.details["gpu_compute_median_ns"] == 630e6
    assert report.throughput_per_s == pytest.approx(1.56)


def test_a_failed_trtexec_gives_its_own_words() -> None:
    with pytest.raises(JobError) as caught:
        trtexec.parse_log(sample("trtexec_10.3_failed.log"))
    assert caught.value.code == "tool.failed"
    assert "an IIOneHotLayer cannot be used to compute a shape tensor" in caught.value.message
    with pytest.raises(JobError) as caught:
        trtexec.parse_log(sample("trtexec_8.6_failed.log"))
    assert "Static dimension mismatch" in caught.value.message


def test_a_profiled_trtexec_has_no_latency_but_layers() -> None:
    text = sample("trtexec_10.16_profile.log")
    with pytest.raises(MeasurementError) as caught:
        trtexec.parse_log(text)
    assert caught.value.code == "tool.unreadable"
    layers = trtexec.parse_profile(text)
    assert len(layers) == 15
    assert (layers[1].name, layers[1].mean_us) == ("node_conv2d_myl0_1", 10.5)
    assert layers[1].median_us == pytest.approx(9.8)
    assert layers[1].count == 18362


def test_every_query_of_an_export_is_read_also_of_a_file_that_was_cut() -> None:
    text = sample("exportTimes_head.json")
    report = trtexec.parse_times(text)
    assert report.count == 4
    assert report.median_ns == pytest.approx(497_559, rel=0.01)
    assert trtexec.parse_times(text[:-30]).count == 3
    # Float32 milliseconds at 5 s.
    assert report.resolution_ns == pytest.approx(488.28, rel=1e-3)


def test_layers_of_an_export_keep_names_that_were_not_escaped() -> None:
    text = sample("exportProfile.json")
    rows = trtexec.parse_profile(text)
    assert rows[0].op_type == "Reformat"
    assert rows[0].fused_from == ()
    assert rows[1].fused_from == ("/conv1/Conv", "/relu/Relu")
    assert (rows[1].mean_us, rows[1].median_us, rows[1].count) == (28.8488, 28.672, 21071)
    broken = text.replace("/maxpool/MaxPool", 'a "quoted\\name", "timeMs" : 1')
    assert trtexec.parse_profile(broken)[2].name == 'a "quoted\\name", "timeMs" : 1'


def test_benchmark_app_below_a_millisecond_prints_microseconds() -> None:
    report = benchmark_app.parse(sample("benchmark_app_2026.4_us.txt"))
    assert (report.protocol, report.count) == ("benchmark_app/2026.4", 54202)
    assert (report.median_ns, report.mean_ns, report.min_ns) == (78_620, 88_200, 35_750)
    assert report.resolution_ns == 10
    assert report.executed_precision == "bf16"
    assert report.first_inference_ns == pytest.approx(0.30e6)
    assert report.load_ns == pytest.approx(85.88e6)
    assert any("overlapped" in caveat for caveat in report.caveats)


def test_benchmark_app_above_a_millisecond_prints_milliseconds() -> None:
    report = benchmark_app.parse(sample("benchmark_app_2024.1_gpu.txt"))
    assert (report.protocol, report.median_ns, report.max_ns) == ("benchmark_app", 10.73e6, 16.54e6)
    assert report.resolution_ns == 10_000
    assert report.throughput_per_s == pytest.approx(356.54)


def test_a_failed_benchmark_app_gives_its_own_words() -> None:
    with pytest.raises(JobError) as caught:
        benchmark_app.parse(sample("benchmark_app_2026.4_failed.txt"))
    assert caught.value.code == "tool.failed"
    assert "No conversion rule found for operations: Quant-11" in caught.value.message
    assert "Traceback" not in caught.value.message


def test_benchmark_model_with_percentiles_and_refused_delegate() -> None:
    report = benchmark_model.parse(sample("benchmark_model_gpu_nnapi.txt"))
    assert (report.count, report.median_ns, report.mean_ns) == (50, 307_968_000, 309_350_000)
    assert report.percentiles_ns == {"p5": 306_372_000, "p95": 315_711_000}
    assert (report.load_ns, report.first_inference_ns) == (5_664_363_000, 328_140_000)
    assert "the NNAPI delegate took nothing of the network" in report.caveats


def test_benchmark_model_without_percentiles_has_no_median() -> None:
    report = benchmark_model.parse(sample("benchmark_model_cpu.txt"))
    assert (report.count, report.median_ns, report.mean_ns) == (2, None, 6_479_500)
    assert (report.min_ns, report.max_ns, report.stdev_ns) == (6_449_000, 6_510_000, 30_000)
    assert any("ru_maxrss" in caveat for caveat in report.caveats)


def test_benchmark_model_of_2018_and_out_of_logcat() -> None:
    old = benchmark_model.parse(sample("benchmark_model_2018.txt"))
    assert (old.count, old.mean_ns, old.load_ns) == (50, 79_760_900, 38_467_000)
    logcat = benchmark_model.parse(sample("benchmark_model_logcat.txt"))
    assert (logcat.count, logcat.mean_ns) == (None, 1_687_920)


def test_benchmark_model_whose_runs_were_all_the_same() -> None:
    text = "INFO: count=50 curr=7(all same)\nInference timings in us: Init: 10, First inference: 9, "
    report = benchmark_model.parse(text + "Warmup (avg): 8, Inference (avg): 7")
    assert (report.count, report.median_ns, report.mean_ns) == (50, 7000, 7000)
    assert any("±7.1%" in caveat for caveat in report.caveats)


def test_benchmark_model_that_could_not_load_gives_its_own_words() -> None:
    with pytest.raises(JobError, match="Failed to initialize the interpreter"):
        benchmark_model.parse("INFO: STARTING!\nERROR: Failed to initialize the interpreter\n")


@pytest.mark.parametrize("kind", ["text", "json"])
def test_litert_benchmark_rounds_to_ten_microseconds_and_says_so(kind: str) -> None:
    if kind == "text":
        report = litert_benchmark.parse(sample("litert-benchmark_2.3.0.txt"))
    else:
        report = litert_benchmark.parse_json(sample("litert-benchmark_2.3.0.json"))
    assert (report.count, report.median_ns, report.mean_ns) == (50, 50_000, 50_000)
    assert report.stdev_ns is None  # printed as 0.00
    assert report.load_ns == pytest.approx(4.11e6)
    assert report.caveats == ("litert-benchmark rounds to 10 µs: that alone is ±10.0% of its numbers",)
    assert report.details["fully_accelerated"] is False


def test_a_rounded_zero_is_no_time() -> None:
    text = sample("litert-benchmark_2.3.0.txt").replace("0.05 ms", "0.00 ms")
    report = litert_benchmark.parse(text)
    assert (report.median_ns, report.mean_ns) == (None, None)
    assert "cannot be read" in report.caveats[0]


def test_perf_test_in_seconds_also_with_an_exponent() -> None:
    report = perf_test.parse(sample("perf_test.txt"))
    assert (report.count, report.median_ns, report.mean_ns) == (100, 1_856_740, 1_857_390)
    assert report.percentiles_ns == {"p99": 1_903_120}
    assert report.resolution_ns == pytest.approx(10)
    assert report.details["peak_memory_bytes"] == 36696064
    assert report.caveats == ("percentiles by nearest rank over 100 runs",)
    small = perf_test.parse(sample("perf_test.txt").replace("0.00185674", "2.66e-06"))
    assert small.median_ns == pytest.approx(2660)


def test_text_without_a_result_is_said_to_be_unreadable() -> None:
    for parse in (
        benchmark_app.parse,
        benchmark_model.parse,
        litert_benchmark.parse,
        litert_benchmark.parse_json,
        perf_test.parse,
        trtexec.parse_log,
        trtexec.parse_times,
    ):
        with pytest.raises(MeasurementError) as caught:
            parse("nothing here\n")
        assert caught.value.code == "tool.unreadable"
