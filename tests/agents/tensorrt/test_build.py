"""Engines: which regime, what the builder is told, several builds, and when an engine is used again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farm_agent import build, engines, trt_build
from farm_agent.cuda import Gpu
from farm_agent.errors import FarmError
from farm_agent.messages.build import BuildPlan
from farm_agent.runtimes import tensorrt
from farm_agent.trt_build import Order
from farm_agent.wire import ArtifactSpec, Blob, TensorMap, TensorSpec
from tests.agents.tensorrt import parts
from tests.agents.tensorrt.parts import DataType, LayerType

ORIN = Gpu("Orin", "87", "R36.4.3, CUDA 12.6")
HALF = [(LayerType.CONVOLUTION, DataType.HALF)]
QDQ = [(LayerType.QUANTIZE, DataType.INT8), (LayerType.CONVOLUTION, DataType.FLOAT)]


def built(trt: Any, precision: str = "fp32", **order: Any) -> trt_build.Built:
    return trt_build.build(trt, Order("model.onnx", precision, **order))


def refused(trt: Any, precision: str = "fp32", **order: Any) -> FarmError:
    with pytest.raises(FarmError) as caught:
        built(trt, precision, **order)
    return caught.value


@pytest.mark.parametrize(
    ("major", "asked", "ways"),
    [
        (8, "", ("weak",)),
        (9, "", ("weak",)),
        (10, "", ("strong", "weak")),
        (10, "weak", ("weak",)),
        (10, "strong", ("strong",)),
        (11, "", ("strong",)),
        (12, "strong", ("strong",)),
    ],
)
def test_the_release_decides_how_an_engine_is_typed(major: int, asked: str, ways: tuple[str, ...]) -> None:
    assert trt_build.regimes(major, asked) == ways


@pytest.mark.parametrize(("major", "asked"), [(11, "weak"), (8, "strong")])
def test_a_regime_that_a_release_has_not_is_refused(major: int, asked: str) -> None:
    with pytest.raises(FarmError) as caught:
        trt_build.regimes(major, asked)
    assert caught.value.code == "build.no-regime"


@pytest.mark.parametrize(
    ("version", "precision", "graph", "typed", "flags"),
    [
        ("8.6.1", "fp32", None, "weak", set()),
        ("8.6.1", "fp16", None, "weak", {"FP16"}),
        ("8.6.1", "int8", QDQ, "weak", {"INT8"}),
        ("10.3.0", "fp16", None, "weak", {"FP16"}),  # an fp32 graph: the builder may use halves
        ("10.3.0", "fp16", HALF, "strong", set()),
        ("10.3.0", "int8", QDQ, "strong", set()),
        ("10.3.0", "fp32", None, "strong", set()),
        ("11.4.0", "fp16", HALF, "strong", set()),
    ],
)
def test_flags_belong_to_weak_typing_and_types_to_strong(
    version: str, precision: str, graph: Any, typed: str, flags: set[str]
) -> None:
    trt = parts.module(version, **({"graph": graph} if graph else {}))
    assert built(trt, precision).typed == typed
    assert trt.networks[-1] == typed
    assert trt.configs[-1].flags == flags
    assert trt.configs[-1].profiling_verbosity == "detailed"
    # TF32 would round fp32 products to 10 bits
    assert (trt.configs[-1].cleared == {"TF32"}) == (precision == "fp32")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_an_untyped_graph_does_not_become_a_silent_fp32_engine(precision: str) -> None:
    trt = parts.module("11.4.0")
    assert refused(trt, precision).code == "convert.precision"
    assert trt.built == 0


def test_open_sizes_get_one_profile_and_need_a_shape() -> None:
    trt = parts.module(input_shape=(-1, 4))
    built(trt, shapes={"x": (2, 4)})
    assert trt.configs[-1].profiles[0].shapes == {"x": ((2, 4), (2, 4), (2, 4))}
    assert refused(trt).code == "build.no-shape"
    fixed = parts.module()
    built(fixed)
    assert fixed.configs[-1].profiles == []


def test_the_builder_gets_workspace_and_numbers() -> None:
    trt = parts.module()
    built(trt, workspace_bytes=1 << 28, options={"optimization_level": "5"})
    assert trt.configs[-1].limits == {"workspace": 1 << 28}
    assert trt.configs[-1].builder_optimization_level == 5
    assert refused(trt, options={"optimization_level": "high"}).code == "convert.option"


def test_a_timing_cache_of_another_gpu_is_left_aside() -> None:
    assert built(parts.module(), timing_cache=b"ours").timing_cache == b"cache of ours"
    assert built(parts.module(), timing_cache=b"of another GPU").timing_cache == b"cache of nothing"


def test_the_calibrator_serves_graphs_without_qdq_in_weak_typing_alone() -> None:
    for version, graph, used in (("8.6.1", None, True), ("8.6.1", QDQ, False), ("10.3.0", QDQ, False)):
        trt = parts.module(version, **({"graph": graph} if graph else {}))
        trt_build.build(trt, Order("model.onnx", "int8"), calibrator="samples")
        assert (trt.configs[-1].int8_calibrator == "samples") is used


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (
            "Error Code 4: Internal Error (Could not find any implementation for node x)",
            "convert.unsupported",
        ),
        (
            "Cannot compile operation '/fc/Gemm' for Turing (SM75): FP32 GEMM is not supported",
            "convert.unsupported-op",
        ),
        ("Error Code 2: OutOfMemory (Requested size was 9000000000 bytes.)", "runtime.out-of-memory"),
    ],
)
def test_a_builder_that_gives_none_is_quoted(words: str, code: str) -> None:
    error = refused(parts.module(refuses=words))
    assert error.code == code
    assert words in error.message


def test_the_parser_is_quoted_with_node_and_operator() -> None:
    problem = SimpleNamespace(
        code=lambda: "ErrorCode.UNSUPPORTED_NODE",
        desc=lambda: "creator && Plugin not found",
        node_name=lambda: "magic",
        node_operator=lambda: "MyMagicOp",
    )
    old = SimpleNamespace(code=lambda: "ErrorCode.INVALID_GRAPH", desc=lambda: "no node to name")
    error = refused(parts.module(errors=[problem, old]))
    assert error.code == "convert.unsupported-op"
    assert (
        "UNSUPPORTED_NODE (MyMagicOp magic): creator && Plugin not found / INVALID_GRAPH: no" in error.message
    )


def request(tmp_path: Path, **changes: Any) -> build.BuildRequest:
    spec = TensorSpec("x", "float32", (1, 4))
    artifact = ArtifactSpec(
        "tensorrt", "fp32", (Blob("a" * 64, 3, "model.onnx"),), (TensorMap(spec, spec),), ()
    )
    folder = tmp_path / "artifact"
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(b"net")
    plan = BuildPlan("fp32", **changes)
    return build.BuildRequest(plan, artifact, str(folder), str(tmp_path), str(tmp_path / "engines"))


def test_one_build_is_kept_and_used_again_on_the_same_device_alone(tmp_path: Path) -> None:
    gpu, asked = parts.cuda(tmp_path), request(tmp_path)
    trt = parts.module("10.3.0")
    first = build.build(trt, gpu, asked).report
    assert first is not None
    assert (trt.built, first.reused, first.typed, first.layers) == (1, False, "strong", {"fp32": 1})
    assert "Stand-in GPU (sm87)" in first.device_class
    assert first.device_class.endswith("TensorRT 10.3.0")
    assert first.timing_cache is not None
    assert (tmp_path / first.timing_cache.name).read_bytes() == b"cache of nothing"
    engine = (tmp_path / "artifact" / build.ENGINE).read_bytes()

    (tmp_path / "artifact" / build.ENGINE).unlink()
    again = build.build(trt, gpu, asked).report
    assert again is not None
    assert (trt.built, again.reused) == (1, True)
    assert (tmp_path / "artifact" / build.ENGINE).read_bytes() == engine
    assert build.engine_artifact(asked.artifact, again).files == (first.engines[0].blob,)

    newer = parts.module("10.4.0")
    other = build.build(newer, gpu, asked).report
    assert other is not None
    assert (newer.built, other.reused) == (1, False)


def test_several_builds_are_timed_and_the_fastest_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each from nothing: with the timing cache of the first, the others would choose what it chose."""
    latencies = iter([300.0, 100.0, 200.0])
    monkeypatch.setattr(build, "_time", lambda *_: next(latencies))
    trt = parts.module()
    cache = tmp_path / "cache"
    cache.write_bytes(b"ours")
    asked = replace(request(tmp_path, builds=3), timing_cache_path=str(cache))
    report = build.build(trt, parts.cuda(tmp_path), asked).report
    assert report is not None
    assert [engine.latency_ns for engine in report.engines] == [300.0, 100.0, 200.0]
    assert report.chosen == 1
    assert b'"number": 2' in (tmp_path / "artifact" / build.ENGINE).read_bytes()
    assert {config.cache.data for config in trt.configs} == {b""}


