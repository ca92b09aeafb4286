"""What is kept of a result, and taking it out again."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from farm_agent import codec
from farm_agent.errors import FarmError
from farm_agent.wire import Blob, Dataset, Golden, JobSpec, Tolerance
from farm_results.model import Result
from farm_results.storage.kept import keep, kept_of
from farm_results.storage.objects import Objects
from tests.results.made import result, spec


def part(folder: Path, name: str, data: bytes) -> tuple[Blob, Path]:
    path = folder / name
    path.write_bytes(data)
    return Blob(hashlib.sha256(data).hexdigest(), len(data), name), path


def made(folder: Path) -> tuple[Result, JobSpec, list[tuple[Blob, Path]]]:
    """A result whose job had an artifact of two files, golden data and a data set."""
    names = ("model.onnx", "model.data", "golden.npz", "data.npz")
    parts = [part(folder, name, name.encode() * 9) for name in names]
    blobs = [blob for blob, _ in parts]
    job = spec()
    job = replace(
        job,
        artifact=replace(job.artifact, files=tuple(blobs[:2])),
        golden=Golden(blobs[2], 2, Tolerance(1e-6, 1e-6)),
        dataset=Dataset(blobs[3], "digits"),
    )
    document = {"spec": codec.encode(job), "artifact": {"toolchain": {"onnx": "1.2"}}}
    return replace(result(), status="ok", document=document), job, parts


def test_a_result_can_be_measured_again(tmp_path: Path) -> None:
    one, job, parts = made(tmp_path)
    objects = Objects(tmp_path / "objects")
    there = keep(objects, job, parts)
    assert there == tuple(blob.sha256 for blob, _ in parts[:3])
    # What was there for long counts as new from now on: no sweep may take it before the row is stored.
    for sha256 in there:
        os.utime(objects.path_of(sha256), (1.0, 1.0))
    assert keep(objects, job, parts) == there
    assert all(objects.path_of(sha256).stat().st_mtime > 1.0 for sha256 in there)
    assert not objects.claim("f" * 64)
    for _, path in parts:
        path.unlink()
    kept = kept_of(objects, one)
    assert kept.spec == job
    assert kept.artifact == {"toolchain": {"onnx": "1.2"}}
    assert {blob.name: path.read_bytes() for blob, path in kept.parts} == {
        name: name.encode() * 9 for name in ("model.onnx", "model.data", "golden.npz")
    }


def test_a_file_that_is_gone_or_changed_costs_the_artifact_only(tmp_path: Path) -> None:
    one, job, parts = made(tmp_path)
    objects = Objects(tmp_path / "objects")
    parts[0][1].write_bytes(b"another model by now")
    parts[1][1].unlink()
    assert keep(objects, job, parts) == (parts[2][0].sha256,)
    with pytest.raises(FarmError) as caught:
        kept_of(objects, one)
    assert (caught.value.code, "model.onnx" in caught.value.message) == ("ab.not-kept", True)


def test_a_file_that_rotted_in_the_store_is_not_measured(tmp_path: Path) -> None:
    one, job, parts = made(tmp_path)
    objects = Objects(tmp_path / "objects")
    keep(objects, job, parts)
    stored = objects.path_of(parts[0][0].sha256)
    stored.chmod(0o644)
    stored.write_bytes(b"rot")
    with pytest.raises(FarmError) as caught:
        kept_of(objects, one)
    assert caught.value.code == "store.object-corrupt"


@pytest.mark.parametrize("document", [{}, {"spec": {"job_id": 7}}, {"spec": "text"}])
def test_a_result_that_does_not_say_what_it_measured(tmp_path: Path, document: dict[str, object]) -> None:
    one, _, _ = made(tmp_path)
    for broken in (replace(one, document=document), replace(one, status="failed")):
        with pytest.raises(FarmError) as caught:
            kept_of(Objects(tmp_path / "objects"), broken)
        assert caught.value.code == "ab.not-kept"
