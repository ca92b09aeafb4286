"""farm tune, farm bench --plan and farm export from end to end, on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.farm.runs import Done, Farm

HASTE = ("--no-gate", "--blocks", "1", "--min-time", "50ms", "--min-runs", "10")
SPACE = ("-r", "onnxruntime", "-p", "fp32,fp16", "--threads", "1")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Farm:
    """One user for all: the second command goes on where the first one ended."""
    folder = tmp_path_factory.mktemp("tune")
    return Farm(folder / "home", folder / "cache")


@pytest.fixture(scope="module")
def tuned(desk: Farm) -> Done:
    return desk.run("--json", "tune", *SPACE, *HASTE, "--out", str(desk.folder / "out"))


def document(done: Done) -> dict[str, Any]:
    assert done.out, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_every_configuration_has_its_place(desk: Farm, tuned: Done) -> None:
    (device,) = document(tuned)["devices"]
    places = [one["place"] for one in device["configurations"]]

    assert tuned.code == 0, tuned.err
    assert len(places) == 2
    assert places.count("best") == 1
    assert device["device_time_s"] > 0
    assert (desk.folder / "out" / "front.svg").read_text().startswith("<svg")


def test_the_same_command_measures_nothing_again(desk: Farm, tuned: Done) -> None:
    again = desk.run("--json", "tune", *SPACE, *HASTE, "--out", str(desk.folder / "again"))

    assert document(again)["devices"] == document(tuned)["devices"]


def test_other_constraints_judge_what_was_measured(desk: Farm, tuned: Done) -> None:
    """Nothing meets this one; the answer names what comes nearest and leaves no best.toml behind."""
    done = desk.run("tune", *SPACE, *HASTE, "--constraint", "size<=1kB", "--out", str(desk.folder / "none"))

    assert done.code == 3
    assert "tune.infeasible" in done.err
    assert "onnxruntime fp16" in done.err
    assert not (desk.folder / "none" / "best.toml").exists()


def test_a_file_where_the_folder_should_be_is_refused(desk: Farm, tuned: Done) -> None:
    (desk.folder / "taken").write_text("mine")
    done = desk.run("tune", *SPACE, *HASTE, "--constraint", "size<=1kB", "--out", str(desk.folder / "taken"))

    assert "error[host.not-writable]" in done.err
    assert (desk.folder / "taken").read_text() == "mine"


def test_bench_measures_exactly_the_plan(desk: Farm, tuned: Done) -> None:
    path = desk.folder / "out" / "best.toml"
    target = tomllib.loads(path.read_text())["target"]
    done = desk.run("--json", "bench", "--plan", str(path), *HASTE)

    (row,) = done.rows()
    assert (row["runtime"], row["precision"]) == (target["runtime"], target["precision"])


@pytest.mark.parametrize(
    ("change", "options", "code"),
    [
        (("sha256 = ", 'sha256 = "00'), (), "plan.model-changed"),
        (None, ("--threads", "2"), "plan.conflict"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(
    desk: Farm, tuned: Done, change: tuple[str, str] | None, options: tuple[str, ...], code: str
) -> None:
    text = (desk.folder / "out" / "best.toml").read_text()
    if change is not None:
        text = text.replace(f'{change[0]}"', change[1])
    path = desk.folder / "out" / "changed.toml"
    path.write_text(text)

    done = desk.run("bench", "--plan", str(path), *options, *HASTE)

    assert done.code == 2
    assert f"error[{code}]" in done.err


def test_an_export_runs_alone_and_notices_a_wrong_file(desk: Farm, tuned: Done, tmp_path: Path) -> None:
    """In a process that knows nothing of farm; a damaged weight is found by its check."""
    done = desk.run("export", str(desk.folder / "out" / "best.toml"), "--out", str(tmp_path / "deploy"))
    assert done.code == 0, done.err
    check = [sys.executable, "-I", str(tmp_path / "deploy" / "run.py"), "--check"]

    right = subprocess.run(check, capture_output=True, text=True, check=False, cwd="/")
    manifest = tmp_path / "deploy" / "manifest.json"
    record = json.loads(manifest.read_text())
    record["golden"].update(atol=0.0, rtol=0.0, cosine=0.0)
    record["inputs"][0]["permutation"] = [0, 1, 3, 2]
    manifest.write_text(json.dumps(record))
    wrong = subprocess.run(check, capture_output=True, text=True, check=False, cwd="/")

    assert right.returncode == 0, right.stderr
    assert wrong.returncode == 1
    assert "DIFFERS scores" in wrong.stdout


def test_an_export_answers_a_file_that_is_no_npz_in_one_line(desk: Farm, tuned: Done, tmp_path: Path) -> None:
    done = desk.run("export", str(desk.folder / "out" / "best.toml"), "--out", str(tmp_path / "deploy"))
    assert done.code == 0, done.err
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 and then nothing")
    (tmp_path / "empty.npz").touch()

    for name in ("one.npy", "torn.npz", "empty.npz", "nowhere.npz"):
        run = [sys.executable, "-I", str(tmp_path / "deploy" / "run.py"), str(tmp_path / name)]
        ended = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert ended.returncode == 1
        assert ended.stderr.startswith("run.py: ")
        assert "Traceback" not in ended.stderr


def test_an_export_never_overwrites(desk: Farm, tuned: Done, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = desk.run("export", str(desk.folder / "out" / "best.toml"), "--out", str(tmp_path))

    assert done.code == 2
    assert "export.out-exists" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--objective", "speed"), "tune.objective"),
        (("--constraint", "latency<5ms"), "tune.constraint"),
        (("-r", "tensorrt"), "tune.empty-space"),
        (("-p", "int8"), "tune.empty-space"),
        (("--data", "nowhere.npz"), "data.missing"),
    ],
)
def test_a_wrong_question_is_refused_before_anything_runs(
    desk: Farm, options: tuple[str, ...], code: str
) -> None:
    done = desk.run("tune", *HASTE, *options)

    assert done.code == 2
    assert f"error[{code}]" in done.err
