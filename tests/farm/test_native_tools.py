"""Which tool measures which runtime is settled before anything is converted or shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm import native_tools
from farm.errors import UsageError
from farm.measure import Measure
from farm_agent import runtimes
from farm_agent.messages.energy import EnergyPlan
from farm_agent.tools import RUNTIMES
from farm_profiles import Target
from tests.farm.networks import conv_net
from tests.farm.runs import Farm
from tests.support import need


def code_of(measure: Measure, *asked: str) -> str:
    with pytest.raises(UsageError) as caught:
        native_tools.runtimes_for(measure, asked)
    assert caught.value.fix
    return caught.value.code


def test_without_a_tool_nothing_changes() -> None:
    assert native_tools.runtimes_for(Measure(), ("litert",)) == ("litert",)
    assert native_tools.runtimes_for(Measure(scenario="paced"), ()) == ()


def test_a_tool_plans_for_the_runtimes_that_it_measures() -> None:
    assert native_tools.runtimes_for(Measure(tool="benchmark_app"), ()) == ("openvino",)
    assert native_tools.runtimes_for(Measure(tool="trtexec"), ("tensorrt",)) == ("tensorrt",)


def test_what_does_not_fit_is_refused() -> None:
    assert code_of(Measure(tool="stopwatch")) == "tool.unknown"
    assert code_of(Measure(tool="benchmark_app"), "openvino", "onnxruntime") == "tool.wrong-runtime"
    assert code_of(Measure(tool="benchmark_app", scenario="paced")) == "tool.conflict"
    assert code_of(Measure(tool="benchmark_app", profile_ops=True)) == "tool.conflict"
    assert code_of(Measure(tool="benchmark_app", energy=EnergyPlan())) == "tool.conflict"


def test_every_runtime_that_a_tool_measures_is_one_that_farm_knows() -> None:
    assert {name for names in RUNTIMES.values() for name in names} <= set(runtimes.names())


def test_trtexec_gets_the_network_as_onnx() -> None:
    engine = Target(format="tensorrt", runtime="tensorrt", precision="fp16")
    assert native_tools.fitted("trtexec", engine).format == "onnx"
    assert native_tools.fitted("", engine) == engine


def test_the_command_refuses_a_tool_of_another_runtime(tmp_path: Path) -> None:
    farm = Farm(tmp_path, tmp_path / "cache")
    model = str(conv_net(tmp_path / "net.onnx"))
    done = farm.run("bench", model, "-r", "onnxruntime", "--tool", "benchmark_app")
    assert done.code == 2
    assert "error[tool.wrong-runtime]: benchmark_app measures openvino, not onnxruntime" in done.err
    assert "onnxruntime_perf_test" in done.err


def test_a_tools_numbers_are_metrics_under_its_own_protocol(tmp_path: Path) -> None:
    from farm_agent import facts

    need(facts.probe("openvino").version, "openvino is not installed")
    farm = Farm(tmp_path, tmp_path / "cache")
    model = str(conv_net(tmp_path / "net.onnx"))
    words = ("--no-gate", "--min-time", "1s", "-r", "openvino", "--tool", "benchmark_app")
    done = farm.run("--json", "bench", model, *words)
    assert done.code == 0, done.err
    row = done.row("local")
    assert (row["status"], row["latency"], row["harness"]) == ("ok", None, "benchmark_app")
    assert row["protocol"].startswith("benchmark_app/20")
    assert row["metrics"]["tool_median_ns"] > 0
    assert "measured by benchmark_app/20" in done.err
    codes = {caveat["code"] for caveat in row["verdict"]["caveats"]}
    assert any(code.startswith("tool.") for code in codes)
