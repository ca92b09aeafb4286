"""Scenarios from end to end through the Python API: planned, measured, stored and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

import farm
from farm.errors import UsageError
from farm.measure import Measure
from tests.farm.networks import conv_net

MS = 1_000_000


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("STORE", "CACHE_DIR", "STATE_DIR"):
        monkeypatch.setenv(f"FARM_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("FARM_INVENTORY_PATH", str(tmp_path / "devices.toml"))
    return tmp_path


def test_a_curve_per_batch_is_stored_with_its_batch(home: Path) -> None:
    """And its items per second count the batch."""
    results = farm.bench(
        conv_net(home / "net.onnx", batch="n"),
        runtimes=["onnxruntime"],
        batch=[1, 4],
        blocks=1,
        min_time_s=0.05,
        measure=Measure("throughput", {"streams": "1,2"}, gate=None),
    )
    frame = farm.load_results()

    assert [result.status for result in results] == ["ok", "ok"]
    assert [result.options["batch"] for result in results] == ["1", "4"]
    assert [result.metrics["throughput_batch_count"] for result in results] == [1.0, 4.0]
    assert all(
        set(result.metrics) >= {"throughput_at_1_per_s", "throughput_at_2_per_s"} for result in results
    )
    assert frame["p50_ns"].isna().all()
    assert set(frame["scenario"]) == {"throughput"}


def test_a_sustained_run_keeps_its_bins(home: Path) -> None:
    options = {"duration_ns": str(500 * MS), "bin_ns": str(100 * MS)}
    (result,) = farm.bench(
        conv_net(home / "net.onnx"),
        runtimes=["onnxruntime"],
        measure=Measure("sustained", options, gate=None),
    )

    assert result.status == "ok", result.error_message
    # The last inference may end a bin late, where the machine was busy.
    assert 5.0 <= result.metrics["sustained_bins_count"] <= result.metrics["sustained_elapsed_s"] / 0.1
    assert result.metrics["sustained_bin_s"] == 0.1
    assert result.scenario == "sustained"


def test_misses_are_counted_against_the_whole_schedule(home: Path) -> None:
    """Of 2000 schedules 0.1 ms apart, whatever was late or never served."""
    (result,) = farm.bench(
        conv_net(home / "net.onnx"),
        runtimes=["onnxruntime"],
        blocks=1,
        measure=Measure("paced", {"period_ns": "100000", "duration_ns": str(200 * MS)}, gate=None),
    )

    assert result.status == "ok", result.error_message
    assert result.metrics["paced_miss_share"] >= result.metrics["paced_unserved_count"] / 2000
    assert result.document["job"]["blocks"][0]["state"]["scheduled"] == "2000"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"scenario": "poisson"}, "scenario.unknown"),
        ({"scenario": "latency", "period_s": 0.1}, "scenario.option"),
        ({"scenario": "sustained", "min_time_s": 3.0}, "scenario.option"),
    ],
)
def test_a_wrong_request_is_a_usage_error_before_anything_runs(
    home: Path, options: dict[str, float], code: str
) -> None:
    with pytest.raises(UsageError) as caught:
        farm.bench(conv_net(home / "net.onnx"), runtimes=["onnxruntime"], **options)  # type: ignore[arg-type]
    assert caught.value.code == code