def test_a_build_is_timed_by_running_it(tmp_path: Path) -> None:
    report = build.build(parts.module(), parts.cuda(tmp_path), request(tmp_path, builds=2)).report
    assert report is not None
    assert all(engine.latency_ns and engine.latency_ns > 0 for engine in report.engines)


def test_the_context_stays_as_long_as_it_is_worked_in(tmp_path: Path) -> None:
    """Builds and their timing share it: the first session that closes must not take it from the rest."""
    gpu = parts.cuda(tmp_path)
    before = parts.held(gpu)
    build.build(parts.module(), gpu, request(tmp_path, builds=4))
    assert parts.held(gpu) == before


@pytest.mark.parametrize("weights", [parts.LAYER["Weights"], None])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_builder_that_chose_floats_throughout_made_no_engine_of_that_name(
    tmp_path: Path, precision: str, weights: Any
) -> None:
    """Also where the inspector does not tell in what the weights are held."""
    trt = parts.module("8.6.1", layer={**parts.LAYER, "Weights": weights})
    asked = request(tmp_path)
    asked = replace(asked, plan=replace(asked.plan, precision=precision))
    with pytest.raises(FarmError) as caught:
        build.build(trt, parts.cuda(tmp_path), asked)
    assert caught.value.code == "check.precision"
    assert "1 fp32" in caught.value.message
    assert not (tmp_path / "engines").exists()


