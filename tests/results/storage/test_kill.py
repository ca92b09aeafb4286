"""A writer that is killed at any moment leaves whole things or nothing, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kill_store import killed

KILLS = 10
"""``benchmarks/kill_store.py`` does it 200 times."""


def test_nothing_half_written_after_kill_nine(
    store_address: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Everything that was reported is there once and whole; what was sent again changed nothing."""
    on_server = "://" in store_address
    crash = request.getfixturevalue("postgres").crash if on_server else None
    tally = killed(store_address, tmp_path / "objects", KILLS, crash)
    assert (tally.lost, tally.doubled, tally.problems) == (0, 0, ())
    assert tally.stored >= tally.reported > KILLS
    assert tally.sent_again > 0
