"""Recipes are read strictly: every mistake names the file and the key."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from farm.errors import UsageError
from farm_converters.training import recipe, schedule
from farm_converters.training.steps import Distil, Prune, Train
from tests.support import ROOT

GOOD = """
schema = 1
framework = "torch"
model = "net.py:build"
data = "package.module:data"
teacher = "net.py:teacher"
seeds = [3, 1]
[train]
epochs = 7
lr = 0.1
[[steps]]
technique = "prune"
structured = true
[steps.train]
lr = 0.01
[[steps]]
technique = "distil"
alpha = 1
"""


def read(folder: Path, text: str) -> recipe.TrainingRecipe:
    path = folder / "mine.toml"
    path.write_text(text)
    return recipe.load(path)


def test_a_step_changes_the_common_training_by_what_it_names(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)

    assert found.name == "mine"
    assert found.seeds == (3, 1)
    first, second = found.steps
    assert (first.parameters, second.parameters) == (Prune(structured=True), Distil(alpha=1.0))
    assert (first.train, second.train) == (Train(epochs=7, lr=0.01), Train(epochs=7, lr=0.1))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs = 7", "epoch = 7", ("train", "epoch", "unknown key")),
        ("epochs = 7", 'epochs = "7"', ("train.epochs", "expected int")),
        ("lr = 0.01", "lr = nan", ("steps[0].train.lr",)),
        ("lr = 0.1\n", "lr = 0.1\nprecision = 'int8'\n", ("train.precision", "fp32, bf16, fp16")),
        ('"torch"', '"jax"', ("framework", "torch, keras", "jax")),
        ('"prune"', '"shrink"', ("steps[0].technique", "shrink")),
        ('"prune"', '"cluster"\nclusters = 4', ("steps[0].structured", "unknown key")),
        ("structured = true", "sparsity = 1.0", ("steps[0].sparsity", "less than 1")),
        ("alpha = 1", "alpha = 2", ("steps[1].alpha",)),
        ("seeds = [3, 1]", "seeds = [3, 3]", ("seeds",)),
        ('"net.py:build"', '"net.py"', ("model", "module:function")),
        ('teacher = "net.py:teacher"', "", ("steps[1].technique", "teacher")),
        (
            "seeds = [3, 1]",
            'seeds = [1]\nenvironment = {packages = ["scipy"]}',
            ("environment.packages", "=="),
        ),
        ("seeds = [3, 1]", 'seeds = [1]\nexport = {formats = ["tflite"]}', ("export.formats",)),
        (
            "alpha = 1",
            'alpha = 1\n[[steps]]\ntechnique="qat"\n[[steps]]\ntechnique="finetune"',
            ("steps[2]", "last"),
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_key(
    tmp_path: Path, old: str, new: str, words: tuple[str, ...]
) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))

    assert caught.value.code == "recipe.invalid"
    assert "mine.toml" in caught.value.message
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    ("text", "code"),
    [("schema = 2", "recipe.schema"), ("schema = ", "recipe.syntax"), ("x = [" * 5000, "recipe.syntax")],
)
def test_what_is_no_recipe_is_refused(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)

    assert caught.value.code == code


def test_measuring_and_seeds_do_not_change_what_is_trained(tmp_path: Path) -> None:
    one = read(tmp_path, GOOD)
    other = read(tmp_path, GOOD.replace("[3, 1]", "[0]") + "[bench]\nruntimes = ['onnxruntime']\n")
    third = read(tmp_path, GOOD.replace("epochs = 7", "epochs = 8"))

    assert one.training_sha256 == other.training_sha256 != third.training_sha256


def test_the_learning_rate_warms_up_and_follows_half_a_cosine() -> None:
    train = {"lr": 1.0, "warmup_steps": 4, "schedule": "cosine", "epochs": 2}
    curve = [schedule.learning_rate(train, batch, 10) for batch in range(20)]

    assert curve[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert curve[4] == 1.0
    assert curve[12] == pytest.approx(0.5)
    assert curve[19] == pytest.approx(0.5 * (1 + math.cos(math.pi * 15 / 16)))


def test_steps_multiply_the_learning_rate_by_whole_epochs() -> None:
    train = {"lr": 1.0, "warmup_steps": 0, "schedule": "step", "step_epochs": 2, "step_factor": 0.1}

    assert [schedule.learning_rate(train, batch, 10) for batch in (0, 19, 20, 40)] == pytest.approx(
        [1.0, 1.0, 0.1, 0.01]
    )


@pytest.mark.parametrize(
    "text", re.findall(r"```toml\n(schema.*?)```", (ROOT / "docs/optimize.md").read_text(), re.DOTALL)
)
def test_the_recipes_of_the_docs_are_read(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).steps


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs/examples").glob("*/*.toml")), ids=lambda path: path.parent.name
)
def test_the_examples_are_read_and_their_files_are_there(path: Path) -> None:
    found = recipe.load(path)

    for entry in (found.model, found.data, found.teacher or found.model):
        assert (path.parent / entry.partition(":")[0]).is_file()
