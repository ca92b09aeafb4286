"""All scenarios alike: agent and results know the same ones, and none wears another's name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from farm_agent import scenarios as agent_scenarios
from farm_agent.errors import JobError
from farm_agent.wire import JobSpec
from farm_results import scenarios
from farm_results.report.flat import table
from farm_results.report.json import render
from tests.results import made

# The words that a scenario's metrics begin with.
PREFIXES = {
    "latency": (),
    "paced": ("paced_",),
    "throughput": ("throughput_",),
    "sustained": ("sustained_", "time_to_throttle_s"),
    "cold-start": ("cold_",),
}
UNITS = ("_ns", "_s", "_per_s", "_share", "_count", "_ratio")


def test_agent_and_results_know_the_same_scenarios() -> None:
    assert scenarios.names() == agent_scenarios.names() == tuple(sorted(PREFIXES))


def spec_of(name: str) -> JobSpec:
    options = {"duration_ns": str(2 * 10**9), "bin_ns": str(10**9)} if name == "sustained" else {}
    return made.spec(scenario=name, scenario_options=options)


@pytest.mark.parametrize("name", PREFIXES)
def test_every_metric_carries_its_scenario_and_its_unit(name: str, tmp_path: Path) -> None:
    columns = {"paced": ("scheduled", "start", "end"), "throughput": ("start", "end", "stream")}
    layout = columns.get(name, ("start", "end"))
    pairs = made.quiet_pairs(1)
    rows = {
        "paced": np.insert(pairs, 0, pairs[:, 0], axis=1),
        "throughput": np.insert(pairs, 2, 0, axis=1),
    }.get(name, pairs)
    file = tmp_path / "samples.gz"
    file.write_bytes(made.packed(rows))
    job = made.job(blocks=(made.block(0, columns=layout),))

    latency, metrics = scenarios.summarise(spec_of(name), job, [file])

    assert latency is not None
    assert latency.p50_ns == pytest.approx(5_000_000, rel=0.01)
    assert bool(metrics) is bool(PREFIXES[name])
    for metric in metrics:
        assert metric.startswith(PREFIXES[name]), metric
        assert metric.endswith(UNITS), metric


def test_no_samples_are_no_numbers() -> None:
    assert scenarios.summarise(made.spec(), made.job(blocks=()), []) == (None, {})


def test_a_scenario_nobody_knows_is_an_error_and_an_old_result_of_one_has_no_columns() -> None:
    with pytest.raises(JobError) as caught:
        scenarios.summarise(made.spec(scenario="poisson"), made.job(), [Path("x")])
    assert caught.value.code == "scenario.unknown"
    assert scenarios.columns(made.result(scenario="poisson")) == []
    assert scenarios.headline(made.result(scenario="poisson")) == ""


def test_what_failed_has_no_columns() -> None:
    assert scenarios.columns(made.result(scenario="paced", status="failed", latency=None)) == []


def test_files_keep_another_scenarios_times_out_of_the_latencys_columns() -> None:
    """A paced median is nowhere called p50_ns, and a mean over a column never mixes the two."""
    paced = made.result("job-2", scenario="paced", metrics={"paced_p50_ns": 7e6})
    kinds, (closed_row, paced_row) = table([made.result(), paced])

    assert (closed_row["p50_ns"], paced_row["p50_ns"]) == (4_910_000.0, None)
    assert (closed_row["metrics.paced_p50_ns"], paced_row["metrics.paced_p50_ns"]) == (None, 7e6)
    assert paced_row["samples"] == closed_row["samples"] > 0
    assert kinds["metrics.paced_p50_ns"] == "float"


def test_json_names_the_scenario_of_its_summary() -> None:
    documents = json.loads(render([made.result(), made.result("job-2", scenario="cold-start")]))["results"]

    assert documents[0]["latency"]["p50_ns"] == 4_910_000.0
    assert documents[1]["latency"] is None
    assert documents[1]["cold_start_latency"]["p50_ns"] == 4_910_000.0
