"""``farm optimize`` from the recipe to the report, as a person runs it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from farm.cli.optimize import exit_code
from farm.errors import UsageError
from farm.optimize import folder, measured, progress, report
from farm.plan import Request
from farm_converters.training import identity, recipe
from tests.converters.training.parts import written
from tests.farm.runs import QUICK, Farm
from tests.support import share_environments

STEPS = """
[[steps]]
technique = "prune"
structured = true
[[steps]]
technique = "qat"
[bench]
runtimes = ["onnxruntime"]
"""


@pytest.mark.toolchain
@pytest.mark.timeout(600)
def test_a_recipe_ends_in_a_report_of_before_and_after(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path / "work", STEPS, seeds="[0, 1]")
    user = Farm(tmp_path / "user", cache=share_environments(tmp_path_factory, tmp_path / "cache"))

    out = tmp_path / "out"
    done = user.run("--json", "optimize", str(path), "--out", str(out), *QUICK[2:])

    assert done.code == 0, done.err
    document = json.loads(done.out)
    before, pruned, quantised = document["steps"]
    assert list(pruned["metric"]) == ["0", "1"]
    assert pruned["parameters"]["0"] < before["parameters"]["0"]
    for step in document["steps"]:
        (row,) = step["measured"]
        assert row["p50_ns"] > 0
        assert row["accuracy"] == pytest.approx(step["metric"]["0"], abs=1.5 / 60)
    assert [row["precision"] for step in document["steps"] for row in step["measured"]] == [
        "fp32",
        "fp32",
        "int8",
    ]
    assert quantised["measured"][0]["precision_share"] == 1.0
    assert "| prune |" in (out / "report.md").read_text()
    again = user.run("--json", "optimize", str(path), "--out", str(out), *QUICK[2:])
    assert json.loads(again.out) == document
    path.write_text(path.read_text().replace("epochs = 4", "epochs = 5"))
    other = user.run("optimize", str(path), "--out", str(out))
    assert other.code == 2
    assert "error[train.run-differs]" in other.err


def test_the_techniques_are_listed_without_a_recipe(tmp_path: Path) -> None:
    done = Farm(tmp_path / "user", tmp_path / "cache").run("optimize", "--list")

    assert done.code == 0
    assert [line.split("\t")[0] for line in done.out.splitlines()[1:]] == [
        "finetune", "prune", "cluster", "qat", "distil"
    ]  # fmt: skip


def claimed(found: recipe.TrainingRecipe, path: Path, out: Path) -> folder.Folder:
    made = folder.prepare(found, path, out)
    folder.claim(made, found, path)
    return made


@pytest.mark.parametrize("name", ["net.py", "losses.py", "students.py"])
def test_a_changed_module_is_another_run(tmp_path: Path, name: str) -> None:
    steps = """
    [[steps]]
    technique = "distil"
    student = "students.py:small"
    [steps.train]
    loss = "losses:own"
    """
    path = written(tmp_path, steps, teacher='"net.py:build"')
    for other in ("losses.py", "students.py"):
        (tmp_path / other).write_text("small = own = None\n")
    found = recipe.load(path)
    claimed(found, path, tmp_path / "out")
    claimed(found, path, tmp_path / "out")
    (tmp_path / name).write_text((tmp_path / name).read_text() + "\n")

    with pytest.raises(UsageError, match=rf"{name} changed"):
        folder.prepare(found, path, tmp_path / "out")


def test_a_changed_helper_of_a_module_is_another_run(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "helper.py").write_text("width = 8\n")
    found = recipe.load(path)
    made = claimed(found, path, tmp_path / "out")
    digest = hashlib.sha256(b"width = 8\n").hexdigest()
    identity.agree(made.facts, {"file helper.py": digest, "data('train')": "whatever"})
    folder.prepare(found, path, tmp_path / "out")
    (tmp_path / "helper.py").write_text("width = 9\n")

    with pytest.raises(UsageError, match=r"helper\.py changed"):
        folder.prepare(found, path, tmp_path / "out")


def test_a_folder_that_another_recipe_took_meanwhile_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    found = recipe.load(path)
    made = folder.prepare(found, path, tmp_path / "out")
    claimed(replace(found, metric="top-5"), path, tmp_path / "out")

    with pytest.raises(UsageError, match="recipe changed"):
        folder.claim(made, found, path)


def test_seeds_of_the_command_line_are_as_strict_as_the_recipes(tmp_path: Path) -> None:
    path = written(tmp_path / "work")
    done = Farm(tmp_path / "user", tmp_path / "cache").run("optimize", str(path), "--seeds", str(2**32))

    assert done.code == 2
    assert "error[recipe.invalid]" in done.err


def test_measurements_are_kept_for_the_same_files_and_wishes_alone(tmp_path: Path) -> None:
    path, tflite, test = (tmp_path / name for name in ("a.onnx", "a.tflite", "test.npz"))
    for file in (path, tflite, test):
        file.write_bytes(b"1")
    network = measured.Network(1, 0, path, True, tflite)
    asked = Request(models=(), data=test, threads=(1,))
    keys = [measured._key([network], asked)]
    assert measured._key([network], asked) == keys[0]
    keys.append(measured._key([replace(network, tflite=None)], asked))
    keys.append(measured._key([network], replace(asked, threads=(2,))))
    keys.append(measured._key([network], replace(asked, measure=replace(asked.measure, harness="other"))))
    for file in (tflite, test, path):
        file.write_bytes(b"2")
        keys.append(measured._key([network], asked))

    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("statuses", "bench", "code"),
    [(["ok"], True, 0), (["ok", "failed"], True, 3), ([], True, 3), ([], False, 0)],
)
def test_a_step_that_no_device_measured_is_no_success(statuses: list[str], bench: bool, code: int) -> None:
    rows = tuple({"status": status} for status in statuses)
    step = report.StepReport(0, "baseline", "baseline", {}, {}, {}, {}, {}, {}, {}, {}, (), rows)

    assert exit_code([step], bench=bench) == code


def test_numbers_of_different_threads_are_not_averaged() -> None:
    rows = [
        {"device": "pi", "runtime": "litert", "precision": "fp32", "threads": threads, "seed": seed}
        for threads in (1, 4)
        for seed in (0, 1)
    ]

    groups = report._targets(rows)

    assert list(groups) == ["pi litert fp32 1 thread", "pi litert fp32 4 threads"]
    assert [{row["threads"] for row in group} for group in groups.values()] == [{1}, {4}]
    assert list(report._targets(rows[:2])) == ["pi litert fp32"]


def test_the_time_left_counts_every_seed_and_round(tmp_path: Path) -> None:
    steps = '[[steps]]\ntechnique = "prune"\nrounds = 3\n[[steps]]\ntechnique = "distil"\n'
    path = written(tmp_path, steps, teacher='"net.py:build"')

    assert progress.epochs_of(recipe.load(path)) == 4 + 3 * 4 + 2 * 4
