"""What sweeping says that it freed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from farm_agent import sweep
from farm_agent.errors import InfrastructureError
from farm_agent.job import Job, Record
from farm_agent.root import Root, open_root


def test_freed_bytes_are_those_of_the_files_that_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever others do to the same disk meanwhile; a file that has another name is not freed."""
    root = open_root(str(tmp_path / "root"))
    lone, linked, stale = root.cas / ("a" * 64), root.cas / ("b" * 64), root.cas / f"{'c' * 64}.part"
    for path in (lone, linked, stale):
        path.write_bytes(b"x" * 100_000)
    _age(stale, 2)
    os.link(linked, tmp_path / "other name")
    used = 512 * (lone.stat().st_blocks + stale.stat().st_blocks)
    free = iter(range(0, 10**12, 10**9))
    monkeypatch.setattr(Root, "free_bytes", lambda _: next(free))

    swept = sweep.sweep(root, 0)

    assert swept == sweep.Swept((), 3, (), used)
    assert list(root.cas.iterdir()) == []


def test_what_a_killed_agent_left_half_written_goes_after_a_day(tmp_path: Path) -> None:
    root = open_root(str(tmp_path / "root"))
    (root.jobs / "one").mkdir()
    left = [
        root.path / ".tmp-a",
        root.cas / ".tmp-b",
        root.jobs / "one" / ".tmp-c",
        root.agents / "x.pyz.1.part",
    ]
    for path in left:
        path.write_bytes(b"x")
    sweep.sweep(root, 0)
    assert all(path.exists() for path in left), "somebody may be writing them now"
    for path in left:
        _age(path, 2)
    sweep.sweep(root, 0)
    assert not any(path.exists() for path in left)


def test_a_result_from_before_the_clock_was_set_is_not_old(tmp_path: Path) -> None:
    """A board without a clock measured in 1970, then learned the time: its weeks begin now."""
    root = open_root(str(tmp_path / "root"))
    job = root.jobs / "one"
    job.mkdir()
    (job / "state.json").write_text("{}")
    (job / "result.json").write_text("{}")
    os.utime(job, (100, 100))
    sweep.sweep(root, 0)
    assert (job / "result.json").exists()
    _age(job, 15)
    sweep.sweep(root, 0)
    assert not job.exists()


def _age(path: Path, days: float) -> None:
    """As if it had been written so long ago."""
    written = time.time() - days * 24 * 3600
    os.utime(path, (written, written))


def job_folder(
    root: Root, name: str, age_s: float, *, ended: bool = True, acknowledged: bool = False
) -> Path:
    """A job as it lies on the disk for so long."""
    folder = root.jobs / name
    folder.mkdir()
    if ended:
        Job(folder).write_record(Record("ok", "a" * 64))
        (folder / "result.json").write_text("{}")
    if acknowledged:
        (folder / "acknowledged").write_text("b" * 64)
    os.utime(folder, (time.time() - age_s,) * 2)
    return folder


def test_results_that_nobody_fetched_stay_for_two_weeks(tmp_path: Path) -> None:
    """Whatever the pressure; acknowledged ones go, the oldest first, and after a day what never started."""
    root = open_root(str(tmp_path / "root"))
    day_s = 24 * 3600.0
    job_folder(root, "b-acknowledged", 2 * day_s, acknowledged=True)
    job_folder(root, "c-acknowledged", 3 * day_s, acknowledged=True)
    job_folder(root, "a-acknowledged", 0, acknowledged=True)
    waiting = [job_folder(root, "unfetched", 13 * day_s), job_folder(root, "laid-out", 60, ended=False)]
    job_folder(root, "forgotten", 15 * day_s)
    job_folder(root, "never-started", 2 * day_s, ended=False)

    swept = sweep.sweep(root, 0)

    assert [name for name in swept.jobs if "acknowledged" in name] == [
        "c-acknowledged",
        "b-acknowledged",
        "a-acknowledged",
    ]
    assert {"forgotten", "never-started"} < set(swept.jobs)
    assert sorted(root.jobs.iterdir()) == sorted(waiting)


def test_a_driver_whose_time_is_over_sweeps_nothing(tmp_path: Path) -> None:
    root = open_root(str(tmp_path / "root"))
    kept = job_folder(root, "done", 0, acknowledged=True)
    with root.locked():
        root.raise_fence(5)
    with pytest.raises(InfrastructureError) as caught:
        sweep.sweep(root, 0, 4)
    assert caught.value.code == "lease.fenced"
    assert kept.exists()
    assert sweep.sweep(root, 0, 5).jobs == ("done",)
