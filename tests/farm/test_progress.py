"""What people see while a run goes on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from farm import progress
from farm.benchmark import plan_for
from farm.config import load_config
from farm.errors import UsageError
from farm.measure import Measure
from farm.plan import Plan, Request
from farm_agent.wire import BlockPlan
from farm_results.build import failed
from tests.farm.networks import conv_net


def plan_of(folder: Path, *models: Path, blocks: int = 3) -> Plan:
    config = load_config({"store": str(folder / "store")})
    request = Request(
        models=models, devices=("local",), runtimes=("onnxruntime",), blocks=BlockPlan(blocks=blocks)
    )
    return plan_for(request, config)


def test_the_head_tells_the_protocol_only_where_something_runs(tmp_path: Path) -> None:
    """And counts what will not run."""
    missing = tmp_path / "missing.onnx"

    lines = progress.header(plan_of(tmp_path, conv_net(tmp_path / "net.onnx"), missing, blocks=1))
    assert lines[0].endswith("2 models × 1 device = 1 job (1 not run: see below)")
    assert "1 fresh process per job" in lines[-2]
    assert lines[-1].startswith("  about 7 s per job")
    assert len(progress.header(plan_of(tmp_path, missing))) == 1


def test_only_the_end_of_what_ran_is_a_line(tmp_path: Path) -> None:
    """What could not run is in the final table; it is not said twice."""
    plan = plan_of(tmp_path, conv_net(tmp_path / "net.onnx"), tmp_path / "missing.onnx")
    said: list[str] = []
    lines = progress.Lines(said.append)

    for cell in plan.cells:
        error = UsageError("gone", code="x.y", fix="look")
        result = failed(
            run_id="r",
            job_id=cell.job_id,
            created_unix_s=0.0,
            model=cell.model_name,
            model_sha256="",
            device="local",
            profile="",
            target=cell.target,
            error=error,
        )
        lines.end(cell, result)

    assert said == ["local  net onnxruntime fp32: FAILED x.y: gone (fix: look)"]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_bars_keep_the_device_and_the_time_on_any_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    """Only the stage is cut short on a narrow one."""
    for name, value in {"COLUMNS": str(width), "FORCE_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    plan = plan_of(tmp_path, conv_net(tmp_path / "net.onnx"))
    bars = progress.Bars()
    bars.begin(plan)
    bars.stage(plan.cells[0], "a stage with a long story " * 4, 0.5)
    bars.note("a line above, after which the bars are drawn again")
    bars.close()

    drawn = [line for line in capsys.readouterr().err.splitlines() if "net onnxruntime" in line]
    assert drawn
    for line in drawn:
        assert "local" in line
        assert re.search(r"\d:\d\d:\d\d", line)


def test_the_time_left_is_the_plans_until_a_job_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten minutes of one process show no share of themselves before they are over."""
    for name, value in {"COLUMNS": "200", "FORCE_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    options = {"duration_ns": str(600 * 10**9)}
    plan = plan_of(tmp_path, conv_net(tmp_path / "net.onnx"), blocks=1)
    asked = replace(plan.request, measure=Measure("sustained", options))
    bars = progress.Bars()
    bars.begin(replace(plan, request=asked))
    bars.stage(plan.cells[0], "measure", 0.17)
    bars.note("drawn again")
    bars.close()

    assert "about 10m 0" in capsys.readouterr().err


def test_the_head_tells_the_scenario_and_its_time(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, conv_net(tmp_path / "net.onnx"), blocks=1)
    options = {"duration_ns": str(600 * 10**9)}
    lines = progress.header(
        replace(plan, request=replace(plan.request, measure=Measure("sustained", options)))
    )

    assert "sustained: 1 fresh process per job, back to back from cold for 10 min" in lines[-2]
    assert lines[-1] == "  about 10 min per job"
