"""Every kind of bad file gets its own typed error; a good one is described."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from farm_agent.errors import FarmError, UsageError
from farm_converters.inspect import inspect_model
from tests.converters import made
from tests.support import disk_of


def refusal(path: Path) -> FarmError:
    with pytest.raises(FarmError) as caught:
        inspect_model(path)
    assert caught.value.fix
    return caught.value


def test_a_model_is_described(tmp_path: Path) -> None:
    model = inspect_model(made.conv(tmp_path / "net.onnx", batch="N"))
    assert model.name == "net"
    assert [(i.name, i.dtype, i.shape) for i in model.inputs] == [("image", "float32", ("N", 3, 8, 8))]
    assert model.outputs[0].shape == ("N", 4, 8, 8)
    assert model.operators == {"Conv": 1, "Relu": 1}
    assert model.parameters == 4 * 3 * 3 * 3
    assert model.opsets == {"ai.onnx": 17}


def test_a_full_folder_for_temporary_files_is_the_machine_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made.conv(tmp_path / "net.onnx")
    with disk_of(tmp_path / "temporary", 1) as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        assert refusal(path).code == "host.disk-full"


def test_the_hash_is_the_file_s_own_without_external_data(tmp_path: Path) -> None:
    import hashlib

    path = made.conv(tmp_path / "net.onnx")
    assert inspect_model(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_hash_covers_external_data(tmp_path: Path) -> None:
    path = made.external(tmp_path / "net.onnx", "w.bin")
    (tmp_path / "w.bin").write_bytes(bytes(16))
    before = inspect_model(path)
    (tmp_path / "w.bin").write_bytes(bytes(15) + b"\x01")
    assert inspect_model(path).sha256 != before.sha256
    assert before.size_bytes == path.stat().st_size + 16


@pytest.mark.parametrize("name", ["-1", "?"])
def test_a_dimension_called_minus_one_is_a_nameless_free_one(tmp_path: Path, name: str) -> None:
    assert inspect_model(made.conv(tmp_path / "net.onnx", batch=name)).inputs[0].shape[0] is None


def test_unsorted_nodes_are_only_a_caveat(tmp_path: Path) -> None:
    assert any("sorted" in caveat for caveat in inspect_model(made.unsorted(tmp_path / "net.onnx")).caveats)


CONTENTS = {
    "empty": (b"", "model.empty", ""),
    "text": (b"hello, this is no model\n" * 20, "model.not-onnx", "text"),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "model.not-onnx", "HTML"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "model.not-onnx", "LFS"),
    "zip": (b"PK\x03\x04" + bytes(60), "model.not-onnx", "zip"),
    "tflite": (b"\x1c\x00\x00\x00TFL3" + bytes(60), "model.invalid", "no graph"),
    "random": (bytes(range(255, 0, -1)) * 9, "model.corrupt", ""),
    "zeros": (bytes(4096), "model.corrupt", ""),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_file_that_is_no_model_says_what_it_looks_like(tmp_path: Path, kind: str) -> None:
    content, code, word = CONTENTS[kind]
    (tmp_path / "net.onnx").write_bytes(content)
    error = refusal(tmp_path / "net.onnx")
    assert error.code == code
    assert word in error.message


def test_a_truncated_model_is_corrupt(tmp_path: Path) -> None:
    path = made.conv(tmp_path / "net.onnx")
    path.write_bytes(path.read_bytes()[:-40])
    assert refusal(path).code == "model.corrupt"


def test_missing_folder_and_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    assert refusal(tmp_path / "none.onnx").code == "model.missing"
    assert refusal(tmp_path).code == "model.not-onnx"
    assert refusal(tmp_path / "pipe.onnx").code == "model.not-onnx"


def test_a_file_beyond_the_limit_is_refused_without_reading(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with path.open("wb") as file:
        file.truncate(3_000_000_000)
    assert refusal(path).code == "model.too-large"


def test_an_operator_nobody_has_is_named_with_its_domain(tmp_path: Path) -> None:
    error = refusal(made.custom(tmp_path / "net.onnx"))
    assert error.code == "model.unsupported-op"
    assert "MagicOp" in error.message
    assert "com.acme" in error.message


@pytest.mark.parametrize("dtype", ["string", "bfloat16", "float8"])
def test_a_type_that_numpy_cannot_hold_is_refused_by_name(tmp_path: Path, dtype: str) -> None:
    error = refusal(made.identity(tmp_path / "net.onnx", dtype))
    assert error.code == "model.unsupported-type"
    assert dtype in error.message


def test_a_graph_that_does_not_fit_together_is_invalid(tmp_path: Path) -> None:
    from onnx import helper

    node = helper.make_node("Relu", ["nowhere"], ["y"])
    path = made.save(tmp_path / "net.onnx", [node], [made.value("x", [1])], [made.value("y", [1])])
    assert refusal(path).code == "model.invalid"


def outside(folder: Path) -> str:
    return "../secret.bin"


def absolute(folder: Path) -> str:
    return str(folder.parent / "secret.bin")


def symbolic(folder: Path) -> str:
    (folder / "w.bin").symlink_to(folder.parent / "secret.bin")
    return "w.bin"


def linked_folder(folder: Path) -> str:
    (folder / "sub").symlink_to(folder.parent)
    return "sub/secret.bin"


def hard(folder: Path) -> str:
    os.link(folder.parent / "secret.bin", folder / "w.bin")
    return "w.bin"


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "w.bin")
    return "w.bin"


def device(_folder: Path) -> str:
    return "/dev/zero"


@pytest.mark.parametrize("escape", [outside, absolute, symbolic, linked_folder, hard, pipe, device])
def test_external_data_outside_the_folder_are_refused(tmp_path: Path, escape: Callable[[Path], str]) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    folder = tmp_path / "model"
    folder.mkdir()
    error = refusal(made.external(folder / "net.onnx", escape(folder)))
    assert error.code == "model.external-data-escape"


@pytest.mark.skipif(sys.platform != "linux", reason="strace is of Linux")
def test_external_data_outside_the_folder_are_never_opened(tmp_path: Path) -> None:
    """The file's access time would move if anyone had read it."""
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(16))
    os.utime(secret, ns=(1, 10**18))  # an old access time is updated by the next read, also with relatime
    folder = tmp_path / "model"
    folder.mkdir()
    refusal(made.external(folder / "net.onnx", "../secret.bin"))
    assert secret.stat().st_atime_ns == 1


def test_external_data_missing_or_short(tmp_path: Path) -> None:
    path = made.external(tmp_path / "net.onnx", "w.bin")
    assert refusal(path).code == "model.external-data-missing"
    (tmp_path / "w.bin").write_bytes(bytes(8))
    assert refusal(path).code == "model.external-data-truncated"


def test_external_data_in_a_subfolder_are_fine(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(bytes(16))
    assert inspect_model(made.external(tmp_path / "net.onnx", "data/w.bin")).inputs[0].name == "x"


def test_the_process_that_asks_imports_neither_onnx_nor_onnxruntime(tmp_path: Path) -> None:
    import subprocess

    path = made.conv(tmp_path / "net.onnx")
    code = (
        "import sys\nfrom pathlib import Path\nfrom farm_converters.inspect import inspect_model\n"
        f"inspect_model(Path({str(path)!r}))\n"
        "import farm_converters.convert, farm_converters.shapes\n"
        "print([m for m in ('onnx', 'onnxruntime', 'onnxslim', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_usage_errors_are_usage_errors(tmp_path: Path) -> None:
    assert isinstance(refusal(tmp_path / "none.onnx"), UsageError)
