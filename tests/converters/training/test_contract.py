"""What the host and a training process exchange, without a framework."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from farm.errors import JobError, UsageError
from farm_converters.training import contract, identity, launch, recipe
from farm_converters.training.keras.data import Split
from tests.converters.training.parts import written


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    for number, folder in enumerate(("teacher", "student")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(f"def build():\n    return {number}\n")

    built = [
        contract.load_entry(f"{name}/net.py:build", tmp_path, "model")() for name in ("teacher", "student")
    ]

    assert built == [0, 1]


def test_what_an_earlier_process_said_explains_no_later_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path)
    shared = (tmp_path / "test.npz", tmp_path / "calibration.npz", tmp_path / "facts.json")
    job = launch.Job(recipe.load(path), tmp_path, 0, tmp_path / "0", *shared, "/no/python")
    job.workdir.mkdir()
    log = job.workdir / launch.LOG
    log.write_text("OSError: No space left on device\n")

    def die(_job: launch.Job, _on_event: object) -> int:
        log.write_text(log.read_text() + "a fault\n")
        return -signal.SIGSEGV

    monkeypatch.setattr(launch, "_process", die)
    with pytest.raises(JobError) as caught:
        launch.run(job, lambda _event: None)

    assert caught.value.code == "train.crashed"
    log.write_text("")
    monkeypatch.setattr(launch, "_process", lambda _job, _on_event: log.write_text("MemoryError") and 1)
    with pytest.raises(JobError) as caught:
        launch.run(job, lambda _event: None)
    assert caught.value.code == "train.out-of-memory"


def test_calibration_samples_come_from_all_of_a_sorted_split() -> None:
    labels = np.arange(1000) // 100
    split = Split("train", (labels.astype(np.float32),), labels)

    inputs, drawn = split.drawn(100, contract.CALIBRATION_SEED)

    assert set(drawn) == set(range(10))
    assert np.array_equal(inputs[0], drawn)


def test_all_processes_of_a_run_agree_on_samples_and_versions(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    images = np.arange(6, dtype=np.float32)
    first = {"data('train')": identity.samples([images]), "version of torch": "2.13.0"}
    identity.agree(path, first)
    identity.agree(path, first)

    with pytest.raises(UsageError, match=r"version of torch changed"):
        identity.agree(path, {**first, "version of torch": "2.14.0"})
    for other in (images.reshape(2, 3), images.astype(np.float64), images + 1):
        with pytest.raises(JobError, match=r"data\('train'\) gives other samples"):
            identity.agree(path, {**first, "data('train')": identity.samples([other])})
