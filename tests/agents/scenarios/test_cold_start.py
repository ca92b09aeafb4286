"""Cold start: the page cache in the state asked for, and the state that was really seen."""

from __future__ import annotations

import os
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farm_agent import pagecache
from farm_agent.errors import JobError
from farm_agent.scenarios import cold_start
from farm_agent.wire import ArtifactSpec, Blob, JobSpec
from tests.agents.scenarios.clocks import MS, QUICK, Asked, Clock, S


def request(folder: Path, **options: str) -> Any:
    blob = Blob("0" * 64, 0, "model.bin")
    return SimpleNamespace(
        scenario_options=options,
        directory=str(folder),
        runtime="tensorrt",
        artifact=ArtifactSpec("onnx", "fp32", (blob,), (), ()),
    )


def file_system(path: Path) -> str:
    """The type of the file system that holds ``path``, from the kernel's table of mounts."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    above = [mount for mount in mounts if path.is_relative_to(mount[1])]
    return max(above, key=lambda mount: len(mount[1]))[2]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two megabytes that lie on the disk and, as they were just written, in the page cache."""
    path = tmp_path / "model.bin"
    with open(path, "wb") as file:
        file.write(os.urandom(2 << 20))
        file.flush()
        os.fsync(file.fileno())
    return path


def test_a_file_that_was_read_is_resident_and_one_that_was_dropped_is_not(model: Path) -> None:
    pagecache.load([model])
    assert pagecache.resident_share([model]) == 1.0
    assert pagecache.drop([model]) == ""
    if file_system(model) in ("tmpfs", "ramfs"):
        pytest.skip("this file system has its files in memory and nowhere else")
    assert pagecache.resident_share([model]) == 0.0


def test_residence_is_unknown_for_files_that_cannot_be_looked_at(tmp_path: Path) -> None:
    """And for none at all: no share is ever made up."""
    assert pagecache.resident_share([tmp_path / "missing"]) is None
    assert pagecache.resident_share([]) is None
    (tmp_path / "empty").touch()
    assert pagecache.resident_share([tmp_path / "empty"]) is None


def test_another_users_file_says_nothing(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel answers those who may not write to a file that all of it is there."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "geteuid", lambda: model.stat().st_uid + 1)
    assert pagecache.resident_share([model]) is None


def test_packages_are_found_without_importing_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the shared libraries that wheels put beside them."""
    for name in ("heavy/__init__.py", "heavy/core/kernel.so", "heavy.libs/libblas.so"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)

    names = {path.name for path in pagecache.package_files(["heavy", "no_such_package"])}
    assert names == {"__init__.py", "kernel.so", "libblas.so"}


def test_a_system_without_the_call_says_so(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise")
    state = cold_start.prepare(request(model.parent, page_cache="cold"))
    assert "posix_fadvise" in state["page_cache_problem"]
    assert state["page_cache"] != "cold"


def test_warm_reads_the_model_and_is_believed_only_when_seen(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pagecache.drop([model])
    state = cold_start.prepare(request(model.parent))
    assert state["page_cache"] == "warm"
    assert state["page_cache_resident_share"] == "1.0000"
    assert state["engine_cache"] == "off"
    monkeypatch.setattr(pagecache, "resident_share", lambda _: None)
    assert cold_start.prepare(request(model.parent))["page_cache"] == "unknown"


@pytest.mark.parametrize(("share", "word"), [(0.0, "cold"), (0.05, "cold"), (0.3, "partly"), (1.0, "partly")])
def test_cold_is_what_was_seen_not_what_was_wished(
    model: Path, monkeypatch: pytest.MonkeyPatch, share: float, word: str
) -> None:
    monkeypatch.setattr(pagecache, "package_files", lambda _: [])
    monkeypatch.setattr(pagecache, "resident_share", lambda _: share)
    state = cold_start.prepare(request(model.parent, page_cache="cold"))
    assert (state["page_cache"], state["page_cache_asked"]) == (word, "cold")


def test_the_block_after_the_first_inference_is_short() -> None:
    clock = Clock(repeat(10 * MS))
    block = cold_start.measure(clock.loop(), Asked(plan=QUICK.__class__(min_time_ns=30 * S, min_runs=10)))
    assert block.count == 100
    assert block.ended == "floor"


def test_an_unknown_state_is_refused_before_anything_runs() -> None:
    artifact = ArtifactSpec("onnx", "fp32", (), (), ())
    spec = JobSpec(
        "j", 1, artifact, "onnxruntime", QUICK, scenario="cold-start", scenario_options={"page_cache": "icy"}
    )
    with pytest.raises(JobError) as caught:
        cold_start.points(spec)
    assert caught.value.code == "scenario.option"
