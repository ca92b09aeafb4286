"""scripts/parser_table.py: every text that a real tool or board printed is understood."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent.errors import MeasurementError
from farm_agent.profilers import trt
from tests.support import ROOT, models_folder

# trtexec 10.16 with --skipInference --profilingVerbosity=detailed --dumpLayerInfo, shortened.
LAYER = (
    "Name: node_conv2d + node_relu, LayerType: CaskConvolution, Inputs: [ { Name: x, Location: Device, "
    "Dimensions: [1,1,28,28], Format/Datatype: Float }], Outputs: [ { Name: relu, Location: Device, "
    "Dimensions: [1,32,28,28], Format/Datatype: Float }], ParameterType: Convolution, Kernel: [5,5], "
    "TacticName: sm80_xmma_fprop, TacticValue: 0x5b8b, StreamId: 0, Metadata: [ONNX Layer: node_conv2d]"
    "[ONNX Layer: node_relu]"
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    specification = importlib.util.spec_from_file_location(
        "parser_table", ROOT / "scripts" / "parser_table.py"
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["parser_table"] = module
    specification.loader.exec_module(module)
    return module


@pytest.mark.models
def test_every_sample_is_understood(script: ModuleType) -> None:
    """None is left over; logs of tools that failed give the reason, the others values."""
    rows = script.table(models_folder() / "parser_samples")

    assert len({row.file for row in rows}) >= 38
    assert [row.file for row in rows if row.parser == script.UNPARSED] == []
    failed = {row.file for row in rows if row.failure}
    assert failed == {row.file for row in rows if "FAILED" in row.file}
    assert all(row.values and all(row.values) for row in rows)


def test_a_file_that_nobody_understands_is_told(script: ModuleType, tmp_path: Path) -> None:
    """In the table and by the row's parser."""
    (tmp_path / "rapl").mkdir()
    (tmp_path / "rapl" / "note.txt").write_text("nothing to see")
    (tmp_path / "unknown").mkdir()
    (tmp_path / "unknown" / "file").write_text("RAM 1/2MB")

    assert [row.parser for row in script.table(tmp_path)] == [script.UNPARSED, script.UNPARSED]


def test_printed_layer_information_has_kernels_and_shapes() -> None:
    """One layer of a real log."""
    layer = trt.parse_printed_info("[I] Layers:\n" + LAYER)["node_conv2d + node_relu"]

    assert (layer.op_type, layer.precision, layer.kernel) == ("CaskConvolution", "fp32", "sm80_xmma_fprop")
    assert (layer.input_shapes, layer.output_shapes) == ("1x1x28x28", "1x32x28x28")
    assert layer.fused_from == ("node_conv2d", "node_relu")


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=200), st.integers(0, len(LAYER)))
def test_any_layer_information_is_read_or_refused(text: str, position: int) -> None:
    """Random text alone and inside a real line, and the line cut."""
    for candidate in (text, LAYER[:position] + text + LAYER[position:], LAYER[:position]):
        try:
            trt.parse_printed_info(candidate)
        except MeasurementError as error:
            assert error.code == "layers.unreadable"  # noqa: PT017 - the other outcome is a result
