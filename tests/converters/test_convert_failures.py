"""Conversions that fail do so with a type, and alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import helper

from farm_agent.errors import JobError
from farm_converters.recipe import Recipe
from tests.converters import made
from tests.converters.converting import failure, odd_edge, run


def test_without_shapes_free_dimensions_are_an_error(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.embedding(tmp_path / "net.onnx"))
    assert failure(model, store).code == "model.free-dimensions"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("time.sleep(600)", "convert.timeout"),
        ("bytearray(1 << 42)", "convert.out-of-memory"),
        ("os.kill(os.getpid(), 11)", "convert.crashed"),
        ("raise ValueError('a converter bug')", "convert.failed"),
        ("return {}", "convert.failed"),
        ("return {'files': ['none'], 'inputs': [], 'outputs': [], 'caveats': []}", "convert.failed"),
        (
            "(workdir / 'out').mkdir(); (workdir / 'out' / 'model.onnx').write_bytes(b'x'); os._exit(0)",
            "convert.failed",
        ),
    ],
)
def test_a_converter_that_misbehaves_is_one_failed_conversion(
    tmp_path: Path, store: Path, action: str, code: str
) -> None:
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    run(model, store)  # the reference is there: the limit is for the edge alone
    limit_s = 0.9 if code == "convert.timeout" else 240.0
    error = failure(model, store, edge=odd_edge(tmp_path, action), timeout_s=limit_s)
    assert isinstance(error, JobError)
    assert error.code == code
    assert list((store / "work").iterdir()) == []


def test_wrong_numbers_are_a_mismatch_that_is_remembered(tmp_path: Path, store: Path) -> None:
    wrong = made.save(
        tmp_path / "wrong.onnx",
        [helper.make_node(op, ["a", "b"], [out]) for op, out in (("Mul", "sum"), ("Sub", "difference"))],
        [made.value("a", [1, 4]), made.value("b", [1, 4])],
        [made.value("sum", [1, 4]), made.value("difference", [1, 4])],
    )
    marks = tmp_path / "marks"
    marks.mkdir()
    mark = f"(Path({str(marks)!r}) / str(os.getpid())).touch()"
    edge = odd_edge(tmp_path, f"{mark}; request = {{**request, 'model': {str(wrong)!r}}}")
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    for _ in range(2):
        error = failure(model, store, edge=edge)
        assert error.code == "convert.mismatch"
        assert "is allowed" in error.message
        assert error.fix
    assert len(list(marks.iterdir())) == 1
    kept = next((store / "artifacts").glob("*.failed.json"))
    kept.write_text(kept.read_text().replace('"agent": "', '"agent": "other'))  # judged by another agent
    assert failure(model, store, edge=edge).code == "convert.mismatch"
    assert len(list(marks.iterdir())) == 2


def test_what_may_end_otherwise_another_time_is_tried_again(tmp_path: Path, store: Path) -> None:
    """One way wants too much memory, the next gives wrong numbers: with more memory the first might do."""
    marks = tmp_path / "marks"
    marks.mkdir()
    mark = f"(Path({str(marks)!r}) / str(os.getpid())).touch()"
    action = f"{mark}; bytearray(1 << 42) if len(os.listdir({str(marks)!r})) % 2 else None"
    edge = odd_edge(tmp_path, f"{action}\n    raise JobError('no', code='convert.unsupported-op')")
    edge.RUNGS = {"fp32": ("one", "other")}
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    for runs in (2, 4):
        assert failure(model, store, edge=edge).code == "convert.unsupported-op"
        assert len(list(marks.iterdir())) == runs
    assert not list((store / "artifacts").glob("*.failed.json"))


def test_a_model_that_asks_for_terabytes_is_refused_by_type(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.terabytes(tmp_path / "net.onnx"))
    assert failure(model, store).code == "convert.out-of-memory"


def test_a_model_that_changed_meanwhile_is_noticed(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    made.two_inputs(tmp_path / "net.onnx")
    assert failure(model, store).code == "model.changed"


def test_a_random_model_has_no_reference(tmp_path: Path, store: Path) -> None:
    node = helper.make_node("RandomNormalLike", ["x"], ["y"])
    path = made.save(tmp_path / "net.onnx", [node], [made.value("x", [3])], [made.value("y", [3])])
    assert failure(made.inspected(path), store).code == "convert.random"


def test_an_unknown_target_names_the_known_ones(tmp_path: Path, store: Path) -> None:
    error = failure(made.inspected(made.conv(tmp_path / "net.onnx")), store, Recipe("coreml"))
    assert error.code == "convert.no-edge"
    assert "openvino" in error.message
