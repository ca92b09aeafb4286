"""What sweeping says that it freed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from farm_agent import sweep
from farm_agent.root import Root, open_root


def test_freed_bytes_are_those_of_the_files_that_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever others do to the same disk meanwhile; a file that has another name is not freed."""
    root = open_root(str(tmp_path / "root"))
    lone, linked, stale = root.cas / ("a" * 64), root.cas / ("b" * 64), root.cas / f"{'c' * 64}.part"
    for path in (lone, linked, stale):
        path.write_bytes(b"x" * 100_000)
    os.utime(stale, (1, 1))
    os.link(linked, tmp_path / "other name")
    used = 512 * (lone.stat().st_blocks + stale.stat().st_blocks)
    free = iter(range(0, 10**12, 10**9))
    monkeypatch.setattr(Root, "free_bytes", lambda _: next(free))

    swept = sweep.sweep(root, 0)

    assert swept == sweep.Swept((), 3, (), used)
    assert list(root.cas.iterdir()) == []
