"""``farm optimize`` from the recipe to the report, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.optimize import folder, progress
from farm_converters.training import recipe
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


def test_a_changed_module_is_another_run(tmp_path: Path) -> None:
    path = written(tmp_path)
    found = recipe.load(path)
    folder.prepare(found, path, tmp_path / "out")
    folder.prepare(found, path, tmp_path / "out")
    (tmp_path / "net.py").write_text((tmp_path / "net.py").read_text() + "\n")

    with pytest.raises(Exception, match=r"net\.py changed"):
        folder.prepare(found, path, tmp_path / "out")


def test_the_time_left_counts_every_seed_and_round(tmp_path: Path) -> None:
    steps = '[[steps]]\ntechnique = "prune"\nrounds = 3\n[[steps]]\ntechnique = "distil"\n'
    path = written(tmp_path, steps, teacher='"net.py:build"')

    assert progress.epochs_of(recipe.load(path)) == 4 + 3 * 4 + 2 * 4
