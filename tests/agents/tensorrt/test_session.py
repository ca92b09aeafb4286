"""TensorRT sessions over stand-ins of the driver and of TensorRT: our own calls, in order, and our errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import cuda
from farm_agent.errors import FarmError, JobError
from farm_agent.runtimes import tensorrt
from tests.agents.tensorrt import parts


def open_one(tmp_path: Path, **facts: Any) -> tensorrt.Session:
    return tensorrt.Session(parts.module(), parts.cuda(tmp_path), parts.engine(**facts))


def refused(tmp_path: Path, data: bytes = b"", **facts: Any) -> FarmError:
    def use() -> None:
        session = tensorrt.Session(parts.module(), parts.cuda(tmp_path), data or parts.engine(**facts))
        session.bind({"x": np.zeros((1, 4), np.float32)})
        session.call()

    with pytest.raises(JobError) as caught:
        use()
    return caught.value


def test_arrays_go_to_the_gpu_and_come_back(tmp_path: Path) -> None:
    gpu = parts.cuda(tmp_path)
    before = parts.held(gpu)
    session = tensorrt.Session(parts.module(), gpu, parts.engine(shape=[1, 1000]), owns_gpu=True)
    assert [(spec.name, spec.dtype, spec.shape) for spec in session.inputs()] == [("x", "float32", (1, 1000))]
    given = np.linspace(-3, 3, 1000, dtype=np.float32).reshape(1, 1000)
    session.bind({"x": given})
    session.call()
    assert np.array_equal(session.fetch()["y"], 2 * given + 1)
    session.bind({"x": given[:, ::-1]})  # not contiguous
    session.call()
    assert np.array_equal(session.fetch()["y"], 2 * given[:, ::-1] + 1)
    session.close()
    assert parts.held(gpu) == before - 1  # the context that the session was given goes, too


def test_open_sizes_follow_what_is_bound_and_buffers_grow(tmp_path: Path) -> None:
    session = open_one(tmp_path, shape=[-1, 4])
    for batch in (2, 8, 3):
        given = np.full((batch, 4), batch, np.float32)
        session.bind({"x": given})
        session.call()
        assert np.array_equal(session.fetch()["y"], 2 * given + 1)


def test_int64_becomes_what_the_engine_takes(tmp_path: Path) -> None:
    session = open_one(tmp_path)
    session.bind({"x": np.arange(4).reshape(1, 4)})
    session.call()
    assert session.fetch()["y"].tolist() == [[1.0, 3.0, 5.0, 7.0]]


def test_an_int64_that_the_engine_s_type_cannot_hold_is_refused(tmp_path: Path) -> None:
    session = open_one(tmp_path, dtype="INT32")
    session.bind({"x": np.full((1, 4), 2**31 - 1)})
    with pytest.raises(JobError) as caught:
        session.bind({"x": np.full((1, 4), 2**31)})
    assert caught.value.code == "input.dtype"


def test_what_was_copied_has_arrived_when_the_copy_returns(tmp_path: Path) -> None:
    """The engine's stream waits for no copy."""
    gpu = parts.cuda(tmp_path)
    array = np.ones(4, np.float32)
    gpu.to_device(gpu.allocate(array.nbytes), array)
    assert gpu._lib.still_copying() == 0


def test_the_proof_is_the_engine_inspector_s(tmp_path: Path) -> None:
    proof = open_one(tmp_path).proof()
    assert proof is not None
    assert (proof.executed, proof.weighted, proof.weights) == ("fp32", {"fp32": 1}, {"fp32": 400})


def test_an_engine_that_does_not_load_is_none_and_becomes_an_error(tmp_path: Path) -> None:
    error = refused(tmp_path, b"no engine")
    assert error.code == "runtime.load-failed"
    assert "magicTag" in error.message


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"room": False}, "runtime.out-of-memory"),
        ({"runs": False}, "runtime.run-failed"),
        ({"dtype": "BF16"}, "model.unsupported-type"),
        ({"output_shape": [-1, 4]}, "runtime.unsupported-op"),
    ],
)
def test_what_cannot_run_has_a_type(tmp_path: Path, facts: dict[str, Any], code: str) -> None:
    assert refused(tmp_path, **facts).code == code


def test_nothing_is_called_before_inputs_are_bound(tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        open_one(tmp_path).call()
    assert caught.value.code == "input.missing"


def test_without_a_driver_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        cuda.Cuda("libcuda-of-nobody.so.1")
    assert caught.value.code == "runtime.device"
    parts.cuda(tmp_path)
    monkeypatch.setenv("CUDA_STAND_IN_NO_GPU", "1")
    with pytest.raises(JobError) as caught:
        parts.cuda(tmp_path)
    assert "no GPU" in caught.value.message


def test_the_gpu_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "version"
    told.write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build\nGCC version: 12\n"
    )
    monkeypatch.setattr(cuda, "KERNEL_DRIVER", told)
    assert parts.cuda(tmp_path).gpu() == cuda.Gpu("Stand-in GPU", "87", "550.54.15, CUDA 12.6")
    monkeypatch.setattr(cuda, "KERNEL_DRIVER", tmp_path / "absent")
    release = tmp_path / "release"
    release.write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n")
    monkeypatch.setattr(cuda, "TEGRA_RELEASE", release)
    assert cuda.kernel_release() == "R36.4.3"


def test_what_the_gpu_cannot_hold_and_a_broken_stream_are_typed(tmp_path: Path) -> None:
    gpu = parts.cuda(tmp_path)
    with pytest.raises(JobError) as caught:
        gpu.allocate(1 << 40)
    assert caught.value.code == "runtime.out-of-memory"
    with pytest.raises(JobError) as caught:
        gpu.synchronise(1)
    assert caught.value.code == "runtime.run-failed"
    assert "invalid resource handle" in caught.value.message


def test_probe_tells_that_it_is_not_installed() -> None:
    found = tensorrt.probe()
    assert not found.version
    assert "not installed" in found.unavailable
    assert found.fix


@pytest.mark.parametrize(
    ("version", "usable"), [("8.4.1.5", False), ("8.5.2.2", True), ("11.4.0", True), ("odd", False)]
)
def test_releases_before_8_5_are_refused(monkeypatch: pytest.MonkeyPatch, version: str, usable: bool) -> None:
    """They have another interface; their boards have a Python that is too old as well."""
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt", parts.module(version))
    if usable:
        assert tensorrt.load().__version__ == version
        return
    with pytest.raises(JobError) as caught:
        tensorrt.load()
    assert version in caught.value.message
