"""Nodes that stay in floats are named as the source names them, and found in what was made of it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from farm_agent.errors import JobError
from farm_converters import exclude
from farm_converters.simplify import slim
from tests.converters import made
from tests.converters import quantisable as nets


def test_a_name_a_glob_and_a_type_mean_nodes(tmp_path: Path) -> None:
    model = onnx.load(nets.classifier(tmp_path / "net.onnx"))
    assert exclude.select(model, ["last"]) == ["last"]
    assert exclude.select(model, ["fi*", "op:Gemm"]) == ["first", "last"]
    assert exclude.select(model, ["op:Conv"]) == ["first", "depthwise"]
    assert exclude.select(model, []) == []


@pytest.mark.parametrize("pattern", ["lost", "op:LSTM", "*nothing*"])
def test_a_pattern_that_means_no_node_is_refused(tmp_path: Path, pattern: str) -> None:
    model = onnx.load(nets.classifier(tmp_path / "net.onnx"))
    with pytest.raises(JobError) as caught:
        exclude.select(model, ["first", pattern])
    assert caught.value.code == "convert.exclude-unknown"
    assert pattern in caught.value.message


def test_a_near_name_is_told(tmp_path: Path) -> None:
    model = onnx.load(nets.classifier(tmp_path / "net.onnx"))
    with pytest.raises(JobError, match=r"near: .*depthwise"):
        exclude.select(model, ["deptwise"])


def test_a_name_with_the_signs_of_a_glob_means_itself() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"], "r[0]"), helper.make_node("Relu", ["a"], ["y"], "r0")]
    graph = helper.make_graph(nodes, "net", [made.value("x", [1])], [made.value("y", [1])])
    assert "r[0]" in exclude.select(helper.make_model(graph), ["r[0]"])


def test_nameless_and_doubled_nodes_are_called_like_what_they_make() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"], "same"),
        helper.make_node("Relu", ["b"], ["y"], "same"),
    ]
    model = helper.make_model(helper.make_graph(nodes, "net", [made.value("x", [1])], [made.value("y", [1])]))
    exclude.name_nodes(model)
    assert [node.name for node in model.graph.node] == ["a", "same", "y"]


def test_a_node_merged_into_another_is_found_by_what_both_lead_to(tmp_path: Path) -> None:
    """MatMul and Add become one Gemm under the name of neither or one of them."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "product"),
        helper.make_node("Add", ["m", "b"], ["s"], "sum"),
        helper.make_node("Relu", ["s"], ["y"], "out"),
    ]
    path = made.save(
        tmp_path / "net.onnx",
        nodes,
        [made.value("x", [2, 8])],
        [made.value("y", [2, 4])],
        [nets.constant("w", 8, 4), nets.constant("b", 4)],
    )
    simplified = slim(onnx.load(path))
    gemm = [node.name for node in simplified.graph.node if node.op_type == "Gemm"]
    assert len(gemm) == 1
    for name in ("product", "sum"):
        assert exclude.surviving(onnx.load(path), simplified, [name]) == gemm
    assert exclude.surviving(onnx.load(path), simplified, ["out"]) == ["out"]
