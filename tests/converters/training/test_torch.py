"""Recipes with the real torch: every technique, resumed runs, users' mistakes."""

from __future__ import annotations

import collections
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm.errors import FarmError
from farm_converters.training import launch
from tests.converters.training.parts import job, onnx_of, trained, written
from tests.support import share_environments

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600)]

SHRINK = """
[[steps]]
technique = "prune"
structured = true
sparsity = 0.5
[[steps]]
technique = "qat"
train = {epochs = 2, lr = 0.001}
"""
ZEROS = """
[[steps]]
technique = "prune"
sparsity = 0.8
rounds = 2
keep = ["out"]
[[steps]]
technique = "distil"
alpha = 0.7
train = {epochs = 2, lr = 0.001, precision = "bf16", clip_norm = 1.0}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all, so that the environment is built once."""
    return share_environments(tmp_path_factory, tmp_path_factory.mktemp("torch"))


@pytest.fixture(scope="module")
def shrunk(store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Pruned channels, then QAT."""
    path = written(tmp_path_factory.mktemp("shrunk"), SHRINK)
    return path, trained(path, store)


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    import onnx

    return {item.name: tuple(item.dims) for item in onnx.load(path).graph.initializer}


def accuracy(model: Path, samples: Path) -> float:
    import onnxruntime

    with np.load(samples) as archive:
        session = onnxruntime.InferenceSession(str(model))
        scores = session.run(None, {"image": archive["image"]})[0]
        return float((scores.argmax(1) == archive["labels"]).mean())


def test_pruned_channels_leave_the_graph(shrunk: tuple[Path, dict[str, Any]]) -> None:
    """Through a batch norm, a depthwise convolution, an addition and a flattening."""
    path, answer = shrunk
    before, after = (step for step in answer["steps"][:2])

    widths = collections.Counter(shapes(onnx_of(path, after)).values())
    assert {(4, 1, 3, 3), (8, 4, 3, 3), (10, 128)} <= set(widths)
    assert shapes(onnx_of(path, before))["out.weight"] == (10, 256)
    assert after["parameters"] == after["nonzero"] < 0.6 * before["parameters"]
    assert onnx_of(path, after).stat().st_size < 0.7 * onnx_of(path, before).stat().st_size


def test_every_file_is_as_good_as_its_network(shrunk: tuple[Path, dict[str, Any]]) -> None:
    path, answer = shrunk

    for step in answer["steps"]:
        assert step["metric"] > 0.7, step["name"]
        reached = accuracy(onnx_of(path, step), path.parent / "run" / "test.npz")
        assert reached == pytest.approx(step["metric"], abs=1.5 / 60)


def test_qat_ends_in_a_graph_that_runs_in_int8(shrunk: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    path, answer = shrunk
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "ran.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(onnx_of(path, answer["steps"][2])), options)

    ran = collections.Counter(node.op_type for node in onnx.load(tmp_path / "ran.onnx").graph.node)
    assert ran["QLinearConv"] == 3
    stored = onnx.load(onnx_of(path, answer["steps"][2])).graph.initializer
    assert {item.data_type for item in stored if len(item.dims) > 1} == {onnx.TensorProto.INT8}
    assert not ran["Conv"]


def test_exports_hold_no_path_of_this_machine(shrunk: tuple[Path, dict[str, Any]]) -> None:
    path, answer = shrunk

    for step in answer["steps"]:
        assert b"site-packages" not in onnx_of(path, step).read_bytes()
        assert str(path.parent).encode() not in onnx_of(path, step).read_bytes()


def test_pruned_weights_are_zero_and_stay_so_in_later_steps(tmp_path: Path, store: Path) -> None:
    path = written(tmp_path, ZEROS, teacher='"net.py:build"')

    _, pruned, distilled = trained(path, store)["steps"]

    weights = 8 * 9 + 8 * 9 + 16 * 8 * 9  # without the kept layer
    assert pruned["parameters"] - pruned["nonzero"] == pytest.approx(0.8 * weights, abs=1)
    assert distilled["nonzero"] <= pruned["nonzero"]
    assert any("teacher: top-1" in note for note in distilled["notes"])
    assert distilled["metric"] > 0.6


KILLED = '[[steps]]\ntechnique = "prune"\nstructured = true\ntrain = {epochs = 3}\n'
MORTAL = '{epochs = 4, lr = 0.01, batch = 24, loss = "net.py:mortal"}'


# What is changed, what with, and how the run that was killed refuses to go on.
CHANGES = (
    ("net.py", "slice(0, 240)", "slice(120, 360)", "train.data-changes", "data('train')"),
    ("helper.py", "WIDTH = 8", "WIDTH = 8.0", "train.run-differs", "helper.py"),
)


def killed(path: Path, store: Path) -> launch.Job:
    """A seed that died in batch 2 of 10 of the second epoch of step 1, after 4 epochs of step 0."""
    (path.parent / "fatal").write_text(str(4 * 10 + 10 + 2))
    found = job(path, store, out="killed")
    with pytest.raises(FarmError) as caught:
        launch.run(found, lambda _event: None)
    assert caught.value.code == "train.out-of-memory"
    assert not (path.parent / "fatal").exists()
    return found


def test_a_killed_run_goes_on_and_ends_the_same_but_not_with_other_data_or_code(
    tmp_path: Path, store: Path
) -> None:
    path = written(tmp_path, KILLED, train=MORTAL)
    net = tmp_path / "net.py"
    net.write_text("from helper import WIDTH\n" + net.read_text())
    (tmp_path / "helper.py").write_text("WIDTH = 8\n")
    undisturbed = trained(path, store, out="whole")
    disturbed = killed(path, store)

    for name, old, new, code, words in CHANGES:
        before = (tmp_path / name).read_text()
        (tmp_path / name).write_text(before.replace(old, new))
        with pytest.raises(FarmError) as caught:
            launch.run(disturbed, lambda _event: None)
        assert caught.value.code == code
        assert words in caught.value.message
        (tmp_path / name).write_text(before)

    second: list[tuple[int, int]] = []
    answer = launch.run(
        disturbed, lambda e: second.append((e["step"], e["epoch"])) if e["event"] == "epoch" else None
    )
    assert second == [(1, 2), (1, 3)]
    for one, other in zip(undisturbed["steps"], answer["steps"], strict=True):
        assert onnx_of(path, one, out="whole").read_bytes() == onnx_of(path, other, out="killed").read_bytes()
    step = answer["steps"][1]
    trained_s = sum(epoch["seconds"] for epoch in step["epochs"])
    assert step["seconds"] > trained_s, "the time before it was killed counts"


def test_a_finished_seed_is_not_trained_again(shrunk: tuple[Path, dict[str, Any]], store: Path) -> None:
    path, answer = shrunk
    found = dataclasses.replace(job(path, store), python="/no/such/python")

    assert launch.run(found, lambda _event: None)["steps"] == answer["steps"]


@pytest.mark.parametrize(
    ("changes", "steps", "code", "words"),
    [
        ({"model": '"net.py:broken"'}, "", "train.user-code", ("net.py:", "in broken", "ZeroDivisionError")),
        ({"model": '"net.py:absent"'}, "", "train.no-function", ("net.py", "absent")),
        ({"model": '"net.py:number"'}, "", "train.not-a-network", ("int",)),
        ({"data": '"net.py:no_numbers"'}, "", "train.data", ("finite", "train")),
        ({"data": '"net.py:other_lengths"'}, "", "train.data", ("lengths",)),
        ({"train": "{epochs = 2, lr = 1e30}"}, "", "train.diverged", ("baseline", "epoch")),
        (
            {"train": '{epochs = 1, batch = 240, loss = "net.py:overflowing"}'},
            "",
            "train.diverged",
            ("weight", "epoch 1"),
        ),
        ({"train": '{epochs = 1, device = "cuda"}'}, "", "train.device", ("CUDA",)),
        (
            {"model": '"net.py:recurrent"', "train": "{epochs = 1}"},
            '[[steps]]\ntechnique = "prune"\nstructured = true',
            "train.untraceable",
            ("memory (GRU)",),
        ),
        (
            {"model": '"net.py:deciding"', "train": "{epochs = 1}"},
            '[[steps]]\ntechnique = "qat"',
            "train.untraceable",
            ("Deciding",),
        ),
    ],
)
def test_users_mistakes_are_told_without_a_trace(
    tmp_path: Path, store: Path, changes: dict[str, str], steps: str, code: str, words: tuple[str, ...]
) -> None:
    path = written(tmp_path, steps, **changes)

    with pytest.raises(FarmError) as caught:
        trained(path, store)

    assert caught.value.code == code, caught.value.message
    for word in words:
        assert word in caught.value.message
    assert "Traceback" not in caught.value.message
    assert "farm_converters" not in caught.value.message


def test_progress_is_told_epoch_by_epoch(shrunk: tuple[Path, dict[str, Any]]) -> None:
    path, answer = shrunk
    lines = (path.parent / "run" / "0" / "progress.jsonl").read_text().splitlines()
    epochs = [
        json.loads(line) for line in lines if '"epoch"' in line and json.loads(line)["event"] == "epoch"
    ]

    assert [event["epoch"] for event in epochs] == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
    assert [len(step["epochs"]) for step in answer["steps"]] == [4, 4, 2]
