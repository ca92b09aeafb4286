"""Counters over time: what moved between two reads, in a folder that looks like /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm_agent.observe_counts import MOST_READS, Counts
from farm_agent.observe_proc import ProcessStat


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc/7").mkdir(parents=True)
    say(tmp_path, switches=3, swapped=(10, 20))
    return tmp_path


def say(root: Path, switches: int, swapped: tuple[int, int]) -> None:
    """As Linux 6 prints them, cut to the lines in question."""
    (root / "proc/7/status").write_text(
        f"Name:\tpython\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t{switches}\n"
    )
    (root / "proc/vmstat").write_text(f"nr_free_pages 5\npswpin {swapped[0]}\npswpout {swapped[1]}\n")


def stat(major_faults: int) -> ProcessStat:
    return ProcessStat("R", 0, major_faults)


def test_counters_that_moved_become_traces_on_the_clock_of_the_reads(root: Path) -> None:
    counts = Counts(root / "proc/7", root)
    counts.read(100, stat(5))
    say(root, switches=4, swapped=(10, 25))
    counts.read(300, stat(5))
    found = {trace.channel.name: trace for trace in counts.traces()}
    assert set(found) == {"involuntary_switches", "swapped_pages"}
    assert (found["swapped_pages"].times_ns, found["swapped_pages"].values) == ((100, 300), (30.0, 35.0))
    assert found["involuntary_switches"].values == (3.0, 4.0)
    assert {trace.channel.kind for trace in counts.traces()} == {"count"}


def test_what_the_kernel_does_not_tell_gives_no_trace(root: Path) -> None:
    (root / "proc/vmstat").write_text("nr_free_pages 5\n")
    (root / "proc/7/status").unlink()
    counts = Counts(root / "proc/7", root)
    counts.read(100, None)
    counts.read(200, stat(1))
    assert counts.traces() == ()


def test_a_long_run_is_bounded(root: Path) -> None:
    (root / "proc/7/status").unlink()
    (root / "proc/vmstat").unlink()
    counts = Counts(root / "proc/7", root)
    for time_ns in range(MOST_READS + 5):
        counts.read(time_ns, stat(time_ns))
    (trace,) = counts.traces()
    assert len(trace.values) == MOST_READS
