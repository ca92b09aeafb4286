"""Files by content: whole or absent, verified when read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from farm_agent.errors import InfrastructureError, UsageError
from farm_results.storage.objects import Objects
from tests.results.made import sha256


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


def test_a_file_is_found_by_its_content(objects: Objects, tmp_path: Path) -> None:
    source = tmp_path / "samples"
    source.write_bytes(b"some samples")
    sha = objects.put_file(source)
    assert sha == sha256(b"some samples") == objects.put_bytes(b"some samples")
    assert objects.path_of(sha) == objects.folder / sha[:2] / sha[2:]
    assert objects.open(sha).read() == b"some samples"
    assert [path for path in objects.folder.rglob("*") if path.is_file()] == [objects.path_of(sha)]


def test_an_unexpected_content_is_refused(objects: Objects, tmp_path: Path) -> None:
    source = tmp_path / "samples"
    source.write_bytes(b"changed on the way")
    with pytest.raises(InfrastructureError) as caught:
        objects.put_file(source, expected="0" * 64)
    assert caught.value.code == "store.object-corrupt"
    assert not [path for path in objects.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", [b"", b"some sampleX", b"some samples and more"])
def test_a_damaged_object_is_an_error_and_putting_it_again_heals(objects: Objects, damage: bytes) -> None:
    sha = objects.put_bytes(b"some samples")
    objects.path_of(sha).unlink()
    objects.path_of(sha).write_bytes(damage)
    with pytest.raises(InfrastructureError) as caught:
        objects.open(sha)
    assert caught.value.code == "store.object-corrupt"
    objects.put_bytes(b"some samples")
    assert objects.open(sha).read() == b"some samples"


def test_a_lost_object_is_an_error(objects: Objects) -> None:
    with pytest.raises(InfrastructureError) as caught:
        objects.open("a" * 64)
    assert caught.value.code == "store.object-missing"


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", "aa/" + "a" * 61]
)
def test_only_a_sha256_names_an_object(objects: Objects, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        objects.path_of(name)
    assert caught.value.code == "store.object-name"


def test_leftovers_of_killed_writers_go_after_a_day(objects: Objects) -> None:
    objects.put_bytes(b"x")
    old, fresh = objects.folder / ".part-old", objects.folder / ".part-fresh"
    old.write_bytes(b"")
    fresh.write_bytes(b"")
    os.utime(old, (1, 1))
    objects.sweep()
    assert not old.exists()
    assert fresh.exists()
