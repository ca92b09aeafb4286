"""farm search from end to end: a real build function, real measurements, real Optuna."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import numpy_helper

from farm.errors import JobError
from farm.search.study import suggest
from farm.search.talk import Code, candidate
from farm.tune.trials import import_optuna
from tests.farm.runs import Farm
from tests.support import is_alive

HASTE = ("--no-gate", "--blocks", "1", "--min-time", "50ms", "--min-runs", "10", "-r", "onnxruntime")
PRODUCT = """
from pathlib import Path
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

def product(width):
    weight = numpy_helper.from_array(np.ones((64, width), "float32"), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", width])],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
"""
SPACE = (
    PRODUCT
    + """
def build(trial):
    width = trial.suggest_categorical("width", [8, 512, 4])
    print("noise on standard output must not disturb")
    if width == 4:
        raise RuntimeError("four is too few")
    path = Path(f"{width}.onnx")
    save(product(width), path)
    return path.absolute()

def train(path, trial):
    Path(__file__).with_name("trained.txt").open("a").write(f"{trial.params['width']} ")
    return trial.params["width"] / 1000
"""
)


def test_candidates_are_measured_first_and_only_promising_ones_trained(tmp_path: Path) -> None:
    """The large one breaks the bound on size and is not trained; the broken one is a result; the second call
    finds nothing left to do."""
    (tmp_path / "space.py").write_text(SPACE)
    desk = Farm(tmp_path / "home", tmp_path / "cache")
    command = ("--json", "-C", str(tmp_path), "search", "space.py:build", "--train", "space.py:train")
    words = (*HASTE, "--trials", "3", "--constraint", "size<=100kB", "--out", "found")

    first = desk.run(*command, *words)
    trained = (tmp_path / "trained.txt").read_text()
    second = desk.run(*command, *words)

    places = {one["candidate"]: one for one in _candidates(first.out)}
    assert first.code == 0, first.err
    assert {name: one["place"] for name, one in places.items()} == {
        "width=8": "best",
        "width=512": "infeasible",
        "width=4": "failed",
    }
    assert "four is too few" in places["width=4"]["why"]
    assert trained == "8 "
    assert (tmp_path / "found" / "best.onnx").is_file()
    assert _candidates(second.out) == _candidates(first.out)
    assert (tmp_path / "trained.txt").read_text() == trained


EXTERNAL = (
    PRODUCT
    + """
def build(trial):
    width = trial.suggest_categorical("width", [8])
    save(product(width), "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    return Path("net.onnx").absolute(), 0.5
"""
)


def test_the_best_file_brings_its_external_data_along(tmp_path: Path) -> None:
    (tmp_path / "space.py").write_text(EXTERNAL)
    desk = Farm(tmp_path / "home", tmp_path / "cache")
    done = desk.run(
        "-C", str(tmp_path), "search", "space.py:build", *HASTE, "--trials", "1", "--out", "found"
    )

    assert done.code == 0, done.err
    (weight,) = onnx.load(tmp_path / "found" / "best.onnx", load_external_data=False).graph.initializer
    assert numpy_helper.to_array(weight).sum() == 64 * 8


def test_a_device_that_does_not_answer_ends_the_search_and_not_its_candidates(tmp_path: Path) -> None:
    """The same command tries the candidate again once the device answers."""
    (tmp_path / "space.py").write_text(SPACE)
    desk = Farm(tmp_path / "home", tmp_path / "cache")
    desk.folder.mkdir()
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFBVHfjMXVsjZqZ3gqdBzW3fYw8MrFo8SiFtW8hVhYpz"
    lines = (
        "[devices.gone]",
        'profile = "x86-cpu"',
        'address = "ssh://nobody@127.0.0.1:1"',
        f'host_key = "{key}"',
    )
    desk.inventory.write_text("\n".join(lines) + "\n")
    done = desk.run("-C", str(tmp_path), "search", "space.py:build", "-d", "gone", *HASTE, "--trials", "3")

    assert done.code == 3
    assert "error[device.unreachable]" in done.err
    assert not (tmp_path / "build-search").exists()


def test_a_function_that_is_not_there_is_refused(tmp_path: Path) -> None:
    desk = Farm(tmp_path / "home", tmp_path / "cache")
    done = desk.run("search", "nowhere.py:build", *HASTE)

    assert done.code == 2
    assert "error[search.entry]" in done.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"kind": "categorical", "name": "a", "choices": []}, "1 to 1000 choices"),
        ({"kind": "categorical", "name": "a", "choices": ["1", "1"]}, "look alike"),
        ({"kind": "int", "name": "a", "low": 5, "high": 1, "step": 1, "log": False}, "low"),
        ({"kind": "float", "name": "a", "low": 0.0, "high": 1.0, "step": None, "log": True}, "low"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(words: dict[str, Any], why: str) -> None:
    trial = import_optuna().create_study().ask()

    with pytest.raises(ValueError, match=why):
        suggest(trial, words)


def _candidates(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["candidates"]
    return found


HUNGRY = """
import os, subprocess, sys

def build(trial):
    trial.suggest_categorical("width", [8])
    kept = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print(kept.pid, file=open("left.pid", "w"), flush=True)
    return bytearray(2 << 30)
"""


def test_a_candidate_keeps_to_its_memory_and_leaves_no_process_behind(tmp_path: Path) -> None:
    """Not even one that went to a session of its own."""
    (tmp_path / "space.py").write_text(HUNGRY)
    code = Code(tmp_path, "space.py:build", "", memory_bytes=1 << 30)
    with pytest.raises(JobError, match="MemoryError"), candidate(code, 0, 0, tmp_path / "work") as one:
        one.built(lambda _: 0)

    # It was the guard that ended, and it ends last.
    assert not is_alive(int((tmp_path / "work" / "left.pid").read_text()))
