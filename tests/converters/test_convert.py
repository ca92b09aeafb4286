"""Conversions on the ONNX edge with real libraries: checked, cached, shared, and failing with a type."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from farm_agent.errors import FarmError, JobError, UsageError
from farm_converters import cache, edges, golden
from farm_converters.convert import cache_key, convert, is_cached, where
from farm_converters.model import Model
from farm_converters.recipe import PRECISIONS, Artifact, Recipe
from tests.converters import made

EDGE = """
import os, time
from pathlib import Path

WHERE, ENVIRONMENT, RUNTIME = "host", "onnx", "onnxruntime"
RUNGS = {"fp32": ("only",)}

def convert(request, workdir):
    ACTION
    out = workdir / "out"
    out.mkdir()
    (out / "model.onnx").write_bytes(Path(request["model"]).read_bytes())
    return {"files": ["model.onnx"], "caveats": [],
            "inputs": [{**item, "permutation": None} for item in request["inputs"]],
            "outputs": [{"name": item["name"], "permutation": None} for item in request["outputs"]]}
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def injected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """An edge whose convert first does what the text says."""

    def make(action: str) -> Any:
        folder = tmp_path / "odd_edges"
        folder.mkdir()
        path = folder / "onnx_to_onnx.py"
        path.write_text(EDGE.replace("ACTION", action))
        spec = importlib.util.spec_from_file_location("odd_edges.onnx_to_onnx", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return make


def run(model: Model, store: Path, recipe: Recipe | None = None, **options: Any) -> Artifact:
    return convert(
        model, recipe or Recipe("onnx"), store, report=options.pop("report", made.quiet), **options
    )


def failure(model: Model, store: Path, recipe: Recipe | None = None, **options: Any) -> FarmError:
    with pytest.raises(FarmError) as caught:
        run(model, store, recipe, **options)
    return caught.value


def outputs_of(artifact: Artifact) -> list[Any]:
    """What the artifact gives for golden sample 0."""
    import onnxruntime as ort

    assert artifact.golden_path is not None
    session = ort.InferenceSession(str(artifact.paths[0]), providers=["CPUExecutionProvider"])
    with np.load(artifact.golden_path, allow_pickle=False) as data:
        feed = {node.name: data[f"in.0.{i}"] for i, node in enumerate(session.get_inputs())}
        outputs: list[Any] = session.run(None, feed)
        return outputs


def test_a_conversion_is_run_and_compared(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    artifact = run(model, store)
    assert artifact.check is not None
    assert artifact.check.passed
    assert artifact.check.samples == 2
    assert artifact.check.max_reference > 0.1
    assert [path.name for path in artifact.paths] == ["model.onnx"]
    assert artifact.spec.outputs[0].source.shape == (1, 4, 8, 8)
    assert not artifact.cached
    assert artifact.toolchain["onnxruntime"]


def test_the_golden_file_holds_the_source_model_s_own_outputs(tmp_path: Path, store: Path) -> None:
    import onnxruntime as ort

    path = made.two_inputs(tmp_path / "net.onnx")
    artifact = run(made.inspected(path), store)
    assert artifact.golden is not None
    assert artifact.golden_path is not None
    assert cache.blob_of(artifact.golden_path).sha256 == artifact.golden.blob.sha256
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with np.load(artifact.golden_path, allow_pickle=False) as data:
        for k in range(artifact.golden.samples):
            a, b = data[f"in.{k}.0"], data[f"in.{k}.1"]
            assert -1 <= a.min() <= a.max() <= 1
            want = session.run(["sum", "difference"], {"a": a, "b": b})
            np.testing.assert_array_equal(data[f"out.{k}.0"], want[0])
            np.testing.assert_array_equal(data[f"out.{k}.1"], want[1])
        assert not np.array_equal(data["in.0.0"], data["in.1.0"])


def test_free_dimensions_are_fixed_in_the_artifact(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.embedding(tmp_path / "net.onnx"))
    artifact = run(model, store, Recipe("onnx", shapes={"ids": (2, 7)}))
    assert artifact.spec.inputs[0].source.dtype == "int64"
    assert artifact.spec.outputs[0].artifact.shape == (2, 7, 6)
    assert made.inspected(artifact.paths[0]).inputs[0].shape == (2, 7)


def test_without_shapes_free_dimensions_are_an_error(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.embedding(tmp_path / "net.onnx"))
    assert failure(model, store).code == "model.free-dimensions"


def test_unsorted_nodes_old_files_and_control_flow(tmp_path: Path, store: Path) -> None:
    assert run(made.inspected(made.unsorted(tmp_path / "a.onnx")), store).check is not None
    artifact = run(made.inspected(made.branch(tmp_path / "b.onnx")), store)
    assert artifact.spec.inputs[0].source.shape == ()


def test_fp16_weighs_half_and_keeps_the_interface(tmp_path: Path, store: Path) -> None:
    path = made.save(
        tmp_path / "net.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [made.value("x", [1, 64])],
        [made.value("y", [1, 64])],
        [made.weights("w", 64, 64)],
    )
    model = made.inspected(path)
    artifact = run(model, store, Recipe("onnx", "fp16"))
    assert artifact.size_bytes < 0.6 * run(model, store).size_bytes
    assert artifact.spec.inputs[0].artifact.dtype == "float32"
    assert artifact.golden is not None
    assert artifact.golden.tolerance.rtol == 2e-2


def test_artifacts_tell_nothing_of_where_they_were_made(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    assert str(tmp_path).encode() not in run(model, store).paths[0].read_bytes()


def test_external_data_are_taken_in(tmp_path: Path, store: Path) -> None:
    path = made.external(tmp_path / "net.onnx", "w.bin")
    (tmp_path / "w.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    artifact = run(made.inspected(path), store)
    (tmp_path / "w.bin").unlink()
    assert outputs_of(artifact)[0].shape == (4,)


def test_a_second_run_converts_nothing(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    assert not is_cached(model, Recipe("onnx"), store)
    first = run(model, store)
    assert is_cached(model, Recipe("onnx"), store)
    said: list[str] = []
    again = run(model, store, report=said.append)
    assert again.cached
    assert said == []
    assert (again.spec, again.check, again.golden) == (first.spec, first.check, first.golden)


def test_the_same_conversion_elsewhere_gives_the_same_bytes(tmp_path: Path) -> None:
    first = run(made.inspected(made.conv(tmp_path / "a.onnx")), tmp_path / "one")
    other = run(made.inspected(made.conv(tmp_path / "b.onnx")), tmp_path / "two")
    assert first.key == other.key
    assert first.spec == other.spec
    assert first.golden == other.golden


def test_everything_asked_for_is_in_the_key(tmp_path: Path) -> None:
    model = made.inspected(made.embedding(tmp_path / "net.onnx"))
    recipe = Recipe("onnx", shapes={"ids": (1, 4)})
    other = made.inspected(made.conv(tmp_path / "other.onnx"))
    keys = {
        cache_key(model, recipe),
        cache_key(model, replace(recipe, seed=1)),
        cache_key(model, replace(recipe, precision="fp16")),
        cache_key(model, replace(recipe, format="openvino")),
        cache_key(model, replace(recipe, shapes={"ids": (1, 5)})),
        cache_key(model, replace(recipe, inputs_sha256="1" * 64)),
        cache_key(model, replace(recipe, exclude=("op:Gather",))),
        cache_key(model, replace(recipe, options={"activations": "s8"})),
        cache_key(other, Recipe("onnx")),
    }
    assert len(keys) == 9


@pytest.mark.parametrize("damage", ["flip", "cut", "index", "golden"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, store: Path, damage: str) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    first = run(model, store)
    assert first.golden_path is not None
    victim = {"index": first.paths[0].with_name(cache.INDEX), "golden": first.golden_path}.get(
        damage, first.paths[0]
    )
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.write_bytes(content[:-9] if damage in ("cut", "index") else content)
    again = run(model, store)
    assert again.spec == first.spec
    assert cache.blob_of(again.paths[0]).sha256 == first.spec.files[0].sha256
    assert again.golden_path is not None
    assert again.golden is not None
    assert cache.blob_of(again.golden_path).sha256 == again.golden.blob.sha256


def test_two_at_once_convert_once(tmp_path: Path, store: Path, injected: Callable[[str], Any]) -> None:
    """Each conversion leaves a mark; with two callers of one key there is one mark and one waits."""
    marks = tmp_path / "marks"
    marks.mkdir()
    edge = injected(f"time.sleep(1); (Path({str(marks)!r}) / str(os.getpid())).touch()")
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    run(model, store)  # the reference is there
    with ThreadPoolExecutor(3) as pool:
        artifacts = list(pool.map(lambda _: run(model, store, edge=edge), range(3)))
    assert len(list(marks.iterdir())) == 1
    assert sorted(artifact.cached for artifact in artifacts) == [False, True, True]


def test_two_models_convert_side_by_side(tmp_path: Path, store: Path, injected: Callable[[str], Any]) -> None:
    """Each conversion waits until both run."""
    meet = tmp_path / "meet"
    meet.mkdir()
    action = (
        f"(Path({str(meet)!r}) / str(os.getpid())).touch()\n"
        f"    while len(list(Path({str(meet)!r}).iterdir())) < 2: time.sleep(0.02)"
    )
    edge = injected(action)
    models = [
        made.inspected(made.two_inputs(tmp_path / "a.onnx")),
        made.inspected(made.conv(tmp_path / "b.onnx")),
    ]
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(lambda model: run(model, store, edge=edge, timeout_s=60), models))) == 2


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
    tmp_path: Path, store: Path, injected: Callable[[str], Any], action: str, code: str
) -> None:
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    error = failure(model, store, edge=injected(action), timeout_s=6.0)
    assert isinstance(error, JobError)
    assert error.code == code
    assert list((store / "work").iterdir()) == []


def test_wrong_numbers_are_a_mismatch_and_are_not_cached(
    tmp_path: Path, store: Path, injected: Callable[[str], Any]
) -> None:
    wrong = made.save(
        tmp_path / "wrong.onnx",
        [helper.make_node(op, ["a", "b"], [out]) for op, out in (("Mul", "sum"), ("Sub", "difference"))],
        [made.value("a", [1, 4]), made.value("b", [1, 4])],
        [made.value("sum", [1, 4]), made.value("difference", [1, 4])],
    )
    edge = injected(f"request = {{**request, 'model': {str(wrong)!r}}}")
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    for _ in range(2):
        error = failure(model, store, edge=edge)
        assert error.code == "convert.mismatch"
        assert "is allowed" in error.message


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


def test_infinite_and_undefined_outputs_are_compared_too(tmp_path: Path, store: Path) -> None:
    nodes = [
        helper.make_node("Sub", ["x", "x"], ["zero"]),
        helper.make_node("Div", ["x", "zero"], ["y"]),
    ]
    path = made.save(tmp_path / "net.onnx", nodes, [made.value("x", [3])], [made.value("y", [3])])
    artifact = run(made.inspected(path), store)
    assert not np.isfinite(outputs_of(artifact)[0]).any()


def test_a_model_without_inputs(tmp_path: Path, store: Path) -> None:
    node = helper.make_node("Relu", ["w"], ["y"])
    path = made.save(tmp_path / "net.onnx", [node], [], [made.value("y", [2, 2])], [made.weights("w", 2, 2)])
    artifact = run(made.inspected(path), store)
    assert artifact.golden is not None
    assert artifact.golden.samples == 1


def test_a_large_output_keeps_one_sample(tmp_path: Path, store: Path) -> None:
    size = golden_bytes() // 4
    path = made.save(
        tmp_path / "net.onnx",
        [helper.make_node("Neg", ["x"], ["y"])],
        [made.value("x", [size])],
        [made.value("y", [size])],
    )
    artifact = run(made.inspected(path), store)
    assert artifact.golden is not None
    assert artifact.golden.samples == 1


def golden_bytes() -> int:
    from farm_converters import golden_onnx

    return golden_onnx.SMALL_BYTES // 2


def test_the_user_s_inputs_are_used(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    a = np.arange(12, dtype=np.float32).reshape(3, 1, 4)
    np.savez(tmp_path / "mine.npz", a=a, b=a * 2)
    artifact = run(model, store, Recipe("onnx", inputs_path=tmp_path / "mine.npz"))
    assert artifact.golden is not None
    assert artifact.golden.samples == 3
    assert artifact.golden_path is not None
    with np.load(artifact.golden_path, allow_pickle=False) as data:
        np.testing.assert_array_equal(data["out.2.0"], a[2] * 3)


GOOD = np.zeros((1, 4), np.float32)


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"a": GOOD}, "inputs.names"),
        ({"a": GOOD, "b": GOOD, "c": GOOD}, "inputs.names"),
        ({"a": GOOD, "b": GOOD.astype(np.float64)}, "inputs.dtype"),
        ({"a": GOOD, "b": np.zeros((1, 5), np.float32)}, "inputs.shape"),
        ({"a": np.zeros((2, 1, 4), np.float32), "b": np.zeros((3, 1, 4), np.float32)}, "inputs.shape"),
        ({"a": GOOD, "b": np.array([[None] * 4])}, "inputs.unreadable"),
    ],
    ids=["missing", "extra", "dtype", "shape", "counts", "pickle"],
)
def test_inputs_that_do_not_fit_are_typed_errors(
    tmp_path: Path, store: Path, arrays: dict[str, Any], code: str
) -> None:
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    np.savez(tmp_path / "mine.npz", **arrays)
    error = failure(model, store, Recipe("onnx", inputs_path=tmp_path / "mine.npz"))
    assert isinstance(error, UsageError)
    assert error.code == code


