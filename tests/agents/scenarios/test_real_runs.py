"""Every scenario with a real network in a real runtime, through the agent as a device runs it."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import codec
from farm_agent.wire import JobResult, JobSpec
from farm_results import scenarios
from farm_results.model import Latency
from tests.agents.parts import QUICK, Agent, local_agent, small_spec

MS = 1_000_000


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    return local_agent(tmp_path_factory.mktemp("agent"))


def run(
    agent: Agent, folder: Path, job_id: str, scenario: str, **changes: Any
) -> tuple[JobSpec, JobResult, list[Path]]:
    """The finished job and the files of its samples."""
    changes.setdefault("plan", QUICK)
    spec = small_spec(agent, folder, job_id=job_id, scenario=scenario, protocol="closed-loop/v1", **changes)
    agent.start(spec)
    agent.wait_for(job_id)
    result = codec.decode(JobResult, agent.ask("result", job_id)["result"])
    assert result.failure is None, result.failure
    return spec, result, [agent.root / "jobs" / job_id / block.samples.name for block in result.blocks]


def numbers(spec: JobSpec, job: JobResult, files: list[Path]) -> tuple[Latency, dict[str, float]]:
    latency, metrics = scenarios.summarise(spec, job, files)
    assert latency is not None
    assert all(np.isfinite(value) for value in metrics.values())
    return latency, metrics


def test_paced_sleeps_between_its_inferences(agent: Agent, tmp_path: Path) -> None:
    options = {"period_ns": str(5 * MS), "duration_ns": str(200 * MS)}
    spec, job, files = run(agent, tmp_path, "paced", "paced", scenario_options=options)
    rows = np.frombuffer(gzip.decompress(files[0].read_bytes()), "<i8").reshape(-1, 3)
    latency, metrics = numbers(spec, job, files)

    assert [(block.columns, block.count) for block in job.blocks] == 2 * [(("scheduled", "start", "end"), 40)]
    assert np.diff(rows[:, 0]).tolist() == [5 * MS] * 39
    assert (rows[:, 1] >= rows[:, 0]).all()
    assert latency.p50_ns == metrics["paced_p50_ns"] >= metrics["paced_service_p50_ns"]
    assert metrics["paced_unserved_count"] == 0.0


def test_throughput_measures_each_number_of_streams_in_a_process_of_its_own(
    agent: Agent, tmp_path: Path
) -> None:
    plan = replace(QUICK, blocks=1, min_time_ns=100 * MS)
    spec, job, files = run(
        agent, tmp_path, "throughput", "throughput", plan=plan, scenario_options={"streams": "1,2"}
    )
    latency, metrics = numbers(spec, job, files)

    assert [block.point for block in job.blocks] == [{"streams": "1"}, {"streams": "2"}]
    assert latency.blocks == 1
    assert {"throughput_at_1_per_s", "throughput_at_2_per_s"} <= metrics.keys()
    assert metrics["throughput_knee_per_s"] >= 0.95 * metrics["throughput_best_per_s"]


def test_sustained_bins_the_whole_duration(agent: Agent, tmp_path: Path) -> None:
    options = {"duration_ns": str(600 * MS), "bin_ns": str(100 * MS)}
    plan = replace(QUICK, blocks=1)
    spec, job, files = run(agent, tmp_path, "sustained", "sustained", plan=plan, scenario_options=options)
    _, metrics = numbers(spec, job, files)

    assert metrics["sustained_bins_count"] >= 6
    assert metrics["sustained_p50_ns"] > 0
    assert job.blocks[0].ended == "runs"


@pytest.mark.parametrize("page_cache", ["warm", "cold"])
def test_cold_start_times_each_step_of_every_process(agent: Agent, tmp_path: Path, page_cache: str) -> None:
    job_id = f"start-{page_cache}"
    options = {"page_cache": page_cache}
    spec, job, files = run(agent, tmp_path, job_id, "cold-start", scenario_options=options)
    _, metrics = numbers(spec, job, files)

    assert {block.state["page_cache_asked"] for block in job.blocks} == {page_cache}
    assert all(block.state["page_cache"] in (page_cache, "partly", "unknown") for block in job.blocks)
    parts = (metrics[f"cold_{part}_ns"] for part in ("import", "load", "first_inference"))
    assert metrics["cold_total_ns"] == pytest.approx(sum(parts), rel=0.5)
    assert metrics["cold_processes_count"] == 2.0


def test_an_option_that_makes_no_sense_fails_the_job_with_its_name(agent: Agent, tmp_path: Path) -> None:
    spec = small_spec(
        agent,
        tmp_path,
        job_id="bad",
        scenario="paced",
        protocol="closed-loop/v1",
        scenario_options={"period_ns": "soon"},
    )
    agent.start(spec)
    agent.wait_for("bad")
    result = codec.decode(JobResult, agent.ask("result", "bad")["result"])

    assert result.failure is not None
    assert result.failure.code == "scenario.option"
    assert "soon" in result.failure.message
