"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIRE_ALL = os.environ.get("FARM_REQUIRE_ALL") == "1"


def need(condition: object, reason: str) -> None:
    """Go on only if the real part that a test needs is there.

    Without it the test is skipped with the reason; where ``FARM_REQUIRE_ALL=1`` says that every part
    must be there, it fails instead, so that a skip cannot hide a hole.
    """
    if condition:
        return
    if REQUIRE_ALL:
        pytest.fail(f"FARM_REQUIRE_ALL=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def models_folder() -> Path:
    """The folder of real models beside the checkout (or ``FARM_MODELS``); skips where there is none."""
    folder = Path(os.environ.get("FARM_MODELS", ROOT.parent / "shared" / "models"))
    if not folder.is_dir():
        # The collection is not part of the project, so its absence is never a failure.
        pytest.skip(f"no folder of real models at {folder} (set FARM_MODELS)")
    return folder


def share_environments(factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """Have the farm cache ``cache_dir`` use the converter environments that the whole test run shares.

    A gigabyte of toolchain is then built once, not once per test module. Returns ``cache_dir``.
    """
    base = factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    shared = base / "environments"
    shared.mkdir(exist_ok=True)
    cache_dir.mkdir(parents=True, exist_ok=True)
    (cache_dir / "environments").symlink_to(shared)
    return cache_dir
