"""What the tests of the command line and of whole runs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import share_conversions


@pytest.fixture(autouse=True)
def shared_conversions(private_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One conversion of a model serves every test that measures it, unless it has a cache of its own."""
    share_conversions(tmp_path_factory, private_folders / "cache" / "farm")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, for tests of what a first conversion does."""
    monkeypatch.setenv("FARM_CACHE_DIR", str(tmp_path / "own-cache"))
    return tmp_path / "own-cache"
