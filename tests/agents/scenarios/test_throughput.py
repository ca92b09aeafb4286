"""Streams: real threads over loops whose inference is a sleep, so that they overlap on any machine."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from farm_agent import bench, streams
from farm_agent.errors import JobError
from farm_agent.loop import PythonLoop
from farm_agent.scenarios import throughput
from farm_agent.wire import ArtifactSpec, BlockPlan, JobSpec
from tests.agents.scenarios.clocks import MS, QUICK, Asked, rows_of

SHORT = BlockPlan(
    min_time_ns=60 * MS,
    min_runs=10,
    max_time_ns=60_000 * MS,
    warmup_min_ns=1,
    warmup_min_runs=1,
    warmup_max_ns=50 * MS,
)


def spec(**options: str) -> JobSpec:
    artifact = ArtifactSpec("onnx", "fp32", (), (), ())
    return JobSpec("j", 1, artifact, "onnxruntime", QUICK, scenario="throughput", scenario_options=options)


def nap() -> None:
    time.sleep(0.002)


def test_every_stream_is_timed_and_named_in_its_rows() -> None:
    block = streams.measure([PythonLoop(nap) for _ in range(3)], SHORT)
    rows = rows_of(block)

    assert block.columns == ("start", "end", "stream")
    assert set(rows[:, 2].tolist()) == {0, 1, 2}
    for number in range(3):
        mine = rows[rows[:, 2] == number]
        assert (mine[1:, 0] >= mine[:-1, 1]).all()
        assert (mine[:, 1] - mine[:, 0] >= 2 * MS).all()


def test_the_memory_of_all_buffers_is_told_so_that_it_is_not_taken_for_the_models() -> None:
    """The rows of the streams and the merged ones lie in memory together."""
    block = streams.measure([PythonLoop(nap) for _ in range(2)], SHORT)

    assert block.buffer_bytes == 24 * block.count + 2 * 16 * bench.CHUNK_ROWS


def test_the_streams_run_at_the_same_time() -> None:
    """No stream's first run begins after another's last one ended.

    One that still warms up looks every 50 ms whether it is time: the block is much longer than that.
    """
    plan = replace(SHORT, min_time_ns=800 * MS)
    rows = rows_of(streams.measure([PythonLoop(nap) for _ in range(2)], plan))
    first, second = (rows[rows[:, 2] == number] for number in (0, 1))

    assert max(first[0, 0], second[0, 0]) < min(first[-1, 1], second[-1, 1])


def test_all_streams_together_take_the_least_runs() -> None:
    plan = replace(SHORT, min_time_ns=1, min_runs=40)
    block = streams.measure([PythonLoop(nap) for _ in range(2)], plan)

    assert block.count >= 40
    assert block.ended == "floor"


def test_an_inference_that_fails_in_one_stream_ends_all_with_its_error() -> None:
    calls = []

    def failing() -> None:
        calls.append(1)
        if len(calls) > 5:
            raise ValueError("no more")

    before = threading.active_count()
    with pytest.raises(ValueError, match="no more"):
        streams.measure([PythonLoop(nap), PythonLoop(failing)], SHORT)
    assert threading.active_count() == before


def test_one_stream_needs_no_other_session() -> None:
    block = throughput.measure(PythonLoop(nap), Asked(plan=SHORT, point={"streams": "1"}))

    assert np.unique(rows_of(block)[:, 2]).tolist() == [0]


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, [1]), (2, [1, 2]), (4, [1, 2, 4]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_streams_double_up_to_the_cores(cores: int, counts: list[int]) -> None:
    assert throughput.default_streams(cores) == counts


def test_the_whole_curve_is_walked_before_it_is_repeated() -> None:
    assert throughput.points(spec(streams="4,1")) == 2 * [{"streams": "1"}, {"streams": "4"}]


@pytest.mark.parametrize("text", ["", "0", "1,", "1;2", "9999", "two"])
def test_streams_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(JobError) as caught:
        throughput.points(spec(streams=text))
    assert caught.value.code == "scenario.option"
