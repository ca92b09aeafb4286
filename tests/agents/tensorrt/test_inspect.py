"""What an engine computes in, from text that TensorRT printed or that follows its format."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from farm_agent import precisions, trt_inspect
from farm_agent.wire import PrecisionProof
from tests.support import models_folder


def layer(kind: str, reads: str, writes: str, weights: str = "", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Name": f"a {kind}",
        "LayerType": kind,
        "Inputs": [{"Name": "x", "Dimensions": [1, 3], "Format/Datatype": reads}],
        "Outputs": [{"Name": "y", "Dimensions": [1, 3], "Format/Datatype": writes}],
        **more,
    }
    return found | ({"Weights": {"Type": weights, "Count": 1000}} if weights else {})


def proof_of(*layers: Any) -> PrecisionProof:
    found = trt_inspect.proof(json.dumps({"Layers": layers, "Bindings": ["x", "y"]}))
    assert found is not None
    return found


INT8 = "Thirty-two wide channel vectorized row major Int8 format"
HALF, FLOAT = "Channel major FP16 format where channel % 8 == 0", "Row major linear FP32"


def test_a_quantised_kernel_reads_8_bits_and_may_write_floats() -> None:
    proof = proof_of(
        layer("Reformat", FLOAT, INT8),
        layer("CaskConvolution", INT8, INT8, "Int8"),
        layer("CaskGemmConvolution", INT8, FLOAT, "Int8"),
        layer("CaskPooling", INT8, INT8),
    )
    assert proof.executed == "int8"
    assert proof.weighted == {"int8": 2}
    assert proof.weights == {"int8": 2000}
    assert proof.operators == {"int8": 3, "fp32": 1}
    assert precisions.refusal("int8", proof) == ""


def test_a_silent_fp32_engine_is_refused_by_name() -> None:
    """Built as fp16 or int8, but the builder chose float kernels everywhere."""
    proof = proof_of(layer("CaskConvolution", FLOAT, FLOAT, "Float"), layer("gemm", FLOAT, FLOAT))
    assert (proof.executed, proof.weighted, proof.weights) == ("fp32", {"fp32": 2}, {"fp32": 4000})
    assert precisions.refusal("fp16", proof)
    assert precisions.refusal("int8", proof)
    assert precisions.refusal("fp32", proof) == ""


def test_halves_and_a_mix() -> None:
    proof = proof_of(
        layer("CaskConvolution", HALF, HALF, "Half"),
        layer("CaskConvolution", HALF, HALF, "Half"),
        layer("kgen", FLOAT, FLOAT, TacticName="__myl_AddMax"),
        layer("NoOp", FLOAT, FLOAT),
        layer("gemm", "Half", "Float"),
    )
    assert (proof.executed, proof.weighted) == ("fp16", {"fp16": 3})
    assert precisions.share("fp16", proof) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"Layers": 7}',
        '{"Layers": ["a name", 7, null]}',
        '{"Layers": [{"Inputs": 3}]}',
        "[" * 99999,
    ],
)
def test_what_tells_no_types_proves_nothing(text: str) -> None:
    assert trt_inspect.proof(text) is None


@pytest.mark.models
def test_a_real_engine_of_tensorrt_10_16_is_read() -> None:
    """The same fields as the inspector's JSON, as trtexec printed them."""
    text = (models_folder() / "parser_samples" / "trtexec" / "trt10.16_result-04.log").read_text()
    found = [
        printed(line) for line in text.splitlines() if ", LayerType: " in line and line.startswith("Name: ")
    ]
    proof = proof_of(*found)
    assert proof.executed == "fp32"
    assert proof.weights == {"fp32": 4 * (800 + 51200)}
    assert proof.weighted["fp32"] == 3  # two convolutions and the matrix product that stayed one
    assert precisions.refusal("fp16", proof)


def printed(line: str) -> dict[str, Any]:
    def tensors(text: str) -> list[dict[str, Any]]:
        return [{"Format/Datatype": kind} for kind in re.findall(r"Format/Datatype: ([^}]+?) \}", text)]

    head = re.match(r"Name: (.+?), LayerType: (\w+), Inputs: \[(.*?)\], Outputs: \[(.*?)\](?:, |$)", line)
    assert head is not None
    weights = re.search(r"Weights: (\{[^}]*\})", line)
    tactic = re.search(r"TacticName: ([^,]+)", line)
    parameter = re.search(r"ParameterType: (\w+)", line)
    reads, _, writes = line.partition("Outputs: [")
    return {
        "Name": head[1],
        "LayerType": head[2],
        "Inputs": tensors(reads),
        "Outputs": tensors(writes),
        "ParameterType": parameter[1] if parameter else "",
        "TacticName": tactic[1] if tactic else "",
        **({"Weights": json.loads(weights[1])} if weights else {}),
    }