def test_more_builds_than_were_kept_are_built(tmp_path: Path) -> None:
    trt, gpu = parts.module(), parts.cuda(tmp_path)
    build.build(trt, gpu, request(tmp_path))
    build.build(trt, gpu, request(tmp_path, builds=2))
    assert trt.built == 3
    build.build(trt, gpu, request(tmp_path))
    assert trt.built == 3


@pytest.mark.parametrize("count", [0, 33])
def test_an_absurd_number_of_builds_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(FarmError) as caught:
        build.build(parts.module(), parts.cuda(tmp_path), request(tmp_path, builds=count))
    assert caught.value.code == "build.count"


def test_the_key_holds_what_an_engine_depends_on() -> None:
    kind = engines.device_class(ORIN, "10.3.0")
    plan = BuildPlan("fp16")
    keys = {
        engines.key_of("a" * 64, kind, plan),
        engines.key_of("b" * 64, kind, plan),
        engines.key_of(
            "a" * 64, engines.device_class(replace(ORIN, driver="R36.4.4, CUDA 12.6"), "10.3.0"), plan
        ),
        engines.key_of("a" * 64, engines.device_class(replace(ORIN, sm="86"), "10.3.0"), plan),
        engines.key_of("a" * 64, engines.device_class(ORIN, "10.4.0"), plan),
        engines.key_of("a" * 64, kind, BuildPlan("int8")),
        engines.key_of("a" * 64, kind, replace(plan, workspace_bytes=1)),
        engines.key_of("a" * 64, kind, replace(plan, calibration=Blob("c" * 64, 1, "c.npz"))),
        engines.key_of("a" * 64, kind, replace(plan, options={"typing": "weak"})),
    }
    assert len(keys) == 9
    assert engines.key_of("a" * 64, kind, replace(plan, timing_cache=Blob("d" * 64, 1, "t"))) in keys


@pytest.mark.parametrize("damage", ["engine", "report", "gone"])
def test_a_damaged_engine_is_built_again(tmp_path: Path, damage: str) -> None:
    trt, gpu = parts.module(), parts.cuda(tmp_path)
    build.build(trt, gpu, request(tmp_path))
    (entry,) = (tmp_path / "engines").iterdir()
    if damage == "gone":
        (entry / build.ENGINE).unlink()
    else:
        (entry / (build.ENGINE if damage == "engine" else engines.REPORT)).write_bytes(b"x")
    build.build(trt, gpu, request(tmp_path))
    assert trt.built == 2


def test_the_oldest_engines_go_first(tmp_path: Path) -> None:
    import os

    store = engines.Store(tmp_path / "engines")
    for age, name in enumerate("cab"):
        (tmp_path / "engines" / name).mkdir(parents=True)
        (tmp_path / "engines" / name / "model.engine").write_bytes(b"x" * 100)
        os.utime(tmp_path / "engines" / name, (1000 + age, 1000 + age))
    assert store.trim(250) == 100
    assert sorted(path.name for path in (tmp_path / "engines").iterdir()) == ["a", "b"]


def test_a_machine_without_tensorrt_says_so(tmp_path: Path) -> None:
    with pytest.raises(FarmError) as caught:
        tensorrt.open(str(tmp_path / "model.engine"), {})
    assert caught.value.code == "runtime.missing"