def test_inputs_that_are_no_npz_or_not_there(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    (tmp_path / "mine.npz").write_text("text")
    assert (
        failure(model, store, Recipe("onnx", inputs_path=tmp_path / "mine.npz")).code == "inputs.unreadable"
    )
    assert failure(model, store, Recipe("onnx", inputs_path=tmp_path / "none.npz")).code == "inputs.missing"


def test_tensorrt_is_prepared_here_and_built_on_the_device(tmp_path: Path, store: Path) -> None:
    artifact = run(made.inspected(made.conv(tmp_path / "net.onnx")), store, Recipe("tensorrt"))
    assert (artifact.where, artifact.check, where("onnx", "tensorrt")) == ("device", None, "device")
    assert artifact.paths[0].name == "model.onnx"


def test_every_edge_keeps_the_contract() -> None:
    assert set(edges.edges()) >= {"onnx_to_onnx", "onnx_to_openvino", "onnx_to_tflite", "onnx_to_tensorrt"}
    for name in edges.edges():
        source, target = name.split("_to_")
        edge = edges.load(source, target)
        assert edge.WHERE in ("host", "device")
        assert set(edge.RUNGS) <= set(PRECISIONS)
        assert all(edge.RUNGS.values())
        assert callable(vars(sys.modules[edge.__name__])["convert"])


def test_an_unknown_target_names_the_known_ones(tmp_path: Path, store: Path) -> None:
    error = failure(made.inspected(made.conv(tmp_path / "net.onnx")), store, Recipe("coreml"))
    assert error.code == "convert.no-edge"
    assert "openvino" in error.message


def test_a_cache_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    (tmp_path / "file").write_text("in the way")
    assert failure(model, tmp_path / "file" / "cache").code == "host.cache-unwritable"


def test_a_waiting_caller_says_so(tmp_path: Path, store: Path) -> None:
    from farm_converters.lock import held

    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    lock = store / "sources" / f"{golden.key_of(model, Recipe('onnx', shapes={'image': (1, 3, 8, 8)}))}.lock"
    heard = threading.Event()

    def listen(text: str) -> None:
        if text.startswith("waiting"):
            heard.set()

    with ThreadPoolExecutor(1) as pool:
        with held(lock, report=made.quiet, what="the test"):
            future = pool.submit(run, model, store, report=listen)
            assert heard.wait(60)
        assert future.result(timeout=120).check is not None


def test_an_index_with_foreign_fields_is_not_trusted(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    first = run(model, store)
    index = first.paths[0].with_name(cache.INDEX)
    data = json.loads(index.read_text())
    data["spec"]["files"] = "everything"
    index.write_text(json.dumps(data))
    assert run(model, store).spec == first.spec
    shutil.rmtree(store)
