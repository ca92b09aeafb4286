"""The audit trail: rows come back newest first, whatever text they hold."""

from __future__ import annotations

from pathlib import Path

from farm import audit
from farm_results.store import open_store


def test_rows_come_back_newest_first_and_by_device(tmp_path: Path) -> None:
    """A device's rows alone, or all of them."""
    engine = open_store(tmp_path / "farm.db").engine
    audit.append(engine, "rpi4-a", "ann@desk", "locked", "for a demo \x00")
    audit.append(engine, "rpi4-b", "farm", "suspect", "link.lost")
    audit.append(engine, "rpi4-a", "ann@desk", "unlocked", "")
    assert [entry.event for entry in audit.recent(engine)] == ["unlocked", "suspect", "locked"]
    of_a = audit.recent(engine, "rpi4-a")
    assert [(entry.event, entry.reason) for entry in of_a] == [
        ("unlocked", ""),
        ("locked", "for a demo \x00"),
    ]
    assert of_a[0].at_unix_s >= of_a[1].at_unix_s > 1.6e9
    assert len(audit.recent(engine, limit=2)) == 2


def test_a_person_is_named_with_their_machine() -> None:
    """user@host."""
    assert "@" in audit.person()
