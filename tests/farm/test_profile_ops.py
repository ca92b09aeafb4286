"""``farm bench --profile-ops`` from the command to the stored result."""

from __future__ import annotations

from pathlib import Path

from farm_agent import facts
from tests.farm.networks import conv_net
from tests.farm.runs import QUICK, Farm
from tests.support import need


def test_a_run_with_layers_prints_coverage_and_stores_the_profile(tmp_path: Path) -> None:
    need(facts.probe("onnxruntime").version, "onnxruntime is not installed")
    farm = Farm(tmp_path, tmp_path / "cache")
    model = str(conv_net(tmp_path / "net.onnx"))
    done = farm.run("bench", model, *QUICK, "--no-gate", "--profile-ops")
    assert done.code == 0, done.err
    assert "layers: ONNX Runtime timed" in done.err
    assert "coverage" in done.err
    shown = farm.run("--json", "results", "show", "last")
    row = shown.row("local")
    assert row["latency"]["p50_ns"] > 0
    assert row["layers"]["source"] == "ort"
    assert row["layers"]["coverage"] > 0
    assert [unit["name"] for unit in row["layers"]["units"]] == ["CPUExecutionProvider"]
    assert row["document"]["job"]["layers"]["layers"]


def test_a_run_without_it_has_no_profile(tmp_path: Path) -> None:
    need(facts.probe("onnxruntime").version, "onnxruntime is not installed")
    farm = Farm(tmp_path, tmp_path / "cache")
    model = str(conv_net(tmp_path / "net.onnx"))
    done = farm.run("--json", "bench", model, *QUICK, "--no-gate")
    assert done.row("local")["layers"] is None
