"""Which operators of a .tflite file came of a node of the source, by the names that the converter derives."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from farm_agent.errors import JobError
from farm_converters import edges, tflite_graph
from tests.converters import made


def marked(tmp_path: Path, *patterns: str) -> dict[str, str]:
    """Names of nodes, before to after."""
    path = made.conv(tmp_path / "net.onnx")
    source, model = onnx.load(str(path)), onnx.load(str(path))
    tflite_graph.mark(source, model, patterns)
    return dict(
        zip(
            [node.op_type for node in source.graph.node],
            [node.name for node in model.graph.node],
            strict=True,
        )
    )


def test_a_marked_node_and_what_reads_it_are_renamed(tmp_path: Path) -> None:
    names = marked(tmp_path, "op:Conv")
    assert names == {"Conv": "farmkept0", "Relu": "farmnext1"}


def test_a_node_after_a_kept_one_may_be_kept_itself(tmp_path: Path) -> None:
    assert marked(tmp_path, "*") == {"Conv": "farmkept0", "Relu": "farmkeptfarmnext1"}


def test_a_pattern_that_means_no_node_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        marked(tmp_path, "op:Convolution")
    assert caught.value.code == "convert.exclude-unknown"


@pytest.mark.parametrize(
    ("tensor", "kept"),
    [
        ("farmkept3_conv_filter", True),
        ("farmkept3_t0", True),
        ("farmkept3_runtime_state_step0_gates", True),
        ("farmkept3_input_nhwc", False),  # handed to the kept node by the one before
        ("farmkept3_input_nhwc_padded", False),
        ("farmnext4_input_nhwc", True),  # handed on by the kept node
        ("farmkeptfarmnext4_input_nhwc", True),
        ("farmnext4_conv_filter", False),
        ("out_0", False),
        ("farmkeptish_0", False),
    ],
)
def test_tensors_are_attributed_by_the_converter_s_own_words(tensor: str, kept: bool) -> None:
    assert tflite_graph.is_kept(tensor) is kept


@pytest.mark.parametrize("shape", [(1, 4), (1, 2, 2)])
def test_leaving_a_layout_free_is_another_way_only_where_there_is_one(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    source = made.identity(tmp_path / "net.onnx", "float32", shape)
    files = set()
    for rung in ("plain", "plain-free"):
        folder = tmp_path / rung
        folder.mkdir()
        request = {"rung": rung, "model": str(source), "exclude": [], "outputs": [{"shape": list(shape)}]}
        files.add(tflite_graph.prepare(request, folder).read_bytes())
    ways = edges.distinct(edges.load("onnx", "tflite"), "fp32", [shape])
    assert ("plain-free" in ways) == (len(files) == 2) == (len(shape) > 2)
    assert [way for way in ways if "free" not in way] == ["slim", "folded", "plain"]
