"""Jobs with a data set: accuracy counted on the device, outputs kept, labels that do not fit refused."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent.wire import Dataset

from .parts import Agent, local_agent, result_of, small_spec


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return local_agent(tmp_path)


def test_accuracy_is_counted_over_the_labelled_samples(agent: Agent, tmp_path: Path) -> None:
    x = np.zeros((5, 4), np.float32)
    x[:, 3] = 1.0  # every class score is positive, the last one largest
    labels = np.array([2, 2, 0, 2, 1], np.int64)
    arrays: dict[str, Any] = {"in.0": x, "labels": labels}
    np.savez(tmp_path / "data.npz", **arrays)
    blob = agent.put(tmp_path / "data.npz")
    agent.start(small_spec(agent, tmp_path, dataset=Dataset(blob, "five")))
    agent.wait_for("job-1")
    accuracy = result_of(agent, "job-1")[0].accuracy
    assert accuracy is not None
    assert (accuracy.correct, accuracy.count, accuracy.value) == (3, 5, 0.6)
    assert accuracy.dataset_sha256 == blob.sha256


def test_every_output_of_a_data_set_is_kept_until_the_job_is_deleted(agent: Agent, tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"in.0": np.eye(4, dtype=np.float32)}
    np.savez(tmp_path / "data.npz", **arrays)  # no labels
    blob = agent.put(tmp_path / "data.npz")
    agent.start(small_spec(agent, tmp_path, dataset=Dataset(blob, "four", metric="", keep_outputs=True)))
    agent.wait_for("job-1")
    result, sha256 = result_of(agent, "job-1")
    assert (result.outcome, result.accuracy) == ("ok", None)
    assert result.evaluation is not None
    assert result.evaluation.outputs is not None
    assert result.evaluation.count == 4
    path = agent.root / "jobs" / "job-1" / result.evaluation.outputs.name
    assert hashlib.sha256(path.read_bytes()).hexdigest() == result.evaluation.outputs.sha256
    with np.load(path, allow_pickle=False) as outputs:
        assert outputs["out.0"].shape[0] == 4
        assert len(np.unique(outputs["out.0"], axis=0)) == 4
    agent.ask("ack", "job-1", sha256)
    agent.ask("gc", "--max-bytes", "0")
    assert not path.exists()


@pytest.mark.parametrize("labels", [np.zeros((5, 1), np.int64), np.zeros(5, np.float32)])
def test_labels_that_are_not_one_whole_number_per_sample_are_refused(
    agent: Agent, tmp_path: Path, labels: Any
) -> None:
    """A column of them would be compared with every sample of a batch."""
    np.savez(tmp_path / "data.npz", **{"in.0": np.ones((5, 4), np.float32), "labels": labels})
    blob = agent.put(tmp_path / "data.npz")
    agent.start(small_spec(agent, tmp_path, dataset=Dataset(blob, "five")))
    agent.wait_for("job-1")
    failure = result_of(agent, "job-1")[0].failure
    assert failure is not None
    assert failure.code == "data.labels"
