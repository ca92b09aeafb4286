"""From profilers' text and events to rows of layers."""

from __future__ import annotations

import json
import struct
from datetime import timedelta

import pytest

from farm_agent.errors import MeasurementError
from farm_agent.profilers import ProfileRequest, litert, litert_c, openvino, ort, trt
from farm_agent.profilers.litert_c import Event
from tests.agents.tools.parts import sample


def test_onnx_runtime_gives_each_kernel_of_two_inferences() -> None:
    layers = ort.parse(sample("ort_1.31_profile.json"))
    assert [layer.op_type for layer in layers][:3] == ["Conv", "ReorderOutput", "MaxPool"]
    first = layers[0]
    assert (first.name, first.count, first.unit) == ("ReLU32_Output_0_nchwc", 2, "CPUExecutionProvider")
    assert (first.mean_us, first.min_us, first.max_us) == (86.5, 21, 152)
    assert (first.precision, first.output_shapes) == ("fp32", "float1x16x28x28")


def node(name: str, ts: int, dur: int, index: int, **args: object) -> dict[str, object]:
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "ts": ts,
        "dur": dur,
        "args": {"op_name": name, "provider": "CPUExecutionProvider", "node_index": str(index), **args},
    }


def test_a_loop_does_not_count_what_its_body_took() -> None:
    run = {"cat": "Session", "name": "model_run", "ts": 0, "dur": 200}
    events = [run, node("Add", 20, 30, 1), node("Add", 60, 30, 1), node("Loop", 10, 100, 0)]
    (inference,) = ort.kernels(json.dumps(events))
    layers = ort.parse(json.dumps(events))
    assert sum(kernel.us for kernel in inference) == 100
    assert {layer.name: layer.mean_us for layer in layers} == {"Loop": 40, "Add": 60}
    assert {layer.name: layer.count for layer in layers} == {"Loop": 1, "Add": 2}


def test_nodes_of_the_same_name_stay_apart_and_fences_are_passed_over() -> None:
    fence = {**node("x", 5, 9, 3), "name": "x_fence_before"}
    events = [node("fused ", 0, 5, 1), node("fused ", 6, 7, 2), fence]
    layers = ort.parse(json.dumps(events))
    assert [(layer.name, layer.mean_us) for layer in layers] == [("fused", 5), ("fused", 7)]


def test_an_eight_bit_kernel_is_known_by_what_it_reads() -> None:
    args = {"input_type_shape": [{"uint8": [1]}, {"int8": [1]}], "output_type_shape": [{"float": [1]}]}
    (layer,) = ort.parse(json.dumps([node("MatMulInteger", 0, 1, 0, **args)]))
    assert layer.precision == "int8"


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "{}",
        *(f'[{{"cat":"Node","name":"a_kernel_time","ts":1,"dur":{us}}}]' for us in ('"x"', -5, "NaN")),
    ],
)
def test_a_broken_profile_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        ort.parse(text)
    assert caught.value.code == "layers.unreadable"


def test_openvino_counters_are_averaged_over_the_requests() -> None:
    layers = openvino.parse(sample("benchmark_app_counters.txt"))
    found = {(layer.name, layer.op_type): layer for layer in layers}
    conv = found["Multiply_6876", "Convolution"]
    assert (conv.mean_us, conv.kernel, conv.precision) == (20.5, "brgconv_avx512_bf16", "bf16")
    assert found["Clip_4", "Clamp"].status == "not_run"
    assert found["Clip_4", "Clamp"].mean_us is None
    # It ran in one request only: the other took less than the tool shows.
    assert found["Convert_1373", "Subgraph"].status == "run"
    assert found["Convert_1373", "Subgraph"].count == 1


def test_a_network_that_is_one_subgraph_without_time_cannot_be_profiled() -> None:
    line = "mlp  Status.EXECUTED  layerType: Subgraph  execType: jit_avx512_f32  realTime (ms): 0.000  "
    (layer,) = openvino.parse(line + "cpuTime (ms): 0.000")
    assert (layer.status, layer.mean_us) == ("unprofilable", None)


def test_litert_rows_under_run_order_alone_count() -> None:
    layers = litert.parse_summary(sample("benchmark_model_2018.txt"))
    assert [layer.op_type for layer in layers] == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "SOFTMAX"]
    assert layers[0].mean_us == pytest.approx(4269)
    assert layers[0].name == "[MobilenetV1/MobilenetV1/Conv2d_0/Relu6]"


def test_litert_tells_delegates_kernel_and_precision() -> None:
    row = "  Delegate/Convolution (NHWC, F32) IGEMM  0.000  0.721  0.729  28.009%  31.187%  0.000  20"
    row += "  [Delegate]:1"
    (layer,) = litert.parse_summary(f"===== Run Order =====\n{row}\n")
    assert (layer.op_type, layer.kernel, layer.unit) == ("Convolution", "NHWC, F32 IGEMM", "delegate")
    assert (layer.precision, layer.count) == ("fp32", 20)
    assert layer.mean_us == pytest.approx(729)


