"""What every test of a converter may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty cache."""
    return tmp_path / "cache"
