"""A disk that is full in the middle of a job: a readable failure, and the result still gets out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import need

from .parts import ENDLESS, Agent, local_agent, small_spec
from .test_record import until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Agent]:
    """An agent whose root is a file system of one MiB."""
    need(os.geteuid() == 0, "mounting a small file system needs root")
    agent = local_agent(tmp_path)
    agent.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(agent.root)]
    need(subprocess.run(mount, capture_output=True, check=False).returncode == 0, "tmpfs cannot be mounted")
    yield agent
    # The last job's processes may still be in there for a moment after its last word.
    until(
        lambda: subprocess.run(["umount", str(agent.root)], capture_output=True, check=False).returncode == 0
    )


def fill(agent: Agent) -> None:
    """Leave no byte free."""
    with open(agent.root / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


def test_a_job_that_cannot_be_laid_out_is_not_started(small_disk: Agent, tmp_path: Path) -> None:
    spec = small_spec(small_disk, tmp_path)
    fill(small_disk)
    from farm_agent import codec

    failure = small_disk.fail("start", stdin=codec.dumps(spec).encode())
    assert (failure["blame"], failure["code"]) == ("infrastructure", "device.disk-full")


def test_a_disk_that_fills_up_under_a_job_is_told_in_its_result(small_disk: Agent, tmp_path: Path) -> None:
    from dataclasses import replace

    # The first block ends by its cap, when the disk has long been full.
    plan = replace(ENDLESS, max_time_ns=8_000_000_000, warmup_max_ns=1)
    small_disk.start(small_spec(small_disk, tmp_path, plan=plan))
    small_disk.wait_for("job-1", event="progress")
    fill(small_disk)
    small_disk.wait_for("job-1")
    failure = small_disk.ask("result", "job-1")["result"]["failure"]
    assert (failure["blame"], failure["code"]) == ("infrastructure", "device.disk-full")