def test_events_inside_a_delegates_operator_and_of_the_runtime_are_not_counted_again() -> None:
    events = [
        Event("LiteRT::Run[buffer registration]", 1, 100, 9, 0),
        Event("invoke", 16, 110, 60, 0),
        Event("Convolution (NHWC, QU8) IGEMM", 8, 0, 40, 0),
        Event("inside", 4, 120, 30, 0),
        Event("SOFTMAX", 2, 160, 5, 30),
    ]
    kernels = litert.kernels(events)
    assert [(kernel.layer.unit, kernel.us) for kernel in kernels] == [("delegate", 40), ("builtin", 5)]
    assert kernels[0].layer.precision == "int8"


def test_a_while_keeps_what_its_body_leaves() -> None:
    events = [Event("WHILE", 2, 100, 50, 0), Event("ADD", 2, 110, 20, 1), Event("SOFTMAX", 2, 151, 5, 2)]
    assert [kernel.us for kernel in litert.kernels(events)] == [30, 20, 5]


def packed(size: int, kind: int, begin: int, us: int, node: int) -> bytes:
    head = struct.pack("<QI4xQQ", 1, kind, begin, us)
    return head + bytes(size - len(head) - 24) + struct.pack("<QQI4x", node, 0, 0)


@pytest.mark.parametrize("size", [88, 104])
def test_the_size_of_litert_events_is_found_by_what_they_can_hold(size: int) -> None:
    block = (
        packed(size, 16, 13_160_143_814, 94, 7)
        + packed(size, 8, 0, 10, 1)
        + packed(size, 2, 13_160_143_829, 5, 3)
    )
    found = litert_c.events(block + bytes(400), 3, lambda _: b"name")
    assert [(event.kind, event.us) for event in found] == [(16, 94), (8, 10), (2, 5)]
    assert [event.node for event in found] == [7, 1, 3]


def test_events_of_an_unknown_layout_are_refused_before_a_pointer_is_followed() -> None:
    def never(address: int) -> bytes:
        raise AssertionError(address)

    with pytest.raises(MeasurementError) as caught:
        litert_c.events(b"\xff" * 1024, 4, never)
    assert caught.value.code == "layers.unreadable"


def test_tensorrt_layers_get_kernel_and_shapes_from_the_layer_information() -> None:
    info = {
        "Layers": [
            {
                "Name": "/conv1/Conv + /relu/Relu",
                "LayerType": "CaskConvolution",
                "TacticName": "sm80_xmma_fprop",
                "Inputs": [
                    {"Name": "x", "Dimensions": [1, 3, 224, 224], "Format/Datatype": "Row-major FP16"}
                ],
                "Outputs": [
                    {"Name": "y", "Dimensions": [1, 64, 112, 112], "Format/Datatype": "Channel major FP16"}
                ],
                "Metadata": "[ONNX Layer: /conv1/Conv]\x1e[ONNX Layer: /relu/Relu]",
            },
            "plain name",
        ]
    }
    described = trt.parse_layer_info(json.dumps(info))
    rows = trt.merge(trt.parse(sample("exportProfile.json")), described)
    conv = rows[1]
    assert (conv.op_type, conv.kernel, conv.precision) == ("CaskConvolution", "sm80_xmma_fprop", "fp16")
    assert conv.output_shapes == "1x64x112x112"
    assert conv.mean_us == pytest.approx(28.8488)
    assert conv.fused_from == ("/conv1/Conv", "/relu/Relu")
    assert described["plain name"].unit == "GPU"


def test_openvino_averages_of_all_inferences_become_means_of_the_later_ones() -> None:
    """Real averages of a dense layer whose first inference took 7.9 ms: after 3, 6, 101 and 400 of them."""
    late = openvino.mean_between(2621, 3, 1310, 6)
    assert late == pytest.approx(0, abs=(3 + 6) / 3 / 2)
    assert openvino.mean_between(78, 101, 19, 400) == pytest.approx(0, abs=501 / 299 / 2)
    # 20 µs each, but 1000 µs at first: after 5 inferences 216, after 35 48.
    assert openvino.mean_between(216, 5, 48, 35) == pytest.approx(20, abs=40 / 30 / 2)
    assert openvino.mean_between(0, 5, 0, 35) == 0


def test_a_slow_first_inference_does_not_count_into_openvino_layers() -> None:
    class Info:
        def __init__(self, us: float) -> None:
            self.node_name, self.node_type, self.exec_type = "conv", "Convolution", "jit_avx2_f32"
            self.status, self.real_time = "Status.EXECUTED", timedelta(microseconds=int(us))

    class Session:
        """Counts as OpenVINO does: the average of all, cut to whole microseconds."""

        device = "CPU"

        def __init__(self) -> None:
            self.total, self.count = 0.0, 0

        def profile(self, feed: object) -> Session:
            return self

        def call(self) -> None:
            self.total += 20 if self.count else 5000
            self.count += 1

        @property
        def profiling_info(self) -> list[Info]:
            return [Info(self.total / self.count)]

    found = openvino.profile(Session(), ProfileRequest("", {}, {}, warmup=5, runs=30))
    (layer,) = found.layers
    assert layer.mean_us == pytest.approx(20, abs=0.7)
    assert (layer.count, layer.median_us, found.sums_us) == (30, None, ())
