"""``farm inspect`` and ``farm convert`` on real networks."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import farm.cli
from farm.sample import sample_model
from tests.farm.networks import conv_net, save
from tests.support import need

Streams = pytest.CaptureFixture[str]


def facts(text: str) -> dict[str, str]:
    """The rows of a two-column TSV."""
    return dict(line.split("\t", 1) for line in text.splitlines())


def determinant(path: Path) -> Path:
    """A network that ONNX Runtime runs and OpenVINO does not know."""
    return save(
        path,
        helper.make_graph(
            [helper.make_node("Det", ["x"], ["y"])],
            "determinant",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 3])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
        ),
    )


def test_inspect_says_what_the_sample_is(capsys: Streams) -> None:
    """Inputs, outputs, operators, parameters and the formats it can become."""
    assert farm.cli.main(["inspect", str(sample_model())]) == 0

    seen = facts(capsys.readouterr().out)
    assert seen["input"] == "image  float32  1x1x8x8"
    assert seen["output"] == "scores  float32  1x10"
    assert seen["parameters"] == "22954"
    assert seen["operators"].startswith("Relu 4, Conv 3")
    assert "openvino" in seen["converts to"]
    assert seen["shapes"] == "fixed; no --shape is needed"


def test_inspect_says_which_shape_is_needed(tmp_path: Path, capsys: Streams) -> None:
    """A free dimension comes with the option that fixes it."""
    path = conv_net(tmp_path / "net.onnx", batch="n")

    assert farm.cli.main(["inspect", str(path), "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["inputs"][0]["shape"] == ["n", 1, 8, 8]
    assert "--batch 1" in document["needed_shapes"]


@pytest.mark.parametrize(("content", "code"), [(b"", "model.empty"), (b"hello world\n", "model.not-onnx")])
def test_inspect_refuses_what_is_no_model(tmp_path: Path, content: bytes, code: str, capsys: Streams) -> None:
    """With a typed error on stderr and exit code 2."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    assert farm.cli.main(["inspect", str(path)]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error[{code}]: ")
    assert "fix: " in err


def converted(capsys: Streams, *arguments: str) -> list[dict[str, Any]]:
    """What ``farm convert --json`` says."""
    farm.cli.main(["convert", "--json", *arguments])
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["conversions"]
    return found


@pytest.mark.usefixtures("own_cache")
def test_convert_checks_its_artifact_and_caches_it(capsys: Streams) -> None:
    """The second time nothing is converted, and the artifact is the same."""
    (first,) = converted(capsys, str(sample_model()), "--to", "onnx")
    (second,) = converted(capsys, str(sample_model()), "--to", "onnx")

    assert (first["state"], second["state"]) == ("converted", "cached")
    assert first["artifact"] == second["artifact"]
    assert first["check"]["passed"] is True
    assert first["check"]["max_abs_error"] < 1e-4


def test_convert_writes_copies_that_run(tmp_path: Path, capsys: Streams) -> None:
    """--out holds whole files that their runtime loads."""
    (done,) = converted(capsys, str(sample_model()), "--to", "onnx", "--out", str(tmp_path / "out"))

    (path,) = map(Path, done["paths"])
    assert path.parent == tmp_path / "out" / "digits-onnx-fp32"
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    session = onnxruntime.InferenceSession(path)
    assert session.run(None, {"image": np.zeros((1, 1, 8, 8), np.float32)})[0].shape == (1, 10)


def test_one_failed_format_leaves_the_others(tmp_path: Path, capsys: Streams) -> None:
    """Exit code 3, the reason typed, the other artifact there."""
    need(importlib.util.find_spec("openvino"), "openvino is not installed")
    path = determinant(tmp_path / "det.onnx")

    assert farm.cli.main(["convert", str(path), "--to", "onnx,openvino"]) == 3

    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0][:3] == ["format", "precision", "state"]
    assert rows[1][:3] == ["onnx", "fp32", "converted"]
    assert rows[2][:3] == ["openvino", "fp32", "failed"]
    assert "error[convert.unsupported-op]" in err


def test_tensorrt_says_that_the_device_builds_it(capsys: Streams) -> None:
    """The edge exists; what is made here is only prepared."""
    (done,) = converted(capsys, str(sample_model()), "--to", "tensorrt")

    assert (done["state"], done["where"]) == ("prepared", "device")


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ([], "model.free-dimensions"),
        (["--shape", "image:1x1x8"], "model.shape-mismatch"),
        (["--shape", "imgae:1x1x8x8"], "model.unknown-input"),
        (["--batch", "1", "--inputs", "absent.npz"], "inputs.unreadable"),
    ],
)
def test_convert_refuses_wrong_shapes_and_inputs(
    tmp_path: Path, extra: list[str], code: str, capsys: Streams
) -> None:
    """They concern every format, so nothing starts."""
    path = conv_net(tmp_path / "net.onnx", batch="n")

    assert farm.cli.main(["convert", str(path), "--to", "onnx", *extra]) == 2

    assert f"error[{code}]: " in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, capsys: Streams) -> None:
    """--out below a file."""
    (tmp_path / "file").write_text("")

    assert (
        farm.cli.main(["convert", str(sample_model()), "--to", "onnx", "--out", str(tmp_path / "file")]) == 3
    )

    assert "error[host.not-writable]: " in capsys.readouterr().err


def test_the_sample_is_a_valid_model() -> None:
    """The bundled file passes ONNX's own checks and stays small."""
    model = onnx.load(sample_model())
    onnx.checker.check_model(model, full_check=True)

    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    assert sample_model().stat().st_size < 200_000
